"""Depth of a sensor beside the camera of the photos, as the camera would see it."""

import numpy as np


def register_depth(
    depth: np.ndarray,
    depth_intrinsics: np.ndarray,
    intrinsics: np.ndarray,
    cam_from_sensor: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Move each pixel of a depth map to the pixel of the photo that it falls on; the nearest one wins.

    Args:
        depth: (h, w) z-depth of the sensor, 0 where unknown.
        depth_intrinsics: (3, 3) of the sensor.
        intrinsics: (3, 3) of the camera.
        cam_from_sensor: (4, 4) rigid, in units of the depth.
        size: Height and width of the photo.

    Returns:
        `size` float32 z-depth of the camera, 0 where nothing fell.
    """
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns].astype(np.float64)
    rays = np.stack([columns, rows, np.ones(len(rows))], axis=-1) @ np.linalg.inv(depth_intrinsics).T
    points = rays * z[:, None] @ cam_from_sensor[:3, :3].T + cam_from_sensor[:3, 3]
    points = points[points[:, 2] > 0]
    pixels = np.rint((points @ intrinsics.T)[:, :2] / points[:, 2:]).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < size[::-1])).all(axis=-1)
    u, v = pixels[inside].T
    z = points[inside, 2]
    # Of several values for one pixel the last one written stays: the nearest is written last.
    order = np.argsort(-z, kind="stable")
    registered = np.zeros(size, np.float32)
    registered[v[order], u[order]] = z[order]
    return registered
