"""The distortion of the first part that has one for this scene."""

import importlib

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.combined import Combined
from pointmap.eval.task import Task


def distort(scoring: Combined, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    for part in scoring.parts:
        module = importlib.import_module(f"distortions.{type(part).__module__.rsplit('.', 1)[1]}")
        if (found := module.distort(part, task)) is not None:
            names = {metric.name for metric in scoring.metrics}
            return found[0], {name: expected for name, expected in found[1].items() if name in names}
    return None
