"""Several protocols on one estimate."""

from collections import Counter
from dataclasses import dataclass

from pointmap.errors import InputError

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Combined(Protocol):
    """The metrics of all parts, in order; details are merged. Two parts may not share the name of a metric.

    A method must give what the first part needs; figures of the others are NaN, or their worst, where it gives less.
    The weight is that of the first part with a weighted metric: two of these in one are of no use.
    """

    parts: tuple[Protocol, ...]

    kept: tuple[str, ...] = ()
    """Names of the metrics that are shown; () keeps all."""

    def __post_init__(self) -> None:
        """Raises InputError if two parts have a metric of the same name, or one to keep is in none of them."""
        twice = [name for name, count in Counter(metric.name for metric in self.metrics).items() if count > 1]
        if twice:
            raise InputError(f"Combined protocols share the metric {', '.join(twice)}: give each a setting of its own.")
        if unknown := set(self.kept) - {metric.name for metric in self.metrics}:
            raise InputError(f"No part has the metric {', '.join(sorted(unknown))}, which was to be kept.")

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """Of the parts."""
        metrics = (metric for part in self.parts for metric in part.metrics)
        return tuple(metric for metric in metrics if not self.kept or metric.name in self.kept)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Of the first part."""
        return self.parts[0].needs

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        scores = [part.score(task, estimate) for part in self.parts]
        names = {metric.name for metric in self.metrics}
        values = {name: value for score in scores for name, value in score.values.items() if name in names}
        details: dict[str, dict[str, object]] = {}
        for score in scores:
            for kind, columns in score.details.items():
                details[kind] = details.get(kind, {}) | dict(columns)
        weights = [
            score.weight
            for part, score in zip(self.parts, scores, strict=True)
            if any(metric.aggregate == "weighted" for metric in part.metrics)
        ]
        return Scores(values, weights[0] if weights else 1.0, details)
