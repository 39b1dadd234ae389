"""SpatialBench, in small."""

import json
from pathlib import Path

import numpy as np
import trimesh
from miniature_world import World, photograph
from PIL import Image

STEP = 0.001
"""Metres in a step of the depth maps."""
TOLERANCE = {"f_score": 0.02, "precision": 0.04, "recall": 0.01, "accuracy": 0.02, "completion": 0.02}
"""Of the surface that is fused of few small photos: it is between the points of the reference."""


def world(count: int = 4) -> World:
    """The photos of a scene; depths as 16 bits can hold them, in a room of half the size: what is further than 3 m does
    not count with DTU."""
    made = photograph(count)
    depths = np.round(0.5 * made.depths / STEP).astype(np.float32) * np.float32(STEP)
    poses = made.world_from_cam.copy()
    poses[:, :3, 3] *= 0.5
    return World(made.images, depths, made.intrinsics, poses)


def write_scene(folder: Path, made: World, **meta: object) -> None:
    """One scene, with intrinsics of its own for each photo."""
    for kind in ("images", "depths", "poses", "intrinsics"):
        (folder / kind).mkdir(parents=True)
    for index, (image, depth, K, pose) in enumerate(
        zip(made.images, made.depths, made.intrinsics, made.world_from_cam, strict=True)
    ):
        Image.fromarray(image).save(folder / f"images/{index:06d}.png")
        Image.fromarray(np.round(depth / STEP).astype(np.uint16)).save(folder / f"depths/{index:06d}.png")
        np.save(folder / f"poses/{index:06d}.npy", pose[:3])
        np.save(folder / f"intrinsics/{index:06d}.npy", K)
    np.save(folder / "intrinsics/K_rect.npy", made.intrinsics[0])
    content = {"depth_format": "uint16_png_div1000", "intrinsic_mode": "per_frame", **meta}
    (folder / "meta.json").write_text(json.dumps(content))


def write(root: Path) -> tuple[str, ...]:
    """The same scene of 7-Scenes, NRGBD and DTU in all densities, with reference clouds; the index lists one more."""
    entries = []
    for dataset in ("7scenes", "nrgbd", "dtu"):
        for density, count in (("single", 1), ("sparse", 3), ("medium", 4), ("dense", 4)):
            write_scene(root / density / dataset / "room_seq-05/0", world(count))
            entries += [
                {"source_dataset": dataset, "scene_path": path, "tags": {"view_density": density}}
                for path in ("room_seq-05/0", "hall:1/0")
            ]
        cloud = root / "pointcloud" / dataset / "room_seq-05/room.ply"
        cloud.parent.mkdir(parents=True)
        trimesh.PointCloud(np.concatenate(world().points()).reshape(-1, 3)).export(cloud)
    (root / "all_scenes.json").write_text(json.dumps(entries))
    return tuple(f"{dataset}+room_seq-05+0" for dataset in ("7scenes", "nrgbd", "dtu"))


SCENES = {
    "fscore": ("nrgbd+room_seq-05+0",),
    "fscore-fine": ("7scenes+room_seq-05+0",),
    "fscore-dtu": ("dtu+room_seq-05+0",),
}
"""Settings that have a part of the data sets only."""
