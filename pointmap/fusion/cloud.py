"""The coloured point cloud of a scene."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from pointmap.errors import InputError
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.normals import pointmap_normals
from pointmap.scene import Scene

if TYPE_CHECKING:
    import trimesh

_R2 = (0.7548776662466927, 0.5698402909980532)
"""1/g and 1/g^2, where g^3 = g + 1."""


def point_cloud(
    scene: Scene, masks: list[np.ndarray], *, max_points: int | None = None, seed: int = 0, normals: bool = True
) -> "trimesh.PointCloud":
    """The points where the masks are True; see `Scene.point_cloud`."""
    import trimesh

    if max_points is not None and max_points < 1:
        raise InputError(f"max_points is {max_points}; give at least 1, or None for all points.")
    masks = _thin_out(masks, max_points, seed)
    positions, colors, confidences, photos, pixels, spacings, directions = [], [], [], [], [], [], []
    for index, (mask, points) in enumerate(zip(masks, scene.pointmaps, strict=True)):
        positions.append(points[mask])
        colors.append(scene.colors[index][mask])
        confidences.append(scene.confidences[index][mask].astype(np.float32))
        photos.append(np.full(len(positions[-1]), index, np.int32))
        pixels.append(np.flatnonzero(mask).astype(np.int32))
        focal_px = scene.working_intrinsics[index, 0, 0]
        spacings.append((scene.depths[index][mask] / focal_px).astype(np.float32))
        if normals:
            directions.append(_normals(scene, index)[mask] if mask.any() else np.zeros((0, 3), np.float32))
    return trimesh.PointCloud(
        np.concatenate([np.zeros((0, 3), np.float32), *positions]),
        np.concatenate([np.zeros((0, 3), np.uint8), *colors]),
        metadata={
            "confidence": np.concatenate([np.zeros(0, np.float32), *confidences]),
            "photo": np.concatenate([np.zeros(0, np.int32), *photos]),
            "pixel": np.concatenate([np.zeros(0, np.int32), *pixels]),
            "spacing": np.concatenate([np.zeros(0, np.float32), *spacings]),
            **({"normal": np.concatenate([np.zeros((0, 3), np.float32), *directions])} if normals else {}),
        },
    )


def _normals(scene: Scene, index: int) -> np.ndarray:
    """(h, w, 3) in the world, towards the camera of a registered photo."""
    depth = torch.from_numpy(np.asarray(scene.depths[index], np.float32))
    K = torch.from_numpy(np.asarray(scene.working_intrinsics[index], np.float32))
    normals_cam = pointmap_normals(unproject_depth(depth, K), torch.isfinite(depth) & (depth > 0))
    return normals_cam.numpy() @ scene.world_from_cam[index, :3, :3].astype(np.float32).T


def _thin_out(masks: list[np.ndarray], max_points: int | None, seed: int) -> list[np.ndarray]:
    """Keep `max_points` of the True pixels, evenly over every photo."""
    total = sum(int(mask.sum()) for mask in masks)
    if max_points is None or total <= max_points:
        return masks
    # Pixels in the order of the R2 sequence (Roberts 2018): the first so many of them lie evenly, without the clumps
    # and gaps of a random draw.
    shifts = np.random.default_rng(seed).random(len(masks))
    orders = []
    for mask, shift in zip(masks, shifts, strict=True):
        rows, columns = np.nonzero(mask)
        orders.append((_R2[0] * columns + _R2[1] * rows + shift) % 1)
    chosen = np.zeros(total, bool)
    chosen[np.argpartition(np.concatenate(orders), max_points)[:max_points]] = True
    thinned, start = [], 0
    for mask, order in zip(masks, orders, strict=True):
        thin = np.zeros_like(mask)
        thin[mask] = chosen[start : start + len(order)]
        thinned.append(thin)
        start += len(order)
    return thinned
