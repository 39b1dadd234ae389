"""Calibration of confidences: risk-coverage over true depths."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from pointmap.metrics.calibration import risk_coverage, spearman
from pointmap.metrics.depth_alignment import fit_depth_alignment

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .depth import taking_part

_EXACT = 1e-6
"""Relative errors below are rounding."""


@dataclass(frozen=True)
class Confidence(Protocol):
    """Area under the risk-coverage curve of AbsRel after a median scale (AURC), and what of it a perfect ranking of the
    same errors would save (AUSE); rank correlation of confidences with smallness of errors.

    One scale for all photos of a scene, for each by itself where they are `single`. An estimate without confidences
    ranks nothing: all of its pixels are equally sure. One without errors ranks them perfectly.
    """

    limit: int = 2_000_000
    """Pixels of a scene that are ranked, drawn with a fixed seed where there are more; the scale is fitted to all."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("ause", "AUSE", "lower", 0.0, float("nan")),
        Metric("aurc", "AURC", "lower", 0.0, float("nan")),
        Metric("spearman", "Rank correlation", "higher", 1.0, float("nan")),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"depths"})

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where no pixel has both depths."""
        depth, true, confidence = self._pixels(task, estimate)
        if not len(depth):
            return Scores({metric.name: float("nan") for metric in self.metrics}, 0.0)
        errors = (depth - true).abs() / true
        curve = risk_coverage(errors, confidence)
        rank = 1.0 if errors.max() < _EXACT else -spearman(errors, confidence)
        return Scores(
            {"ause": curve.ause, "aurc": curve.aurc, "spearman": 0.0 if np.isnan(rank) else rank},
            float(len(depth)),
            {"calibration": {name: getattr(curve, name).tolist() for name in ("coverage", "risk", "oracle")}},
        )

    def _pixels(self, task: Task, estimate: Estimate) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Aligned depths, true depths and confidences of the pixels that have both depths."""
        parts = [part for index in range(len(task)) if (part := _photo(task, estimate, index)) is not None]
        if not parts:
            return torch.empty(0), torch.empty(0), torch.empty(0)
        if task.inputs.kind == "single":
            parts = [_scaled(*part) for part in parts]
        depth, true, confidence = (torch.cat(column) for column in zip(*parts, strict=True))
        if task.inputs.kind != "single":
            depth, true, confidence = _scaled(depth, true, confidence)
        if len(depth) > self.limit:
            drawn = torch.as_tensor(np.random.default_rng(0).choice(len(depth), self.limit, replace=False))
            depth, true, confidence = depth[drawn], true[drawn], confidence[drawn]
        return depth, true, confidence


def _photo(task: Task, estimate: Estimate, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    true = task.truth.depth(index)
    if true is None:
        return None
    shape = (true.shape[0], true.shape[1])
    depth = estimate.depth_at(index, shape)
    used = taking_part(true, 0.0, np.inf, "") & (depth > 0)
    if not used.any():
        return None
    confidence = estimate.confidence_at(index, shape)[used]
    columns = (depth[used], true[used], confidence)
    depth_used, true_used, confidence_used = (torch.from_numpy(column.astype(np.float32)) for column in columns)
    return depth_used, true_used, confidence_used


def _scaled(
    depth: torch.Tensor, true: torch.Tensor, confidence: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return fit_depth_alignment(depth, true, "median").apply(depth), true, confidence
