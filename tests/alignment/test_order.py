"""The same predictions give the same scene: bit for bit, and in whatever order photos and groups come."""

import numpy as np
import pytest
from alignment_scenes import complete, make_group, make_truth

from pointmap.alignment import Alignment, align
from pointmap.geometry.similarity import align_cameras, move_cameras
from pointmap.scene import Group

SHAPES = [(30, 44), (44, 30), (26, 44), (30, 44), (44, 30)]
PIXELS = 300
"""Fewer than the images have, so that which ones are taken must not depend on the order either."""


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    """Noisy pairs of mixed shapes, and a group of three; confidences differ from pixel to pixel."""
    truth = make_truth(SHAPES)
    random = np.random.default_rng(3)
    made = [make_group(truth, pair, scale=random.uniform(0.5, 2), noise=0.02) for pair in complete(len(SHAPES))]
    made.append(make_group(truth, (3, 1, 4), scale=3.0, noise=0.02))
    for group in made:
        for k, confidence in enumerate(group.confidences):
            group.confidences[k] = (confidence + random.uniform(0, 4, confidence.shape)).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def usual(groups) -> Alignment:
    return align(groups, pixels_per_view=PIXELS)


def renumbered(groups: list[Group], new_of_old: np.ndarray, order: np.ndarray) -> list[Group]:
    """The same groups, listed otherwise, of photos with other numbers."""
    chosen = [groups[g] for g in order]
    return [Group(tuple(int(new_of_old[v]) for v in g.views), g.points, g.confidences) for g in chosen]


def difference(found: Alignment, expected: Alignment, new_of_old: np.ndarray) -> dict[str, float]:
    """Largest relative differences of a renumbered alignment, after the best similarity between the worlds."""
    import torch

    poses = torch.from_numpy(found.world_from_cam[new_of_old])
    target = torch.from_numpy(expected.world_from_cam)
    b_from_a = align_cameras(poses, target)
    moved = move_cameras(b_from_a, poses).numpy()
    scale = float(torch.linalg.det(b_from_a[:3, :3]) ** (1 / 3))
    size = np.median(np.concatenate([depth.ravel() for depth in expected.depths]))
    return {
        "rotation": np.abs(moved[:, :3, :3] - expected.world_from_cam[:, :3, :3]).max(),
        "centre": np.abs(moved[:, :3, 3] - expected.world_from_cam[:, :3, 3]).max() / size,
        "focal": np.abs(found.intrinsics[new_of_old, 0, 0] / expected.intrinsics[:, 0, 0] - 1).max(),
        "depth": max(
            np.abs(scale * found.depths[new] - depth).mean() / size
            for new, depth in zip(new_of_old, expected.depths, strict=True)
        ),
        "loss": abs(found.loss / expected.loss - 1),
    }


def test_two_runs_are_equal_bit_for_bit(groups, usual):
    again = align(groups, pixels_per_view=PIXELS)

    assert again.world_from_cam.tobytes() == usual.world_from_cam.tobytes()
    assert again.world_from_group.tobytes() == usual.world_from_group.tobytes()
    assert again.intrinsics.tobytes() == usual.intrinsics.tobytes()
    assert [d.tobytes() for d in again.depths] == [d.tobytes() for d in usual.depths]
    assert again.loss == usual.loss
    assert again.history == usual.history


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(s, marks=pytest.mark.slow) for s in range(3, 20))])
def test_the_order_of_photos_and_groups_does_not_matter(groups, usual, seed):
    random = np.random.default_rng(seed)
    new_of_old, order = random.permutation(len(SHAPES)), random.permutation(len(groups))

    result = align(renumbered(groups, new_of_old, order), pixels_per_view=PIXELS)

    assert max(difference(result, usual, new_of_old).values()) < 1e-3
