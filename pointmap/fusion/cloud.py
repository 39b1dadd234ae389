"""The coloured point cloud of a scene."""

from typing import TYPE_CHECKING

import numpy as np

from pointmap.errors import InputError
from pointmap.scene import Scene

if TYPE_CHECKING:
    import trimesh


def point_cloud(
    scene: Scene, masks: list[np.ndarray], *, max_points: int | None = None, seed: int = 0
) -> "trimesh.PointCloud":
    """The points where the masks are True; see `Scene.point_cloud`."""
    import trimesh

    if max_points is not None and max_points < 1:
        raise InputError(f"max_points is {max_points}; give at least 1, or None for all points.")
    masks = _thin_out(masks, max_points, seed)
    positions, colors, confidences, photos, spacings = [], [], [], [], []
    for index, (mask, points) in enumerate(zip(masks, scene.pointmaps, strict=True)):
        positions.append(points[mask])
        colors.append(scene.colors[index][mask])
        confidences.append(scene.confidences[index][mask].astype(np.float32))
        photos.append(np.full(len(positions[-1]), index, np.int32))
        focal_px = scene.working_intrinsics[index, 0, 0]
        spacings.append((scene.depths[index][mask] / focal_px).astype(np.float32))
    return trimesh.PointCloud(
        np.concatenate([np.zeros((0, 3), np.float32), *positions]),
        np.concatenate([np.zeros((0, 3), np.uint8), *colors]),
        metadata={
            "confidence": np.concatenate([np.zeros(0, np.float32), *confidences]),
            "photo": np.concatenate([np.zeros(0, np.int32), *photos]),
            "spacing": np.concatenate([np.zeros(0, np.float32), *spacings]),
        },
    )


def _thin_out(masks: list[np.ndarray], max_points: int | None, seed: int) -> list[np.ndarray]:
    """Keep `max_points` of the True pixels, every one with the same chance."""
    total = sum(int(mask.sum()) for mask in masks)
    if max_points is None or total <= max_points:
        return masks
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng(seed).choice(total, max_points, replace=False)] = True
    thinned, start = [], 0
    for mask in masks:
        thin = np.zeros_like(mask)
        count = int(mask.sum())
        thin[mask] = chosen[start : start + count]
        thinned.append(thin)
        start += count
    return thinned
