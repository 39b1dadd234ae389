"""COLMAP models that we write are read by us and by COLMAP, and those of COLMAP by us."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sfm.sfm_scenes import Made, orbit

from pointmap.errors import InputError
from pointmap.sfm import SfmModel, read_model, write_model
from pointmap.sfm.model import reprojection_errors

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def true_model(scene: Made, names: tuple[str, ...] = NAMES) -> SfmModel:
    """The scene as if it had been found exactly; the last photo is not registered."""
    count = len(names)
    registered = np.arange(count) < count - 1
    points, views = (scene.seen & registered[:, None]).T.nonzero()
    unknown = np.where(registered, 1.0, np.nan)[:, None, None]
    return SfmModel(
        names=names,
        image_sizes=np.tile((640, 400), (count, 1)),
        registered=registered,
        world_from_cam=scene.world_from_cam * unknown,
        intrinsics=np.tile(scene.K, (count, 1, 1)) * unknown,
        distortion=np.zeros((count, 5)),
        points=scene.points,
        colors=np.arange(3 * len(scene.points)).reshape(-1, 3).astype(np.uint8),
        errors=np.linspace(0, 1, len(scene.points)),
        track_points=points,
        track_views=views,
        track_pixels=scene.pixels[views, points],
    )


def assert_same(found: SfmModel, expected: SfmModel) -> None:
    for name, value in vars(expected).items():
        if name == "names":
            assert found.names == value
        else:
            np.testing.assert_allclose(getattr(found, name), value, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("format", ["binary", "text"])
def test_reading_returns_what_was_written_and_projections_agree(tmp_path: Path, format):
    model = true_model(orbit(4, points=50))

    found = read_model(write_model(tmp_path / "sparse" / "0", model, format=format)).in_order(NAMES)

    assert_same(found, replace(model, image_sizes=model.image_sizes * model.registered[:, None]))
    assert reprojection_errors(found).max() < 1e-9
    assert read_model(tmp_path).names == NAMES[:3]  # found in sparse/0 too


@pytest.mark.parametrize("format", ["binary", "text"])
def test_colmap_reads_what_we_write_and_its_own_projections_agree(tmp_path: Path, format):
    pycolmap = pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")
    model = true_model(orbit(4, points=50))
    model = replace(model, distortion=np.tile([0.05, 0.01, 0.002, -0.001, 0.0], (4, 1)))

    read = pycolmap.Reconstruction(write_model(tmp_path, model, format=format))

    assert read.num_reg_images() == 3
    assert read.num_points3D() == 50
    assert read.compute_num_observations() == len(model.track_points)
    for view in range(3):
        image = read.find_image_with_name(NAMES[view])
        points, pixels = model.seen_by(view)
        np.testing.assert_allclose([point.xy for point in image.points2D], pixels + 0.5)
        np.testing.assert_array_equal([point.point3D_id for point in image.points2D], points + 1)
        projected = np.array([image.project_point(point) for point in model.points[points]]) - 0.5
        own = reprojection_errors(model)[model.track_views == view]
        np.testing.assert_allclose(np.linalg.norm(projected - pixels, axis=1), own, atol=1e-9)


@pytest.mark.parametrize("distortion", [[0, 0, 0, 0, 0], [0.1, 0, 0, 0, 0], [0.1, 0.2, 0, 0, 0], [0.1, 0, 0, 0, 0.3]])
@pytest.mark.parametrize("stretch", [1.0, 1.01])
def test_colmap_writes_what_we_read(tmp_path: Path, distortion, stretch):
    pycolmap = pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")
    model = true_model(orbit(4, points=20))
    model = replace(model, distortion=np.tile(distortion, (4, 1)).astype(float))
    model.intrinsics[:, 1, 1] *= stretch
    (tmp_path / "theirs").mkdir()

    pycolmap.Reconstruction(write_model(tmp_path / "ours", model)).write_text(tmp_path / "theirs")

    assert_same(read_model(tmp_path / "theirs"), read_model(tmp_path / "ours"))


def test_an_older_model_leaves_nothing_behind(tmp_path: Path):
    model = true_model(orbit(4, points=20))
    for name in ("rigs.bin", "frames.bin", "frames.txt", "notes.md"):
        (tmp_path / name).write_bytes(b"old")

    write_model(tmp_path, model, format="text")
    write_model(tmp_path, model)

    assert {path.name for path in tmp_path.iterdir()} == {"cameras.bin", "images.bin", "points3D.bin", "notes.md"}


@pytest.mark.parametrize("format", ["binary", "text"])
def test_damaged_and_missing_models_are_said_to_be_so(tmp_path: Path, format):
    with pytest.raises(InputError, match=r"No COLMAP model in .*sparse/0"):
        read_model(tmp_path)
    write_model(tmp_path, true_model(orbit(4, points=20)), format=format)
    points = next(tmp_path.glob("points3D.*"))
    whole = points.read_bytes()
    points.write_bytes(whole[: len(whole) // 2 + 3])
    with pytest.raises(InputError, match="is damaged"):
        read_model(tmp_path)
    images = next(tmp_path.glob("images.*"))
    points.write_bytes(whole)
    images.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(InputError, match="is damaged"):
        read_model(tmp_path)


def test_a_fisheye_camera_is_refused_by_name(tmp_path: Path):
    write_model(tmp_path, true_model(orbit(4, points=20)), format="text")
    (tmp_path / "cameras.txt").write_text("1 OPENCV_FISHEYE 640 400 500 500 320 200 0 0 0 0\n")

    with pytest.raises(InputError, match=r"OPENCV_FISHEYE.*Undistort"):
        read_model(tmp_path)


def test_names_with_blanks_fit_into_binary_files_alone(tmp_path: Path):
    model = true_model(orbit(4, points=20), names=("a b.jpg", "c.jpg", "d.jpg", "e.jpg"))

    assert read_model(write_model(tmp_path, model)).names[0] == "a b.jpg"
    with pytest.raises(InputError, match=r"'a b.jpg'.*binary"):
        write_model(tmp_path, model, format="text")
