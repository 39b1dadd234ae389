"""Multi-view stereo, coarse to fine: all photos in one size, then all in the next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.progress import ProgressCallback
from pointmap.shapes import Float, Int
from pointmap.stereo.blending import blend, fill
from pointmap.stereo.consistency import count_support
from pointmap.stereo.matching_cost import matching_cost
from pointmap.stereo.semiglobal import aggregate
from pointmap.stereo.sources import choose_sources
from pointmap.stereo.views import StereoView, make_view, pyramid_shapes
from pointmap.stereo.winners import pick


@dataclass(frozen=True)
class StereoSettings:
    """How to search."""

    max_sources: int = 4
    """Photos that each photo is compared with."""
    band: float = 0.35
    """Search range on both sides of the initial depth, as a logarithm."""
    coarsest: int = 80
    """Long side of the smallest images, in pixels."""
    max_hypotheses: int = 64
    fine_steps: int = 4
    """Hypotheses on both sides of what the next smaller size found."""
    radius: int = 2
    """Windows have (2 radius + 1)^2 pixels, in each size."""


@dataclass(frozen=True, eq=False)
class StereoResult:
    """Depth maps of all views, of the size of their images."""

    depths: list[Float[Tensor, "_ _"]]
    """z-depth."""
    confidences: list[Float[Tensor, "_ _"]]
    """Of stereo, 0 to 1; 0 where the depth comes from the initial map and its surroundings."""
    support: list[Int[Tensor, "_ _"]]
    """Number of other photos whose depth says the same."""


@dataclass
class _Level:
    """What one size has for a view."""

    view: StereoView
    initial: Tensor
    depth: Tensor
    factor: Tensor
    confidence: Tensor
    known: Tensor


def refine_depths(
    images: Sequence[Tensor],
    intrinsics: Tensor,
    world_from_cam: Tensor,
    depths: Sequence[Tensor],
    *,
    settings: StereoSettings = StereoSettings(),
    progress: ProgressCallback | None = None,
) -> StereoResult:
    shapes = [pyramid_shapes(tuple(image.shape[:2]), settings.coarsest) for image in images]
    count = max(len(shape) for shape in shapes)
    shapes = [[shape[0]] * (count - len(shape)) + shape for shape in shapes]
    K, poses = intrinsics.float(), world_from_cam.float()
    states: list[_Level] = []
    sources: list[list[int]] = []
    support: list[Tensor] = []
    for level in range(count):
        previous = states
        states = []
        for i, image in enumerate(images):
            view = make_view(image, K[i], poses[i], shapes[i][level])
            initial, known = _resized(depths[i].float(), view.shape)
            if previous:
                factor = _upsampled(previous[i].factor, previous[i].view.color, view.color)
                confidence = F.interpolate(previous[i].confidence[None, None], view.shape, mode="bilinear")[0, 0]
            else:
                factor = torch.zeros_like(initial)
                confidence = torch.ones_like(initial)
            states.append(_Level(view, initial, initial * factor.exp(), factor, confidence, known))
        views = [state.view for state in states]
        if not sources:
            sources = choose_sources(views, [state.depth for state in states], settings.max_sources)
        raw, sure = [], []
        for i, state in enumerate(states):
            partners = [views[j] for j in sources[i]]
            if not partners:
                raw.append(state.depth)
                sure.append(torch.zeros_like(state.depth))
                continue
            step = _step(state.view, partners, state.depth, settings.band)
            if level == 0:
                reach = min(math.ceil(settings.band / step), settings.max_hypotheses // 2)
            else:
                reach = settings.fine_steps
            factors = torch.exp(step * torch.arange(-reach, reach + 1).to(state.depth))
            cost = matching_cost(state.view, partners, state.depth, factors, radius=settings.radius)
            place, confidence = pick(aggregate(cost, state.view.color), cost)
            raw.append(state.depth * torch.exp(step * (place - reach)))
            sure.append(confidence)
            if progress is not None:
                progress("stereo", level * len(images) + i + 1, count * len(images))
        support = count_support(views, raw, sure, sources)
        for state, found, confidence, supporters in zip(states, raw, sure, support, strict=True):
            weight = confidence * state.confidence.sqrt() * (supporters > 0)
            state.confidence = weight
            if float(weight.sum()) > 0:
                state.depth, state.factor = blend(
                    state.initial, found, weight, state.view.color, state.factor if level else None
                )
    return StereoResult([s.depth for s in states], [s.confidence for s in states], support)


def _resized(depth: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    known = (depth > 0) & depth.isfinite()
    values = torch.where(known, depth, 1.0).log()
    parts = torch.stack([values * known, known.float()])[None]
    small = F.interpolate(parts, shape, mode="area")[0] if tuple(depth.shape) != shape else parts[0]
    share = small[1]
    return fill(small[0] / share.clamp_min(1e-6), share).exp(), share > 0.5


def _upsampled(values: Tensor, color: Tensor, fine_color: Tensor, *, edge: float = 0.05) -> Tensor:
    """Each fine pixel from the coarse ones around it, mostly from those of its colour."""
    height, width = fine_color.shape[-2:]
    h, w = values.shape
    rows = (torch.arange(height, device=values.device) + 0.5) / height * h - 0.5
    columns = (torch.arange(width, device=values.device) + 0.5) / width * w - 0.5
    total = torch.zeros(height, width).to(values)
    weights = torch.full_like(total, 1e-12)
    for dy in (0, 1):
        for dx in (0, 1):
            y, x = rows.floor() + dy, columns.floor() + dx
            near = (1 - (rows - y).abs())[:, None] * (1 - (columns - x).abs())
            index = y.long().clamp(0, h - 1)[:, None], x.long().clamp(0, w - 1)
            unlike = (color[:, index[0], index[1]] - fine_color).abs().mean(0)
            weight = near * torch.exp(-unlike / edge) + 1e-6 * near
            total += weight * values[index]
            weights += weight
    return total / weights


def _step(view: StereoView, sources: Sequence[StereoView], depth: Tensor, band: float) -> float:
    """Logarithm of the factor between hypotheses: what moves most pixels by a pixel at most."""
    fastest = torch.zeros_like(depth)
    for source in sources:
        a, b = view.projection_into(source)
        here, there = (depth[..., None] * factor * a + b for factor in (1.0, 1.01))
        moved = here[..., :2] / here[..., 2:] - there[..., :2] / there[..., 2:]
        speed = moved.norm(dim=-1) / math.log(1.01)
        fastest = torch.maximum(fastest, torch.where(here[..., 2] > 0, speed, 0.0))
    speed = float(fastest.flatten().quantile(0.75))
    return min(1 / max(speed, 1e-6), band / 3)
