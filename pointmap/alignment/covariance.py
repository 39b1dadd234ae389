"""How sure the cameras are: covariances from the normal equations at the solution."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.equations import DEPTHS, POSE, NormalEquations, damped
from pointmap.alignment.linear_system import LinearSystem
from pointmap.alignment.pixels import Swept
from pointmap.alignment.prior_terms import Terms
from pointmap.alignment.quality import measurements
from pointmap.alignment.sampled_priors import SampledPriors
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import mean_scale
from pointmap.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class CameraInformation:
    """What the predictions say of the cameras, from which covariances follow when somebody asks."""

    equations: NormalEquations
    """Of the predictions alone."""

    known: Terms | None
    """What is known softly, in nats."""

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

    Args:
        smoothness: Of the differences (`Quality`).
        anchor: View whose camera stands still, unless more of them are known exactly.
        scale_known: The world's unit is not that of the predictions.
    """
    per_loss = measurements(sample, smoothness) / max(at.loss, 1e-300)
    counts = sample.group_weights.double()
    return CameraInformation(
        equations=NormalEquations(sample, at, system),
        known=None if priors is None else priors.at(at.state),
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
    matrix = system.dense_matrix(system.reduced(equations.views, groups, equations.coupling)[0])
    pose, depth = system.unknowns[:, POSE], system.unknowns[:, DEPTHS][:, -1]
    # When the world grows about the anchor, the centres move, and so do all points: in proportion to their distance,
    # which is the last of the unknowns of depth.
    arms = (poses[:, :3, 3] - poses[information.anchor, :3, 3]) * (information.unit / unit)
    growth = torch.zeros_like(poses[:, 0, :1]).repeat(1, 6)
    growth[:, 3:] = (poses[:, :3, :3].mT @ arms[..., None])[..., 0]
    pinned, of_anchor = pose[information.anchor], depth[information.anchor]
    shown = system.view_of.unique()
    open_scale = not information.scale_known
    told_scale = False
    if information.known is not None:
        known = _known_matrix(information.known, system, groups) / information.per_loss
        along = matrix.new_zeros(len(matrix) + 1)
        along[pose[shown]], along[depth[shown]] = growth[shown], 1.0
        along = along[:-1]
        image = known @ along
        told_scale = information.scale_known and bool((pose[shown] < system.count).all()) and bool(along @ image > 0)
        if told_scale:
            # The anchor's unknown becomes the scale of everything, of which the predictions say nothing.
            matrix[of_anchor], matrix[:, of_anchor] = 0.0, 0.0
            known[of_anchor], known[:, of_anchor] = image, image
            known[of_anchor, of_anchor] = along @ image
        matrix = matrix + known
    if open_scale:
        pinned = torch.cat([pinned, of_anchor[None]])
    inverse = _inverse_without(matrix, pinned)
    covariances = inverse[pose[:, :, None], pose[:, None]]
    if open_scale:
        # Not one camera's depths, but the mean of all groups holds the world's unit.
        solved = torch.linalg.inv(groups)
        of_groups = -information.share[:, None] * solved[:, 6]
        per_obs = torch.einsum("oag,og->oa", equations.coupling, of_groups[information.group_of])
        mean = matrix.new_zeros(len(inverse)).index_add_(
            0, system.unknowns[system.view_of].flatten(), per_obs.flatten()
        )
        with_scale = -inverse @ mean
        variance = -mean @ with_scale + (information.share.square() * solved[:, 6, 6]).sum()
    else:
        with_scale, variance = told_scale * inverse[:, of_anchor], told_scale * inverse[of_anchor, of_anchor]
    cross = with_scale[pose][:, :, None] * growth[:, None]
    covariances = covariances + cross + cross.mT + variance * growth[:, :, None] * growth[:, None]
    axes = torch.zeros_like(covariances)
    axes[:, :3, :3], axes[:, 3:, 3:] = poses[:, :3, :3], poses[:, :3, :3] * (unit / information.unit)
    covariances = axes @ covariances @ axes.mT / information.per_loss
    return (0.5 * (covariances + covariances.mT)).cpu().numpy()


def _known_matrix(known: Terms, system: LinearSystem, groups: Float[Tensor, "groups 7 7"]) -> Float[Tensor, "n n"]:
    nothing = groups.new_zeros(len(system.view_of), system.width, 7)
    return system.dense_matrix(system.reduced(known.blocks, groups, nothing, known.pair_blocks)[0])


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
