"""Depth maps bent to go through the points that matches determine.

A network's depth maps have the right relief but the wrong slopes and distances; points that several photos see from
different places have the right distance, but are few. One smooth factor per depth map, on a coarse grid of nodes that
a step in depth nearly cuts, joins the two.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.alignment.bundle import Adjusted
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Float, Int

_NODES = 20
"""Along the long side of a depth map."""
_SMOOTH_SIGMA = 0.07
"""By how much the logarithm of the factor may change from one node to the next."""
_EDGE_SIGMA = 0.3
_LEAST_TIE = 0.3
"""Nodes whose log depths differ by more than `_EDGE_SIGMA` lie on different things: the tie of their factors falls to
this part."""
_POINT_SIGMA = 0.05
"""Of the log depth of a point whose place in the photos is exact: it is not quite what the pixel shows."""
_NOISE = 2.0
"""Matches of one point err alike, so that all of them together tell less than their number says."""
_PRIOR_SIGMA = 1.0
"""Of the log factor of nodes about the median over all points, which holds what nothing else does."""
_PASSES = 6
_LEAST_POINTS = 8


def anchor_depths(
    depths: Sequence[Float[Tensor, "_ _"]],
    matches: Sequence[PairMatches],
    adjusted: Adjusted,
    *,
    noise_px: float = 1.5,
) -> list[Float[Tensor, "_ _"]]:
    """Bend depth maps through the points of a bundle adjustment.

    Args:
        depths: z-depth of every view in the units of `adjusted`; 0 or NaN where unknown, which stays.
        matches: What was adjusted to.
        noise_px: As in `adjust`.

    Returns:
        New maps, as they are for views with fewer than 8 points.
    """
    bent = []
    for view, depth in enumerate(depths):
        pixels, log_depths, information = _points_of(view, matches, adjusted)
        variances = (_NOISE * noise_px) ** 2 / information.clamp_min(1e-12) + _POINT_SIGMA**2
        bent.append(_bend(depth, pixels, log_depths, variances))
    return bent


def _points_of(
    view: int, matches: Sequence[PairMatches], adjusted: Adjusted
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"], Float[Tensor, "k"]]:
    """Pixels and log depths of the points on a view's rays, and the information in matches (of noise 1 px) on these."""
    own = [
        _seen_from(match.select(inlier), depth[inlier], adjusted)
        for match, inlier, depth in zip(matches, adjusted.inliers, adjusted.point_depths, strict=True)
        if match.view_i == view and bool(inlier.any())
    ]
    if not own:
        nothing = torch.zeros(0).to(adjusted.world_from_cam)
        return nothing.reshape(0, 2), nothing, nothing
    pixels, log_depths, information = (torch.cat(parts) for parts in zip(*own, strict=True))
    # A pixel that is matched with several views has one point; it stands once, with what all of them tell.
    pixels, point_of = torch.unique((pixels * 64).round() / 64, dim=0, return_inverse=True)
    return pixels, _mean_by(point_of, log_depths, len(pixels)), _sum_by(point_of, information, len(pixels))


