"""How sure the cameras are: covariances from the normal equations at the solution."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.equations import DEPTHS, POSE, NormalEquations, damped
from pointmap.alignment.linear_system import LinearSystem
from pointmap.alignment.pixels import Swept
from pointmap.alignment.sampled_priors import SampledPriors
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import mean_scale
from pointmap.shapes import Float, Int

SMOOTH_MEASUREMENTS = 4
"""A pointmap whose errors are as smooth as can be counts as so many independent measurements of points.

Tuned, like the next, on the spread of cameras over noise (tests/alignment/test_covariance.py)."""

PIXELS_PER_MEASUREMENT = 3
"""If its errors are noise instead, so many pixels count as one."""


@dataclass(frozen=True, eq=False)
class CameraInformation:
    """What the predictions say of the cameras, from which covariances follow when somebody asks."""

    equations: NormalEquations
    group_of: Int[Tensor, "obs"]

    share: Float[Tensor, "groups"]
    """Of each group in the mean log scale, which the world's unit goes by."""

    unit: float
    """Mean scale of the groups in the solver's world."""

    anchor: int
    """The camera that stands still."""

    scale_known: bool

    per_loss: float
    """What the equations are to be multiplied by to be the inverse of a covariance."""


def camera_information(
    sample: Sample,
    at: Swept,
    system: LinearSystem,
    priors: SampledPriors | None,
    *,
    smoothness: float,
    anchor: int,
    scale_known: bool,
) -> CameraInformation:
    """Keep what `pose_covariances` needs.

    The objective is a robust sum of distances. Were it the logarithm of a likelihood, n measurements of points would
    leave a loss of 3 n standard deviations; how many measurements the pixels stand for, smooth as their errors are, the
    differences that are left tell themselves.

    Args:
        smoothness: Of the differences (`Quality`).
        anchor: View whose camera stands still, unless more of them are known exactly.
        scale_known: The world's unit is not that of the predictions.
    """
    pixels = float(sample.counts[sample.view_of].double().mean())
    per_map = 1 / (smoothness / SMOOTH_MEASUREMENTS + (1 - smoothness) * PIXELS_PER_MEASUREMENT / max(pixels, 1))
    # Where a view is predicted once only its depths follow, and no difference is left.
    redundant = len(sample.view_of) - len(sample.view_of.unique())
    per_loss = 3 * per_map * redundant / max(at.loss, 1e-300)
    equations = NormalEquations(sample, at, system)
    if priors is not None and per_loss > 0:
        terms = priors.at(at.state)
        equations.add(terms.slopes / per_loss, terms.blocks / per_loss, terms.pair_blocks / per_loss)
    counts = sample.group_weights.double()
    return CameraInformation(
        equations=equations,
        group_of=sample.group_of,
        share=counts / counts.sum(),
        unit=float(mean_scale(at.state.world_from_group, sample.group_weights)),
        anchor=anchor,
        scale_known=scale_known,
        per_loss=per_loss,
    )


def pose_covariances(
    information: CameraInformation, world_from_cam: Float[np.ndarray, "views 4 4"], unit: float
) -> Float[np.ndarray, "views 6 6"]:
    """Covariance of every camera's (rotation vector, centre), about and along the axes of the world.

    Args:
        world_from_cam: The cameras in any world; NaN where not registered.
        unit: Mean scale of the groups in that world.

    Returns:
        In radians and units of the world, about the anchor, which has none. NaN for views that are not registered, and
        everywhere if every view is predicted once only, so that nothing shows how wrong predictions are.
    """
    if information.per_loss == 0:
        return np.full((len(world_from_cam), 6, 6), np.nan)
    equations, system = information.equations, information.equations.system
    poses = torch.from_numpy(world_from_cam).to(equations.views)
    groups = damped(equations.groups, 0.0)
    matrix = system.dense_matrix(system.reduced(equations.views, groups, equations.coupling, equations.extra)[0])
    pinned = system.unknowns[information.anchor, POSE]
    if not information.scale_known:
        # How far all points move in proportion to their distance: the last of these.
        pinned = torch.cat([pinned, system.unknowns[information.anchor, DEPTHS][-1:]])
    inverse = _inverse_without(matrix, pinned)
    own = system.unknowns[:, POSE]
    covariances = inverse[own[:, :, None], own[:, None]]
    if not information.scale_known:
        # Not one camera's depths, but the mean of all groups holds the world's unit.
        solved = torch.linalg.inv(groups)
        of_groups = -information.share[:, None] * solved[:, 6]
        per_obs = torch.einsum("oag,og->oa", equations.coupling, of_groups[information.group_of])
        mean = matrix.new_zeros(len(inverse)).index_add_(
            0, system.unknowns[system.view_of].flatten(), per_obs.flatten()
        )
        with_mean = inverse @ mean
        variance = mean @ with_mean + (information.share.square() * solved[:, 6, 6]).sum()
        arms = (poses[:, :3, 3] - poses[information.anchor, :3, 3]) * (information.unit / unit)
        growth = torch.zeros_like(poses[:, 0, :1]).repeat(1, 6)
        growth[:, 3:] = (poses[:, :3, :3].mT @ arms[..., None])[..., 0]
        cross = with_mean[own][:, :, None] * growth[:, None]
        covariances = covariances - cross - cross.mT + variance * growth[:, :, None] * growth[:, None]
    axes = torch.zeros_like(covariances)
    axes[:, :3, :3], axes[:, 3:, 3:] = poses[:, :3, :3], poses[:, :3, :3] * (unit / information.unit)
    covariances = axes @ covariances @ axes.mT / information.per_loss
    return (0.5 * (covariances + covariances.mT)).cpu().numpy()


def _inverse_without(matrix: Float[Tensor, "n n"], pinned: Int[Tensor, "p"]) -> Float[Tensor, "n+1 n+1"]:
    """Inverse with rows and columns of 0 for what is pinned, and one more for what is no unknown."""
    inverse = matrix.new_zeros(len(matrix) + 1, len(matrix) + 1)
    free = torch.ones(len(inverse), dtype=torch.bool, device=matrix.device)
    free[pinned] = free[-1] = False
    free = free.nonzero()[:, 0]
    part = matrix[free[:, None], free]
    scale = part.diagonal().clamp_min(1e-300).rsqrt()
    part = scale[:, None] * part * scale
    factor, failed = torch.linalg.cholesky_ex(part)
    if int(failed):
        values, vectors = torch.linalg.eigh(part)
        solved = (vectors / values.clamp_min(1e-12)) @ vectors.mT
    else:
        solved = torch.cholesky_inverse(factor)
    inverse[free[:, None], free] = scale[:, None] * solved * scale
    return inverse
