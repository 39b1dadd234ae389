"""The miniature world as a surface: large exact faces, of which only those are there that photos see."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from miniature_world import BALL, HALF, RADIUS, World

from pointmap.geometry.conventions import resized_intrinsics
from pointmap.geometry.rasterize import rasterize

FINER = 4
"""Pixels of the photos are looked through so finely."""


def write_seen_room(path: Path, world: World) -> None:
    """A mesh file with vertices every 6 cm, so that clouds of 5 cm accuracy can be told from it."""
    walls = trimesh.creation.box(2 * HALF)
    walls.invert()
    for _ in range(6):
        walls = walls.subdivide()
    ball = trimesh.creation.icosphere(5, RADIUS)
    ball.apply_translation(BALL)
    room = trimesh.util.concatenate([walls, ball])
    height, width = world.depths.shape[1:]
    seen = np.zeros(len(room.faces), bool)
    for K, cam_from_world in zip(world.intrinsics, world.cam_from_world, strict=True):
        points = room.vertices @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        finer = resized_intrinsics(K, (width, height), (FINER * width, FINER * height))
        size = (FINER * width, FINER * height)
        faces = rasterize(torch.from_numpy(points), torch.from_numpy(room.faces), torch.from_numpy(finer), size).faces
        seen[np.unique(faces[faces >= 0].numpy())] = True
    room.update_faces(seen)
    room.remove_unreferenced_vertices()
    path.parent.mkdir(parents=True, exist_ok=True)
    room.export(path)
