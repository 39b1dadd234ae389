"""transforms.json by its documented conventions, computed here from scratch."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from scenes import make_scene, without_registration

from pointmap.errors import InputError
from pointmap.export.nerfstudio import depth_fitting_scale, write_nerfstudio
from pointmap.scene import Scene


def frames_of(folder: Path) -> list[dict]:
    """With what all share."""
    content = json.loads((folder / "transforms.json").read_text())
    return [content | frame for frame in content["frames"]]


def seen_by(frame: dict, point: np.ndarray) -> tuple[float, float, float]:
    """Column and row from the corner of the first pixel, and depth, as a renderer with OpenGL's cameras has it."""
    x, y, z = (np.linalg.inv(frame["transform_matrix"]) @ [*point, 1.0])[:3]
    return frame["fl_x"] * x / -z + frame["cx"], frame["fl_y"] * -y / -z + frame["cy"], -z


def test_every_depth_pixel_is_the_point_of_the_cloud_that_the_camera_sees_there(tmp_path):
    scene = make_scene(num_photos=3)

    folder = write_nerfstudio(scene, tmp_path / "out")

    scale = json.loads((folder / "transforms.json").read_text())["scale_from_scene"]
    for view, frame in enumerate(frames_of(folder)):
        levels = cv2.imread(str(folder / frame["depth_file_path"]), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(folder / frame["file_path"]))
        assert image.shape[:2] == (frame["h"], frame["w"])
        assert levels.dtype == np.uint16
        for row, column in np.argwhere(scene.masks()[view])[::50]:
            u, v, depth = seen_by(frame, scene.pointmaps[view][row, column] * scale)
            # Depth maps may be smaller than the photos; both cover the same field of view.
            there = int(v * levels.shape[0] / frame["h"]), int(u * levels.shape[1] / frame["w"])
            assert there == (row, column)
            assert abs(levels[there] * 0.001 - depth) < 0.001


def test_depths_use_the_bits_and_points_are_in_the_same_world(tmp_path):
    scene = make_scene(num_photos=3)
    folder = write_nerfstudio(scene, tmp_path)

    content = json.loads((folder / "transforms.json").read_text())
    levels = [cv2.imread(str(folder / f["depth_file_path"]), cv2.IMREAD_UNCHANGED) for f in content["frames"]]
    cloud = trimesh.load(folder / content["ply_file_path"])

    assert 32000 < max(level.max() for level in levels) < 65535
    own = scene.point_cloud()
    np.testing.assert_allclose(
        np.sort(cloud.vertices[:, 0]), np.sort(own.vertices[:, 0]) * content["scale_from_scene"], rtol=1e-5
    )
    assert content["world_unit"] == "arbitrary"


def test_metres_stay_metres(tmp_path):
    scene = replace(make_scene(num_photos=2), metric=True)

    folder = write_nerfstudio(scene, tmp_path)

    content = json.loads((folder / "transforms.json").read_text())
    assert (content["scale_from_scene"], content["world_unit"]) == (1.0, "metre")
    np.testing.assert_allclose(
        np.array(frames_of(folder)[1]["transform_matrix"])[:3, 3], scene.world_from_cam[1, :3, 3], atol=1e-9
    )


def test_a_camera_that_all_share_is_written_once_at_the_top(tmp_path):
    scene = make_scene(num_photos=2)
    scene = replace(scene, **{name: getattr(scene, name)[[0, 0]] for name in ("intrinsics", "working_intrinsics")})
    scene = replace(scene, image_sizes=scene.image_sizes[[0, 0]])

    content = json.loads((write_nerfstudio(scene, tmp_path) / "transforms.json").read_text())

    assert "fl_x" in content
    assert all("fl_x" not in frame for frame in content["frames"])
    # Without originals the working image is written, with its own camera.
    assert (content["w"], content["h"]) == scene.colors[0].shape[1::-1]
    assert content["cx"] == pytest.approx(scene.working_intrinsics[0, 0, 2] + 0.5)
    assert [content[key] for key in ("k1", "k2", "p1", "p2")] == [0, 0, 0, 0]


def test_pixels_that_are_not_kept_have_no_depth(tmp_path):
    scene = make_scene(num_photos=2)
    scene.confidences[0][:, :10] = 1.0

    folder = write_nerfstudio(scene, tmp_path, min_confidence=2.0, max_points=100)

    levels = cv2.imread(str(folder / frames_of(folder)[0]["depth_file_path"]), cv2.IMREAD_UNCHANGED)
    assert not levels[:, :10].any()
    assert levels[:, 12:].any()
    assert 50 < len(trimesh.load(folder / "sparse_pc.ply").vertices) <= 100


@pytest.mark.parametrize(
    ("largest", "metric"), [(3.0, False), (1e-4, False), (800.0, False), (800.0, True), (64.0, True)]
)
def test_the_unit_makes_depths_fit_by_a_power_of_two(largest, metric):
    scale = depth_fitting_scale([np.array([0.5 * largest, largest]), np.zeros(0)], metric)

    assert largest * scale <= 65.535
    assert metric or largest * scale > 32.7
    assert np.log2(scale) == round(np.log2(scale))


def test_scenes_without_photos_depths_or_cameras_are_written_too(tmp_path):
    scene = make_scene(num_photos=2)
    for number, empty in enumerate(
        (
            without_registration(scene, 0, 1),
            replace(scene, depths=[np.full_like(depth, np.nan) for depth in scene.depths]),
        )
    ):
        folder = write_nerfstudio(empty, tmp_path / str(number))
        assert len(frames_of(folder)) == 2 * number


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="Cannot write"):
        Scene.export(make_scene(num_photos=1), tmp_path / "file", format="nerfstudio")
    assert (tmp_path / "file").read_text() == ""
