"""Half of the scan, and the frame is another one."""

import numpy as np
from distortions.another_frame import distances, in_another_frame

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.tanks_official import TanksOfficial, crop_of
from pointmap.eval.task import Task
from pointmap.metrics.points import voxel_down_sample


def distort(scoring: TanksOfficial, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    cloud, tau = task.truth.cloud(), task.truth.extra["threshold"]
    crop = crop_of(task.truth.extra.get("crop"))
    half = cloud[cloud[:, 0] < np.median(cloud[:, 0])]
    world_from_cloud = np.linalg.inv(task.truth.extra.get("alignment", np.eye(4)))
    in_world = half @ world_from_cloud[:3, :3].T + world_from_cloud[:3, 3]
    pointmaps = (in_world[:, None], *[None] * (len(task) - 1))
    estimate = Estimate(task.truth.world_from_cam.copy(), task.truth.intrinsics, pointmaps=pointmaps)
    thin, kept = (voxel_down_sample(crop(one), tau / 2) for one in (cloud, half))
    recall = float((distances(thin, kept) < tau).mean())
    return in_another_frame(estimate), {
        "precision": (1.0, 0.01),
        "recall": (recall, 0.02),
        "f_score": (2 * recall / (1 + recall), 0.02),
    }
