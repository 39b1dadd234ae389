"""Points of all photos against true points: accuracy, completeness, normals."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pointmap.metrics.points import cloud_normals, draw, mean, median, normal_agreement, tree_of
from pointmap.metrics.registration import icp, lower_median, scale_and_z_shift, transform, umeyama

from ..estimate import Estimate, photo_sizes
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .in_true_frame import depth_intrinsics

_MOST = 5_000_000
"""Pixels of a scene that are held, drawn with a fixed seed where there are more."""


@dataclass(frozen=True)
class PointMaps(Protocol):
    """The flavours of Spann3R, CUT3R, Pi3 and AMB3R by settings.

    Sources: `HengyiWang/spann3r:eval.py`, `CUT3R/CUT3R:eval/mv_recon/launch.py`,
    `yyfz/Pi3@evaluation:mv_recon/eval.py`, `HengyiWang/amb3r:benchmark/eval_mvrecon.py`. Every pixel with a true depth
    takes part, and none is left out for its confidence. The estimate of a pixel is its photo's nearest; a pixel without
    one is missing on the side of the estimate alone, so that completeness suffers. ICP has Open3D's defaults
    (`registration.icp`), normals are those of the 30 nearest points of the same cloud (`points.cloud_normals`), and
    their agreement is averaged over both directions.

    It differs from the sources in one thing: where a cloud has more than `limit` points, distances of as
    many drawn ones to all of the other cloud are averaged, and ICP moves by them.
    """

    first: Literal["normalised", "umeyama", "median", "none"] = "umeyama"
    """How the prediction comes to the truth: by the scale and z-shift of DUSt3R's training loss in the first camera and
    the first true pose; by Umeyama's Sim(3) over corresponding pixels; by the first camera and one factor of medians;
    or not at all, where poses were given. The first camera is that of the first photo with a pose on both sides."""

    icp: float | None = 0.1
    """Largest distance of point-to-point ICP that follows, in units of the truth; None leaves it out."""

    crop: int | None = None
    """Side of the centre of the true maps that takes part after the first alignment, in pixels."""

    size: tuple[int, int] | None = None
    """Width and height to which true maps are brought before `crop` (centre crop to its aspect, then nearest resize);
    None keeps them."""

    nearest: float = 1e-3
    farthest: float = 10.0
    """True depths outside of these take no part."""

    limit: int = 200_000
    """Points of each cloud whose distances are measured, drawn with a fixed seed where there are more; none of the
    sources thins out, and so the default is far above what changes the third digit."""

    normals: bool = True

    unit: str = "m"
    """Of the truth."""

    needs = frozenset({"poses", "points"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """Means and medians; with `first="median"` also the relative error of points, as AMB3R prints it."""
        none = float("nan")
        lengths = (
            ("accuracy", "Acc."),
            ("completion", "Comp."),
            ("accuracy_median", "Acc. med."),
            ("completion_median", "Comp. med."),
        )
        normals = (("normal_consistency", "NC"), ("normal_consistency_median", "NC med."))
        return (
            *(Metric(name, title, "lower", 0.0, none, self.unit) for name, title in lengths),
            *(Metric(name, title, "higher", 1.0, 0.0) for name, title in normals if self.normals),
            *((Metric("relative", "Rel.", "lower", 0.0, none, share=True),) if self.first == "median" else ()),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        pixels = self._pixels(task, estimate)
        values = {metric.name: metric.worst for metric in self.metrics}
        paired = np.isfinite(pixels.points).all(axis=1)
        counted, true_counted = paired & pixels.central, pixels.central
        true_from_world = self._alignment(task, estimate, pixels, paired)
        if true_from_world is None or not counted.any():
            return Scores(values)
        all_points = transform(true_from_world, pixels.points)
        points, true_points = all_points[counted], pixels.true_points[true_counted]
        chosen, true_chosen = draw(len(points), self.limit), draw(len(true_points), self.limit)
        true_tree = tree_of(true_points)
        if self.icp is not None:
            found = icp(points[chosen], true_points, self.icp, tree=true_tree)
            points = transform(found.true_from_estimate, points)
        to_truth, true_partners = true_tree.query(points[chosen])
        to_estimate, partners = tree_of(points).query(true_points[true_chosen])
        values["accuracy"], values["accuracy_median"] = mean(to_truth), median(to_truth)
        values["completion"], values["completion_median"] = mean(to_estimate), median(to_estimate)
        if self.first == "median":
            # Distances from the first camera: both clouds have it in one place.
            origin = task.truth.world_from_cam[_first_photo(task, estimate), :3, 3]
            distance = np.linalg.norm(pixels.true_points[counted] - origin, axis=1)
            off = np.linalg.norm(all_points[counted] - pixels.true_points[counted], axis=1)
            values["relative"] = mean(off / distance)
        if self.normals:
            agreements = [
                normal_agreement(
                    cloud_normals(points[chosen], points), cloud_normals(true_points[true_partners], true_points)
                ),
                normal_agreement(
                    cloud_normals(true_points[true_chosen], true_points), cloud_normals(points[partners], points)
                ),
            ]
            values["normal_consistency"] = float(np.mean([mean(part) for part in agreements]))
            values["normal_consistency_median"] = float(np.mean([median(part) for part in agreements]))
        return Scores(values)

    def _alignment(self, task: Task, estimate: Estimate, pixels: "_Pixels", paired: np.ndarray) -> np.ndarray | None:
        """(4, 4) `true_from_world`; None where nothing tells it."""
        if self.first == "none":
            return np.eye(4)
        if paired.sum() < 3:
            return None
        points, true_points = pixels.points[paired], pixels.true_points[paired]
        if self.first == "umeyama":
            return umeyama(points, true_points)
        first = _first_photo(task, estimate)
        if first is None:
            return None
        true_from_cam, cam_from_world = task.truth.world_from_cam[first], np.linalg.inv(estimate.world_from_cam[first])
        points, true_points = transform(cam_from_world, points), transform(np.linalg.inv(true_from_cam), true_points)
        if self.first == "normalised":
            return true_from_cam @ scale_and_z_shift(points, true_points) @ cam_from_world
        length = lower_median(np.linalg.norm(points, axis=1))
        factor = lower_median(np.linalg.norm(true_points, axis=1)) / length if length else 1.0
        return true_from_cam @ np.diag([factor, factor, factor, 1.0]) @ cam_from_world

    def _pixels(self, task: Task, estimate: Estimate) -> "_Pixels":
        sizes = photo_sizes(task.inputs.photos)
        parts = [_Pixels(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, bool))]
        for index in range(len(task)):
            depth = task.truth.depth(index)
            if depth is None or not np.isfinite(task.truth.world_from_cam[index]).all():
                continue
            rows, columns = self._chosen(depth.shape[0], depth.shape[1])
            central = np.zeros((len(rows), len(columns)), bool)
            central[_centre(len(rows), self.crop), _centre(len(columns), self.crop)] = True
            z = depth[rows[:, None], columns].astype(np.float64)
            known = np.isfinite(z) & (z > self.nearest) & (z < self.farthest)
            # A map that is smaller than `size` gives each of its pixels once.
            known &= _new(rows)[:, None] & _new(columns)
            known.flat[_dropped(known, _MOST // len(task), index)] = False
            y, x = np.nonzero(known)
            K = depth_intrinsics(task, index, depth.shape, sizes[index])
            rays = np.stack([columns[x], rows[y], np.ones(len(x))], axis=-1) @ np.linalg.inv(K).T
            true_points = transform(task.truth.world_from_cam[index], rays * z[known][:, None])
            points = _estimated(estimate, index, (depth.shape[0], depth.shape[1]), rows[y], columns[x])
            parts.append(_Pixels(points, true_points, central[known]))
        return _Pixels(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "true_points", "central"))
        )

    def _chosen(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of a true map that `size` keeps."""
        if self.size is None:
            return np.arange(height), np.arange(width)
        aspect = self.size[0] / self.size[1]
        used_width, used_height = min(width, height * aspect), min(height, width / aspect)
        columns = (width - used_width) / 2 + (np.arange(self.size[0]) + 0.5) * used_width / self.size[0]
        rows = (height - used_height) / 2 + (np.arange(self.size[1]) + 0.5) * used_height / self.size[1]
        return np.floor(rows).astype(int), np.floor(columns).astype(int)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels with a true depth, of all photos."""

    points: np.ndarray
    """(n, 3) in the estimate's world, NaN where it has none."""

    true_points: np.ndarray
    """(n, 3) in the true world."""

    central: np.ndarray
    """(n,) bool, within `crop`."""


