"""MapAnything's dense N-view benchmark."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pointmap.metrics.depth import DepthSums, depth_sums
from pointmap.metrics.poses import is_known, known_pairs, pose_errors
from pointmap.metrics.trajectories import centre_errors, spread

from ..estimate import Estimate, photo_sizes
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .relative_pose import pair_details

_INLIER = 1.03


@dataclass(frozen=True)
class DenseViews(Protocol):
    """Points, poses, depths and rays, after each side is divided by the mean distance of its points from its first
    camera.

    Source: `facebookresearch/map-anything:benchmarking/dense_n_view/benchmark.py`, `:mapanything/utils/metrics.py`.
    As there, an inlier point has a distance from the first camera, not a place, within 3 %; the ATE is the mean of the
    distances after a rigid fit (its name there says root mean square); AUC bins are of 1 degree and directions folded;
    means are over pixels of a view, then over views.

    The source's methods predict every pixel. Here pixels without an estimate are left out on both sides, of the mean
    distance as well, and `coverage` says how many there are; a photo without a pose counts 180 degrees in its pairs and
    has no points. The first camera is the first one that both sides know. The error of the scale is that of a method
    which says that it is metric, NaN for others.
    """

    aucs: tuple[int, ...] = (5,)

    needs = frozenset({"poses", "depths", "points"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """In the order of the source."""
        lost = float("nan")
        return (
            Metric("points_absrel", "Points AbsRel", "lower", 0.0, lost),
            Metric("points_inlier_103", "Points @1.03", "higher", 1.0, 0.0, share=True),
            Metric("ate", "ATE", "lower", 0.0, lost),
            *(Metric(f"auc_{n}", f"AUC@{n}", "higher", 1.0, 0.0, share=True) for n in self.aucs),
            Metric("absrel", "Depth AbsRel", "lower", 0.0, lost),
            Metric("inlier_103", "Depth @1.03", "higher", 1.0, 0.0, share=True),
            Metric("ray_deg", "Rays", "lower", 0.0, lost, "deg"),
            Metric("scale_absrel", "Metric scale", "lower", 0.0, lost),
            Metric("coverage", "Coverage", "higher", 1.0, 0.0, share=True),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN for what no view allows to compare."""
        values = {metric.name: float("nan") for metric in self.metrics}
        true = torch.as_tensor(np.asarray(task.truth.world_from_cam, np.float64))
        found = torch.as_tensor(np.asarray(estimate.world_from_cam, np.float64))
        errors = pose_errors(found, true, fold=True)
        values |= {f"auc_{n}": errors.auc_numpy(n) for n in self.aucs}
        values["ray_deg"] = _mean(_ray_errors_deg(task, estimate))
        details: dict[str, Any] = {}
        both = (is_known(true) & is_known(found)).nonzero()[:, 0].tolist()
        pixels = _Pixels(task, estimate, both[0] if both else 0)
        values["coverage"] = pixels.coverage
        if pixels.size and pixels.true_size:
            points, depths = pixels.point_sums(), pixels.depth_sums()
            values["points_absrel"] = _mean([view.absrel for view in points])
            values["points_inlier_103"] = _mean([view.inlier_share for view in points])
            values["absrel"] = _mean([view.absrel for view in depths])
            values["inlier_103"] = _mean([view.inlier_share for view in depths])
            details["views"] = {"absrel": [None if not view.pixels else view.absrel for view in depths]}
            if len(both) > 1:
                values["ate"] = spread(
                    centre_errors(_shrunk(found, pixels.size), _shrunk(true, pixels.true_size), "se3")
                ).mean
            if estimate.metric and task.truth.unit:
                metres = pixels.true_size * (1e-3 if task.truth.unit == "mm" else 1.0)
                values["scale_absrel"] = abs(pixels.size - metres) / metres
        first, second = known_pairs(true)
        details["pairs"] = pair_details(task, errors, first.numpy(), second.numpy())
        return Scores(values, details=details)


