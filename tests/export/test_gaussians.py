import numpy as np
import pytest
from scenes import BALL_CENTRE, make_scene, without_registration
from scipy.spatial import cKDTree

from pointmap import InputError

COLUMNS = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
TAIL = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def written(scene, tmp_path, **settings):
    """Columns by name, in the order of the file."""
    content = scene.export(tmp_path / "splats.ply", format="splats", **settings).read_bytes()
    header, _, body = content.partition(b"end_header\n")
    names = [line.split()[-1] for line in header.decode().splitlines() if line.startswith("property float")]
    table = np.frombuffer(body, np.dtype([(name, "<f4") for name in names]))
    assert f"element vertex {len(table)}" in header.decode()
    return {name: table[name].astype(float) for name in names}


def axes(splats):
    """(n, 3, 3) rotation matrices, by the formula of the original renderer."""
    w, x, y, z = (splats[f"rot_{i}"] for i in range(4))
    np.testing.assert_allclose(w**2 + x**2 + y**2 + z**2, 1, atol=1e-5)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def test_every_point_becomes_a_gaussian_of_its_colour(tmp_path):
    scene = make_scene()
    cloud = scene.point_cloud()

    splats = written(scene, tmp_path)

    assert list(splats) == COLUMNS + TAIL
    np.testing.assert_allclose(np.stack([splats[k] for k in "xyz"], -1), cloud.vertices, rtol=1e-6, atol=1e-6)
    shown = 0.5 + 0.28209479177387814 * np.stack([splats[f"f_dc_{i}"] for i in range(3)], -1)
    np.testing.assert_allclose(255 * shown, np.asarray(cloud.colors)[:, :3], atol=1e-3)
    np.testing.assert_allclose(1 / (1 + np.exp(-splats["opacity"])), 0.9, atol=1e-6)


def test_they_lie_flat_on_the_surface(tmp_path):
    scene = make_scene(scale=4, num_photos=3)
    splats = written(scene, tmp_path)
    outward = np.stack([splats[k] for k in "xyz"], -1) - BALL_CENTRE
    radius = np.linalg.norm(outward, axis=-1)
    on_ball = np.abs(radius - 0.45) < 1e-3

    scales = np.exp(np.stack([splats[f"scale_{i}"] for i in range(3)], -1))
    thinnest = axes(splats)[..., 2]

    assert (scales[:, 2] < 0.3 * scales[:, 1]).all()
    assert (scales[:, 1] <= scales[:, 0] * 1.0001).all()
    cosine = (thinnest * outward).sum(-1)[on_ball] / radius[on_ball]
    assert np.median(cosine) > 0.999


def test_they_are_as_wide_as_their_pixels_are_apart(tmp_path):
    scene = make_scene(scale=2, num_photos=1)
    cloud = scene.point_cloud()
    splats = written(scene, tmp_path)
    tree = cKDTree(cloud.vertices)
    to_next = tree.query(cloud.vertices, k=2)[0][:, 1]

    ratio = np.exp(splats["scale_1"]) / to_next

    assert 0.5 < np.median(ratio) < 0.7
    # Pixels of a wall seen at an angle lie apart along its slope by the spacing over the cosine.
    normals, ahead = cloud.metadata["normal"], cloud.vertices / np.linalg.norm(cloud.vertices, axis=1, keepdims=True)
    cosine = np.abs((normals * ahead).sum(axis=1))
    oblique = (cosine > 0.3) & (cosine < 0.8)
    stretch = np.exp(splats["scale_0"] - splats["scale_1"])
    np.testing.assert_allclose(stretch[oblique], 1 / cosine[oblique], rtol=1e-3)
    assert stretch.max() < 4.01


def test_fewer_gaussians_are_larger(tmp_path):
    scene = make_scene(scale=2, num_photos=2)
    total = len(scene.point_cloud().vertices)

    few, all_ = written(scene, tmp_path, max_points=total // 4), written(scene, tmp_path)

    assert len(few["x"]) == total // 4
    assert np.median(few["scale_1"]) - np.median(all_["scale_1"]) == pytest.approx(np.log(2), abs=0.05)


def test_the_original_loader_finds_its_45_more_coefficients(tmp_path):
    splats = written(make_scene(num_photos=1), tmp_path, sh_degree=3)

    rest = [name for name in splats if name.startswith("f_rest_")]
    assert list(splats) == COLUMNS + rest + TAIL
    assert rest == [f"f_rest_{i}" for i in range(45)]
    assert not any(splats[name].any() for name in rest)


def test_no_points_are_a_valid_file(tmp_path):
    splats = written(without_registration(make_scene(num_photos=2), 0, 1), tmp_path)

    assert list(splats) == COLUMNS + TAIL
    assert len(splats["x"]) == 0


@pytest.mark.parametrize(
    ("settings", "message"), [({"opacity": 1.0}, "opacity is 1"), ({"sh_degree": 4}, "0, 1, 2 or 3")]
)
def test_numbers_that_no_gaussian_has_are_refused(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        make_scene(num_photos=1).export(tmp_path / "splats.ply", format="splats", **settings)
