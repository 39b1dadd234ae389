"""The results that travel between the rooms: views, predictions, groups and the finished scene."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, UInt8


@dataclass(frozen=True)
class View:
    """One photo, upright, in the working size that the network sees."""

    name: str
    """File name (unique within a photo set), shown to people and written to files."""

    image: UInt8[np.ndarray, "h w 3"]
    """RGB of the working image."""

    original_size: tuple[int, int]
    """Width and height of the upright original photo, in pixels."""

    working_from_original: Float[np.ndarray, "3 3"]
    """Maps a pixel (u, v, 1) of the upright original to the working image: resize, then crop."""

    path: Path | None = None
    """Where the original is; None for an in-memory image."""

    focal_px_prior: float | None = None
    """Focal length that EXIF states, in pixels of the original photo."""


@dataclass(frozen=True)
class PairPrediction:
    """What the network says of a batch of pairs (i, j). Both pointmaps are in the camera frame of i."""

    points_i: Float[Tensor, "batch h_i w_i 3"]
    points_j: Float[Tensor, "batch h_j w_j 3"]
    confidence_i: Float[Tensor, "batch h_i w_i"]
    """At least 1."""
    confidence_j: Float[Tensor, "batch h_j w_j"]
    descriptors_i: Float[Tensor, "batch h_i w_i d"] | None = None
    """Unit-norm local features (MASt3R); None for networks without them."""
    descriptors_j: Float[Tensor, "batch h_j w_j d"] | None = None
    descriptor_confidence_i: Float[Tensor, "batch h_i w_i"] | None = None
    descriptor_confidence_j: Float[Tensor, "batch h_j w_j"] | None = None


@dataclass(frozen=True)
class Group:
    """Pointmaps of k >= 2 views that share one frame, up to scale: that of the first view's camera.

    A pair is k = 2 (both pointmaps in the frame of `views[0]`); the output of a multi-view network on a
    chunk of photos is k = many.
    """

    views: tuple[int, ...]
    """Indices of the views in the photo set."""

    points: list[Float[np.ndarray, "h w 3"]] | list[Float[Tensor, "h w 3"]]
    """One pointmap per view."""

    confidences: list[Float[np.ndarray, "h w"]] | list[Float[Tensor, "h w"]]
    """One map per view, at least 1."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A posed scene. Arrays are NumPy; cameras are OpenCV's: x right, y down, z forward.

    Everything is in one world frame. Its scale is arbitrary unless `metric` is True.
    """

    names: tuple[str, ...]
    """(N,) file names."""

    paths: tuple[Path | None, ...]
    """(N,) where the originals are; None for in-memory images."""

    image_sizes: np.ndarray
    """(N, 2) width and height of the original photos."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the original photos; the centre of the first pixel is (0, 0)."""

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses; NaN where a photo is not registered."""

    depths: list[np.ndarray]
    """N arrays (h, w): z-depth of the working images, in scene units."""

    confidences: list[np.ndarray]
    """N arrays (h, w), at least 1."""

    colors: list[np.ndarray]
    """N arrays (h, w, 3) uint8: the working images."""

    working_intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the (h, w) maps."""

    registered: np.ndarray
    """(N,) bool: False where a photo could not be tied to the rest."""

    metric: bool = False
    """True when one scene unit is a metre."""

    report: dict[str, Any] = field(default_factory=dict)
    """How the scene was made: settings, seconds per stage, losses, what was dropped and why. Plain JSON values."""
