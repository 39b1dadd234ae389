"""Reference surfaces of the miniature world."""

from pathlib import Path

import numpy as np
from miniature_world import World


def write_seen_mesh(path: Path, world: World, scale: float = 1.0) -> None:
    """What the photos see, every pixel joined to its neighbours, as a PLY file in `scale` units a metre."""
    import trimesh

    height, width = world.depths.shape[1:]
    rows, columns = np.mgrid[: height - 1, : width - 1]
    corner = rows * width + columns
    quads = np.stack([corner, corner + width, corner + 1, corner + 1, corner + width, corner + width + 1], axis=-1)
    faces = [view * height * width + quads.reshape(-1, 3) for view in range(len(world.depths))]
    path.parent.mkdir(parents=True, exist_ok=True)
    points = world.points().reshape(-1, 3) * scale
    trimesh.Trimesh(points, np.concatenate(faces), process=False).export(path)
