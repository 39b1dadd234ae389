"""What a method says about the photos of a task."""

from dataclasses import dataclass, field
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
        raise NotImplementedError

    def confidence_at(self, index: int, shape: tuple[int, int]) -> np.ndarray:
        """The same for confidences, nearest pixel; 0 where there is none."""
        raise NotImplementedError

    def points(self, index: int) -> np.ndarray:
        """(h, w, 3) points of one photo in the world frame at the size of its maps, NaN where there is none."""
        raise NotImplementedError

    def points_at(self, index: int, shape: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) float64 the same at the pixels of a map of another size, nearest pixel; NaN where there is none."""
        raise NotImplementedError

    @staticmethod
    def still(task: Task) -> "Estimate":
        """Cameras that never move and see a wall at distance 1: the identity baseline."""
        raise NotImplementedError

    @staticmethod
    def of_truth(task: Task) -> "Estimate":
        """The truth as a method would hand it in; every benchmark gives it its perfect score."""
        raise NotImplementedError
