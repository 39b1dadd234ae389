"""Reference surfaces of the miniature world."""

from pathlib import Path

import numpy as np
from miniature_world import World


def write_seen_mesh(path: Path, world: World) -> None:
    """What the photos see as a PLY file: every pixel joined to its neighbours, but not across the ball's edge."""
    import trimesh

    height, width = world.depths.shape[1:]
    rows, columns = np.mgrid[: height - 1, : width - 1]
    corner = rows * width + columns
    quads = np.stack([corner, corner + width, corner + 1, corner + 1, corner + width, corner + width + 1], axis=-1)
    faces = np.concatenate([view * height * width + quads.reshape(-1, 3) for view in range(len(world.depths))])
    depths = world.depths.reshape(-1)[faces]
    faces = faces[depths.max(axis=1) < 1.1 * depths.min(axis=1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.Trimesh(world.points().reshape(-1, 3), faces, process=False).export(path)
