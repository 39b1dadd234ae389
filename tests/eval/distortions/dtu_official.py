"""Everything is seen a little too far, and the frame is another one."""

from dataclasses import replace

import numpy as np
from distortions.another_frame import distances, in_another_frame

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.dtu_official import DtuOfficial
from pointmap.eval.task import Task

SHARE = 0.005
"""Of the depth."""


def distort(scoring: DtuOfficial, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance.

    Distances are measured without thinning out, which leaves means nearly as they are.
    """
    truth = Estimate.of_truth(task)
    if scoring.poses == "true" or all(depth is None for depth in truth.depths):
        return None
    depths = tuple(None if depth is None else depth * np.float32(1 + SHARE) for depth in truth.depths)
    far = replace(truth, depths=depths)
    scan, points = task.truth.cloud(), []
    for index in range(len(task)):
        one = far.points(index)
        mask = (task.truth.extra.get("masks") or [None] * len(task))[index]
        if mask is not None and (whole := mask()).shape == one.shape[:2]:
            one = one[whole]
        points.append(one.reshape(-1, 3)[np.isfinite(one.reshape(-1, 3)).all(axis=1)])
    cloud = observed = np.concatenate(points)
    if "observation_mask" in task.truth.extra:
        mask, box, edge = task.truth.extra["observation_mask"]()
        cells = np.rint((cloud - box[0]) / edge).astype(int)
        inside = ((cells >= 0) & (cells < mask.shape)).all(axis=1)
        observed = cloud[inside][mask[tuple(cells[inside].T)].astype(bool)]
    if (plane := task.truth.extra.get("plane")) is not None:
        a, b, c, d = np.ravel(plane() if callable(plane) else plane)
        scan_above = scan[scan @ [a, b, c] + d > 0]
    else:
        scan_above = scan
    to_scan, to_cloud = distances(observed, scan), distances(scan_above, cloud)
    accuracy = to_scan[to_scan < scoring.farthest].mean()
    completion = to_cloud[to_cloud < scoring.farthest].mean()
    expected = {"accuracy": accuracy, "completion": completion, "overall": (accuracy + completion) / 2}
    return in_another_frame(far), {name: (value, 0.05 * value + 0.05) for name, value in expected.items()}
