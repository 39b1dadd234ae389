"""The search itself, coarse to fine: all photos in one size, then all in the next."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.progress import ProgressCallback, repeating
from pointmap.shapes import Float, Int
from pointmap.stereo.blending import blend
from pointmap.stereo.consistency import count_support
from pointmap.stereo.matching_cost import matching_cost
from pointmap.stereo.projection import Projection
from pointmap.stereo.resizing import complete_depth, enlarge
from pointmap.stereo.semiglobal import aggregate
from pointmap.stereo.sources import choose_sources
from pointmap.stereo.views import StereoView, make_view, pyramid_shapes
from pointmap.stereo.winners import pick

_LEAST_HYPOTHESES = 16
_MOST_SPEED = 0.75
"""Quantile over pixels: few move faster in another photo."""


@dataclass(frozen=True)
class StereoSettings:
    """How to search; the defaults suit depth and cameras that are nearly right."""

    max_sources: int = 4
    """Photos that each photo is compared with."""
    band: float = 0.35
    """Search range on both sides of an initial depth, as a logarithm."""
    coarsest: int = 80
    """Long side of the smallest images, in pixels: there the whole range is searched."""
    max_hypotheses: int = 64
    """Per pixel of the smallest images."""
    step_px: float = 1.0
    """From one hypothesis to the next most pixels move by no more in the other photos."""
    fine_steps: int = 4
    """Hypotheses on both sides of what the next smaller size found."""
    radius: int = 2
    """Windows have (2 radius + 1)^2 pixels, in each size."""
    noise: float = 0.015
    """Standard deviation of brightness, in [0, 1], that is no texture: windows with less correlate with nothing."""
    small_step: float = 0.04
    """Cost of a neighbour one hypothesis away."""
    jump: float = 0.3
    """Cost of a neighbour further away, where the photo has no edge."""
    least_weight: float = 0.1
    """Of depths that another photo confirms, however flat their cost is."""


SWEEP = StereoSettings(
    coarsest=512,
    max_hypotheses=192,
    step_px=0.5,
    radius=1,
    noise=0.01,
    small_step=0.2,
    jump=2.0,
    least_weight=1.0,
)
"""For depth from cameras and a range alone: thin things show in large images only; small windows lose none of them, and
what they do not know their neighbours do. On a rectified pair (`motorcycle`) at 320 and at 741 pixels, half a pixel
from one hypothesis to the next makes a tenth more of the depths right to 1 % than one pixel."""


@dataclass
class SearchState:
    """What one size knows of a view."""

    view: StereoView
    initial: Float[Tensor, "h w"]
    log_factor: Float[Tensor, "h w"]
    """What the initial depth was multiplied by."""
    confidence: Float[Tensor, "h w"]
    support: Int[Tensor, "h w"]

    @property
    def depth(self) -> Float[Tensor, "h w"]:
        return self.initial * self.log_factor.exp()


class Search:
    """The views and what has been found out of them so far.

    Args:
        depths: Around which to search, in any size.
        factors: Least and largest multiple of these depths that the smallest size tries, for every view.
    """

    def __init__(
        self,
        images: list[Tensor],
        intrinsics: list[Tensor],
        poses: list[Tensor],
        depths: list[Tensor],
        factors: list[tuple[float, float]],
        settings: StereoSettings,
        progress: ProgressCallback | None,
    ) -> None:
        self.images, self.intrinsics, self.poses, self.initial = images, intrinsics, poses, depths
        self.factors, self.settings, self.progress = factors, settings, progress
        shapes = [pyramid_shapes((image.shape[0], image.shape[1]), settings.coarsest) for image in images]
        self.levels = max((len(sizes) for sizes in shapes), default=0)
        self.shapes = [[sizes[0]] * (self.levels - len(sizes)) + sizes for sizes in shapes]
        self.sources: list[list[int]] = []

    def run(self) -> list[SearchState]:
        """The views in their largest size."""
        states: list[SearchState] = []
        least = self.settings.least_weight
        for level in range(self.levels):
            wait = repeating(self.progress, "stereo", level * len(self.images), self.levels * len(self.images))
            before, states = states, []
            for index in range(len(self.images)):
                wait()
                states.append(self._start(index, level, before))
            views = [state.view for state in states]
            if level == 0:
                self.sources = choose_sources(views, [state.depth for state in states], self.settings.max_sources, wait)
            projections = [
                [Projection.between(state.view, views[j]) for j in partners]
                for state, partners in zip(states, self.sources, strict=True)
            ]
            found = []
            for index, state in enumerate(states):
                partners = [views[j] for j in self.sources[index]]
                found.append(self._search(index, state, partners, projections[index], level))
                if self.progress is not None:
                    self.progress("stereo", level * len(states) + index + 1, self.levels * len(states))
            support = count_support(views, [depth for depth, _ in found], self.sources, projections)
            wait = repeating(self.progress, "stereo", (level + 1) * len(states), self.levels * len(states))
            for state, (depth, confidence), supporters in zip(states, found, support, strict=True):
                wait()
                # The smaller sizes speak too: a fine search is sure of its narrow range only.
                so_far = state.confidence
                state.confidence = confidence * so_far.sqrt() * (supporters > 0)
                state.support = supporters
                weight = confidence.clamp_min(least) * so_far.clamp_min(least).sqrt() * (supporters > 0)
                if bool((weight > 0).any()):
                    start = state.log_factor if level else None
                    state.log_factor = blend(state.initial, depth, weight, state.view.color, start)
        return states

    def _start(self, index: int, level: int, previous: list[SearchState]) -> SearchState:
        """A view in a size, with what the size before knows."""
        shape = self.shapes[index][level]
        view = make_view(self.images[index], self.intrinsics[index], self.poses[index], shape)
        initial = complete_depth(self.initial[index], shape)
        nobody = torch.zeros_like(initial, dtype=torch.int64)
        if not previous:
            return SearchState(view, initial, torch.zeros_like(initial), torch.ones_like(initial), nobody)
        before = previous[index]
        confidence = F.interpolate(before.confidence[None, None], shape, mode="bilinear")[0, 0]
        return SearchState(view, initial, enlarge(before.log_factor, before.view.color, view.color), confidence, nobody)

    def _search(
        self, index: int, state: SearchState, sources: list[StereoView], projections: list[Projection], level: int
    ) -> tuple[Tensor, Tensor]:
        """Depth and confidence of one view by itself."""
        depth = state.depth
        if not sources:
            return depth, torch.zeros_like(depth)
        nearness = self._wide(index, depth, projections) if level == 0 else self._narrow(depth, projections)
        settings = self.settings
        cost = matching_cost(
            state.view,
            sources,
            projections,
            depth,
            nearness.reciprocal(),
            radius=settings.radius,
            noise=settings.noise,
        )
        smooth = aggregate(cost, state.view.color, small_step=settings.small_step, jump=settings.jump)
        place, confidence = pick(smooth, cost)
        step = (nearness[-1] - nearness[0]) / (len(nearness) - 1)
        return depth / (nearness[0] + place * step), confidence

    def _wide(self, index: int, depth: Float[Tensor, "h w"], projections: list[Projection]) -> Float[Tensor, "n"]:
        """Inverse depths to try, relative to that of the map: the whole range.

        Evenly in inverse depth, so that each moves the other photo about as far.
        """
        near, far = self.factors[index]
        moved = [
            torch.hypot(a[0] - b[0], a[1] - b[1])
            for a, b in (
                (projection.pixels(depth * near), projection.pixels(depth * far)) for projection in projections
            )
        ]
        longest = float(torch.stack(moved).amax(0).flatten().quantile(_MOST_SPEED))
        count = math.ceil(longest / self.settings.step_px) + 1
        count = min(max(count, _LEAST_HYPOTHESES), self.settings.max_hypotheses)
        return torch.linspace(1 / near, 1 / far, count).to(depth)

    def _narrow(self, depth: Float[Tensor, "h w"], projections: list[Projection]) -> Float[Tensor, "n"]:
        """The same around what a smaller size has found."""
        settings = self.settings
        speeds = torch.stack([projection.speed(depth).norm(dim=-1) for projection in projections]).amax(0)
        fastest = float(speeds.flatten().quantile(_MOST_SPEED))
        step = min(settings.step_px / max(fastest, 1e-6), settings.band / settings.fine_steps)
        return 1 + step * torch.arange(settings.fine_steps, -settings.fine_steps - 1, -1).to(depth)
