"""What it costs to disagree with a pose, a direction, a depth or a distance that is known: values, slopes, curvatures.

Every value is minus the logarithm of a likelihood, in nats. The unknowns are those of `pointmap.alignment.equations`.
"""

import torch
from torch import Tensor

from pointmap.alignment.equations import DEPTHS, FOCAL, POSE, VIEW_UNKNOWNS
from pointmap.alignment.quality import SMOOTH_MEASUREMENTS
from pointmap.geometry.rotations import vector_from_rotation
from pointmap.shapes import Bool, Float


def pose_terms(
    world_from_cam: Float[Tensor, "views 4 4"], known: Float[Tensor, "views 4 4"], sigmas: Float[Tensor, "views 2"]
) -> tuple[Float[Tensor, "views"], Float[Tensor, "views 6"], Float[Tensor, "views 6 6"]]:
    """Half the squared angle to known poses, and distance to known centres, over the squared sigmas.

    Args:
        known: Anything where both sigmas are infinite.
        sigmas: In radians, and world units.
    """
    information = sigmas.pow(-2)  # 0 where sigma is infinite
    used = (information > 0).any(-1)[:, None, None]
    poses, known = world_from_cam.where(used, torch.eye(4).to(known)), known.where(used, torch.eye(4).to(known))
    # At the rotation r a small rotation w in the camera frame changes |r|^2 / 2 by r . w exactly.
    angle = vector_from_rotation(known[:, :3, :3].mT @ poses[:, :3, :3])
    apart = poses[:, :3, 3] - known[:, :3, 3]
    values = 0.5 * (information[:, 0] * angle.square().sum(-1) + information[:, 1] * apart.square().sum(-1))
    apart = (poses[:, :3, :3].mT @ apart[..., None])[..., 0]
    slopes = torch.cat([information[:, :1] * angle, information[:, 1:] * apart], dim=1)
    return values, slopes, torch.diag_embed(information.repeat_interleave(3, dim=1))


def gravity_terms(
    world_from_cam: Float[Tensor, "views 4 4"], gravity: Float[Tensor, "views 3"], sigmas: Float[Tensor, "views"]
) -> tuple[Float[Tensor, "views"], Float[Tensor, "views 6"], Float[Tensor, "views 6 6"]]:
    """Half the squared angle between gravity, known in the camera frame, and the world's y axis.

    Args:
        gravity: Unit vectors; anything where sigma is infinite.
    """
    information = sigmas.pow(-2)
    used = information > 0
    axis = world_from_cam[:, 1, :3].where(used[:, None], torch.eye(3).to(gravity)[1])  # y of the world, in the camera
    gravity = gravity.where(used[:, None], axis)
    cross = torch.linalg.cross(axis, gravity)
    sine, cosine = torch.linalg.norm(cross, dim=-1), (axis * gravity).sum(-1)
    angle = torch.atan2(sine, cosine)
    # Upside down every axis is as good as any other: take one, or the slope would vanish.
    beside = torch.linalg.cross(axis, torch.eye(3).to(axis)[axis.abs().argmin(-1)])
    cross = torch.where(((sine < 1e-12) & (cosine < 0))[:, None], beside, cross)
    turn = torch.nn.functional.normalize(cross, dim=-1)
    slopes = torch.cat([(information * angle)[:, None] * turn, torch.zeros_like(turn)], dim=1)
    blocks = torch.diag_embed(torch.zeros_like(slopes))
    # A rotation about the axis itself changes nothing.
    blocks[:, :3, :3] = information[:, None, None] * (torch.eye(3).to(axis) - axis[:, :, None] * axis[:, None, :])
    return 0.5 * information * angle.square(), slopes, blocks


def depth_terms(
    log_ratios: Float[Tensor, "maps k"], sigmas: Float[Tensor, "maps"]
) -> tuple[Float[Tensor, "maps"], Float[Tensor, "maps k"], Float[Tensor, "maps k"]]:
    """Deviations of log depths from known ones, each at most linear (the "pseudo-Huber" cost).

    Args:
        log_ratios: NaN where no depth is known.

    Returns:
        Values per map; slopes and curvatures per pixel.
    """
    share = depth_shares(log_ratios.isfinite())
    error = (log_ratios / sigmas[:, None]).where(share > 0, 0)
    stretch = (1 + error.square()).sqrt()
    curvature = share / stretch / sigmas.square()[:, None]
    return (share * (stretch - 1)).sum(-1), curvature * sigmas[:, None] * error, curvature


