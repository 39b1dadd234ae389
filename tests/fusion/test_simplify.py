import numpy as np
import pytest
from shapes import ball, ball_with_hole, sheet
from trimesh import Trimesh

from pointmap.errors import InputError
from pointmap.fusion.manifold import border_loops, opposites
from pointmap.fusion.simplify import simplified
from pointmap.fusion.triangles import Triangles


def lumps(voxels: int = 48) -> Triangles:
    """Bodies with bridges and thin places, as large as a grid: collapsing their edges makes them touch."""
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes

    noise = gaussian_filter(np.random.default_rng(0).normal(size=(voxels,) * 3), 1.5)
    noise[[0, -1]] = noise[:, [0, -1]] = noise[:, :, [0, -1]] = -1
    vertices, faces, _, _ = marching_cubes(noise.astype(np.float32), 0.01, gradient_direction="ascent")
    return Triangles(vertices.astype(float), faces.astype(np.int64))


@pytest.mark.parametrize("target", [1000, 300])
def test_a_ball_of_fewer_faces_is_as_round_as_they_allow(target: int):
    small = simplified(ball(5), target)

    assert abs(len(small.faces) - target) <= 0.02 * target
    assert small.to_mesh().is_volume
    assert np.abs(np.linalg.norm(small.vertices, axis=1) - 1).max() < 8 / target
    np.testing.assert_allclose(small.colors, 125 * (small.vertices + 1), atol=12)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_what_is_closed_stays_closed_and_proper(share: float):
    mesh = lumps()

    small = simplified(mesh, int(share * len(mesh.faces)))

    assert abs(len(small.faces) / len(mesh.faces) - share) < 0.05 * share + 0.002
    assert Trimesh(small.vertices.astype(np.float32), small.faces).is_volume  # merged, as other programs do
    assert small.areas.min() > 0


def test_borders_keep_their_course():
    small = simplified(sheet(), 60)

    assert abs(len(small.faces) - 60) <= 3
    assert small.areas.sum() == pytest.approx(29 * 39)
    assert np.abs(small.vertices[:, 2]).max() < 1e-6
    for corner in ([0, 0, 0], [39, 0, 0], [0, 29, 0], [39, 29, 0]):
        assert np.linalg.norm(small.vertices - corner, axis=1).min() < 1e-6

    rim = simplified(ball_with_hole(0.6), 400)
    (loop,) = border_loops(rim)
    (before,) = border_loops(ball_with_hole(0.6))
    assert abs(np.ptp(rim.vertices[loop, 0]) - np.ptp(ball_with_hole(0.6).vertices[before, 0])) < 0.05


def test_simplifying_ten_to_one_moves_the_surface_by_a_fraction_of_an_edge():
    mesh = ball(5)
    mesh = Triangles(mesh.vertices * (1 + 0.1 * np.sin(4 * mesh.vertices[:, :1])), mesh.faces)

    small = simplified(mesh, len(mesh.faces) // 10)

    from scipy.spatial import KDTree

    points = np.concatenate([small.vertices, small.vertices[small.faces].mean(axis=1)])
    distance, nearest = KDTree(mesh.vertices).query(points)
    off = np.abs(((points - mesh.vertices[nearest]) * mesh.vertex_normals[nearest]).sum(axis=1))
    assert off.max() < 0.25 * mesh.edge_length
    assert distance.max() < mesh.edge_length


def test_scale_and_place_change_nothing():
    mesh = ball(4)
    far = Triangles(mesh.vertices * 1e-3 + 50, mesh.faces)

    here, there = simplified(mesh, 500), simplified(far, 500)

    assert abs(len(here.faces) - len(there.faces)) <= 2
    np.testing.assert_allclose(np.ptp(there.vertices, axis=0), 1e-3 * np.ptp(here.vertices, axis=0), rtol=0.01)


def test_few_faces_stay_as_they_are():
    mesh = ball(1)

    assert simplified(mesh, len(mesh.faces)) is mesh
    nothing = Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3)))
    assert simplified(nothing, 10) is nothing
    with pytest.raises(InputError, match="target_faces is 0"):
        simplified(mesh, 0)


def test_no_target_is_too_small_to_try():
    for mesh in (ball(3), sheet(), ball_with_hole(0.6, 3)):
        few = simplified(mesh, 1)

        assert len(few.faces) < 60
        assert np.isfinite(few.vertices).all()
    assert (opposites(simplified(ball(3), 1)) >= 0).all()
