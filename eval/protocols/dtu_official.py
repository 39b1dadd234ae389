"""DTU with its official metric: accuracy and completeness in mm within observation masks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from pointmap.geometry.sampling import sample
from pointmap.metrics.points import draw, mean, nearest, thin_out
from pointmap.metrics.registration import transform

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task, Truth
from .in_true_frame import PosedDepth, Where, cloud_of, posed_depths, true_from_estimate

_MOST = 4_000_000
"""Points of a fused cloud, drawn with a fixed seed where there are more, as in Depth Anything 3's bench."""


@dataclass(frozen=True)
class DtuOfficial(Protocol):
    """The evaluation that comes with DTU (Jensen et al. 2014; Aanaes et al. 2016), on clouds of depths.

    Reads of `Truth`, all in mm and in the frame of the official cameras and of `stlXXX_total.ply`:

    - `cloud`: the points of the structured light scan
    - `extra["observation_mask"]`: a function without arguments that returns (mask, box, resolution): (X, Y, Z) bool,
      True where something was observed (`ObsMask`); (2, 3) lower and upper corner (`BB`); edge of a cell in mm (`Res`).
      The cell of a point is round((point - box[0]) / resolution). Left out, every point counts.
    - `extra["plane"]`: (4,) array, or a function that returns it (`P` of `PlaneXXX.mat`): scan points with
      plane . (x, y, z, 1) > 0 are above the table and take part in completeness. Left out, all do.
    - `extra["masks"]`: optional, per photo a function that returns (H, W) bool, True where depths are fused, covering
      the whole photo; or None

    Estimated points are thinned out to `down_sample`; accuracy is the mean distance to the scan of those that lie where
    the scanner observed, completeness that of scan points above the table to all estimated points within `patch` below
    the box and twice `patch` above; distances from `farthest` on are left out of both.

    How depths become a cloud is that of Depth Anything 3's bench (`src/depth_anything_3/bench/datasets/dtu.py`, read in
    November 2026): with estimated poses every pixel within the masks, after Umeyama with RANSAC; with true ones the
    mean of the points that agree, see `consistency`. It differs in this: maps keep their own size. DUSt3R's own
    procedure is not public (`naver/dust3r#68`), and VGGT's has not been reproduced (`facebookresearch/vggt#349`).
    """

    down_sample: float = 0.2
    patch: float = 60.0
    farthest: float = 20.0

    consistency: float = 0.2
    """With true poses: mm between a pixel's point and that which another photo sees along the line to it."""

    min_views: int = 4
    """With true poses: photos that must agree, the pixel's own among them; with fewer photos all must."""

    poses: Literal["estimated", "true"] = "estimated"
    """True ones are for methods that were given them."""

    metrics = (
        Metric("overall", "Overall", "lower", 0.0, float("nan"), "mm"),
        Metric("accuracy", "Acc.", "lower", 0.0, float("nan"), "mm"),
        Metric("completion", "Comp.", "lower", 0.0, float("nan"), "mm"),
    )
    needs = frozenset({"poses", "depths"})

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        points = self._cloud(task, estimate)
        if not len(points):
            return Scores({metric.name: metric.worst for metric in self.metrics})
        accuracy, completion = self.compare(points, task.truth)
        return Scores({"overall": (accuracy + completion) / 2, "accuracy": accuracy, "completion": completion})

    def compare(self, points: np.ndarray, truth: Truth) -> tuple[float, float]:
        """Accuracy and completeness of a cloud in the true frame; NaN where no pair is near enough."""
        assert truth.cloud is not None
        scan = np.asarray(truth.cloud(), np.float64)
        thin = thin_out(points, self.down_sample, seed=42)
        near_box, observed = thin, thin
        if (reader := truth.extra.get("observation_mask")) is not None:
            mask, box, resolution = reader()
            near_box = thin[((thin >= box[0] - self.patch) & (thin < box[1] + 2 * self.patch)).all(axis=1)]
            cells = np.rint((near_box - box[0]) / resolution).astype(np.int64)
            inside = ((cells >= 0) & (cells < mask.shape)).all(axis=1)
            observed = near_box[inside][np.asarray(mask[tuple(cells[inside].T)], bool)]
        above = scan
        if (plane := _read(truth.extra.get("plane"))) is not None:
            above = scan[scan @ np.ravel(plane)[:3] + np.ravel(plane)[3] > 0]
        to_scan, to_points = nearest(observed, scan)[0], nearest(above, near_box)[0]
        return mean(to_scan[to_scan < self.farthest]), mean(to_points[to_points < self.farthest])

    def _cloud(self, task: Task, estimate: Estimate) -> np.ndarray:
        similarity = true_from_estimate(task, estimate, robust=True)
        if similarity is None:
            return np.zeros((0, 3))
        if self.poses == "estimated":
            return cloud_of(task, estimate, similarity, where=photo_masks(task.truth), limit=_MOST)
        maps = posed_depths(task, estimate, similarity, cameras="true", where=photo_masks(task.truth))
        points = agreeing_points([make() for make in maps], self.consistency, self.min_views)
        return points[draw(len(points), _MOST, seed=42)]


def photo_masks(truth: Truth) -> Where | None:
    """Of `extra["masks"]`."""
    masks = truth.extra.get("masks")
    if not masks:
        return None
    return lambda index: None if masks[index] is None else np.asarray(masks[index](), bool)


def agreeing_points(maps: list[PosedDepth], tolerance: float, min_views: int) -> np.ndarray:
    """(n, 3) for every pixel the mean of its own point and those of other photos that are nearer to it.

    Another photo's point is that of its depth, interpolated, where the pixel's point is seen.

    Args:
        tolerance: In units of the maps.
        min_views: So many points, the pixel's own among them, must be there; all of them where there are fewer maps.
    """
    clouds = [_points(one) for one in maps]
    found = [np.zeros((0, 3))]
    for index, own in enumerate(clouds):
        known = np.flatnonzero(maps[index].depth > 0)
        points = own.reshape(-1, 3)[known]
        total, count = points.copy(), np.ones(len(points))
        for other, (cloud, one) in enumerate(zip(clouds, maps, strict=True)):
            if other == index:
                continue
            seen = _seen_by(one, cloud, points)
            agree = np.linalg.norm(seen - points, axis=1) < tolerance
            total[agree] += seen[agree]
            count += agree
        enough = count >= min(min_views, len(maps))
        found.append(total[enough] / count[enough, None])
    return np.concatenate(found)


def _points(one: PosedDepth) -> np.ndarray:
    rows, columns = np.indices(one.depth.shape)
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(one.intrinsics).T
    return transform(one.world_from_cam, rays * one.depth[..., None].astype(np.float64))


def _seen_by(one: PosedDepth, cloud: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, 3) points of another map at the pixels where points are seen; NaN outside, behind, and beside holes."""
    local = transform(np.linalg.inv(one.world_from_cam), points)
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local @ one.intrinsics.T
        u, v = (torch.from_numpy(pixels[:, axis] / pixels[:, 2])[None] for axis in range(2))
    channels = [*np.moveaxis(cloud, -1, 0), one.depth > 0]
    values = [sample(torch.from_numpy(np.ascontiguousarray(part, np.float64)), u, v) for part in channels]
    usable = values[0][1][0].numpy() & (local[:, 2] > 0) & (values[3][0][0].numpy() > 1 - 1e-9)
    seen = np.stack([value[0].numpy() for value, _ in values[:3]], axis=-1)
    return np.where(usable[:, None], seen, np.nan)


def _read(value: np.ndarray | Callable[[], Any] | None) -> np.ndarray | None:
    return value() if callable(value) else value
