"""The solver of bundle adjustment: Levenberg-Marquardt on a robust cost that narrows; pairs that fail are left out."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.bundle_equations import NormalEquations, Structure, number_columns
from pointmap.alignment.bundle_problem import FINAL_WIDTH, Matched, Reprojection, Unknowns
from pointmap.alignment.state import Fixed
from pointmap.shapes import Bool, Float, Int

LEAST_INLIERS = 12
"""Of a pair of views; fewer agree with some camera by chance."""

_LEAST_SHARE = 0.2
"""Of the weight of a pair's matches. Of wrong ones, about 8 % lie near their epipolar lines by chance, in photos of 200
pixels and with 1.5 pixels of noise."""

_START_WIDTH = 8 * FINAL_WIDTH
_NARROWING = 0.7
_NARROW_ENOUGH = 0.9
_LEAST_NOISE = 0.2
"""Of the given one."""
_ROUNDS = 3
_SETTLED = 1e-4
"""Largest change, in radians, median depths and logarithms of focal lengths, of a step that is the last."""
_LARGEST_DAMPING = 1e4


@dataclass(frozen=True)
class Solution:
    """Where the solver ended."""

    at: Reprojection
    width: float
    """Of the robust cost at the end, in units of the given noise."""
    holds: Bool[Tensor, "lists"]
    """True for the pairs of which enough matches agree; the weights of the others are 0."""
    shown: Bool[Tensor, "views"]
    """True for the views of such pairs."""
    parts: Int[Tensor, "views"]
    """Views that such pairs connect have the same number, that of the first of them."""
    history: list[float]
    """The cost at a width of `FINAL_WIDTH`, at the start and after every step."""


def solve(
    matched: Matched, start: Unknowns, fixed: Fixed, *, max_iterations: int, on_step: Callable[[int], None]
) -> Solution:
    """Minimise the cost of `Reprojection`; views of which too little agrees go back to where they started."""
    history: list[float] = []
    at = Reprojection(matched, start)
    finite = at.squared[at.squared.isfinite() & (matched.weights > 0)]
    width = max(_START_WIDTH, float(finite.median().sqrt())) if len(finite) else _START_WIDTH
    holds, final = torch.ones_like(matched.view_i, dtype=torch.bool), FINAL_WIDTH
    for _ in range(_ROUNDS):
        shown, parts = connected(matched, holds)
        columns = number_columns(
            shown & ~fixed.poses & ~anchors(parts, fixed.poses & shown), shown & ~fixed.focals, shown, fixed.cameras
        )
        structure = Structure(matched, fixed.cameras, columns)
        at = _minimise(at, structure, width, final, max_iterations, history, on_step)
        still, narrower = holds & _agreeing(at, final), _noise_width(at, final)
        if bool((still == holds).all()) and narrower > _NARROW_ENOUGH * final:
            break
        # What agrees by chance pulls in wrong directions: there is less of it without pairs of which no more agrees
        # than may by chance, and within what the noise turns out to be.
        holds, width, final = still, final, narrower
        matched = replace(matched, weights=matched.weights * holds[matched.list_of][:, None])
        at = Reprojection(matched, _sent_back(at.at, start, ~connected(matched, holds)[0], matched.host))
    return Solution(at, final, holds, *connected(matched, holds), history)


def _minimise(
    at: Reprojection,
    structure: Structure,
    width: float,
    final: float,
    max_iterations: int,
    history: list[float],
    on_step: Callable[[int], None],
) -> Reprojection:
    damping, equations = 1e-4, None
    cost = at.cost(width, structure.cameras)
    if not history:
        history.append(at.cost(FINAL_WIDTH, structure.cameras))
    for _ in range(max_iterations):
        on_step(len(history))
        if equations is None:
            equations = NormalEquations(at, structure, width)
        candidate = Reprojection(at.matched, equations.step(damping))
        changed = candidate.cost(width, structure.cameras)
        if changed <= cost:
            settled = width <= final and _change(at.at, candidate.at) < _SETTLED
            at, equations = candidate, None
            width, damping = max(final, _NARROWING * width), max(damping / 10, 1e-9)
            cost = at.cost(width, structure.cameras)
            if settled:
                break
        elif damping < _LARGEST_DAMPING:
            damping *= 10
        elif width > final:
            equations, width, damping = None, max(final, _NARROWING * width), 1e-4
            cost = at.cost(width, structure.cameras)
        else:
            break
        history.append(at.cost(FINAL_WIDTH, structure.cameras))
    return at


def _change(at: Unknowns, changed: Unknowns) -> float:
    poses = (changed.world_from_cam - at.world_from_cam).abs().max()
    return float(torch.maximum(poses, (changed.log_focals - at.log_focals).abs().max()))


def _noise_width(at: Reprojection, width: float) -> float:
    """The width that fits the noise of the inliers, by their median; not more than this one."""
    inliers = at.inliers(width)
    number = int(inliers.sum())
    if not number:
        return width
    points = int((at.matched.sum_by_point(inliers.to(at.squared)) > 0).sum())
    # A point's depth takes one of the numbers of its matches, which are two each.
    freedom = (2 * number - points) / (2 * number)
    noise = math.sqrt(float(at.squared[inliers].median()) / (2 * math.log(2)) / freedom)
    return min(width, FINAL_WIDTH * max(noise, _LEAST_NOISE))


def _agreeing(at: Reprojection, width: float) -> Bool[Tensor, "lists"]:
    matched = at.matched
    inliers = at.inliers(width)

    def sums(values: Float[Tensor, "blocks k"]) -> Float[Tensor, "lists"]:
        return values.new_zeros(len(matched.view_i)).index_add(0, matched.list_of, values.sum(1))

    number, agreeing, weight = sums(inliers.to(matched.weights)), sums(matched.weights * inliers), sums(matched.weights)
    return (number >= LEAST_INLIERS) & (agreeing >= _LEAST_SHARE * weight)


def connected(matched: Matched, holds: Bool[Tensor, "lists"]) -> tuple[Bool[Tensor, "views"], Int[Tensor, "views"]]:
    """Which views the pairs show, and for each view the first one that they connect it with, maybe itself."""
    views = matched.num_views
    ends_i, ends_j = matched.view_i[holds], matched.view_j[holds]
    reach = torch.eye(views, dtype=torch.float64, device=ends_i.device)
    reach[ends_i, ends_j] = reach[ends_j, ends_i] = 1
    shown = reach.sum(0) > 1
    # Each squaring doubles the number of pairs on the longest way.
    for _ in range(max(views - 1, 1).bit_length()):
        reach = (reach @ reach > 0).to(reach)
    return shown, reach.argmax(dim=1)


def anchors(parts: Int[Tensor, "views"], fixed: Bool[Tensor, "views"]) -> Bool[Tensor, "views"]:
    """The first view of each part that has no fixed one."""
    first = parts == torch.arange(len(parts), device=parts.device)
    tied = torch.zeros_like(parts).index_add(0, parts, fixed.to(parts))[parts] > 0
    return first & ~tied


def _sent_back(at: Unknowns, start: Unknowns, back: Bool[Tensor, "views"], host: Int[Tensor, "points"]) -> Unknowns:
    return Unknowns(
        world_from_cam=torch.where(back[:, None, None], start.world_from_cam, at.world_from_cam),
        log_focals=torch.where(back, start.log_focals, at.log_focals),
        log_scales=torch.where(back, start.log_scales, at.log_scales),
        log_depths=torch.where(back[host], start.log_depths, at.log_depths),
    )