def depth_rows(points: Float[Tensor, "maps 3 k"]) -> Float[Tensor, "maps 11 k"]:
    """How the logarithms of z-depths change with the unknowns of the view: what moves the point along its ray, and is
    no motion of the camera, changes the depth."""
    distance = points.norm(dim=1, keepdim=True).clamp_min(1e-300)
    normal = points / distance
    rows = points.new_zeros(len(points), VIEW_UNKNOWNS, points.shape[2])
    rows[:, POSE.start + 3 : POSE.stop] = -normal / distance
    rows[:, DEPTHS] = torch.cat([normal / distance, torch.ones_like(distance)], dim=1)
    rows[:, FOCAL] = 1 - normal[:, 2].square()
    return rows


def depth_shares(known: Bool[Tensor, "*views k"]) -> Float[Tensor, "*views k"]:
    """How many measurements each pixel of a known depth map stands for: their errors are smooth, as far as we know."""
    count = known.sum(-1, keepdim=True).double()
    return known * (SMOOTH_MEASUREMENTS / count.clamp_min(SMOOTH_MEASUREMENTS))


def distance_terms(
    world_from_cam: Float[Tensor, "distances 2 4 4"],
    ends: Float[Tensor, "distances 2 3"],
    lengths: Float[Tensor, "distances"],
    sigmas: Float[Tensor, "distances"],
) -> tuple[Float[Tensor, "distances"], Float[Tensor, "distances 2 11"]]:
    """Logarithms of distance over known length, over their sigmas; and how they change with both views.

    Args:
        world_from_cam: Of the views of both ends.
        ends: In their camera frames.
    """
    rotation = world_from_cam[..., :3, :3]
    jacobian = _point_jacobian(ends)
    points = (rotation @ ends[..., None])[..., 0] + world_from_cam[..., :3, 3]
    apart = points[:, 0] - points[:, 1]
    # Two places at one point tell no direction in which to part.
    square = apart.square().sum(-1).clamp_min(1e-30 * lengths.square())
    errors = (0.5 * square.log() - lengths.log()) / sigmas
    used = errors.isfinite()
    errors, apart, square, jacobian = (
        errors.where(used, 0),
        apart.where(used[:, None], 0),
        square.where(used, 1),
        jacobian.where(used[:, None, None, None], 0),
    )
    slopes = torch.einsum("di,deij,dejx->dex", apart / (square * sigmas)[:, None], rotation, jacobian)
    slopes[:, 1] *= -1
    return errors, slopes


def _point_jacobian(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 11"]:
    """How points move, in the camera frame, with the unknowns of their view; 0 is the camera itself."""
    distance = points.norm(dim=-1)[..., None, None]
    normal = points[..., None] / distance.clamp_min(1e-300)
    jacobian = torch.zeros(*points.shape, VIEW_UNKNOWNS).to(points)
    for axis, unit in enumerate(torch.eye(3).to(points)):
        jacobian[..., axis] = torch.linalg.cross(unit.expand_as(points), points)
        jacobian[..., 3 + axis] = unit
    jacobian[..., :2, FOCAL] = -points[..., :2]  # longer focal lengths narrow the field of view
    # What the camera's motion does along the ray, the depth undoes.
    jacobian = jacobian - normal @ (normal.mT @ jacobian)
    jacobian[..., DEPTHS] = normal @ torch.cat([normal, distance], dim=-2).mT
    return jacobian


def world_directions(
    world_from_cam: Float[Tensor, "views 4 4"], centre: Float[Tensor, "3"]
) -> Float[Tensor, "views 6 7"]:
    """How the cameras' tangents change when the whole world turns, moves and grows about a point."""
    back = world_from_cam[:, :3, :3].mT
    arm = world_from_cam[:, :3, 3] - centre
    directions = torch.zeros(len(world_from_cam), 6, 7).to(world_from_cam)
    for axis, unit in enumerate(torch.eye(3).to(arm)):
        directions[:, :3, axis] = back[:, :, axis]
        directions[:, 3:, axis] = (back @ torch.linalg.cross(unit.expand_as(arm), arm)[..., None])[..., 0]
        directions[:, 3:, 3 + axis] = back[:, :, axis]
    directions[:, 3:, 6] = (back @ arm[..., None])[..., 0]
    return directions.nan_to_num(0.0)  # views that are not registered
