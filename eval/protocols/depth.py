"""Depth maps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from pointmap.metrics.depth import DepthSums, depth_sums
from pointmap.metrics.depth_alignment import DepthAlignment, fit_depth_alignment

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task

CROPS = {
    "eigen_nyu": (45 / 480, 471 / 480, 41 / 640, 601 / 640),
    "eigen_kitti": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg_kitti": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
}
"""Top, bottom, left, right as shares of the picture; Eigen et al. 2014 and Garg et al. 2016 with the numbers of
`cleinc/bts:pytorch/bts_eval.py` and `nianticlabs/monodepth2:evaluate_depth.py`."""

_VIEWS = ("absrel", "d1")
"""What the details tell of each photo."""


@dataclass(frozen=True)
class Depth(Protocol):
    """AbsRel and its kin, over pixels that have a true depth.

    All pixels take part in fit and errors, none are drawn: those of a scene that shares an alignment are held as
    float32, 8 bytes a pixel, and summed in float64.
    """

    align: Literal["none", "median", "scale_l1", "scale_ls", "scale_shift_l1", "scale_shift_ls", "disparity_ls"] = (
        "median"
    )
    """How estimates are brought to the truth: see `metrics.depth_alignment`."""

    per: Literal["image", "sequence"] = "sequence"
    """One alignment for each photo, or one for all of the scene."""

    nearest: float = 0.0
    farthest: float = float("inf")
    """Pixels whose true depth is outside of these take no part, in units of the truth."""

    clip: tuple[float, float] | None = None
    """Aligned estimates are clamped to this range."""

    resampling: Literal["nearest", "bilinear", "bicubic"] = "nearest"
    """From the estimate's size to the truth's."""

    crop: Literal["", "eigen_nyu", "eigen_kitti", "garg_kitti"] = ""
    """Part of the picture that takes part, by the usual names."""

    inlier_ratio: float | None = None
    """1.03 adds the share of pixels whose larger ratio is below (RobustMVD's inliers)."""

    pool: Literal["pixels", "images"] = "pixels"
    """Within a scene: all pixels alike, or the mean of the photos' means."""

    weighted: bool = False
    """Over scenes: by their number of pixels (`Aggregate`)."""

    missing: Literal["skip", "fail"] = "skip"
    """Pixels with a true depth but no estimate: left out, and their share reported as `coverage`; or counted as wrong
    in every share (d1.25, inliers) and as AbsRel 1."""

    needs = frozenset({"depths"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """Errors, shares, coverage. A failed scene counts where `missing` says that what is missing counts."""
        fails = self.missing == "fail"
        lost, wrong = float("nan"), 0.0 if fails else float("nan")
        over: Literal["weighted", "mean"] = "weighted" if self.weighted else "mean"
        inlier = (
            (Metric(self._inlier, f"Inliers@{self.inlier_ratio:g}", "higher", 1.0, wrong, "", over, True),)
            if self.inlier_ratio is not None
            else ()
        )
        return (
            Metric("absrel", "AbsRel", "lower", 0.0, 1.0 if fails else lost, "", over),
            *inlier,
            Metric("d1", "d<1.25", "higher", 1.0, wrong, "", over, True),
            Metric("d2", "d<1.25^2", "higher", 1.0, wrong, "", over, True),
            Metric("d3", "d<1.25^3", "higher", 1.0, wrong, "", over, True),
            Metric("absdiff", "AbsDiff", "lower", 0.0, lost, "m", over),
            Metric("sqrel", "SqRel", "lower", 0.0, lost, "m", over),
            Metric("rmse", "RMSE", "lower", 0.0, lost, "m", over),
            Metric("log_rmse", "logRMSE", "lower", 0.0, lost, "", over),
            Metric("coverage", "Coverage", "higher", 1.0, 0.0, "", over, True),
        )

    @property
    def _inlier(self) -> str:
        """1.03 -> inlier_103"""
        return f"inlier_{round(100 * (self.inlier_ratio or 0))}"

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where no photo has a true depth.

        Photos without a pixel that takes part are left out of a mean over photos.
        """
        pixels = [self._pixels(task, estimate, index) for index in range(len(task))]
        scored = [part for part in pixels if part is not None]
        photos = self._photos(scored)
        total = sum((len(true) for _, true in scored), start=0)
        known = sum((int(depth.isfinite().sum()) for depth, _ in scored), start=0)
        values = self._values(photos)
        values["coverage"] = known / total if total else float("nan")
        weight = sum((photo.pixels for photo in photos), start=0.0)
        return Scores(values, weight, {"views": _views(pixels, photos)})

    def _pixels(self, task: Task, estimate: Estimate, index: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Estimated (NaN where there is none) and true depths of one photo; None where no pixel takes part."""
        true = task.truth.depth(index)
        if true is None:
            return None
        used = taking_part(true, self.nearest, self.farthest, self.crop)
        if not used.any():
            return None
        shape = (true.shape[0], true.shape[1])
        found = estimate.depth_at(index, shape, self.resampling)[used].astype(np.float32)
        found[~(np.isfinite(found) & (found > 0))] = np.nan
        return torch.from_numpy(found), torch.from_numpy(true[used].astype(np.float32))

    def _photos(self, pixels: list[tuple[torch.Tensor, torch.Tensor]]) -> list[DepthSums]:
        """Sums of each photo after the alignment."""
        shared = self._fit(pixels) if self.per == "sequence" else None
        sums = []
        for depth, true in pixels:
            aligned = (shared or self._fit([(depth, true)])).apply(depth)
            if self.clip is not None:
                aligned = aligned.clamp(*self.clip)
            used = depth.isfinite() if self.missing == "skip" else torch.ones_like(depth, dtype=torch.bool)
            sums.append(depth_sums(aligned[used], true[used], self.inlier_ratio or math.inf))
        return sums

    def _fit(self, pixels: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> DepthAlignment:
        if self.align == "none" or not pixels:
            nothing = torch.empty(0)
            return fit_depth_alignment(nothing, nothing, self.align)
        depth = torch.cat([depth[depth.isfinite()] for depth, _ in pixels])
        return fit_depth_alignment(depth, torch.cat([true[depth.isfinite()] for depth, true in pixels]), self.align)

    def _values(self, photos: list[DepthSums]) -> dict[str, float]:
        names = {metric.name: metric.name for metric in self.metrics if metric.name != "coverage"}
        if self.inlier_ratio is not None:
            names[self._inlier] = "inlier_share"
        parts = [photo for photo in photos if photo.pixels]
        if self.pool == "pixels":
            parts = [sum(parts, start=DepthSums())]
        return {
            name: float(np.mean([getattr(part, field) for part in parts])) if parts else float("nan")
            for name, field in names.items()
        }


def taking_part(true: np.ndarray, nearest: float, farthest: float, crop: str) -> np.ndarray:
    """(H, W) bool: where a true depth is known, strictly between the limits, and inside of the crop (of `CROPS`)."""
    used = np.isfinite(true) & (true > max(nearest, 0.0)) & (true < farthest)
    if crop:
        top, bottom, left, right = CROPS[crop]
        height, width = true.shape
        inside = np.zeros_like(used)
        # An edge such as 471 / 480 * 480 must not fall below its row by rounding.
        rows = slice(int(top * height + 1e-6), int(bottom * height + 1e-6))
        inside[rows, int(left * width + 1e-6) : int(right * width + 1e-6)] = True
        used &= inside
    return used


def _views(pixels: Sequence[object | None], photos: list[DepthSums]) -> dict[str, list[Any]]:
    """`Scores.details["views"]`: null for photos that take no part."""
    remaining = iter(photos)
    sums = [None if part is None else next(remaining) for part in pixels]
    return {name: [None if photo is None else getattr(photo, name) for photo in sums] for name in _VIEWS}
