"""Where points fall on the photos of a task, by its true cameras."""

import numpy as np

from pointmap.eval.task import Task


def reprojection_errors(task: Task, points: np.ndarray) -> np.ndarray:
    """(N, H * W) distances in pixels between where points fall on their own photo and where they were seen.

    Args:
        points: (N, H, W, 3) of every pixel of every photo, in the world frame and in units of the truth.
    """
    errors = []
    for K, world_from_cam, seen in zip(task.truth.intrinsics, task.truth.world_from_cam, points, strict=True):
        pixels, depth = _project(K, world_from_cam, seen.reshape(-1, 3))
        assert (depth > 0).all(), "points are behind the camera"
        rows, columns = np.mgrid[: seen.shape[0], : seen.shape[1]]
        errors.append(np.linalg.norm(pixels - np.stack([columns.ravel(), rows.ravel()], axis=-1), axis=-1))
    return np.stack(errors)


def agreement(task: Task, *, tolerance: float = 0.03) -> float:
    """Share of the points of every photo's depth map that are as deep as the map of the next photo says.

    Only what the task says takes part: depth maps that cover their photos of any size, intrinsics, poses.
    """
    sizes = [_size(photo) for photo in task.inputs.photos]
    shares = []
    for i in range(len(task) - 1):
        points = _points(task, i, sizes[i])
        pixels, depth = _project(task.truth.intrinsics[i + 1], task.truth.world_from_cam[i + 1], points)
        there = task.truth.depth(i + 1)
        scale = np.array(there.shape[::-1]) / sizes[i + 1]
        columns, rows = np.floor((pixels + 0.5) * scale).astype(int).T
        inside = (columns >= 0) & (rows >= 0) & (columns < there.shape[1]) & (rows < there.shape[0]) & (depth > 0)
        seen, expected = there[rows[inside], columns[inside]], depth[inside]
        # What is hidden there is no disagreement.
        shown = (seen > 0) & (expected < seen * 1.1)
        assert shown.sum() > 50, "hardly any point of a photo falls on the next one"
        shares.append((np.abs(seen - expected)[shown] < tolerance * expected[shown]).mean())
    return float(np.mean(shares))


def _points(task: Task, index: int, size: tuple[int, int]) -> np.ndarray:
    """(n, 3) of the pixels of a depth map that have a depth, in the world frame."""
    depth = task.truth.depth(index)
    rows, columns = np.nonzero(depth)
    pixels = (np.stack([columns, rows], axis=-1) + 0.5) * (np.array(size) / depth.shape[::-1]) - 0.5
    rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ np.linalg.inv(task.truth.intrinsics[index]).T
    world_from_cam = task.truth.world_from_cam[index]
    return (rays * depth[rows, columns, None]) @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]


def _project(K: np.ndarray, world_from_cam: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cam_from_world = np.linalg.inv(world_from_cam)
    camera = points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    pixels = camera @ K.T
    return pixels[:, :2] / pixels[:, 2:], camera[:, 2]


def _size(photo) -> tuple[int, int]:
    from PIL import Image

    with Image.open(photo) as image:
        return image.size
