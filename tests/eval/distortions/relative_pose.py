"""The last camera turned on its spot: rotation errors in its pairs, no errors of direction."""

from dataclasses import replace

import numpy as np

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.relative_pose import RelativePose
from pointmap.eval.task import Task

TURN = 4.5
"""Degrees: not on the edge of a bin."""


def turned(world_from_cam: np.ndarray, degrees: float) -> np.ndarray:
    """(4, 4) the camera turned about its own vertical axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    return world_from_cam @ turn


def known_poses(task: Task) -> np.ndarray:
    """Indices of photos with a true pose."""
    return np.flatnonzero(np.isfinite(task.truth.world_from_cam).all(axis=(1, 2)))


def auc_of(errors: np.ndarray, largest: int, bins: str) -> float:
    """Written as the mean height of a staircase, one error after the other."""
    if bins == "torch":
        width = largest / (largest + 1)
        heights = [largest + 1 - np.floor(error / width) if error < largest else 0 for error in errors]
        return float(np.mean(heights)) / (largest + 1)
    return float(np.mean([sum(error < threshold for threshold in range(1, largest + 1)) for error in errors])) / largest


def distort(scoring: RelativePose, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    known = known_poses(task)
    if len(known) < 2:
        return None
    poses = np.array(task.truth.world_from_cam, np.float64)
    poses[known[-1]] = turned(poses[known[-1]], TURN)
    count = len(known)
    errors = np.zeros(count * (count - 1) // 2)
    errors[: count - 1] = TURN

    expected = {f"auc_{n}": auc_of(errors, n, scoring.bins) for n in scoring.auc}
    for n in scoring.accuracy:
        expected |= {f"rra_{n}": float(np.mean(errors < n)), f"rta_{n}": 1.0}
    expected |= {"rotation_deg": float(np.median(errors)), "direction_deg": 0.0}
    estimate = replace(Estimate.of_truth(task), world_from_cam=poses)
    return estimate, {name: (value, 1e-4) for name, value in expected.items()}
