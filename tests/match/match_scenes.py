"""Matches whose truth is known: points in a room, seen by two cameras that we chose."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from pointmap.geometry.matching import PairMatches

K_I = np.array([[250.0, 0, 131], [0, 250, 122], [0, 0, 1]])
"""Of an image of 320 x 224 pixels."""
K_J = np.array([[330.0, 0, 118], [0, 330, 171], [0, 0, 1]])
"""Of an image of 240 x 320 pixels."""
SIZES = ((320, 224), (240, 320))


@dataclass(frozen=True)
class TwoCameras:
    """True relative pose, and matches of points that both cameras see; the wrong ones come last."""

    rotation: np.ndarray
    """j_from_i."""
    translation: np.ndarray
    points_i: np.ndarray
    """(n, 3) in the frame of i; of wrong matches too."""
    matches: PairMatches
    right: np.ndarray
    """(n,) bool."""


def turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rotation about an axis."""
    x, y, z = np.radians(degrees) * np.array(axis) / np.linalg.norm(axis)
    return torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)).numpy()


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Between two directions, or two rotations."""
    cosine = (np.trace(a.T @ b) - 1) / 2 if a.ndim == 2 else a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def pixels_of(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(n, 2) of points in the frame of the camera."""
    return (points @ K.T)[:, :2] / points[:, 2:]


def two_cameras(
    count: int = 300,
    *,
    degrees: float = 18.0,
    translation: tuple[float, float, float] = (-1.1, 0.2, 0.3),
    noise_px: float = 0.3,
    wrong: float = 0.5,
    plane: bool = False,
    seed: int = 0,
) -> TwoCameras:
    """Camera j is turned about a slanted axis and moved.

    Args:
        wrong: Share of matches that go anywhere in image j.
        plane: All points on one slanted plane instead of between 2 and 7 in front of i.
    """
    random = np.random.default_rng(seed)
    rotation, translation = turn((0.3, 1, -0.2), degrees), np.array(translation)
    pixels = random.uniform(0, SIZES[0], (40 * count, 2))
    rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ np.linalg.inv(K_I).T
    depth = 4 / (1 + rays[:, :2] @ [0.5, -0.3]) if plane else random.uniform(2, 7, len(pixels))
    points_i = rays * depth[:, None]
    points_j = points_i @ rotation.T + translation
    seen_j = pixels_of(points_j, K_J)
    seen = (points_j[:, 2] > 0.5) & (seen_j > 0).all(1) & (seen_j < SIZES[1]).all(1)
    index = np.flatnonzero(seen)[:count]
    assert len(index) == count
    noisy_i, noisy_j = (p[index] + noise_px * random.standard_normal((count, 2)) for p in (pixels, seen_j))
    right = np.arange(count) >= 0
    right[count - int(wrong * count) :] = False
    noisy_j[~right] = random.uniform(0, SIZES[1], (int((~right).sum()), 2))
    weights = torch.full((count,), 0.5)
    matches = PairMatches(0, 1, torch.tensor(noisy_i).float(), torch.tensor(noisy_j).float(), weights)
    return TwoCameras(rotation, translation, points_i[index], matches, right)


def random_matches(count: int, seed: int = 0) -> PairMatches:
    """That have nothing to do with each other."""
    random = np.random.default_rng(seed)
    pixels_i, pixels_j = (torch.tensor(random.uniform(0, size, (count, 2))).float() for size in SIZES)
    return PairMatches(0, 1, pixels_i, pixels_j, torch.ones(count))


def between(matches: PairMatches, i: int, j: int) -> PairMatches:
    """The same matches, said of other views."""
    return replace(matches, view_i=i, view_j=j)