def _seen_from(
    match: PairMatches, depths: Float[Tensor, "k"], adjusted: Adjusted
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"], Float[Tensor, "k"]]:
    """Points on the rays of i: pixel, log depth, and its information (squared speed of the image in j, weighted)."""
    i, j = match.view_i, match.view_j
    K, poses = adjusted.intrinsics, adjusted.world_from_cam
    pixels = match.pixels_i.to(K)
    rays = torch.cat([(pixels - K[i, :2, 2]) / K[i].diagonal()[:2], torch.ones_like(pixels[:, :1])], dim=1)
    j_from_i = invert_rigid(poses[j]) @ poses[i]
    from_centre = (rays * depths[:, None]) @ j_from_i[:3, :3].mT
    x, y, z = (from_centre + j_from_i[:3, 3]).unbind(-1)
    # d(x / z) / d(log depth), where d(x, y, z) = from_centre.
    speed = torch.stack([from_centre[:, 0] - x / z * from_centre[:, 2], from_centre[:, 1] - y / z * from_centre[:, 2]])
    speed = speed * K[j].diagonal()[:2, None] / z
    return pixels, depths.log(), speed.square().sum(0) * match.weights.to(K)


def _bend(
    depth: Float[Tensor, "h w"],
    pixels: Float[Tensor, "k 2"],
    log_depths: Float[Tensor, "k"],
    variances: Float[Tensor, "k"],
) -> Float[Tensor, "h w"]:
    """The map times the smooth factor that goes through most of the points (Cauchy cost, reweighted least squares)."""
    height, width = depth.shape
    known = depth > 0
    log_map = torch.where(known, depth, 1.0).to(pixels).log()
    column = pixels[:, 0].round().long().clamp(0, width - 1)
    row = pixels[:, 1].round().long().clamp(0, height - 1)
    usable = known[row, column]
    if int(usable.sum()) < _LEAST_POINTS:
        return depth
    residual = (log_depths - log_map[row, column])[usable]
    pixels, variances = pixels[usable], variances[usable]

    step = max(height, width) / _NODES
    grid = max(2, round(height / step)), max(2, round(width / step))
    middle = residual.median()
    residual = residual - middle
    nodes, corner = _corners(pixels, (height, width), grid)
    count = grid[0] * grid[1]
    ties = _ties(log_map, known, grid) + torch.eye(count).to(residual) / _PRIOR_SIGMA**2
    crossings = (nodes[:, :, None] * count + nodes[:, None, :]).flatten()
    log_factor = torch.zeros(count).to(residual)
    for _ in range(_PASSES):
        error = (corner * log_factor[nodes]).sum(1) - residual
        weighted = corner / (variances + error.square() / 4)[:, None]
        squares = (weighted[:, :, None] * corner[:, None, :]).flatten()
        normal = ties + _sum_by(crossings, squares, count**2).view_as(ties)
        pull = _sum_by(nodes.flatten(), (weighted * residual[:, None]).flatten(), count)
        log_factor = torch.linalg.solve(normal, pull)
    smooth = F.interpolate((log_factor + middle).view(1, 1, *grid), (height, width), mode="bilinear")[0, 0]
    return depth * smooth.exp().to(depth)


def _corners(
    pixels: Float[Tensor, "k 2"], shape: tuple[int, int], grid: tuple[int, int]
) -> tuple[Int[Tensor, "k 4"], Float[Tensor, "k 4"]]:
    """The nodes around each pixel of a grid that is spread as `interpolate` has it, and their bilinear weights."""
    size = torch.tensor([grid[1], grid[0]]).to(pixels)
    place = (pixels + 0.5) / torch.tensor([shape[1], shape[0]]).to(pixels) * size - 0.5
    place = torch.minimum(place.clamp_min(0), size - 1)
    low = torch.minimum(place.floor(), size - 2)
    part = place - low
    left, top = low.long().unbind(-1)
    first = top * grid[1] + left
    nodes = torch.stack([first, first + 1, first + grid[1], first + grid[1] + 1], dim=1)
    x, y = part.unbind(-1)
    return nodes, torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], dim=1)


def _ties(log_map: Float[Tensor, "h w"], known: Tensor, grid: tuple[int, int]) -> Float[Tensor, "nodes nodes"]:
    """Normal matrix of the ties between neighbouring nodes."""
    share = F.adaptive_avg_pool2d(known[None, None].to(log_map), grid)[0, 0]
    level = F.adaptive_avg_pool2d(torch.where(known, log_map, 0)[None, None], grid)[0, 0] / share.clamp_min(1e-6)
    nodes = torch.arange(grid[0] * grid[1], device=log_map.device).view(grid)
    matrix = torch.zeros(nodes.numel(), nodes.numel()).to(log_map)
    for a, b in ((nodes[1:], nodes[:-1]), (nodes[:, 1:], nodes[:, :-1])):
        a, b = a.flatten(), b.flatten()
        jump = level.flatten()[a] - level.flatten()[b]
        tie = torch.exp(-jump.square() / (2 * _EDGE_SIGMA**2)).clamp_min(_LEAST_TIE) / _SMOOTH_SIGMA**2
        for left, right, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            matrix.index_put_((left, right), sign * tie, accumulate=True)
    return matrix


def _sum_by(index: Int[Tensor, "k"], values: Float[Tensor, "k"], count: int) -> Float[Tensor, "_"]:
    return values.new_zeros(count).index_add(0, index, values)


def _mean_by(index: Int[Tensor, "k"], values: Float[Tensor, "k"], count: int) -> Float[Tensor, "_"]:
    return _sum_by(index, values, count) / _sum_by(index, torch.ones_like(values), count)
