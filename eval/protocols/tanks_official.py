"""Tanks and Temples: precision, recall, F-score at each scene's threshold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pointmap.metrics.points import cloud_errors, draw, voxel_down_sample
from pointmap.metrics.registration import icp, transform

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .in_true_frame import cloud_of, true_from_estimate

_MOST = 4_000_000
"""Points of the estimated cloud, drawn where there are more; the source takes as many for its last ICP."""
_MOVED = 300_000
"""Of them, those by which ICP moves all."""


@dataclass(frozen=True)
class TanksOfficial(Protocol):
    """The training-set evaluation of Knapitsch et al. 2017: alignment by poses, cropped, thinned out, ICP.

    Source: `isl-org/TanksAndTemples:python_toolbox/evaluation/run.py`, `:registration.py`, `:evaluation.py` there.
    Reads of `Truth`, in metres:

    - `cloud`: the laser scan, SCENE.ply
    - `extra["threshold"]`: float, tau of the scene
    - `extra["crop"]`: optional, a mapping, or a function that returns it, with the keys of SCENE.json:
      `orthogonal_axis` ("X", "Y" or "Z"), `axis_min`, `axis_max`, `bounding_polygon` (n rows of 3 numbers); in the
      frame of the cloud
    - `extra["alignment"]`: optional (4, 4) array `cloud_from_world`, a similarity (SCENE_trans.txt), where the true
      poses are in another frame than the cloud

    ICP may scale and has three stages of 20 steps: voxels of tau and pairs up to 80 tau, voxels of tau / 2 and 20 tau,
    all points and 2 tau. Clouds are compared in voxels of tau / 2. It differs from the source in the start: Umeyama
    over camera centres with this library's RANSAC (`registration.robust_umeyama_of_cameras`) instead of Open3D's with
    100,000 samples of 6; the cloud is that of all pixels, of which about 4 million are drawn; and ICP looks for the
    partners of 300,000 of its points.
    """

    icp: bool = True

    metrics = (
        Metric("f_score", "F-score", "higher", 1.0, 0.0, share=True),
        Metric("precision", "Prec.", "higher", 1.0, 0.0, share=True),
        Metric("recall", "Recall", "higher", 1.0, 0.0, share=True),
    )
    needs = frozenset({"poses", "points"})

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        worst = Scores({metric.name: metric.worst for metric in self.metrics})
        extra = task.truth.extra
        tau = float(extra["threshold"])
        crop = crop_of(extra.get("crop"))
        similarity = true_from_estimate(task, estimate, robust=True)
        if similarity is None:
            return worst
        cloud_from_world = np.asarray(extra.get("alignment", np.eye(4)), np.float64)
        points = cloud_of(task, estimate, cloud_from_world @ similarity, limit=_MOST)
        assert task.truth.cloud is not None
        scan = crop(np.asarray(task.truth.cloud(), np.float64))
        if self.icp:
            for voxel, distance in ((tau, 80 * tau), (tau / 2, 20 * tau), (None, 2 * tau)):
                source, target = (
                    one if voxel is None else voxel_down_sample(one, voxel) for one in (crop(points), scan)
                )
                source = source[draw(len(source), _MOVED)]
                found = icp(source, target, distance, with_scale=True, iterations=20)
                points = transform(found.true_from_estimate, points)
        estimated = voxel_down_sample(crop(points), tau / 2)
        if not len(estimated) or not len(scan):
            return worst
        errors = cloud_errors(estimated, voxel_down_sample(scan, tau / 2))
        precision, recall = errors.precision(tau), errors.recall(tau)
        return Scores({"f_score": errors.f_score(tau), "precision": precision, "recall": recall})


def crop_of(content: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None) -> Callable[[np.ndarray], np.ndarray]:
    """What keeps the points within a prism: between two planes across an axis, and within a polygon seen along it.

    The keys are those of Open3D's SelectionPolygonVolume; None keeps all.
    """
    if content is None:
        return lambda points: points
    volume = content() if callable(content) else content
    along = "XYZ".index(volume["orthogonal_axis"])
    across = [axis for axis in range(3) if axis != along]
    polygon = np.asarray(volume["bounding_polygon"], np.float64)[:, across]
    low, high = float(volume["axis_min"]), float(volume["axis_max"])

    def crop(points: np.ndarray) -> np.ndarray:
        kept = points[(points[:, along] >= low) & (points[:, along] <= high)]
        return kept[_within(kept[:, across], polygon)]

    return crop


def _within(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """True for points whose ray to the right crosses an odd number of sides."""
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return inside
