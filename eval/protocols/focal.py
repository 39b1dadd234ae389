"""Intrinsics: focal length and field of view."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from pointmap.metrics.cameras import focal_errors, fov_errors_deg

from ..estimate import Estimate, photo_sizes
from ..protocol import Metric, Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Focal(Protocol):
    """Relative error of focal lengths, error of the horizontal field of view in degrees; medians over photos.

    A photo whose intrinsics the estimate does not know counts 100 % and 180 degrees.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("focal_error", "Focal length", "lower", 0.0, 1.0, share=True),
        Metric("fov_deg", "Field of view", "lower", 0.0, 180.0, "deg"),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"poses"})

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where no photo has true intrinsics."""
        true = torch.as_tensor(np.asarray(task.truth.intrinsics, np.float64))
        known = true[:, 0, 0].isfinite() & true[:, 1, 1].isfinite()
        estimated = torch.full_like(true, torch.nan)
        if estimate.intrinsics is not None:
            estimated = torch.as_tensor(np.asarray(estimate.intrinsics, np.float64))
        widths = torch.as_tensor(photo_sizes(task.inputs.photos)[:, 0].astype(np.float64))
        focal = focal_errors(estimated, true).nan_to_num(nan=1.0)[known].numpy()
        fov = fov_errors_deg(estimated, true, widths).nan_to_num(nan=180.0)[known].numpy()
        values = {
            "focal_error": float(np.median(focal)) if len(focal) else float("nan"),
            "fov_deg": float(np.median(fov)) if len(fov) else float("nan"),
        }
        views: list[float | None] = [None] * len(task)
        for index, error in zip(known.nonzero()[:, 0].tolist(), focal.tolist(), strict=True):
            views[index] = error
        return Scores(values, details={"views": {"focal_error": views}})
