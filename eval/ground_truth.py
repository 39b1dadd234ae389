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

    depth_files: tuple[Path | None, ...]
    """(N,) depth maps of the photos' size, None where there is none."""

    depth_scales: tuple[float, ...]
    """(N,) world units per unit of the depth files."""

    @property
    def posed(self) -> np.ndarray:
        """(N,) bool: True where the pose is known."""
        return np.isfinite(self.world_from_cam).all(axis=(1, 2))

    def select(self, index: np.ndarray) -> "GroundTruth":
        """Only the photos of these indices."""
        return GroundTruth(
            self.name,
            tuple(self.files[i] for i in index),
            self.intrinsics[index],
            self.world_from_cam[index],
            tuple(self.depth_files[i] for i in index),
            tuple(self.depth_scales[i] for i in index),
        )

    def depth(self, index: int) -> np.ndarray | None:
        """(H, W) z-depth of a photo in world units, 0 where unknown; None where there is no map."""
        file = self.depth_files[index]
        if file is None:
            return None
        if file.suffix == ".npz":
            with np.load(file) as content:
                values = content["depth"]
        else:
            from PIL import Image

            with Image.open(file) as image:
                values = np.asarray(image)
        return np.nan_to_num(values.astype(np.float64) * self.depth_scales[index], nan=0.0, posinf=0.0)

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
    """Read `folder/cameras.json`; its `file` and `depth` entries are relative to the folder.

    A depth map is a picture of integers or an `.npz` with an array `depth`, times `depth_scale`.

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
        depth_files = tuple(folder / entry["depth"] if entry.get("depth") else None for entry in entries)
        depth_scales = tuple(float(entry.get("depth_scale", 1.0)) for entry in entries)
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
        depth_files,
        depth_scales,
    )


def _inverse(cam_from_world: list[list[float]] | None) -> np.ndarray:
    if cam_from_world is None:
        return np.full((4, 4), np.nan)
    return np.linalg.inv(np.array(cam_from_world, np.float64).reshape(4, 4))
