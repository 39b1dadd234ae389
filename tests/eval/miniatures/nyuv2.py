"""NYU Depth V2, in small: eight labelled photos, of which four are test photos."""

from pathlib import Path

import h5py
import numpy as np
from miniature_world import World, photograph
from scipy.io import savemat

TEST = (8, 2, 3, 5)
"""Counted from 1, not in order."""
SIZE = (60, 80)


def world() -> World:
    """All labelled photos."""
    return photograph(8, SIZE)


def write(root: Path) -> tuple[str, ...]:
    """The first scene, with four photos instead of six. A quarter of the raw depth is unknown."""
    made = world()
    root.mkdir(parents=True, exist_ok=True)
    raw = made.depths.copy()
    raw[:, ::2, ::2] = 0
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = made.images.transpose(0, 3, 2, 1)
        file["depths"] = made.depths.transpose(0, 2, 1)
        file["rawDepths"] = raw.transpose(0, 2, 1)
    train = [number for number in range(1, 9) if number not in TEST]
    savemat(root / "splits.mat", {"testNdxs": np.array([TEST]).T, "trainNdxs": np.array([train]).T})
    return ("test-001",)