class _Pixels:
    """What both sides say of the pixels that both know, per view: places seen from the first camera, and z-depths."""

    def __init__(self, task: Task, estimate: Estimate, reference: int):
        self.views: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        """Estimated and true points in the reference camera's frame (n, 3), estimated and true depths (n,), float32."""
        total = known = 0
        sizes = photo_sizes(task.inputs.photos)
        for index in range(len(task)):
            depth = task.truth.depth(index)
            camera = task.truth.intrinsics[index], np.asarray(task.truth.world_from_cam[index], np.float64)
            if depth is None or not (np.isfinite(camera[0]).all() and np.isfinite(camera[1]).all()):
                continue
            shape = (depth.shape[0], depth.shape[1])
            points = _into_camera(estimate.points_at(index, shape), estimate.world_from_cam[reference])
            true = _into_camera(_true_points(depth, *camera, sizes[index]), task.truth.world_from_cam[reference])
            z = _depths(estimate, index, shape)
            used = (depth > 0) & np.isfinite(points).all(-1) & np.isfinite(true).all(-1) & (z > 0)
            total, known = total + int((depth > 0).sum()), known + int(used.sum())
            columns = (points[used], true[used], z[used], depth[used])
            self.views.append(tuple(column.astype(np.float32) for column in columns))  # type: ignore[arg-type]
        self.coverage = known / total if total else float("nan")
        self.size = _mean_length([view[0] for view in self.views])
        """Mean distance of the estimated points from the reference camera, in units of the estimate; 0 without any."""
        self.true_size = _mean_length([view[1] for view in self.views])

    def point_sums(self) -> list[DepthSums]:
        """Of each view: `absrel` |p - g| / |g| of places; `inlier_share` by distances."""
        sums = []
        for points, true, _, _ in self.views:
            p, g = torch.from_numpy(points).double() / self.size, torch.from_numpy(true).double() / self.true_size
            far, true_far = torch.linalg.norm(p, dim=1), torch.linalg.norm(g, dim=1)
            inliers = (torch.maximum(far / true_far, true_far / far) < _INLIER).sum().item()
            relative = (torch.linalg.norm(p - g, dim=1) / true_far).sum().item()
            sums.append(DepthSums(pixels=float(len(p)), relative=relative, inliers=inliers))
        return sums

    def depth_sums(self) -> list[DepthSums]:
        """Of each view."""
        return [
            depth_sums(torch.from_numpy(z) / self.size, torch.from_numpy(depth) / self.true_size, _INLIER)
            for _, _, z, depth in self.views
        ]


def _depths(estimate: Estimate, index: int, shape: tuple[int, int]) -> np.ndarray:
    """As the estimate gives them, or of its points where it has points alone."""
    if estimate.depths and estimate.depths[index] is not None:
        return np.nan_to_num(estimate.depth_at(index, shape))
    return np.nan_to_num(_into_camera(estimate.points_at(index, shape), estimate.world_from_cam[index])[..., 2])


def _true_points(depth: np.ndarray, intrinsics: np.ndarray, world_from_cam: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(h, w, 3) in the world frame; `intrinsics` and `size` (width, height) are the photo's, which the depths cover."""
    rays = _rays(intrinsics, _photo_pixels((depth.shape[0], depth.shape[1]), size))
    return (rays * depth[..., None]) @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]


def _into_camera(points_world: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    return (points_world - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]


def _ray_errors_deg(task: Task, estimate: Estimate) -> list[float]:
    """Of each photo whose intrinsics both sides know: the mean angle between both rays of a pixel, over 48 x 64."""
    if estimate.intrinsics is None:
        return []
    means = []
    for estimated, true, size in zip(
        estimate.intrinsics, task.truth.intrinsics, photo_sizes(task.inputs.photos), strict=True
    ):
        if not (np.isfinite(estimated).all() and np.isfinite(true).all()):
            continue
        pixels = _photo_pixels((48, 64), size)
        a, b = (
            rays / np.linalg.norm(rays, axis=-1, keepdims=True)
            for rays in (_rays(estimated, pixels), _rays(true, pixels))
        )
        chord = np.linalg.norm(a - b, axis=-1)
        means.append(float(np.degrees(2 * np.arcsin((chord / 2).clip(0, 1))).mean()))
    return means


def _photo_pixels(shape: tuple[int, int], size: np.ndarray) -> np.ndarray:
    """(h, w, 2) where the pixels of a map that covers the photo lie in it."""
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    return (np.stack([columns, rows], axis=-1) + 0.5) * size / np.array(shape[::-1]) - 0.5


def _rays(intrinsics: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) of unit z in the camera's frame."""
    return np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], axis=-1) @ np.linalg.inv(intrinsics).T


def _shrunk(world_from_cam: torch.Tensor, size: float) -> torch.Tensor:
    """Poses in a world in which `size` is 1."""
    shrunk = world_from_cam.clone()
    shrunk[:, :3, 3] /= size
    return shrunk


def _mean_length(parts: list[np.ndarray]) -> float:
    count = sum(len(part) for part in parts)
    return sum(float(np.linalg.norm(part.astype(np.float64), axis=1).sum()) for part in parts) / count if count else 0.0


def _mean(values: list[float]) -> float:
    values = [value for value in values if np.isfinite(value)]
    return float(np.mean(values)) if values else float("nan")
