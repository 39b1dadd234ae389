"""Trajectories: ATE and RPE."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pointmap.metrics.poses import is_known
from pointmap.metrics.trajectories import centre_errors, spread, step_errors

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Trajectory(Protocol):
    """Camera centres and steps, as evo computes them.

    Frames that the truth and the estimate both know take part; `registered` is their share of the true ones, to be read
    beside the errors: who loses the difficult frames has smaller ones. With fewer than three (of three or more) an
    alignment fits anything, and there is no error.
    """

    align: Literal["sim3", "se3", "scale", "none"] = "sim3"
    """How the estimated trajectory is brought to the true one first (Umeyama)."""

    rpe_delta: int | None = 1
    """Frames between the two ends of a step; None leaves RPE out."""

    needs = frozenset({"poses"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """ATE (RMSE), RPE (RMSE), share of registered frames. Lengths are in units of the truth."""
        missing = float("nan")
        steps = (
            Metric("rpe_translation", "RPE trans.", "lower", 0.0, missing, "m"),
            Metric("rpe_rotation_deg", "RPE rot.", "lower", 0.0, missing, "deg"),
        )
        return (
            Metric("ate", "ATE", "lower", 0.0, missing, "m"),
            *(steps if self.rpe_delta is not None else ()),
            Metric("registered", "Registered", "higher", 1.0, 0.0, share=True),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        true = torch.as_tensor(np.asarray(task.truth.world_from_cam, np.float64))
        estimated = torch.as_tensor(np.asarray(estimate.world_from_cam, np.float64))
        posed = is_known(true)
        both = posed & is_known(estimated)
        values = {metric.name: float("nan") for metric in self.metrics}
        values["registered"] = (both.sum() / posed.sum()).item() if posed.any() else float("nan")
        places: list[float | None] = [None] * len(task)
        if both.sum() >= min(3, max(int(posed.sum()), 1)):
            distances = centre_errors(estimated, true, self.align)
            values["ate"] = spread(distances).rmse
            for index, distance in zip(both.nonzero()[:, 0].tolist(), distances.tolist(), strict=True):
                places[index] = distance
            if self.rpe_delta is not None:
                steps = step_errors(estimated, true, delta=self.rpe_delta, align=self.align)
                values["rpe_translation"] = spread(steps.translation).rmse
                values["rpe_rotation_deg"] = spread(steps.rotation_deg).rmse
        return Scores(values, details={"views": {"translation": places}})