def _first_photo(task: Task, estimate: Estimate) -> int | None:
    known = np.isfinite(estimate.world_from_cam).all((1, 2)) & np.isfinite(task.truth.world_from_cam).all((1, 2))
    return int(known.argmax()) if known.any() else None


def _centre(count: int, crop: int | None) -> slice:
    return slice(None) if crop is None else slice(max(0, count // 2 - crop // 2), count // 2 + crop // 2)


def _new(numbers: np.ndarray) -> np.ndarray:
    """True where a number is not the one before it."""
    return np.diff(numbers, prepend=-1) != 0


def _dropped(known: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Flat indices of pixels that are too many."""
    indices = np.flatnonzero(known)
    keep = np.zeros(len(indices), bool)
    keep[draw(len(indices), most, seed)] = True
    return indices[~keep]


def _estimated(
    estimate: Estimate, index: int, shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """(n, 3) points at pixels of a map of a shape that covers the whole photo: the nearest, NaN where there is none."""
    points = estimate.points(index)
    if points.size == 0:
        return np.full((len(rows), 3), np.nan)
    # Rows and columns are resampled apart from each other, so that no map of the truth's size is made.
    height, width = points.shape[:2]
    numbers = (np.mgrid[:height, :width] + 1).astype(np.float64)
    count = len(estimate.world_from_cam)
    down = replace(estimate, depths=(numbers[0],) * count).depth_at(index, (shape[0], 1))[:, 0]
    across = replace(estimate, depths=(numbers[1],) * count).depth_at(index, (1, shape[1]))[0]
    v, u = down[rows], across[columns]
    inside = np.isfinite(v) & np.isfinite(u)
    found = np.full((len(rows), 3), np.nan)
    found[inside] = points[v[inside].astype(int) - 1, u[inside].astype(int) - 1]
    found[~np.isfinite(found).all(axis=1)] = np.nan
    return found
