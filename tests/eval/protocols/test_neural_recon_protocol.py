"""A small room in posed video: rendered, trimmed, compared."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from miniature_tasks import room_task
from miniature_world import BALL, HALF, RADIUS, photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.neural_recon import NeuralRecon


def room() -> trimesh.Trimesh:
    """The whole room with the ball, also what no photo saw."""
    walls = trimesh.creation.box(2 * HALF)
    walls.invert()
    for _ in range(6):
        walls = walls.subdivide()
    ball = trimesh.creation.icosphere(4, RADIUS)
    ball.apply_translation(BALL)
    return trimesh.util.concatenate([walls, ball])


@pytest.fixture
def task(tmp_path):
    """The reference is what the photos saw, as finely as it is compared."""
    world = photograph(6, (48, 64), step_deg=8)
    task = room_task(world, tmp_path, kind="video", world_from_cam=world.world_from_cam)
    room().export(tmp_path / "room.ply")
    seen = np.concatenate(photograph(6, (144, 192), step_deg=8).points()).reshape(-1, 3)
    return replace(task, truth=replace(task.truth, cloud=lambda: seen))


def test_the_true_room_is_perfect_also_where_no_photo_saw_it(task):
    values = NeuralRecon().score(task, replace(Estimate.of_truth(task), mesh=room())).values

    assert set(values) == {metric.name for metric in NeuralRecon.metrics}
    assert values["abs_rel"] < 2e-3
    assert values["within_125"] > 0.998  # pixels on the rim of the ball, which is a polyhedron here
    assert values["complete"] == 1
    assert values["precision"] > 0.97
    assert values["recall"] > 0.97
    assert values["accuracy"] < 0.02


def test_without_a_mesh_depths_are_fused(task):
    values = NeuralRecon().score(task, Estimate.of_truth(task)).values

    assert values["abs_rel"] < 0.01
    assert values["complete"] > 0.95
    assert values["precision"] > 0.95


def test_a_room_that_is_larger_by_a_tenth_is_off_by_a_tenth(task):
    # Seen from the first camera, all depths grow by as much.
    world = photograph(1, (48, 64))
    one = replace(
        task,
        inputs=replace(task.inputs, photos=task.inputs.photos[:1]),
        truth=replace(
            task.truth,
            intrinsics=world.intrinsics,
            world_from_cam=world.world_from_cam,
            depths=(lambda: world.depths[0],),
        ),
    )
    mesh, centre = room(), world.world_from_cam[0, :3, 3]
    mesh.vertices = centre + 1.1 * (mesh.vertices - centre)

    values = NeuralRecon().score(one, replace(Estimate.of_truth(one), mesh=mesh)).values

    assert values["abs_rel"] == pytest.approx(0.1, abs=0.003)
    assert values["abs_diff"] == pytest.approx(0.1 * world.depths.mean(), rel=0.03)
    assert values["log_rmse"] == pytest.approx(np.log(1.1), abs=0.02)
    assert values["precision"] < 0.2


def test_half_a_mesh_is_half_complete(task):
    mesh = room()
    on_ball = np.linalg.norm(mesh.triangles_center - BALL, axis=1) < RADIUS  # through which nothing must be seen
    mesh.update_faces((mesh.triangles_center[:, 0] > 0.3) | on_ball)

    values = NeuralRecon().score(task, replace(Estimate.of_truth(task), mesh=mesh)).values

    assert 0.3 < values["complete"] < 0.7
    assert values["abs_rel"] < 0.01
    assert values["precision"] > 0.95
    assert values["recall"] < 0.75


def test_a_frame_of_its_own_may_be_aligned(task):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("y", 50, degrees=True).as_matrix()
    mesh = room()
    mesh.apply_transform(turn)
    truth = Estimate.of_truth(task)
    turned = replace(truth, mesh=mesh, world_from_cam=turn @ truth.world_from_cam)

    assert NeuralRecon(align="sim3").score(task, turned).values["abs_rel"] < 2e-3
    assert NeuralRecon().score(task, turned).values["abs_rel"] > 0.05


def test_a_depth_camera_may_have_its_own_intrinsics(task):
    other = task.truth.intrinsics.copy()
    other[:, 0, 0] *= 0.5  # photos of another lens than the depth maps
    own = replace(task.truth, intrinsics=other, extra={"depth_intrinsics": task.truth.intrinsics})
    estimate = replace(Estimate.of_truth(task), mesh=room())

    assert NeuralRecon().score(replace(task, truth=own), estimate).values["abs_rel"] < 2e-3
    without = replace(task, truth=replace(own, extra={}))
    assert NeuralRecon().score(without, estimate).values["abs_rel"] > 0.05


def test_frames_without_a_pose_are_left_out(task):
    poses = task.truth.world_from_cam.copy()
    poses[2] = np.nan
    lost = replace(task, truth=replace(task.truth, world_from_cam=poses))

    assert NeuralRecon().score(lost, replace(Estimate.of_truth(task), mesh=room())).values["complete"] == 1


def test_nothing_is_the_worst(task):
    values = NeuralRecon().score(task, Estimate(np.full((6, 4, 4), np.nan))).values

    assert values["f_score"] == values["complete"] == 0
    assert np.isnan(values["abs_rel"])
