"""One scene of a benchmark: what a method is given, and, apart from it, the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Kind = Literal["views", "video", "single"]
"""Of photos: in no order; consecutive frames of a video; each by itself, so that a method may not use the others."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a method sees of a scene. A method may leave priors unused; it must not look anywhere else."""

    photos: tuple[Path, ...]
    """(N,) files that Pillow opens; two of them may have the same name in different folders."""

    kind: Kind = "views"

    intrinsics: np.ndarray | None = None
    """(N, 3, 3) pinhole K that the protocol gives, in pixels of the photos (centre of the first pixel: 0, 0), NaN for
    a photo whose camera is unknown; None where none is given."""

    world_from_cam: np.ndarray | None = None
    """(N, 4, 4) rigid poses that the protocol gives, NaN where unknown; None where none is given. What comes back is
    then expected in the same world."""

    queries: tuple[int, ...] = ()
    """Localisation: the photos whose pose is asked for; all others have pose and intrinsics."""

    neighbours: tuple[tuple[int, ...], ...] = ()
    """Localisation: for each query the photos of the map that the protocol's retrieval names, best first; () where the
    method retrieves by itself."""

    name: str = ""
    """Of the task; the runner fills it in. Only for looking up what was computed elsewhere."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the photos of `Inputs`, in their order."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the photos, NaN where unknown."""

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses, OpenCV axes; NaN where unknown."""

    depths: tuple[Callable[[], np.ndarray] | None, ...] = ()
    """Per photo a reader of its true depth: (H, W) float32 z-depth in `unit`, 0 where unknown; of any size, it covers
    the whole photo. None where a photo has none; () where no photo has one."""

    unit: str = "m"
    """Of poses, depths and clouds: "m", "mm", or "" where the scale of the truth means nothing."""

    cloud: Callable[[], np.ndarray] | None = None
    """Reader of the reference cloud: (n, 3) float, world frame."""

    mesh: Path | None = None
    """Reference surface, a file that trimesh opens, world frame."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """What one protocol alone needs, by the names that it documents: readers of masks, boxes, evaluation planes."""

    def depth(self, index: int) -> np.ndarray | None:
        """(H, W) of one photo; None where it has none."""
        reader = self.depths[index] if self.depths else None
        return None if reader is None else reader()


@dataclass(frozen=True, eq=False)
class Task:
    """A scene."""

    name: str
    """Of letters, digits, `.`, `_`, `-` and `+`: it names files. Scenes within sequences: `chess+seq-03`."""

    inputs: Inputs
    truth: Truth

    def __len__(self) -> int:
        return len(self.inputs.photos)
