"""ETH3D high-resolution multi-view: accuracy, completeness, F1 at tolerances."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pointmap.metrics.points import cell_numbers, draw, harmonic, nearest, tree_of

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .in_true_frame import cloud_of, true_from_estimate

BEAM_START = 0.5 * 0.00225
"""Radius of the laser beam at the scanner, metres."""
BEAM_HALF_ANGLE_DEG = 0.011
"""By which it widens."""
NEAREST = 0.5
"""Metres: of points nearer to the scanner only the nearest beam is looked at, for they would lie in thousands."""
_BLOCK = 20_000
"""Points whose laser beams are held at a time."""


@dataclass(frozen=True)
class Eth3dOfficial(Protocol):
    """The benchmark of Schoeps et al. 2017: voxel-wise averages of shares within a tolerance.

    Source: `ETH3D/multi-view-evaluation:src/accuracy.cc`, `:src/completeness.cc`, `:src/main.cc`. Reads of `Truth`, in
    metres and in the frame of the official cameras:

    - `cloud`: the laser scans, as one cloud
    - `extra["scans"]`: optional, a function without arguments that returns a list of (position (3,), points (n, 3)):
      where each scanner stood and what it measured. With it a point that nothing says to be wrong, because no laser
      beam passed where it lies, takes no part in accuracy, as in the official tool; without it every point farther from
      the scans than the tolerance counts as wrong.

    A scan point is complete where an estimated one is within the tolerance. An estimated point is accurate where the
    end of a laser beam that it lies in is within the tolerance (without `scans`: any scan point), and wrong where it
    lies in a beam before its end. Shares are averaged over the voxels of two grids, one shifted by half a voxel.

    The official tool is given one cloud; here it is the points of all pixels, after Umeyama with RANSAC over the
    cameras. It differs from the tool in that of both sides at most `limit` points are asked, drawn with a fixed seed.
    """

    tolerances: tuple[float, ...] = (0.02, 0.05)
    """Metres; the first one ranks."""

    voxel: float = 0.01

    align: Literal["sim3", "none"] = "sim3"
    """By cameras; "none" where poses were given."""

    limit: int = 2_000_000

    needs = frozenset({"poses", "points"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """F1, accuracy and completeness at each tolerance."""
        kinds = (("f1", "F1"), ("accuracy", "Acc."), ("completeness", "Comp."))
        return tuple(
            Metric(f"{name}_{_text(tolerance)}", f"{title}@{100 * tolerance:g} cm", "higher", 1.0, 0.0, share=True)
            for tolerance in self.tolerances
            for name, title in kinds
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        worst = Scores({metric.name: metric.worst for metric in self.metrics})
        similarity = np.eye(4) if self.align == "none" else true_from_estimate(task, estimate, robust=True)
        if similarity is None:
            return worst
        points = cloud_of(task, estimate, similarity)
        if not len(points):
            return worst
        assert task.truth.cloud is not None
        scan = np.asarray(task.truth.cloud(), np.float64)
        asked = points[draw(len(points), self.limit)]
        asked_scan = scan[draw(len(scan), self.limit)]
        to_estimate = nearest(asked_scan, points)[0]
        scans = task.truth.extra.get("scans")
        if scans is None:
            to_truth, observed = nearest(asked, scan)[0], np.ones(len(asked), bool)
        else:
            to_truth, observed = along_beams(asked, scans())
        values: dict[str, float] = {}
        for tolerance in self.tolerances:
            accurate = to_truth <= tolerance
            counted = accurate | observed
            accuracy = voxel_mean(asked[counted], accurate[counted], self.voxel)
            completeness = voxel_mean(asked_scan, to_estimate <= tolerance, self.voxel)
            values |= {
                f"f1_{_text(tolerance)}": harmonic(accuracy, completeness),
                f"accuracy_{_text(tolerance)}": accuracy,
                f"completeness_{_text(tolerance)}": completeness,
            }
        return Scores(values)


def _text(tolerance: float) -> str:
    return f"{100 * tolerance:g}cm"


def voxel_mean(points: np.ndarray, values: np.ndarray, voxel: float) -> float:
    """Mean over voxels of the mean of their points' values, in two grids together; 0 without points."""
    if not len(points):
        return 0.0
    total, count = 0.0, 0
    for shift in (0.0, 0.5):
        cells = cell_numbers(points, voxel, np.full(3, -shift * voxel))
        means = np.bincount(cells, values) / np.bincount(cells)
        total, count = total + float(means.sum()), count + len(means)
    return total / count


def along_beams(points: np.ndarray, scans: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """What laser beams tell of points.

    Args:
        scans: Where each scanner stood, and what it measured.

    Returns:
        (n,) distance to the nearest end of the beams that a point lies in, infinite where there is none, and (n,) bool,
        True where a beam went on behind it.
    """
    distance, passed = np.full(len(points), np.inf), np.zeros(len(points), bool)
    for position, measured in scans:
        beams = np.asarray(measured, np.float64) - position
        lengths = np.linalg.norm(beams, axis=1)
        beams, lengths = beams[lengths > 0], lengths[lengths > 0]
        if not len(beams):
            continue
        directions = beams / lengths[:, None]
        tree = tree_of(directions)
        for start in range(0, len(points), _BLOCK):
            part = slice(start, start + _BLOCK)
            local = np.asarray(points[part], np.float64) - position
            far = np.linalg.norm(local, axis=1)
            radius = BEAM_START + far * np.tan(np.radians(BEAM_HALF_ANGLE_DEG))
            # A point in a beam is seen within this angle of it; next to the scanner, anywhere before it.
            angle = np.where(far > radius, np.arcsin(np.minimum(radius / np.maximum(far, 1e-12), 1)), np.pi / 2)
            ahead = local / np.maximum(far, 1e-12)[:, None]
            chord = 2 * np.sin(angle / 2) * (1 + 1e-9)
            point, beam = _pairs(tree, ahead, chord, alone=far < NEAREST)
            to_end = np.linalg.norm(beams[beam] - local[point], axis=1)
            np.minimum.at(distance[part], point, to_end)
            np.logical_or.at(passed[part], point, (directions[beam] * local[point]).sum(axis=1) < lengths[beam])
    return distance, passed


def _pairs(tree: Any, directions: np.ndarray, chord: np.ndarray, alone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points, and the beams they lie in: two lists of one length."""
    distance, beam = tree.query(directions)
    single = np.flatnonzero(alone & (distance <= chord))
    others = np.flatnonzero(~alone & (distance <= chord))
    found = tree.query_ball_point(directions[others], chord[others]) if len(others) else []
    counts = np.array([len(one) for one in found], np.int64)
    beams = [np.asarray(one, np.int64) for one in found]
    return np.concatenate([single, np.repeat(others, counts)]), np.concatenate([beam[single], *beams])
