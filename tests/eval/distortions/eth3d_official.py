"""Half of the scans, and the frame is another one."""

from collections import defaultdict

import numpy as np
from distortions.another_frame import distances, in_another_frame

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.eth3d_official import Eth3dOfficial
from pointmap.eval.task import Task


def distort(scoring: Eth3dOfficial, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance.

    What is there is exact; of the rest that is complete which is near enough to it, averaged over voxels.
    """
    cloud = task.truth.cloud()
    if len(cloud) > scoring.limit:
        return None
    half = cloud[cloud[:, 0] < np.median(cloud[:, 0])]
    pointmaps = (half[:, None], *[None] * (len(task) - 1))
    estimate = Estimate(task.truth.world_from_cam.copy(), task.truth.intrinsics, pointmaps=pointmaps)
    gaps, expected = distances(cloud, half), {}
    for tolerance in scoring.tolerances:
        name, complete = f"{100 * tolerance:g}cm", _by_voxels(cloud, gaps <= tolerance, scoring.voxel)
        expected[f"completeness_{name}"] = (complete, 0.01)
        expected[f"accuracy_{name}"] = (1.0, 1e-3)
        expected[f"f1_{name}"] = (2 * complete / (1 + complete), 0.01)
    return in_another_frame(estimate) if scoring.align == "sim3" else estimate, expected


def _by_voxels(points: np.ndarray, values: np.ndarray, voxel: float) -> float:
    cells = defaultdict(list)
    for shift in (0.0, 0.5):
        for cell, value in zip(np.floor(points / voxel + shift).astype(int).tolist(), values.tolist(), strict=True):
            cells[shift, *cell].append(value)
    return float(np.mean([np.mean(cell) for cell in cells.values()]))
