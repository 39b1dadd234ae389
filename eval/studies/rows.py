"""What benchmarks of photos measure of one method on one set, and how it is shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from pointmap.metrics import absolute_trajectory_error, depth_errors, pose_errors
from pointmap.scene import Scene

from ..ground_truth import GroundTruth


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method says about the photos of a set, in their order."""

    world_from_cam: np.ndarray
    """(N, 4, 4); NaN for a photo that it could not register."""

    focals: np.ndarray
    """(N,) pixels of the photos; NaN where unknown."""

    depths: list[tuple[np.ndarray, np.ndarray] | None] = field(default_factory=list)
    """Per photo z-depths (n,) and the whole pixels (n, 2) of the photo, x and y, where they are; or nothing."""

    exif: int = 0
    """Photos whose focal length was read from their EXIF."""

    @staticmethod
    def of(scene: Scene, truth: GroundTruth) -> "Estimate":
        """A scene's, by file names."""
        place = {name: index for index, name in enumerate(scene.names) if scene.registered[index]}
        found = [place.get(file.name) for file in truth.files]
        missing = np.full((4, 4), np.nan)
        return Estimate(
            np.stack([missing if index is None else scene.world_from_cam[index] for index in found]),
            np.array([math.nan if index is None else scene.intrinsics[index, 0, 0] for index in found]),
            [None if index is None else _depth_samples(scene, index) for index in found],
            len(scene.report.get("focal_from_exif", ())),
        )

    @staticmethod
    def still(truth: GroundTruth) -> "Estimate":
        """The baseline that never moves."""
        count = len(truth.files)
        return Estimate(np.tile(np.eye(4), (count, 1, 1)), np.full(count, math.nan))


@dataclass(frozen=True)
class Row:
    """One method on one set. Scores are shares in [0, 1] over all pairs of photos; NaN where there is no truth."""

    set: str
    method: str
    photos: int
    registered: int = 0
    rra_15: float = math.nan
    rta_15: float = math.nan
    auc_5: float = math.nan
    auc_30: float = math.nan
    rotation_deg: float = math.nan
    """Median error over the pairs."""
    direction_deg: float = math.nan
    ate: float = math.nan
    """Root mean square error of the registered centres after a similarity, in units of the true world."""
    focal_error: float = math.nan
    """Median relative error of the focal length of the registered photos."""
    depth_absrel: float = math.nan
    """Of all registered photos with true depth together, after one factor for the whole set."""
    depth_within_125: float = math.nan
    exif: int = 0
    """Photos whose EXIF told the method a focal length."""
    seconds: float = math.nan
    """Wall time from photos to scene, with the network loaded; NaN for a baseline."""
    pose_seconds: float = math.nan
    """The part of it that finds cameras once the network has looked at the photos."""
    peak_gib: float = math.nan
    """Peak memory of the process, its libraries included."""
    error: str | None = None
    """Why there is no result."""


def score(
    truth: GroundTruth,
    estimate: Estimate,
    *,
    method: str,
    seconds: float = math.nan,
    pose_seconds: float = math.nan,
    peak_gib: float = math.nan,
) -> Row:
    """Compare with the truth."""
    estimated, true = torch.from_numpy(estimate.world_from_cam).double(), torch.from_numpy(truth.world_from_cam)
    errors = pose_errors(estimated, true)
    depth = depth_errors(*_depth_pairs(truth, estimate))
    known = ~np.isnan(estimate.focals)
    focal_errors = np.abs(estimate.focals[known] / truth.intrinsics[known, 0, 0] - 1)
    return Row(
        set=truth.name,
        method=method,
        photos=len(truth.files),
        registered=int(estimated.isfinite().all(-1).all(-1).sum()),
        rra_15=errors.rra(15),
        rta_15=errors.rta(15),
        auc_5=errors.auc(5),
        auc_30=errors.auc(30),
        rotation_deg=_median(errors.rotation_deg.numpy()),
        direction_deg=_median(errors.direction_deg.numpy()),
        ate=absolute_trajectory_error(estimated, true),
        focal_error=_median(focal_errors),
        depth_absrel=depth.absrel,
        depth_within_125=depth.within_125,
        exif=estimate.exif,
        seconds=seconds,
        pose_seconds=pose_seconds,
        peak_gib=peak_gib,
    )


def failure(truth: GroundTruth, method: str, error: Exception) -> Row:
    """The row of a method that gave no result: by the convention of the scores, every pair is wrong."""
    lost = Estimate(np.full((len(truth.files), 4, 4), np.nan), np.full(len(truth.files), math.nan))
    row = score(truth, lost, method=method)
    return Row(**{**vars(row), "error": f"{type(error).__name__}: {error}"})


def shown(value: float, pattern: str = "{:.3f}") -> str:
    """`-` where there is no figure."""
    return "-" if math.isnan(value) else pattern.format(value)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads as text and as markdown: the first column left, numbers right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    line = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join(f"{text:{'<' if i == 0 else '>'}{widths[i]}}" for i, text in enumerate(row)) + " |"
        for row in [header, line, *rows]
    )


def _depth_samples(scene: Scene, index: int) -> tuple[np.ndarray, np.ndarray]:
    depth = scene.depths[index]
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    working = np.stack([columns.ravel(), rows.ravel(), np.ones(depth.size)])
    # Both K belong to one ray, so this is the resizing alone.
    photo_from_working = scene.intrinsics[index] @ np.linalg.inv(scene.working_intrinsics[index])
    pixels = (photo_from_working @ working)[:2].T.round().astype(int)
    return depth.ravel(), pixels


def _depth_pairs(truth: GroundTruth, estimate: Estimate) -> tuple[torch.Tensor, torch.Tensor]:
    """Estimated and true depths of all pixels that have both."""
    estimated, true = [np.empty(0)], [np.empty(0)]
    for index, samples in enumerate(estimate.depths):
        map_ = truth.depth(index) if samples is not None else None
        if samples is None or map_ is None:
            continue
        depth, pixels = samples
        inside = ((pixels >= 0) & (pixels < map_.shape[::-1])).all(axis=1)
        estimated.append(depth[inside])
        true.append(map_[pixels[inside, 1], pixels[inside, 0]])
    return torch.from_numpy(np.concatenate(estimated)), torch.from_numpy(np.concatenate(true))


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan
