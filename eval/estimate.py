"""What a method says about the photos of a task."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .task import Task

Resampling = Literal["nearest", "bilinear", "bicubic"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Cameras and maps of N photos in one world frame, in the order of `Inputs.photos`. All NumPy.

    Everything but poses may be missing. Maps of different photos may have different sizes.
    """

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses, OpenCV axes; NaN for a photo that could not be registered."""

    intrinsics: np.ndarray | None = None
    """(N, 3, 3) pinhole K in pixels of the photos; NaN or None where unknown."""

    depths: tuple[np.ndarray | None, ...] = ()
    """Per photo (h, w) z-depth in units of `world_from_cam`; 0 or NaN where there is none."""

    confidences: tuple[np.ndarray | None, ...] = ()
    """Per photo (h, w), any monotonous measure; larger is surer."""

    pointmaps: tuple[np.ndarray | None, ...] = ()
    """Per photo (h, w, 3) points in the world frame, NaN where there is none. () where they follow from depths,
    intrinsics and poses; `points` gives them in either case."""

    regions: np.ndarray | None = None
    """(N, 4) left, top, right, bottom edge of the part of each photo that its maps cover, in pixels of the photo (the
    first pixel reaches from 0 to 1); None where they cover the whole photo."""

    sizes: np.ndarray | None = None
    """(N, 2) width and height of the photos; needed with `regions` and to make points of depths."""

    metric: bool = False
    """Lengths are metres by the method's own knowledge."""

    mesh: Any = None
    """trimesh.Trimesh in the world frame, of methods that make one."""

    notes: dict[str, Any] = field(default_factory=dict)
    """Plain values for the record: stages' seconds, warnings, photos left out. `peak_gib`, where present, replaces the
    runner's figure (methods that work in child processes)."""

    def depth_at(self, index: int, shape: tuple[int, int], resampling: Resampling = "nearest") -> np.ndarray:
        """Depth of a photo at the pixels of a map of another size that covers the whole photo.

        Returns:
            `shape` float64, NaN where the estimate has none: outside of its region, or around holes.
        """
        depth = self.depths[index] if self.depths else None
        if depth is None:
            return np.full(shape, np.nan)
        known = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
        return self._resampled(index, known, shape, resampling)

    def confidence_at(self, index: int, shape: tuple[int, int]) -> np.ndarray:
        """The same for confidences, nearest pixel; 0 where there is none."""
        confidence = self.confidences[index] if self.confidences else None
        if confidence is None:
            return np.zeros(shape)
        return np.nan_to_num(self._resampled(index, confidence, shape, "nearest"))

    def points(self, index: int) -> np.ndarray:
        """(h, w, 3) points of one photo in the world frame at the size of its maps, NaN where there is none.

        Without its own pointmap they follow from depth, pose and intrinsics; an unknown one of these leaves (0, 0, 3)
        or NaN.
        """
        if self.pointmaps and self.pointmaps[index] is not None:
            return np.asarray(self.pointmaps[index], np.float64)
        depth = self.depths[index] if self.depths else None
        if depth is None or self.intrinsics is None:
            return np.empty((0, 0, 3))
        height, width = depth.shape
        left, top, right, bottom = self._region(index, (height, width))
        rows, columns = np.mgrid[:height, :width] + 0.5
        pixels = (
            np.stack([left + columns * (right - left) / width, top + rows * (bottom - top) / height], axis=-1) - 0.5
        )
        rays = np.concatenate([pixels, np.ones((height, width, 1))], axis=-1) @ _inverse(self.intrinsics[index]).T
        points = rays * np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)[..., None]
        world_from_cam = self.world_from_cam[index]
        return points @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]

    def points_at(self, index: int, shape: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) float64 the same at the pixels of a map of another size, nearest pixel; NaN where there is none."""
        points = self.points(index)
        if points.size == 0:
            return np.full((*shape, 3), np.nan)
        return self._resampled(index, points, shape, "nearest")

    @staticmethod
    def still(task: Task) -> "Estimate":
        """Cameras that never move and see a wall at distance 1: the identity baseline.

        Their focal length is 1.2 times the long side of the photo, as structure from motion guesses it.
        """
        sizes = photo_sizes(task.inputs.photos)
        focals = 1.2 * sizes.max(axis=1)
        return Estimate(
            np.tile(np.eye(4), (len(task), 1, 1)),
            np.stack([_pinhole(focal, size) for focal, size in zip(focals, sizes, strict=True)]),
            tuple(np.ones((3, 4), np.float32) for _ in sizes),
            tuple(np.ones((3, 4), np.float32) for _ in sizes),
            sizes=sizes,
        )

    @staticmethod
    def of_truth(task: Task) -> "Estimate":
        """The truth as a method would hand it in; every benchmark gives it its perfect score."""
        depths = tuple(task.truth.depth(index) for index in range(len(task)))
        mesh = None
        if task.truth.mesh is not None:
            import trimesh

            mesh = trimesh.load_mesh(task.truth.mesh, process=False)
        return Estimate(
            task.truth.world_from_cam,
            task.truth.intrinsics,
            depths,
            tuple(None if depth is None else np.ones_like(depth) for depth in depths),
            sizes=photo_sizes(task.inputs.photos),
            metric=task.truth.unit == "m",
            mesh=mesh,
        )

    def _region(self, index: int, map_size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Edges in pixels of the photo; a photo of unknown size is as large as its map."""
        if self.regions is not None and np.isfinite(self.regions[index]).all():
            left, top, right, bottom = self.regions[index]
            return left, top, right, bottom
        width, height = self.sizes[index] if self.sizes is not None else map_size[::-1]
        return 0.0, 0.0, float(width), float(height)

    def _resampled(self, index: int, values: np.ndarray, shape: tuple[int, int], resampling: Resampling) -> np.ndarray:
        if self.sizes is None and self.regions is not None:
            raise ValueError("An estimate with regions needs the sizes of its photos.")
        size = values.shape[:2]
        left, top, right, bottom = self._region(index, (size[0], size[1]))
        width, height = self.sizes[index] if self.sizes is not None else (right, bottom)
        # From pixel centres of the target, over edges of the photo, to pixel centres of the map.
        u = (((np.arange(shape[1]) + 0.5) * width / shape[1] - left) * size[1] / (right - left)) - 0.5
        v = (((np.arange(shape[0]) + 0.5) * height / shape[0] - top) * size[0] / (bottom - top)) - 0.5
        inside = ((v > -0.5 - _EDGE) & (v < size[0] - 0.5 + _EDGE))[:, None]
        inside = inside & ((u > -0.5 - _EDGE) & (u < size[1] - 0.5 + _EDGE))
        if resampling == "nearest":
            rows = np.floor(v + 0.5 + _EDGE).astype(int).clip(0, size[0] - 1)
            columns = np.floor(u + 0.5 + _EDGE).astype(int).clip(0, size[1] - 1)
            found = values[rows[:, None], columns].astype(np.float64)
        else:
            found = _interpolated(values, u, v, resampling)
        found[~inside] = np.nan
        return found


