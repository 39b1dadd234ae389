"""A bottle-like solid against meshes that were made of it."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from miniature_tasks import room_task
from miniature_world import photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.object_mesh import ObjectMesh

SETTINGS = ObjectMesh(samples=20_000)


def solid() -> trimesh.Trimesh:
    """No two sides alike, so that registration has one answer; 1 m or so in size."""
    mesh = trimesh.creation.icosphere(4, 0.5)
    x, y, z = mesh.vertices.T
    mesh.vertices = np.stack([x * (1 + 0.4 * y), 1.3 * y, z * (0.8 + 0.3 * x)], axis=-1)
    mesh.apply_translation([0.3, 0.6, 0.8])
    return mesh


@pytest.fixture
def task(tmp_path):
    task = room_task(photograph(6, (48, 64), step_deg=30), tmp_path)
    solid().export(tmp_path / "scan.ply")
    return replace(task, truth=replace(task.truth, cloud=None, depths=(), mesh=tmp_path / "scan.ply"))


def diagonal() -> float:
    return float(np.linalg.norm(np.ptp(solid().vertices, axis=0)))


def estimate_with(task, mesh: trimesh.Trimesh, move: np.ndarray | None = None) -> Estimate:
    poses = task.truth.world_from_cam
    if move is not None:
        mesh = mesh.copy()
        mesh.apply_transform(move)
        poses = move @ poses
        poses[:, :3, :3] /= np.linalg.norm(move[0, :3])
    return replace(Estimate.of_truth(task), mesh=mesh, world_from_cam=poses)


def similarity(scale: float) -> np.ndarray:
    move = np.eye(4)
    move[:3, :3] = scale * Rotation.from_euler("xyz", [40, 10, -80], degrees=True).as_matrix()
    move[:3, 3] = [4, -3, 2]
    return move


@pytest.mark.parametrize("move", [None, similarity(0.3), similarity(12.0)])
def test_the_scan_itself_is_perfect_in_any_frame_and_unit(move, task):
    values = SETTINGS.score(task, estimate_with(task, solid(), move)).values

    assert values["f_1"] == values["f_2"] == 1
    # Both sides are sampled, with one seed, and so the samples are the same but for rounding.
    assert values["chamfer"] == pytest.approx(0, abs=2e-3)
    assert values["volume_iou"] == pytest.approx(1, abs=0.01)


def test_a_larger_solid_in_a_frame_that_may_not_scale_is_off_by_its_growth(task):
    grown = solid()
    centre = grown.center_mass
    grown.vertices = centre + 1.05 * (grown.vertices - centre)

    free = SETTINGS.score(task, estimate_with(task, grown)).values
    fixed = replace(SETTINGS, scale=False).score(task, estimate_with(task, grown)).values

    assert free["volume_iou"] > 0.98
    assert fixed["volume_iou"] == pytest.approx(1.05**-3, abs=0.02)
    assert fixed["chamfer"] == pytest.approx(0.05 * 0.5, rel=0.3)
    assert fixed["f_1"] < 0.5 < 0.99 < free["f_1"]


def test_icp_makes_up_for_cameras_that_are_a_little_off(task):
    shifted = solid()
    shifted.apply_translation([0.02, -0.01, 0.015])

    assert SETTINGS.score(task, estimate_with(task, shifted)).values["f_1"] > 0.99
    without = replace(SETTINGS, icp=None).score(task, estimate_with(task, shifted)).values
    assert without["chamfer"] == pytest.approx(0.014, rel=0.2)  # of 0.027, what is along normals


def test_what_is_around_the_object_does_not_count(task):
    table = trimesh.creation.box((6, 0.01, 6))
    table.apply_translation([0.3, 3.0, 0.8])

    values = SETTINGS.score(task, estimate_with(task, trimesh.util.concatenate([solid(), table]))).values

    assert values["f_1"] == 1


def test_an_open_mesh_has_no_volume(task):
    half = solid()
    half.update_faces(half.triangles_center[:, 1] > 0.6)

    values = replace(SETTINGS, icp=None).score(task, estimate_with(task, half)).values

    assert np.isnan(values["volume_iou"])
    assert values["accuracy"] < 0.01
    assert 0.5 < values["f_1"] < 0.8


def test_depths_are_fused_where_there_is_no_mesh(task, tmp_path):
    world = photograph(6, (96, 128), step_deg=50)
    ball = trimesh.creation.icosphere(4, 0.6)
    ball.apply_translation([0.3, 0.6, 0.8])
    ball.export(tmp_path / "ball.ply")
    task = room_task(world, tmp_path)
    on_ball = [np.linalg.norm(points - [0.3, 0.6, 0.8], axis=-1) < 0.61 for points in world.points()]
    masks = [lambda mask=mask: mask for mask in on_ball]
    task = replace(task, truth=replace(task.truth, mesh=tmp_path / "ball.ply", extra={"masks": masks}))
    estimate = replace(Estimate.of_truth(task), mesh=None)

    values = SETTINGS.score(task, estimate).values

    assert values["accuracy"] < 0.01 * diagonal()
    assert values["f_2"] > 0.8
    unmasked = replace(task, truth=replace(task.truth, extra={}))
    assert SETTINGS.score(unmasked, estimate).values["accuracy"] > values["accuracy"]


def test_nothing_is_the_worst(task):
    values = SETTINGS.score(task, Estimate(np.full((6, 4, 4), np.nan))).values

    assert values["f_1"] == 0
    assert np.isnan(values["chamfer"])
    assert set(values) == {metric.name for metric in SETTINGS.metrics}
