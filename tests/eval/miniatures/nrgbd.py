"""Neural RGB-D in small: photos of 64 x 48, of which most are empty files that no protocol takes."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from miniature_world import World
from PIL import Image

from miniatures.known_camera import photograph_through
from miniatures.scaled_world import scaled
from miniatures.seen_mesh import write_seen_mesh

SCENES = {"tsdf": ("staircase",)}
"""By setting, where they are not those that `write` returns."""

FOCAL = 55.42562584220408
LAST = 520
"""Frame; every 20th is a photo."""


TOLERANCE = {"accuracy": 0.008, "completion": 0.008}
"""Of the fused surface, metres: about a voxel."""


@lru_cache
def world(views: int) -> World:
    """Of photos in order of frames."""
    K = np.array([[FOCAL, 0, 32], [0, FOCAL, 24], [0, 0, 1]])
    return photograph_through(K, (48, 64), views, step_deg=1.5)


@lru_cache
def small_world() -> World:
    """Of the photos of staircase: as large as a shoe box."""
    return scaled(world(4), 0.1)


def write(root: Path) -> tuple[str, ...]:
    """kitchen with 521 frames, staircase with four."""
    _scene(root / "kitchen", world(LAST // 20 + 1), 20)
    _scene(root / "staircase", small_world(), 1)
    write_seen_mesh(root / "staircase" / "gt_mesh_culled.ply", small_world())
    return ("kitchen",)


def _scene(folder: Path, world: World, every: int) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "depth").mkdir()
    (folder / "focal.txt").write_text(f"{FOCAL}\n")
    poses = np.repeat(np.eye(4)[None], every * (len(world.images) - 1) + 1, 0)
    for frame in range(len(poses)):
        (folder / "images" / f"img{frame}.png").touch()
    for index, (image, depth) in enumerate(zip(world.images, world.depths, strict=True)):
        Image.fromarray(image).save(folder / "images" / f"img{index * every}.png")
        Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(folder / "depth" / f"depth{index * every}.png")
        # OpenGL's cameras: y up, looking along -z.
        poses[index * every] = world.world_from_cam[index] * [1, -1, -1, 1]
    np.savetxt(folder / "poses.txt", poses.reshape(-1, 4), fmt="%.12f")
