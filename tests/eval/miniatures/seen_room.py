"""The surface of the miniature world as a scanner would have it."""

import numpy as np
import trimesh
from miniature_world import BALL, HALF, RADIUS, World


def seen_room(world: World) -> trimesh.Trimesh:
    """The part of the room and of its ball that a photo sees, in small triangles that face the cameras."""
    room = trimesh.creation.box(2 * HALF).subdivide_to_size(0.1)
    room.invert()
    ball = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    ball.apply_translation(BALL)
    whole = trimesh.util.concatenate([room, ball])
    height, width = world.depths.shape[1:]
    seen = np.zeros(len(whole.faces), bool)
    for K, cam_from_world, depth in zip(world.intrinsics, world.cam_from_world, world.depths, strict=True):
        points = whole.triangles_center @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        pixels = (points @ K.T)[:, :2] / points[:, 2:]
        columns, rows = np.rint(pixels).astype(int).T
        inside = (points[:, 2] > 0) & (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        seen[inside] |= np.abs(depth[rows[inside], columns[inside]] / points[inside, 2] - 1) < 0.05
    whole.update_faces(seen)
    whole.remove_unreferenced_vertices()
    return whole