def photo_sizes(photos: tuple[Path, ...]) -> np.ndarray:
    """(N, 2) width and height of the files as they are stored, without decoding them."""
    from PIL import Image

    sizes = []
    for photo in photos:
        with Image.open(photo) as image:
            sizes.append(image.size)
    return np.array(sizes, np.int64).reshape(-1, 2)


_EDGE = 1e-6
"""Pixels: rounding of coordinates must not decide between two of them."""


def _pinhole(focal: float, size: np.ndarray) -> np.ndarray:
    return np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])


def _inverse(intrinsics: np.ndarray) -> np.ndarray:
    return np.linalg.inv(intrinsics) if np.isfinite(intrinsics).all() else np.full((3, 3), np.nan)


def _interpolated(values: np.ndarray, u: np.ndarray, v: np.ndarray, resampling: Resampling) -> np.ndarray:
    import cv2

    grid = np.broadcast_arrays(u[None].astype(np.float32), v[:, None].astype(np.float32))
    flag = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[resampling]
    known = np.isfinite(values)
    filled = np.where(known, values, 0).astype(np.float32)
    found = cv2.remap(filled, grid[0], grid[1], flag, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
    if not known.all():
        # A pixel that any unknown one takes part in is unknown.
        weight = cv2.remap((~known).astype(np.float32), grid[0], grid[1], flag, borderMode=cv2.BORDER_REPLICATE)
        found[np.abs(weight) > 1e-6] = np.nan
    return found
