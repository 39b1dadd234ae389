"""What an alignment gives back."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Alignment:
    """Cameras and depth maps of N views in one world frame, in pixels of the working images.

    The world is the frame of the first registered view's camera, unless poses were given. Its scale is arbitrary unless
    two given poses set it.
    """

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses; NaN where a view is not registered."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K; the centre of the first pixel is (0, 0). A guess where a view is not registered."""

    depths: list[np.ndarray]
    """N arrays (h, w) float32: z-depth in world units; 0 where no group says anything, NaN if not registered."""

    confidences: list[np.ndarray]
    """N arrays (h, w) float32: the largest that any group predicts, at least 1."""

    registered: np.ndarray
    """(N,) bool."""

    world_from_group: np.ndarray
    """(G, 4, 4) similarities of the groups; NaN for those left out."""

    loss: float
    """The objective over all pixels, with log-confidence weights and a geometric mean of the groups' scales of 0.5."""

    history: list[float] = field(default_factory=list)
    """The loss over the sampled pixels, at the start and after every pass."""

    times: list[float] = field(default_factory=list)
    """Seconds since the optimisation began, of each entry of `history`."""

    dropped: list[str] = field(default_factory=list)
    """What was left out, and why."""
