"""Pointmaps corrected by matches: the relative pose of a verified pair replaces what its pointmaps say of it.

A small network knows well which places of two photos are the same, and badly where the second camera stood. Depth
maps stay the network's, along exact rays; rotation and translation come from the matches, the length of the translation
from the depths at which they meet. Pairs whose matches agree on no pose are no evidence, and hardly count.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.matching import PairMatches
from pointmap.match.two_view import TwoView
from pointmap.scene import Group
from pointmap.shapes import Float

_UNVERIFIED = 0.05
"""Confidences of a pair that is not verified are raised to this power."""
_PLENTY = 0.2
"""A share of inliers that is so much above chance counts in full."""
_LEAST_PARALLAX_DEG = 0.7
"""Below it, matches do not tell the translation, and the network's is kept."""


def correct_groups(
    groups: Sequence[Group],
    matches: Sequence[PairMatches],
    poses: Sequence[TwoView | None],
    intrinsics: Float[np.ndarray, "views 3 3"],
) -> list[Group]:
    """The groups of two views with the relative poses of their matches; larger groups stay as they are.

    Args:
        matches: In working pixels; at most one entry for two views, in either order.
        poses: Of each entry of `matches`; None where it could not be verified.
        intrinsics: Working K of every view.
    """
    entries: dict[tuple[int, ...], tuple[PairMatches, TwoView | None]] = {}
    for match, pose in zip(matches, poses, strict=True):
        entries[match.view_i, match.view_j] = (match, pose)
        entries[match.view_j, match.view_i] = (match.swapped(), pose.swapped() if pose else None)
    own = _own_depths(groups)
    rays = {
        view: camera_rays(depth.shape[0], depth.shape[1], torch.as_tensor(intrinsics[view], dtype=torch.float32))
        for view, depth in own.items()
    }
    corrected: list[Group] = []
    for group in groups:
        if tuple(group.views) not in entries:
            corrected.append(group)
            continue
        match, pose = entries[tuple(group.views)]
        power = trust(pose)
        if pose is not None and power > _UNVERIFIED and group.views[1] in own:
            group = _with_pose(group, own[group.views[1]], rays, match, pose)
        corrected.append(_weighted(group, max(power, _UNVERIFIED)))
    return corrected


def _with_pose(group: Group, own_j: Tensor, rays: dict[int, Tensor], match: PairMatches, pose: TwoView) -> Group:
    """Both depth maps along their rays, that of j in the place that the matches give it."""
    i, j = group.views
    own_i = _own_depth(group)
    # How long the distance between the cameras is for each depth map; they may disagree about their scale.
    length_i = _distance(own_i, match.pixels_i, pose.depths_i)
    length_j = _distance(own_j, match.pixels_j, pose.depths_j)
    points_i, points_j = own_i[..., None] * rays[i], own_j[..., None] * rays[j]
    rotation = torch.as_tensor(pose.rotation, dtype=torch.float32)
    if pose.parallax_deg < _LEAST_PARALLAX_DEG or not (length_i > 0 and length_j > 0):
        # The depth map comes from another group, whose scale is another.
        turned, said = (points_j @ rotation).flatten(0, 1), torch.as_tensor(group.points[1]).flatten(0, 1)
        middle, middle_said = turned.median(dim=0).values, said.median(dim=0).values
        spread, spread_said = ((p - m).norm(dim=-1).median() for p, m in ((turned, middle), (said, middle_said)))
        moved = (turned - middle) * (spread_said / spread.clamp(min=1e-12)) + middle_said
        return replace(group, points=[points_i, moved.unflatten(0, own_j.shape)])
    translation = torch.as_tensor(pose.direction, dtype=torch.float32) * length_i
    return replace(group, points=[points_i, (points_j * (length_i / length_j) - translation) @ rotation])


def _own_depth(group: Group) -> Float[Tensor, "h w"]:
    """z-depth of a group's first view, in its own camera."""
    return torch.as_tensor(group.points[0])[..., 2].float()


def _own_depths(groups: Sequence[Group]) -> dict[int, Float[Tensor, "h w"]]:
    """For every view that some group has first: its depth in the surest of these groups."""
    best: dict[int, tuple[float, Tensor]] = {}
    for group in groups:
        sure = float(torch.as_tensor(group.confidences[0]).float().mean())
        if group.views[0] not in best or sure > best[group.views[0]][0]:
            best[group.views[0]] = (sure, _own_depth(group))
    return {view: depth for view, (_, depth) in best.items()}


def _distance(depth: Float[Tensor, "h w"], pixels: Float[Tensor, "n 2"], triangulated: np.ndarray) -> float:
    """Distance between the cameras in units of a depth map, from the depths at which matches meet."""
    height, width = depth.shape
    x, y = pixels.round().long().cpu().unbind(-1)
    inside = ((x >= 0) & (y >= 0) & (x < width) & (y < height)).numpy()
    predicted = depth[y.clamp(0, height - 1), x.clamp(0, width - 1)].cpu().numpy()
    usable = inside & np.isfinite(triangulated) & (triangulated > 0) & (predicted > 0)
    return float(np.median(predicted[usable] / triangulated[usable])) if usable.any() else 0.0


def trust(pose: TwoView | None) -> float:
    """How far a verified pair counts, from 0 (its inliers may agree by chance) to 1."""
    if pose is None:
        return 0.0
    return float(np.clip((pose.inliers.mean() - pose.chance) / _PLENTY, 0, 1))


def _weighted(group: Group, power: float) -> Group:
    return replace(group, confidences=[torch.as_tensor(c) ** power for c in group.confidences])
