"""Points from the pixels of several cameras: least squares over all points at once."""

import numpy as np

from pointmap.shapes import Float, Int

_ROUNDS = 10
_DEPTH_TRUST = 0.1
"""A depth that is wrong by this share costs as much as a pixel: it decides only where all cameras are close."""


def triangulate(
    start: Float[np.ndarray, "n 3"],
    centre: Float[np.ndarray, "3"],
    cameras: Float[np.ndarray, "views 3 4"],
    index: Int[np.ndarray, "t"],
    view: Int[np.ndarray, "t"],
    pixels: Float[np.ndarray, "t 2"],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "t"]]:
    """Points that are nearest to where cameras see them, by Cauchy's robust loss of pixels, and the errors left.

    Args:
        start: In the world frame; a point that no camera sees stays there.
        centre: The camera in whose depth map the start was; see `_DEPTH_TRUST`.
        cameras: Pixels from world points, K [R t].
        index, view, pixels: One entry per place where a camera sees a point.
    """
    points = start.copy()
    away = start - centre
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    away = away / np.where(distance > 0, distance, 1)
    spread = 1 / np.maximum(_DEPTH_TRUST * distance, 1e-12)
    prior = (spread[:, :, None] * away[:, :, None]) * (spread[:, :, None] * away[:, None, :])
    count, matrices = len(points), cameras[view]
    damping = 1e-6 * spread[:, :, None] ** 2 * np.eye(3)
    for _ in range(_ROUNDS):
        residual, jacobian = _residuals(points, matrices, index, pixels)
        weight = 1 / (1 + (residual**2).sum(1))
        weighted = jacobian * weight[:, None, None]
        normal, gradient = prior + damping, (prior @ (points - start)[..., None])[..., 0]
        normal = normal + _summed((weighted.transpose(0, 2, 1) @ jacobian).reshape(-1, 9), index, count).reshape(
            -1, 3, 3
        )
        gradient = gradient + _summed((weighted * residual[:, :, None]).sum(1), index, count)
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        # A step beyond a part of the distance would leave the region where the cameras' rays are nearly straight.
        length = np.linalg.norm(step, axis=1, keepdims=True)
        points = points - step * np.minimum(1, 0.3 * distance / np.maximum(length, 1e-300))
    return points, np.linalg.norm(_residuals(points, matrices, index, pixels)[0], axis=1)


def _residuals(
    points: np.ndarray, matrices: np.ndarray, index: np.ndarray, pixels: np.ndarray
) -> tuple[Float[np.ndarray, "t 2"], Float[np.ndarray, "t 2 3"]]:
    """Where points appear minus where they are seen, and its derivative by the point; infinite behind a camera."""
    mapped = (matrices[:, :, :3] @ points[index][..., None])[..., 0] + matrices[:, :, 3]
    ahead = mapped[:, 2] > 1e-9
    depth = np.where(ahead, mapped[:, 2], 1)[:, None]
    there = mapped[:, :2] / depth
    jacobian = (matrices[:, :2, :3] - there[..., None] * matrices[:, 2:, :3]) / depth[..., None]
    return np.where(ahead[:, None], there - pixels, 1e6), np.where(ahead[:, None, None], jacobian, 0)


def _summed(values: Float[np.ndarray, "t k"], index: np.ndarray, count: int) -> Float[np.ndarray, "n k"]:
    return np.stack([np.bincount(index, column, count).astype(np.float64) for column in values.T], axis=1)
