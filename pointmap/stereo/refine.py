"""Multi-view stereo, coarse to fine: all photos in one size, then all in the next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.shapes import Float, Int, Shaped
from pointmap.stereo.blending import blend
from pointmap.stereo.consistency import count_support
from pointmap.stereo.matching_cost import matching_cost
from pointmap.stereo.projection import Projection
from pointmap.stereo.resizing import complete_depth, enlarge
from pointmap.stereo.semiglobal import aggregate
from pointmap.stereo.sources import choose_sources
from pointmap.stereo.views import StereoView, make_view, pyramid_shapes
from pointmap.stereo.winners import pick

_LEAST_WEIGHT = 0.1
"""Of depths that other photos confirm, however flat their cost is."""


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
    """Per pixel of the smallest images."""
    fine_steps: int = 4
    """Hypotheses on both sides of what the next smaller size found; one moves most pixels by less than a pixel."""
    radius: int = 2
    """Windows have (2 radius + 1)^2 pixels, in each size."""


@dataclass(frozen=True, eq=False)
class StereoResult:
    """Depth maps of all views, of the size of their images."""

    depths: list[Float[Tensor, "_ _"]]
    """z-depth; 0 where it was unknown and is so still."""
    confidences: list[Float[Tensor, "_ _"]]
    """How far the depth is stereo's, 0 to 1; 0 where it is the initial one, corrected as its surroundings are."""
    support: list[Int[Tensor, "_ _"]]
    """Number of other photos whose stereo depth says the same."""


