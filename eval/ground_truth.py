"""True cameras beside photos: the `cameras.json` that `pointmap reconstruct` writes as well."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes
from pointmap.scene import Scene
from pointmap.train.views import SceneViews

from .layouts.depth_maps import depth_array
from .task import Inputs, Task, Truth


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

    unit: str = ""
    """Of the world: "m", or "" where it is arbitrary."""

    @property
    def posed(self) -> np.ndarray:
        """(N,) bool: True where the pose is known."""
        return np.isfinite(self.world_from_cam).all(axis=(1, 2))

    def select(self, index: np.ndarray) -> "GroundTruth":
        """Only the photos of these indices."""
        return replace(
            self,
            files=tuple(self.files[i] for i in index),
            intrinsics=self.intrinsics[index],
            world_from_cam=self.world_from_cam[index],
            depth_files=tuple(self.depth_files[i] for i in index),
            depth_scales=tuple(self.depth_scales[i] for i in index),
        )

    def depth(self, index: int) -> np.ndarray | None:
        """(H, W) z-depth of a photo in world units, 0 where unknown; None where there is no map."""
        file = self.depth_files[index]
        return None if file is None else _depth(file, self.depth_scales[index])

    def task(self, name: str = "") -> Task:
        """Its photos as a scene of a benchmark, no camera given."""
        readers = tuple(
            None if file is None else depth_array(partial(_depth, file, scale))
            for file, scale in zip(self.depth_files, self.depth_scales, strict=True)
        )
        truth = Truth(self.intrinsics, self.world_from_cam, readers, unit=self.unit)
        return Task(name or self.name, Inputs(self.files), truth)

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
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content["images"]
        files = tuple(folder / entry["file"] for entry in entries)
        intrinsics = [[[entry["fx"], 0, entry["cx"]], [0, entry["fy"], entry["cy"]], [0, 0, 1]] for entry in entries]
        world_from_cam = [_inverse(entry.get("cam_from_world")) for entry in entries]
        depth_files = tuple(folder / entry["depth"] if entry.get("depth") else None for entry in entries)
        depth_scales = tuple(float(entry.get("depth_scale", 1.0)) for entry in entries)
        unit = "m" if content.get("world_unit") == "metre" else ""
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
        unit,
    )


def write_set(scene: SceneViews, folder: Path) -> None:
    """Photos as PNG, depths as npz, and last the cameras.json that says that all is there."""
    from PIL import Image

    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "depth").mkdir(exist_ok=True)
    entries = []
    for index in range(len(scene)):
        photo, depth = f"images/{index}.png", f"depth/{index}.npz"
        Image.fromarray(scene.images[index].numpy()).save(folder / photo)
        np.savez_compressed(folder / depth, depth=scene.depths[index].float().numpy())
        K = scene.intrinsics[index].tolist()
        cam_from_world = np.linalg.inv(scene.world_from_cam[index].double().numpy())
        height, width = scene.depths.shape[1:]
        camera = {"fx": K[0][0], "fy": K[1][1], "cx": K[0][2], "cy": K[1][2], "distortion": None}
        entry = {"file": photo, "width": width, "height": height, **camera, "cam_from_world": cam_from_world}
        entries.append(entry | {"depth": depth, "depth_scale": 1.0})
    write_bytes(folder / "cameras.json", json_bytes({"set": folder.name, "world_unit": "metre", "images": entries}))


def _depth(file: Path, scale: float) -> np.ndarray:
    if file.suffix == ".npz":
        with np.load(file) as content:
            values = content["depth"]
    else:
        from PIL import Image

        with Image.open(file) as image:
            values = np.asarray(image)
    return np.nan_to_num(values.astype(np.float64) * scale, nan=0.0, posinf=0.0)


def _inverse(cam_from_world: list[list[float]] | None) -> np.ndarray:
    if cam_from_world is None:
        return np.full((4, 4), np.nan)
    return np.linalg.inv(np.array(cam_from_world, np.float64).reshape(4, 4))
