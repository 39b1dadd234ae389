"""Pinhole cameras: x right, y down, z forward; the centre of the first pixel is (0, 0)."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Float

Array = TypeVar("Array", np.ndarray, Tensor)


def pixel_grid(
    height: int, width: int, *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "h w 2"]:
    """Pixel coordinates (u, v) of every pixel centre."""
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=dtype),
        torch.arange(width, device=device, dtype=dtype),
        indexing="ij",
    )
    return torch.stack([u, v], dim=-1)


def image_centres(
    shapes: list[tuple[int, int]], *, device: torch.device | str | None = None
) -> Float[Tensor, "views 2"]:
    """Middle of images whose first pixel's centre is (0, 0), as (x, y) in pixels."""
    size = torch.tensor(shapes, dtype=torch.float64, device=device)
    return (size.flip(-1) - 1) / 2


def camera_rays(height: int, width: int, intrinsics: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch h w 3"]:
    """Direction of every pixel in the camera frame, scaled to z = 1.

    Args:
        intrinsics: Pinhole K without skew, in pixels of this image.
    """
    grid = pixel_grid(height, width, device=intrinsics.device, dtype=intrinsics.dtype)
    focal = torch.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], dim=-1)
    centre = intrinsics[..., :2, 2]
    xy = (grid - centre[..., None, None, :]) / focal[..., None, None, :]
    return torch.cat([xy, torch.ones_like(xy[..., :1])], dim=-1)


def unproject_depth(
    depth: Float[Tensor, "*batch h w"], intrinsics: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch h w 3"]:
    """Lift a depth map to a pointmap in the camera frame.

    Args:
        depth: Distance along the optical axis (z, not ray length), in scene units.
        intrinsics: Pinhole K, in pixels of this depth map.
    """
    height, width = depth.shape[-2:]
    return depth[..., None] * camera_rays(height, width, intrinsics)


def project_points(
    points: Float[Tensor, "*batch n 3"], intrinsics: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch n 2"]:
    """Pixel coordinates (u, v) of points in the camera frame; meaningless where z <= 0."""
    homogeneous = points @ intrinsics.mT
    return homogeneous[..., :2] / homogeneous[..., 2:]


def pinhole(focal_px: Float[Tensor, "*batch"], centre: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3 3"]:
    """Intrinsics with square pixels from a focal length and a principal point, all in pixels."""
    matrix = torch.zeros(*focal_px.shape, 3, 3, dtype=focal_px.dtype, device=focal_px.device)
    matrix[..., 0, 0] = matrix[..., 1, 1] = focal_px
    matrix[..., :2, 2] = centre
    matrix[..., 2, 2] = 1.0
    return matrix


def original_intrinsics(K_working: Array, working_from_original: Float[np.ndarray, "3 3"]) -> Array:
    """Express the pinhole of a working image in pixels of the upright original photo.

    Args:
        K_working: (..., 3, 3) NumPy or torch, in pixels of the working image.
        working_from_original: Of the view (`View.working_from_original`): resize, then crop.
    """
    if isinstance(K_working, Tensor):
        return _like(working_from_original, K_working).inverse() @ K_working
    return np.linalg.inv(working_from_original) @ K_working


def working_intrinsics(K_original: Array, working_from_original: Float[np.ndarray, "3 3"]) -> Array:
    """Express the pinhole of the upright original photo in pixels of its working image; see `original_intrinsics`."""
    if isinstance(K_original, Tensor):
        return _like(working_from_original, K_original) @ K_original
    return working_from_original @ K_original


def _like(array: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.as_tensor(array, dtype=tensor.dtype, device=tensor.device)
