"""Map-free relocalisation, in small."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from pointmap.sfm.cameras import quaternion_from

QUERIES = 7


def world() -> World:
    """The reference and its queries, in the frame of the reference."""
    made = photograph(1 + QUERIES, square=False, step_deg=4)
    reference_from_world = made.cam_from_world[0]
    return World(made.images, made.depths, made.intrinsics, reference_from_world @ made.world_from_cam)


def names() -> list[str]:
    """Numbers are skipped, as in the data set."""
    return ["seq0/frame_00000.jpg", *(f"seq1/frame_{2 * index:05d}.jpg" for index in range(QUERIES))]


def write(root: Path) -> tuple[str, ...]:
    """One scene of the validation split."""
    folder, made = root / "val" / "s00460", world()
    intrinsics, poses = [], []
    for name, image, K, cam_from_world in zip(names(), made.images, made.intrinsics, made.cam_from_world, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
        height, width = image.shape[:2]
        numbers = [K[0, 0], K[1, 1], K[0, 2], K[1, 2]]
        intrinsics.append(" ".join([name, *(f"{value:.15g}" for value in numbers), str(width), str(height)]))
        numbers = np.concatenate([quaternion_from(cam_from_world[:3, :3]), cam_from_world[:3, 3]])
        poses.append(" ".join([name, *(f"{value:.16f}" for value in numbers)]))
    (folder / "intrinsics.txt").write_text("\n".join([*intrinsics, ""]))
    (folder / "poses.txt").write_text("\n".join([*poses, ""]))
    return ("s00460",)
