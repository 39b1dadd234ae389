"""Aachen Day-Night v1.1, in small."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from pointmap.sfm.cameras import camera_record, quaternion_from
from pointmap.sfm.model_files import ImageRecord, ModelFiles, to_binary

NAMES = ("db/1.jpg", "db/2.jpg", "sequences/nexus4/a.jpg", "query/day/nexus5x/q.jpg", "query/night/nexus5x/n.jpg")
MAPPED = 3


def world() -> World:
    """Three photos of the map, a query by day, one by night."""
    return photograph(5)


def write(root: Path, scenes: tuple[str, ...] = ("day",)) -> tuple[str, ...]:
    """The day, with poses of the queries as nobody has them, so that there is something to score."""
    made = world()
    height, width = made.depths.shape[1:]
    records = [camera_record(K, np.zeros(5), (width, height), model="SIMPLE_RADIAL") for K in made.intrinsics]
    images = {}
    for number, (name, image, pose) in enumerate(zip(NAMES, made.images, made.cam_from_world, strict=True)):
        path = root / "images_upright" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        if number < MAPPED:
            place = quaternion_from(pose[:3, :3]), pose[:3, 3]
            images[number + 1] = ImageRecord(*place, number + 1, name, np.zeros((0, 2)), np.zeros(0, np.int64))
    model = root / "3D-models/aachen_v_1_1"
    model.mkdir(parents=True)
    files = ModelFiles({number + 1: records[number] for number in range(MAPPED)}, images, {})
    for name, content in zip(("cameras", "images", "points3D"), to_binary(files), strict=True):
        (model / f"{name}.bin").write_bytes(content)
    (root / "queries").mkdir()
    rows = []
    for scene in scenes:
        number = {"day": 3, "night": 4}[scene]
        camera, pose = records[number], made.cam_from_world[number]
        words = [
            NAMES[number],
            camera.model,
            camera.width,
            camera.height,
            *(f"{value:.15g}" for value in camera.params),
        ]
        (root / f"queries/{scene}_time_queries_with_intrinsics.txt").write_text(" ".join(map(str, words)) + "\n")
        numbers = [*quaternion_from(pose[:3, :3]), *pose[:3, 3]]
        rows.append(" ".join([Path(NAMES[number]).name, *(f"{value:.15g}" for value in numbers)]))
    (root / "query_poses.txt").write_text("\n".join(rows))
    return scenes
