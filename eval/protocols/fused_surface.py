"""Depths fused with TSDF, then F-score against the reference (Depth Anything 3 bench, SpatialBench)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pointmap.metrics.points import cloud_errors, voxel_down_sample

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .in_true_frame import fused, points_of_surface, posed_depths, true_depths, true_from_estimate, true_surface


@dataclass(frozen=True)
class FusedSurface(Protocol):
    """Poses are aligned by Umeyama with RANSAC, depths are scaled and fused, points sampled on the surface, both clouds
    thinned out.

    Sources: `ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/` (the files of 7-Scenes, ETH3D and
    ScanNet++), `:src/depth_anything_3/bench/utils.py`, `:src/depth_anything_3/utils/constants.py`, and
    `Ropedia/SpatialBench:benchmark/evaluation/metrics.py`, read in November 2026.

    The reference is `Truth.mesh`, else `Truth.cloud`, else the true depths, fused in the same way. It differs from the
    sources in this: depth maps are fused at their own size, not enlarged to that of the photos, and by
    `pointmap.fuse`, which measures distances to tangent planes, not by Open3D's volume; fewer than 3 cameras, or
    cameras on a line, are aligned with their viewing directions (Depth Anything 3's alignment fails there).
    """

    voxel: float
    """Of the fusion, in units of the truth."""

    truncation: float

    threshold: float
    """Of precision, recall and F."""

    farthest: float = float("inf")
    """Depths beyond are not fused, in units of the truth."""

    samples: int = 1_000_000
    down_sample: float | None = None
    """Voxel of both clouds before they are compared; None takes `voxel`, as all of Depth Anything 3's settings do."""

    poses: Literal["estimated", "true"] = "estimated"
    """True ones, with true intrinsics, are for methods that were given them; depths are scaled all the same."""

    within_truth: bool = True
    """Pixels without a true depth are not fused, where the task has true depths."""

    box_margin: float | None = None
    """Estimated points further outside of the reference's bounding box take no part (0.1 m on ScanNet++)."""

    unit: str = "m"
    """Of the truth."""

    needs = frozenset({"poses", "depths"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """F-score, its parts, mean distances."""
        return (
            Metric("f_score", "F-score", "higher", 1.0, 0.0, share=True),
            Metric("precision", "Prec.", "higher", 1.0, 0.0, share=True),
            Metric("recall", "Recall", "higher", 1.0, 0.0, share=True),
            Metric("accuracy", "Acc.", "lower", 0.0, float("nan"), self.unit),
            Metric("completion", "Comp.", "lower", 0.0, float("nan"), self.unit),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        worst = {metric.name: metric.worst for metric in self.metrics}
        similarity = true_from_estimate(task, estimate, robust=True)
        if similarity is None:
            return Scores(worst)
        where = (lambda index: _known(task.truth.depth(index))) if self.within_truth else None
        maps = posed_depths(task, estimate, similarity, cameras=self.poses, where=where)
        mesh = fused(maps, self.voxel, self.truncation, self.farthest)
        points = points_of_surface(np.asarray(mesh.vertices), np.asarray(mesh.faces), self.samples)
        vertices, faces = true_surface(task.truth)
        if not len(vertices):
            reference = fused(true_depths(task), self.voxel, self.truncation, self.farthest)
            vertices, faces = np.asarray(reference.vertices), np.asarray(reference.faces)
        true_points = points_of_surface(vertices, faces, self.samples)
        if self.box_margin is not None and len(true_points):
            low, high = true_points.min(axis=0) - self.box_margin, true_points.max(axis=0) + self.box_margin
            points = points[((points >= low) & (points <= high)).all(axis=1)]
        if not len(points) or not len(true_points):
            return Scores(worst)
        voxel = self.voxel if self.down_sample is None else self.down_sample
        errors = cloud_errors(voxel_down_sample(points, voxel), voxel_down_sample(true_points, voxel))
        return Scores(
            {
                "f_score": errors.f_score(self.threshold),
                "precision": errors.precision(self.threshold),
                "recall": errors.recall(self.threshold),
                "accuracy": errors.accuracy,
                "completion": errors.completeness,
            }
        )


def _known(depth: np.ndarray | None) -> np.ndarray | None:
    return None if depth is None else np.isfinite(depth) & (depth > 0)
