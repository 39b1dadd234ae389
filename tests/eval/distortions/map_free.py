"""Queries moved by 20 cm to the right, the last one of several lost."""

import numpy as np
from distortions.localization import MOVE, moved_queries

from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.map_free import MapFree
from pointmap.eval.task import Task


def distort(scoring: MapFree, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    estimate, queries = moved_queries(task, turn=0.0)
    if not queries:
        return None
    found = queries[:-1] if len(queries) > 2 else queries
    share = len(found) / len(queries)
    vcre = np.array([_shift(task, index) for index in found])
    pose = f"{scoring.translation:g}_{scoring.rotation_deg:g}"
    near = share * (scoring.translation > MOVE)
    # All are equally sure, and come in together: precision among those with a pose, times their share.
    small = share * float(np.mean(vcre < scoring.pixels))
    return estimate, {
        f"vcre_auc_{scoring.pixels:g}": (small, 1e-9),
        f"vcre_{scoring.pixels:g}": (small, 1e-9),
        f"within_auc_{pose}": (near, 1e-9),
        f"within_{pose}": (near, 1e-9),
        "median_vcre": (float(np.median(vcre)), 1e-3),
        "median_translation": (MOVE, 1e-6),
        "median_rotation_deg": (0.0, 1e-5),
        "estimated": (share, 1e-9),
    }


def _shift(task: Task, index: int) -> float:
    """Mean way of the virtual points to the left, as far as they are in the photo; upright nothing moves."""
    K, width = task.truth.intrinsics[index], photo_sizes(task.inputs.photos)[index, 0]
    ways = []
    for x in 0.3 * np.arange(-3, 4):
        for z in 1.8 + 0.3 * np.arange(7):
            before, after = (K[0, 0] * place / z + K[0, 2] for place in (x, x - MOVE))
            ways.append(np.clip(before, 0, width) - np.clip(after, 0, width))
    return float(np.mean(ways))
