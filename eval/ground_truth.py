"""True cameras beside photos: the `cameras.json` that `pointmap reconstruct` writes as well."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.scene import Scene


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The photos of a set with what is known of their cameras, in the order of the file."""

    name: str
    """Of the set: its folder's."""

    files: tuple[Path, ...]
    """(N,) the photos."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the photos, without their distortion."""

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses; NaN where unknown."""

    @property
    def posed(self) -> np.ndarray:
        """(N,) bool: True where the pose is known."""
        return np.isfinite(self.world_from_cam).all(axis=(1, 2))

    def select(self, index: np.ndarray) -> "GroundTruth":
        """Only the photos of these indices."""
        return GroundTruth(
            self.name, tuple(self.files[i] for i in index), self.intrinsics[index], self.world_from_cam[index]
        )

    def spread(self, count: int) -> "GroundTruth":
        """At most so many photos, evenly over the set, first and last included; only posed ones if any is posed."""
        candidates = np.flatnonzero(self.posed) if self.posed.any() else np.arange(len(self.files))
        if len(candidates) > count:
            candidates = candidates[np.linspace(0, len(candidates) - 1, count).round().astype(int)]
        return self.select(candidates)

    def poses_of(self, scene: Scene) -> np.ndarray:
        """(N, 4, 4) the scene's poses of these photos, by file name; NaN where it has none."""
        found = dict(zip(scene.names, scene.world_from_cam, strict=True))
        missing = np.full((4, 4), np.nan)
        return np.stack([found.get(file.name, missing) for file in self.files])


def load_ground_truth(folder: str | Path) -> GroundTruth:
    """Read `folder/cameras.json`; its `file` entries are relative to the folder.

    Raises:
        InputError: There is no such file, or it is not of this format.
    """
    folder = Path(folder)
    path = folder / "cameras.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["images"]
        files = tuple(folder / entry["file"] for entry in entries)
        intrinsics = [[[entry["fx"], 0, entry["cx"]], [0, entry["fy"], entry["cy"]], [0, 0, 1]] for entry in entries]
        world_from_cam = [_inverse(entry.get("cam_from_world")) for entry in entries]
    except FileNotFoundError as error:
        raise InputError(f"No {str(path)!r}. A set is a folder with photos and a cameras.json beside them.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Cannot read {str(path)!r}: {type(error).__name__}: {error}. Expected a list `images` with file, fx, fy, "
            "cx, cy and cam_from_world (4x4 or null) per photo, as `pointmap reconstruct` writes it."
        ) from error
    return GroundTruth(
        folder.resolve().name,
        files,
        np.array(intrinsics, np.float64).reshape(-1, 3, 3),
        np.array(world_from_cam, np.float64).reshape(-1, 4, 4),
    )


def _inverse(cam_from_world: list[list[float]] | None) -> np.ndarray:
    if cam_from_world is None:
        return np.full((4, 4), np.nan)
    return np.linalg.inv(np.array(cam_from_world, np.float64).reshape(4, 4))
