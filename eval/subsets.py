"""Few photos with little overlap, chosen from the true poses: where classical geometry starts to fail.

The rule: begin with a random photo; then add, again and again, the photo whose change of view from the nearest one
already chosen is closest to 1. Changes are counted in steps of 30 degrees of rotation or of a third of the set's
largest baseline, whichever is more of them. So no two photos are much alike, and every photo has one that it shares
something with.
"""

import numpy as np
import torch

from pointmap.geometry.transforms import invert_rigid

from .ground_truth import GroundTruth

ROTATION_STEP_DEG = 30.0
BASELINE_STEP = 1 / 3
"""Of the largest distance of two cameras of the set."""


def sparse_subsets(truth: GroundTruth, size: int, count: int, seed: int = 0) -> list[np.ndarray]:
    """At most `count` different subsets of `size` photos, as sorted indices; fewer where the set has no more.

    Photos without a pose are never chosen.
    """
    candidates = np.flatnonzero(truth.posed)
    if len(candidates) < size:
        return []
    change = view_change(truth.world_from_cam[candidates])
    starts = np.random.default_rng(seed).permutation(len(candidates))
    subsets: dict[tuple[int, ...], None] = {}
    for start in starts:
        chosen = [int(start)]
        while len(chosen) < size:
            miss = np.abs(change[chosen].min(axis=0) - 1)
            miss[chosen] = np.inf
            chosen.append(int(miss.argmin()))
        subsets.setdefault(tuple(sorted(candidates[chosen].tolist())))
        if len(subsets) == count:
            break
    return [np.array(subset) for subset in subsets]


def view_change(world_from_cam: np.ndarray) -> np.ndarray:
    """(N, N) by how many steps the views of cameras differ."""
    poses = torch.from_numpy(world_from_cam)
    relative = (invert_rigid(poses)[:, None] @ poses[None]).numpy()
    cosine = (np.trace(relative[..., :3, :3], axis1=-2, axis2=-1) - 1) / 2
    rotation = np.degrees(np.arccos(cosine.clip(-1, 1)))
    baseline = np.linalg.norm(relative[..., :3, 3], axis=-1)
    return np.maximum(rotation / ROTATION_STEP_DEG, baseline / (BASELINE_STEP * baseline.max() + 1e-12))