def refine_depths(
    images: Sequence[Shaped[Tensor, "_ _ 3"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    depths: Sequence[Float[Tensor, "_ _"]],
    *,
    settings: StereoSettings | None = None,
    progress: ProgressCallback | None = None,
) -> StereoResult:
    """Search around depth maps for what the photos agree on, and correct the maps by it.

    Works on the device of the images; on one device the result is always the same. The time is that of the largest
    size, about half a second of one CPU core for 320 x 240 pixels and four sources.

    Args:
        images: RGB, uint8 or floats in [0, 1]; sizes may differ.
        intrinsics: Pinhole K in pixels of the images.
        world_from_cam: NaN for a view that takes no part.
        depths: Initial z-depth of the same field of view, in any size; 0 or NaN where unknown.
        progress: Called with ("stereo", done, total).

    Returns:
        Maps of the size of the images. A view that takes no part, has no initial depth at all, or sees nothing that
        another view sees, keeps its depth, with confidence 0.

    Raises:
        InputError: The numbers of images, cameras and depth maps differ.
    """
    settings = settings or StereoSettings()
    counts = {"images": len(images), "depths": len(depths)}
    counts |= {"intrinsics": len(intrinsics), "world_from_cam": len(world_from_cam)}
    if len(set(counts.values())) > 1:
        raise InputError(f"Stereo needs one entry per photo in each of its inputs, but got {counts}.")
    used = [
        index
        for index, depth in enumerate(depths)
        if bool(world_from_cam[index].isfinite().all()) and bool(((depth > 0) & depth.isfinite()).any())
    ]
    search = _Search(
        [images[index] for index in used],
        [intrinsics[index].float() for index in used],
        [world_from_cam[index].float() for index in used],
        [depths[index].float() for index in used],
        settings,
        progress,
    )
    found = search.run() if used else []
    result = StereoResult([], [], [])
    for index, (image, depth) in enumerate(zip(images, depths, strict=True)):
        shape = image.shape[0], image.shape[1]
        known = F.interpolate(((depth > 0) & depth.isfinite()).float()[None, None], shape, mode="nearest")[0, 0] > 0
        if index in used:
            state = found[used.index(index)]
            refined, confidence, support = state.depth, state.confidence, state.support
        else:
            refined = complete_depth(depth.float(), shape)
            confidence, support = torch.zeros_like(refined), torch.zeros_like(refined, dtype=torch.int64)
        result.depths.append(torch.where(known | (confidence > 0), refined, 0.0))
        result.confidences.append(confidence)
        result.support.append(support)
    return result


@dataclass
class _State:
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


class _Search:
    """The views and what has been found out of them so far."""

    def __init__(
        self,
        images: list[Tensor],
        intrinsics: list[Tensor],
        poses: list[Tensor],
        depths: list[Tensor],
        settings: StereoSettings,
        progress: ProgressCallback | None,
    ) -> None:
        self.images, self.intrinsics, self.poses, self.initial = images, intrinsics, poses, depths
        self.settings, self.progress = settings, progress
        shapes = [pyramid_shapes((image.shape[0], image.shape[1]), settings.coarsest) for image in images]
        self.levels = max((len(sizes) for sizes in shapes), default=0)
        self.shapes = [[sizes[0]] * (self.levels - len(sizes)) + sizes for sizes in shapes]
        self.sources: list[list[int]] = []

    def run(self) -> list[_State]:
        states: list[_State] = []
        for level in range(self.levels):
            states = [self._start(index, level, states) for index in range(len(self.images))]
            views = [state.view for state in states]
            if level == 0:
                self.sources = choose_sources(views, [state.depth for state in states], self.settings.max_sources)
            projections = [
                [Projection.between(state.view, views[j]) for j in partners]
                for state, partners in zip(states, self.sources, strict=True)
            ]
            found = []
            for index, state in enumerate(states):
                partners = [views[j] for j in self.sources[index]]
                found.append(self._search(state, partners, projections[index], level))
                if self.progress is not None:
                    self.progress("stereo", level * len(states) + index + 1, self.levels * len(states))
            support = count_support(views, [depth for depth, _ in found], self.sources, projections)
            for state, (depth, confidence), supporters in zip(states, found, support, strict=True):
                # The smaller sizes speak too: a fine search is sure of its narrow range only.
                so_far = state.confidence
                state.confidence = confidence * so_far.sqrt() * (supporters > 0)
                state.support = supporters
                weight = confidence.clamp_min(_LEAST_WEIGHT) * so_far.clamp_min(_LEAST_WEIGHT).sqrt() * (supporters > 0)
                if bool((weight > 0).any()):
                    start = state.log_factor if level else None
                    state.log_factor = blend(state.initial, depth, weight, state.view.color, start)
        return states

    def _start(self, index: int, level: int, previous: list[_State]) -> _State:
        """A view in a size, with what the size before knows."""
        shape = self.shapes[index][level]
        view = make_view(self.images[index], self.intrinsics[index], self.poses[index], shape)
        initial = complete_depth(self.initial[index], shape)
        nobody = torch.zeros_like(initial, dtype=torch.int64)
        if not previous:
            return _State(view, initial, torch.zeros_like(initial), torch.ones_like(initial), nobody)
        before = previous[index]
        confidence = F.interpolate(before.confidence[None, None], shape, mode="bilinear")[0, 0]
        return _State(view, initial, enlarge(before.log_factor, before.view.color, view.color), confidence, nobody)

    def _search(
        self, state: _State, sources: list[StereoView], projections: list[Projection], level: int
    ) -> tuple[Tensor, Tensor]:
        """Depth and confidence of one view by itself."""
        depth = state.depth
        if not sources:
            return depth, torch.zeros_like(depth)
        settings = self.settings
        step = min(1 / max(fastest(projections, depth), 1e-6), settings.band / 3)
        reach = settings.fine_steps
        if level == 0:
            reach = min(math.ceil(settings.band / step), settings.max_hypotheses // 2)
        factors = torch.exp(step * torch.arange(-reach, reach + 1).to(depth))
        cost = matching_cost(state.view, sources, projections, depth, factors, radius=settings.radius)
        place, confidence = pick(aggregate(cost, state.view.color), cost)
        return depth * torch.exp(step * (place - reach)), confidence


def fastest(projections: Sequence[Projection], depth: Float[Tensor, "h w"]) -> float:
    """Pixels in another photo per unit of log depth: few pixels move faster."""
    speeds = torch.stack([projection.speed(depth).norm(dim=-1) for projection in projections]).amax(0)
    return float(speeds.flatten().quantile(0.75))
