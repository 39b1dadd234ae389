"""Points of scans in PLY files."""

from pathlib import Path
from typing import Any

import numpy as np

from pointmap.errors import InputError

from .tree import require_file


def read_ply_points(path: Path) -> np.ndarray:
    """(n, 3) float64 positions of a cloud, or the vertices of a mesh.

    Raises:
        InputError: It is missing, no PLY file, or holds no point.
    """
    import trimesh

    require_file(path, "a point cloud")
    try:
        content: Any = trimesh.load(path, file_type="ply", process=False)
        points = np.asarray(content.vertices, np.float64)
    except (ValueError, IndexError, KeyError, AttributeError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the points of {str(path)!r}: {type(error).__name__}: {error}") from error
    if points.size == 0:
        raise InputError(f"{str(path)!r} holds no point.")
    return points
