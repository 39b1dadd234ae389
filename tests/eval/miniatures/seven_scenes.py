"""7-Scenes in small: photos of 64 x 48, of which most are empty files that no protocol takes."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from miniature_world import World
from PIL import Image

from miniatures.known_camera import photograph_through
from miniatures.scaled_world import scaled
from miniatures.seen_mesh import write_seen_mesh

SCENES = {
    "pose": ("stairs",),
    "tsdf": ("stairs",),
    "tsdf-posed": ("stairs",),
    "localization": ("heads",),
    "localization-sfm": ("heads",),
    "localization-full": ("stairs",),
}
"""By setting, where they are not those that `write` returns."""

FRAMES = range(0, 201, 10)
"""Of the test sequence those that are photos."""
K = np.array([[52.5, 0, 31.55], [0, 52.5, 23.55], [0, 0, 1]])
"""(525, 320, 240) of 640 x 480, counted from the centre of the first pixel, at a tenth of the size."""
SENSOR_K = np.array([[58.5, 0, 31.55], [0, 58.5, 23.55], [0, 0, 1]])
"""(585, 320, 240) likewise."""
SFM_FOCAL = 527.745
TOLERANCE = {"accuracy": 0.008, "completion": 0.008, "precision": 0.002, "f_score": 0.002}
"""Of the fused surface: metres, about a voxel; and shares."""


@lru_cache
def world(views: int = len(FRAMES)) -> World:
    """Of the photos of heads/seq-01, in order of frames."""
    return photograph_through(K, (48, 64), views, step_deg=2.0)


@lru_cache
def sensor_world(views: int) -> World:
    """Of the photos of stairs, by the depth sensor's focal length: as large as a shoe box."""
    return scaled(photograph_through(SENSOR_K, (48, 64), views, step_deg=2.0), 0.1)


def write(root: Path) -> tuple[str, ...]:
    """heads, with a full test sequence, and stairs, with sequences of two and four photos."""
    _sequence(root / "heads" / "seq-01", world(), list(FRAMES))
    _sequence(root / "heads" / "seq-02", world(2), [0, 10])
    for number, views in ((1, 1), (2, 4), (3, 2), (4, 1), (5, 1), (6, 1)):
        _sequence(root / "stairs" / f"seq-{number:02d}", sensor_world(views), list(range(views)))
    write_seen_mesh(root / "meshes" / "stairs.ply", sensor_world(4))
    _sfm(root / "pgt/sfm/7scenes/heads_test.txt", "seq-01", world(), list(FRAMES))
    _sfm(root / "pgt/sfm/7scenes/heads_train.txt", "seq-02", world(2), [0, 10])
    return ("heads+seq-01",)


def _sequence(folder: Path, world: World, frames: list[int]) -> None:
    folder.mkdir(parents=True)
    for frame in range(frames[-1]):
        (folder / f"frame-{frame:06d}.color.png").touch()
    for frame, image, depth, pose in zip(frames, world.images, world.depths, world.world_from_cam, strict=True):
        stem = str(folder / f"frame-{frame:06d}")
        Image.fromarray(image).save(f"{stem}.color.png")
        Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(f"{stem}.depth.proj.png")
        Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(f"{stem}.depth.png")
        np.savetxt(f"{stem}.pose.txt", pose, fmt="%17.8e", delimiter="\t ")


def _sfm(path: Path, folder: str, world: World, frames: list[int]) -> None:
    from scipy.spatial.transform import Rotation

    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for frame, pose in reversed(list(zip(frames, world.cam_from_world, strict=True))):
        quaternion = np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1)
        numbers = " ".join(f"{value:.9f}" for value in [*quaternion, *pose[:3, 3]])
        lines.append(f"{folder}/frame-{frame:06d}.color.png {numbers} {SFM_FOCAL}\n")
    path.write_text("".join(lines))
