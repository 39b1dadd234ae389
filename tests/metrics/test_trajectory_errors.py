"""ATE and RPE of errors that we made, and beside evo."""

import math

import numpy as np
import pytest
import roma
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.similarity import move_cameras
from pointmap.geometry.transforms import rigid
from pointmap.metrics.trajectories import align_trajectory, centre_errors, spread, step_errors

ALIGNMENTS = ("sim3", "se3", "scale", "none")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def walk(frames: int = 20) -> Tensor:
    centres = torch.randn(frames, 3, dtype=torch.float64).cumsum(0)
    return rigid(roma.random_rotmat(frames, dtype=torch.float64), centres)


def elsewhere(world_from_cam: Tensor, factor: float = 3.0) -> Tensor:
    other_from_world = rigid(
        factor * roma.random_rotmat(dtype=torch.float64), torch.tensor([5.0, -2.0, 1.0], dtype=torch.float64)
    )
    return move_cameras(other_from_world, world_from_cam)


def shaken(world_from_cam: Tensor, sigma: float) -> Tensor:
    """Every pose disturbed on its own."""
    turn = roma.rotvec_to_rotmat(0.1 * torch.randn(len(world_from_cam), 3, dtype=torch.float64))
    return world_from_cam @ rigid(turn, sigma * torch.randn(len(world_from_cam), 3, dtype=torch.float64))


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_ate_and_rpe_are_those_of_evo(align: str):
    metrics = pytest.importorskip("evo.core.metrics")
    trajectory = pytest.importorskip("evo.core.trajectory")
    true = walk()
    estimated = shaken(elsewhere(true), 0.3)

    theirs, reference = (trajectory.PosePath3D(poses_se3=list(poses.numpy().copy())) for poses in (estimated, true))
    if align != "none":
        theirs.align(reference, correct_scale=align != "se3", correct_only_scale=align == "scale")
    ate = metrics.APE(metrics.PoseRelation.translation_part)
    ate.process_data((reference, theirs))
    ours = spread(centre_errors(estimated, true, align))

    expected = ate.get_all_statistics()
    assert [ours.rmse, ours.mean, ours.median, ours.largest] == pytest.approx(
        [expected[name] for name in ("rmse", "mean", "median", "max")]
    )
    for delta in (1, 4):
        steps = step_errors(estimated, true, delta=delta, align=align)
        for relation, errors in (
            (metrics.PoseRelation.translation_part, steps.translation),
            (metrics.PoseRelation.rotation_angle_deg, steps.rotation_deg),
        ):
            rpe = metrics.RPE(relation, delta, metrics.Unit.frames, rel_delta_tol=0.01, all_pairs=True)
            rpe.process_data((reference, theirs))
            np.testing.assert_allclose(errors.numpy(), rpe.error, atol=1e-7)


def test_a_moved_world_of_another_scale_has_no_error_after_a_similarity():
    true = walk()

    moved = elsewhere(true)

    assert spread(centre_errors(moved, true)).largest < 1e-9
    assert spread(step_errors(moved, true).translation).largest < 1e-9
    assert spread(centre_errors(moved, true, "se3")).rmse > 1


def test_without_an_alignment_a_shift_is_an_error_and_steps_have_none():
    true = walk()
    shifted = true.clone()
    shifted[:, 0, 3] += 0.25

    assert spread(centre_errors(shifted, true, "none")).mean == pytest.approx(0.25)
    assert spread(step_errors(shifted, true, align="none").translation).largest < 1e-9


def test_noise_of_a_known_size_gives_the_error_that_it_should():
    frames, sigma = 4000, 0.1
    true = walk(frames)
    noisy = true.clone()
    noisy[:, :3, 3] += sigma * torch.randn(frames, 3, dtype=torch.float64)

    assert spread(centre_errors(noisy, true)).rmse == pytest.approx(math.sqrt(3) * sigma, rel=0.03)
    steps = step_errors(noisy, true, align="none")
    assert spread(steps.translation).rmse == pytest.approx(math.sqrt(6) * sigma, rel=0.03)


def test_a_camera_turned_by_five_degrees_is_off_in_the_steps_to_and_from_it():
    true = walk(6)
    turned = true.clone()
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, math.radians(5.0), 0.0], dtype=torch.float64))
    turned[2, :3, :3] = turned[2, :3, :3] @ turn

    errors = step_errors(turned, true)

    assert errors.rotation_deg.tolist() == pytest.approx([0, 5, 5, 0, 0], abs=1e-5)
    assert step_errors(turned, true, delta=2).rotation_deg.tolist() == pytest.approx([5, 0, 5, 0], abs=1e-5)


def test_steps_over_a_lost_frame_are_left_out():
    true = walk(6)
    estimated = true.clone()
    estimated[2] = torch.nan

    assert len(step_errors(estimated, true).translation) == 3  # 0-1, 3-4, 4-5
    assert len(centre_errors(estimated, true)) == 5
    assert align_trajectory(estimated, true)[2, :3].isnan().all()


def test_nothing_known_has_no_error():
    nothing = torch.full((4, 4, 4), torch.nan)

    assert math.isnan(spread(centre_errors(nothing, walk(4).float())).rmse)
    assert len(step_errors(nothing, walk(4).float()).translation) == 0
    assert len(step_errors(walk(3), walk(3), delta=5).translation) == 0


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match=r"umeyama.*sim3"):
        align_trajectory(walk(3), walk(3), "umeyama")
    with pytest.raises(InputError, match="received 0"):
        step_errors(walk(3), walk(3), delta=0)
