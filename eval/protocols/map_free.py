"""Map-free relocalisation: virtual correspondence reprojection error."""

from dataclasses import dataclass

import numpy as np
import torch

from pointmap.metrics.localization import precision_coverage_auc, virtual_correspondence_errors

from ..estimate import Estimate, photo_sizes
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .localization import errors_of_queries, median, metres, query_details


@dataclass(frozen=True)
class MapFree(Protocol):
    """VCRE and pose errors of a reference photo's queries, with the area under precision over coverage as confidence
    grows less (Arnold et al. 2022).

    The authors pool the queries of all scenes for precision and area, and take means of the scenes' medians; here a
    scene has its own precision and area, and the mean is over scenes. Medians are over queries with an estimate, as
    theirs are; their share is `estimated`. A query's confidence is `Estimate.notes["query_confidence"]` (a number for
    each of `Inputs.queries`), else the mean of its confidence map; without both all are equally sure, and the area is
    the precision.

    Source: `nianticlabs/map-free-reloc:benchmark/mapfree.py`, `:benchmark/utils.py`.
    """

    pixels: float = 90.0
    """Of VCRE: a tenth of the diagonal of the benchmark's photos (540 x 720)."""

    translation: float = 0.25
    """Metres, and"""
    rotation_deg: float = 5.0
    """degrees that both must be met by a pose."""

    needs = frozenset({"localization"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """Area and precision of VCRE, the same of poses, medians."""
        lost = float("nan")
        pose, title = self._pose, f"{self.translation:g} m, {self.rotation_deg:g} deg"
        return (
            Metric(f"vcre_auc_{self.pixels:g}", f"AUC VCRE < {self.pixels:g} px", "higher", 1.0, 0.0, share=True),
            Metric(f"vcre_{self.pixels:g}", f"VCRE < {self.pixels:g} px", "higher", 1.0, 0.0, share=True),
            Metric(f"within_auc_{pose}", f"AUC {title}", "higher", 1.0, 0.0, share=True),
            Metric(f"within_{pose}", title, "higher", 1.0, 0.0, share=True),
            Metric("median_vcre", "Median VCRE", "lower", 0.0, lost, "px"),
            Metric("median_translation", "Median trans.", "lower", 0.0, lost, "m"),
            Metric("median_rotation_deg", "Median rot.", "lower", 0.0, lost, "deg"),
            Metric("estimated", "Estimated", "higher", 1.0, 0.0, share=True),
        )

    @property
    def _pose(self) -> str:
        return f"{self.translation:g}_{self.rotation_deg:g}"

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where no query has a true pose."""
        errors, queries = errors_of_queries(task, estimate)
        if not queries:
            return Scores({metric.name: float("nan") for metric in self.metrics})
        sizes = photo_sizes(tuple(task.inputs.photos[index] for index in queries))
        vcre = virtual_correspondence_errors(
            self._poses(estimate.world_from_cam, queries, task),
            self._poses(task.truth.world_from_cam, queries, task),
            torch.as_tensor(np.asarray(task.truth.intrinsics, np.float64)[queries]),
            torch.as_tensor(sizes.astype(np.float64)),
        )
        found = errors.translation.isfinite()
        near = (errors.translation < self.translation) & (errors.rotation_deg < self.rotation_deg)
        small = (vcre < self.pixels) & found
        confidence = torch.as_tensor(_confidences(task, estimate, queries))[found]
        failures = len(queries) - int(found.sum())
        values = {
            f"vcre_auc_{self.pixels:g}": precision_coverage_auc(small[found], confidence, failures),
            f"vcre_{self.pixels:g}": small.double().mean().item(),
            f"within_auc_{self._pose}": precision_coverage_auc(near[found], confidence, failures),
            f"within_{self._pose}": near.double().mean().item(),
            "median_vcre": median(vcre[found]),
            "median_translation": median(errors.translation[found]),
            "median_rotation_deg": median(errors.rotation_deg[found]),
            "estimated": found.double().mean().item(),
        }
        return Scores(values, details={"queries": {**query_details(errors), "vcre": vcre.tolist()}})

    @staticmethod
    def _poses(world_from_cam: np.ndarray, queries: list[int], task: Task) -> torch.Tensor:
        """In metres, which the virtual objects are in."""
        poses = np.array(np.asarray(world_from_cam, np.float64)[queries])
        poses[:, :3, 3] *= metres(task)
        return torch.from_numpy(poses)


def _confidences(task: Task, estimate: Estimate, queries: list[int]) -> np.ndarray:
    """(queries,) larger is surer."""
    given = estimate.notes.get("query_confidence")
    if given is not None and len(given) == len(task.inputs.queries):
        by_photo = dict(zip(task.inputs.queries, given, strict=True))
        return np.array([by_photo[index] for index in queries], np.float64)
    maps = [estimate.confidences[index] if estimate.confidences else None for index in queries]
    means = [0.0 if values is None or not np.size(values) else float(np.nanmean(values)) for values in maps]
    return np.nan_to_num(np.array(means))
