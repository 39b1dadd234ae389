"""Relative poses of all pairs of photos."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from pointmap.metrics.poses import PoseErrors, known_pairs, pose_errors

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .pair_overlap import pair_overlaps

_MOST_PAIRS = 800
"""In the details; of more, so many are drawn with a fixed seed."""


@dataclass(frozen=True)
class RelativePose(Protocol):
    """RRA, RTA and AUC (mAA). A photo without a pose counts 180 degrees in all of its pairs."""

    fold: bool = False
    """Directions of translation are compared up to their sign, as benchmarks of CO3D and RealEstate10K do."""

    bins: Literal["thresholds", "numpy", "torch"] = "thresholds"
    """Of the AUC@n: the mean over thresholds 1..n of the share below; or the normalised histogram's cumulative sum,
    with n bins of 1 degree ("numpy") or n + 1 bins of n / (n + 1) degrees ("torch"). Both of these are in use under the
    name "AUC@30"."""

    auc: tuple[int, ...] = (30, 5)
    accuracy: tuple[int, ...] = (15,)
    """Degrees of RRA and RTA."""

    needs = frozenset({"poses"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """AUCs, accuracies, then medians over the pairs."""
        accuracies = [(name, n) for n in self.accuracy for name in ("rra", "rta")]
        return (
            *(Metric(f"auc_{n}", self._auc_title(n), "higher", 1.0, 0.0, share=True) for n in self.auc),
            *(Metric(f"{a}_{n}", f"{a.upper()}@{n}", "higher", 1.0, 0.0, share=True) for a, n in accuracies),
            Metric("rotation_deg", "Rotation", "lower", 0.0, 180.0, "deg"),
            Metric("direction_deg", "Direction", "lower", 0.0, 180.0, "deg"),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where fewer than two true poses are known."""
        true = torch.as_tensor(np.asarray(task.truth.world_from_cam, np.float64))
        estimated = torch.as_tensor(np.asarray(estimate.world_from_cam, np.float64))
        errors = pose_errors(estimated, true, fold=self.fold)
        first, second = known_pairs(true)
        values = {f"auc_{n}": self._auc(errors, n) for n in self.auc}
        for n in self.accuracy:
            values |= {f"rra_{n}": errors.rra(n), f"rta_{n}": errors.rta(n)}
        values["rotation_deg"] = _median(errors.rotation_deg)
        values["direction_deg"] = _median(errors.direction_deg)
        return Scores(values, details={"pairs": pair_details(task, errors, first.numpy(), second.numpy())})

    def _auc_title(self, largest_deg: int) -> str:
        """Figures of different bins must not be taken for the same."""
        bins = {"thresholds": "", "numpy": f" ({largest_deg} bins)", "torch": f" ({largest_deg + 1} bins)"}
        return f"AUC@{largest_deg}{bins[self.bins]}"

    def _auc(self, errors: PoseErrors, largest_deg: int) -> float:
        match self.bins:
            case "thresholds":
                return errors.auc(largest_deg)
            case "numpy":
                return errors.auc_numpy(largest_deg)
            case _:
                return errors.auc_torch(largest_deg)


def pair_details(task: Task, errors: PoseErrors, first: np.ndarray, second: np.ndarray) -> dict[str, list[Any]]:
    """`Scores.details["pairs"]`: errors beside what each pair is like."""
    world_from_cam = np.asarray(task.truth.world_from_cam, np.float64)
    chosen = np.arange(len(first))
    if len(chosen) > _MOST_PAIRS:
        chosen = np.sort(np.random.default_rng(0).choice(len(first), _MOST_PAIRS, replace=False))
    centres = world_from_cam[:, :3, 3]
    baselines = np.linalg.norm(centres[first] - centres[second], axis=1)
    largest = baselines.max(initial=0.0)
    first, second = first[chosen], second[chosen]
    relative = np.einsum("nji,njk->nik", world_from_cam[first, :3, :3], world_from_cam[second, :3, :3])
    cosines = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
    return {
        "rotation_deg": errors.rotation_deg.numpy()[chosen].tolist(),
        "direction_deg": errors.direction_deg.numpy()[chosen].tolist(),
        "angle_deg": np.degrees(np.arccos(cosines.clip(-1, 1))).tolist(),
        "baseline": (baselines[chosen] / largest if largest > 0 else 0 * baselines[chosen]).tolist(),
        "overlap": pair_overlaps(task, first.tolist(), second.tolist()),
    }


def _median(values: torch.Tensor) -> float:
    return float(np.median(values.numpy())) if len(values) else float("nan")
