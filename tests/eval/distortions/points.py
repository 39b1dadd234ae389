"""Half of every photo is missing, and the frame is another one."""

from dataclasses import replace

import numpy as np
from distortions.another_frame import distances, in_another_frame

from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.points import PointMaps
from pointmap.eval.task import Task


def distort(scoring: PointMaps, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance.

    What is there stays exact, and so accuracy is; each missing point is as far from the estimate as from the nearest
    true point that is not missing.
    """
    truth = Estimate.of_truth(task)
    sizes, depths, there, missing = photo_sizes(task.inputs.photos), [], [], []
    for index, depth in enumerate(truth.depths):
        if depth is None or not np.isfinite(task.truth.world_from_cam[index]).all():
            depths.append(depth)
            continue
        height, width = depth.shape
        half = np.arange(width) >= width // 2
        depths.append(np.where(half, 0, depth))
        rows, columns = _used(scoring, height, width)
        known = (depth > scoring.nearest) & (depth < scoring.farthest)
        used = np.zeros(depth.shape, bool)
        used[np.ix_(rows, columns)] = True
        points = _points(task, index, depth, sizes[index])
        there.append(points[known & used & ~half])
        missing.append(points[known & used & half])
    if not there or not len(np.concatenate(there)) or len(np.concatenate(there + missing)) > scoring.limit:
        return None
    kept, lost = np.concatenate(there), np.concatenate(missing)
    completion = distances(lost, kept).sum() / (len(kept) + len(lost))
    estimate = replace(truth, depths=tuple(depths))
    estimate = estimate if scoring.first == "none" else in_another_frame(estimate)
    return estimate, {"accuracy": (0.0, 1e-5 * completion + 1e-9), "completion": (completion, 1e-3 * completion)}


def _used(scoring: PointMaps, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that some pixel of the resized and cropped map shows."""
    new_width, new_height = scoring.size or (width, height)
    scale = min(width / new_width, height / new_height)
    places = []
    for old, new in ((height, new_height), (width, new_width)):
        crop = min(scoring.crop or new, new)
        centres = (np.arange(new)[new // 2 - crop // 2 :][:crop] + 0.5 - new / 2) * scale + old / 2
        places.append(np.unique(np.floor(centres + 1e-9).astype(int)))
    return places[0], places[1]


def _points(task: Task, index: int, depth: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(h, w, 3) in the true world."""
    rows, columns = np.indices(depth.shape)
    pixels = [(columns + 0.5) * size[0] / depth.shape[1] - 0.5, (rows + 0.5) * size[1] / depth.shape[0] - 0.5]
    rays = np.stack([*pixels, np.ones(depth.shape)], axis=-1) @ np.linalg.inv(task.truth.intrinsics[index]).T
    pose = task.truth.world_from_cam[index]
    return rays * depth[..., None] @ pose[:3, :3].T + pose[:3, 3]
