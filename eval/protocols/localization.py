"""Visual localisation: medians, and shares within thresholds."""

from dataclasses import dataclass

import numpy as np
import torch

from pointmap.metrics.localization import QueryErrors, query_errors

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Localization(Protocol):
    """Metres between camera centres and degrees between orientations; a query without a pose is infinitely far.

    Nothing is aligned: the estimate is expected in the world of the given poses. Queries without a true pose take no
    part. A median is infinite where half of the queries have no pose. Source: `naver/dust3r:dust3r_visloc/README.md`,
    `cvg/Hierarchical-Localization:hloc/pipelines/Cambridge/utils.py`.
    """

    thresholds: tuple[tuple[float, float], ...] = ((0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
    """Metres and degrees that both must be met."""

    needs = frozenset({"localization"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """Shares of queries, then medians."""
        return (
            *(
                Metric(f"within_{t:g}_{r:g}", f"{t:g} m, {r:g} deg", "higher", 1.0, 0.0, share=True)
                for t, r in self.thresholds
            ),
            Metric("median_translation", "Median trans.", "lower", 0.0, float("inf"), "m"),
            Metric("median_rotation_deg", "Median rot.", "lower", 0.0, 180.0, "deg"),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where no query has a true pose."""
        errors, _ = errors_of_queries(task, estimate)
        values = {f"within_{t:g}_{r:g}": errors.within(t, r) for t, r in self.thresholds}
        values["median_translation"] = median(errors.translation)
        values["median_rotation_deg"] = median(errors.rotation_deg)
        return Scores(values, details={"queries": query_details(errors)})


def errors_of_queries(task: Task, estimate: Estimate) -> tuple[QueryErrors, list[int]]:
    """Errors in metres of the queries with a true pose, and which photos these are."""
    true = np.asarray(task.truth.world_from_cam, np.float64)
    queries = [index for index in task.inputs.queries if np.isfinite(true[index]).all()]
    found = np.asarray(estimate.world_from_cam, np.float64)[queries]
    errors = query_errors(torch.from_numpy(found), torch.from_numpy(true[queries]))
    return QueryErrors(errors.translation * metres(task), errors.rotation_deg), queries


def query_details(errors: QueryErrors) -> dict[str, list[float | None]]:
    """`Scores.details["queries"]`; null where there is no estimate."""
    far = [None if not np.isfinite(t) else t for t in errors.translation.tolist()]
    turned = [None if t is None else r for t, r in zip(far, errors.rotation_deg.tolist(), strict=True)]
    return {"translation": far, "rotation_deg": turned}


def metres(task: Task) -> float:
    """Of one unit of the truth; a truth without a unit is taken as metres."""
    return 1e-3 if task.truth.unit == "mm" else 1.0


def median(values: torch.Tensor) -> float:
    """With an even number the mean of the middle two; NaN of nothing."""
    if not len(values):
        return float("nan")
    # The mean of a finite and an infinite one is infinite, of two infinite ones as well.
    return float(np.median(values.numpy()))
