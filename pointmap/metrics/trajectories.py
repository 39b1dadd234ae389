"""How far camera centres and steps are off after the frames of the two worlds are brought together.

ATE and RPE as Sturm et al. (A benchmark for the evaluation of RGB-D SLAM systems, IROS 2012) define them and as evo
(https://github.com/MichaelGrupp/evo) computes them; tests compare with evo.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.similarity import fit_similarity, move_cameras, split_similarity
from pointmap.geometry.transforms import invert_rigid
from pointmap.metrics.poses import is_known, rotation_angle
from pointmap.shapes import Float

Alignment = Literal["sim3", "se3", "scale", "none"]
"""What of Umeyama's fit (PAMI 1991) of the camera centres is applied to the estimate: all of it; rotation and
translation; the factor alone, without moving the world (evo's `correct_only_scale`); nothing."""


@dataclass(frozen=True)
class Spread:
    """Statistics of errors; all NaN where there are none."""

    rmse: float
    mean: float
    median: float
    largest: float


@dataclass(frozen=True)
class StepErrors:
    """Of the motion between pairs of frames."""

    translation: Float[Tensor, "steps"]
    """In units of the true world."""

    rotation_deg: Float[Tensor, "steps"]


def align_trajectory(
    world_from_cam: Float[Tensor, "views 4 4"],
    true_world_from_cam: Float[Tensor, "views 4 4"],
    align: Alignment = "sim3",
) -> Float[Tensor, "views 4 4"]:
    """Estimated poses in the true world, float64, still rigid; frames that are NaN remain so.

    Frames that both sides know decide. Where they are fewer than three, or on a line, the rotation is one of those
    that fit best.

    Raises:
        InputError: `align` is none of the four.
    """
    if align not in get_args(Alignment):
        raise InputError(f"No alignment {align!r} of trajectories. There are: {', '.join(get_args(Alignment))}.")
    estimated, true = world_from_cam.double(), true_world_from_cam.double()
    known = is_known(estimated) & is_known(true)
    if align == "none" or not known.any():
        return estimated
    true_from_world = fit_similarity(estimated[known, :3, 3], true[known, :3, 3], with_scale=align != "se3")
    if align == "scale":
        scaled = estimated.clone()
        scaled[:, :3, 3] *= split_similarity(true_from_world)[0]
        return scaled
    return move_cameras(true_from_world, estimated)


def centre_errors(
    world_from_cam: Float[Tensor, "views 4 4"],
    true_world_from_cam: Float[Tensor, "views 4 4"],
    align: Alignment = "sim3",
) -> Float[Tensor, "known"]:
    """Distances of the camera centres after the alignment, in units of the true world, of frames known on both sides.

    Their `spread(...).rmse` is the absolute trajectory error (ATE).
    """
    aligned = align_trajectory(world_from_cam, true_world_from_cam, align)
    known = is_known(aligned) & is_known(true_world_from_cam)
    return torch.linalg.norm(aligned[known, :3, 3] - true_world_from_cam[known, :3, 3].double(), dim=-1)


def step_errors(
    world_from_cam: Float[Tensor, "views 4 4"],
    true_world_from_cam: Float[Tensor, "views 4 4"],
    *,
    delta: int = 1,
    align: Alignment = "sim3",
) -> StepErrors:
    """Errors of all steps from a frame to the one `delta` later, whose both ends are known on both sides.

    The error of a step is the motion inverse(true step) @ estimated step: its translation's length and its angle; their
    RMSE is the relative pose error (RPE). evo closes up over lost frames, so that steps over a gap are longer; here a
    step always spans `delta` frames, and with no frame lost both are the same.

    Args:
        align: The scale of the alignment alone matters here: motions do not depend on the world's frame.

    Raises:
        InputError: `delta` is below 1.
    """
    if delta < 1:
        raise InputError(f"Steps span at least 1 frame, received {delta}.")
    aligned = align_trajectory(world_from_cam, true_world_from_cam, align)
    true = true_world_from_cam.double()
    known = is_known(aligned) & is_known(true)
    here = (known[:-delta] & known[delta:]).nonzero()[:, 0]
    estimated_step = invert_rigid(aligned[here]) @ aligned[here + delta]
    true_step = invert_rigid(true[here]) @ true[here + delta]
    # The length of inverse(true) @ estimated's translation does not depend on the true rotation.
    translation = torch.linalg.norm(estimated_step[:, :3, 3] - true_step[:, :3, 3], dim=-1)
    return StepErrors(translation, rotation_angle(estimated_step[:, :3, :3], true_step[:, :3, :3]))


def spread(errors: Float[Tensor, "n"]) -> Spread:
    """Statistics; the median of an even number is the mean of the middle two, as NumPy's."""
    if not len(errors):
        return Spread(*4 * [float("nan")])
    errors = errors.double()
    middle = float(np.median(errors.cpu().numpy()))
    return Spread(errors.square().mean().sqrt().item(), errors.mean().item(), middle, errors.max().item())


def absolute_trajectory_error(
    world_from_cam: Float[Tensor, "views 4 4"],
    true_world_from_cam: Float[Tensor, "views 4 4"],
    align: Alignment = "sim3",
) -> float:
    """Root mean square distance of the camera centres after the similarity that fits them best.

    In units of the true world. Only photos known on both sides take part; NaN if there is none.
    """
    return spread(centre_errors(world_from_cam, true_world_from_cam, align)).rmse
