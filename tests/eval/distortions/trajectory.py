"""Camera centres stretched along the principal axes of the trajectory, the last camera turned."""

from dataclasses import replace

import numpy as np
from distortions.relative_pose import TURN, known_poses, turned

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.trajectory import Trajectory
from pointmap.eval.task import Task

STRETCH = np.array([0.9, 1.0, 1.2])
"""Along the axes of least, middle and largest extent. The best rotation is then none: the mixed moments of both sets of
centres are symmetric and positive."""


def distort(scoring: Trajectory, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    known = known_poses(task)
    true = np.array(task.truth.world_from_cam, np.float64)
    centres = true[known, :3, 3]
    mean = centres.mean(axis=0) if len(known) else None
    if len(known) < 3 or np.ptp(centres, axis=0).max() == 0:
        return None
    extents, axes = np.linalg.eigh((centres - mean).T @ (centres - mean))
    stretched = mean + (centres - mean) @ (axes * STRETCH) @ axes.T
    poses = true.copy()
    poses[known, :3, 3] = stretched
    poses[known[-1]] = turned(poses[known[-1]], TURN)

    fitted = (STRETCH @ extents) / (STRETCH**2 @ extents)
    factor = fitted if scoring.align in ("sim3", "scale") else 1.0
    # A factor alone acts from the origin of the world, the others from the middle of the trajectory.
    origin = np.zeros(3) if scoring.align == "scale" else mean
    aligned = origin + factor * (stretched - origin)
    if scoring.align in ("sim3", "se3"):
        aligned += mean - aligned.mean(axis=0)
    size = float(np.sqrt(extents.sum() / len(known)))
    expected = {"ate": _rms(aligned - centres), "registered": 1.0}
    if scoring.rpe_delta is not None:
        place = {int(photo): index for index, photo in enumerate(known)}
        ends = [(place[i], place[i + scoring.rpe_delta]) for i in place if i + scoring.rpe_delta in place]
        if ends:
            first, last = np.array(ends).T
            expected["rpe_translation"] = _rms((aligned - centres)[last] - (aligned - centres)[first])
            turns = TURN * (last == len(known) - 1)
            expected["rpe_rotation_deg"] = float(np.sqrt(np.mean(turns**2)))
    estimate = replace(Estimate.of_truth(task), world_from_cam=poses)
    return estimate, {
        name: (value, 1e-5 * size if name in ("ate", "rpe_translation") else 1e-4) for name, value in expected.items()
    }


def _rms(offsets: np.ndarray) -> float:
    return float(np.sqrt((offsets**2).sum(axis=1).mean()))
