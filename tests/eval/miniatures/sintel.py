"""MPI Sintel, in small."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

TAG = np.float32(202021.25)


def world() -> World:
    """Three frames."""
    return photograph(3, square=False, step_deg=5.0)


def write(root: Path) -> tuple[str, ...]:
    """Two sequences with the same frames."""
    made = world()
    for scene in ("alley_2", "temple_3"):
        folders = {name: root / "training" / name / scene for name in ("final", "depth", "camdata_left")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        frames = zip(made.images, made.depths, made.intrinsics, made.cam_from_world, strict=True)
        for number, (image, depth, K, cam_from_world) in enumerate(frames, start=1):
            name = f"frame_{number:04d}"
            Image.fromarray(image).save(folders["final"] / f"{name}.png")
            size = np.array(depth.shape[::-1], "<i4")
            (folders["depth"] / f"{name}.dpt").write_bytes(TAG.tobytes() + size.tobytes() + depth.tobytes())
            camera = TAG.tobytes() + K.tobytes() + cam_from_world[:3].tobytes()
            (folders["camdata_left"] / f"{name}.cam").write_bytes(camera)
    return "alley_2", "temple_3"
