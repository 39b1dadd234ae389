"""Points that cameras of our choice see, as matches: the truth is known by construction."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from pointmap.geometry.matching import PairMatches
from pointmap.sfm import MatchedPhotos, collect_matches

SIZE = (640, 400)
FOCAL = 520.0


@dataclass(frozen=True)
class Made:
    """A scene and what its photos show."""

    points: np.ndarray
    """(P, 3) in the world."""
    world_from_cam: np.ndarray
    """(N, 4, 4)."""
    K: np.ndarray
    """(3, 3) of all photos; the principal point is off-centre."""
    pixels: np.ndarray
    """(N, P, 2)."""
    seen: np.ndarray
    """(N, P) bool."""

    def matches(self, pairs: list[tuple[int, int]] | None = None) -> list[PairMatches]:
        """What two photos both show."""
        found = []
        for i, j in pairs or combinations(range(len(self.pixels)), 2):
            both = self.seen[i] & self.seen[j]
            if both.any():
                ends = [torch.from_numpy(self.pixels[view][both]) for view in (i, j)]
                found.append(PairMatches(i, j, *ends, torch.ones(int(both.sum()))))
        return found

    def photos(self, *, focal: float = FOCAL, known: bool = True, **settings) -> MatchedPhotos:
        """All matches with a start K that has another focal length."""
        count = len(self.pixels)
        K = self.K.copy()
        K[0, 0] = K[1, 1] = focal
        return collect_matches(
            self.matches(),
            np.tile(SIZE, (count, 1)),
            np.tile(K, (count, 1, 1)),
            **{"cameras": [0] * count, "known": [known] * count} | settings,
        )


def orbit(count: int = 6, *, points: int = 300, noise_px: float = 0.0, step_deg: float = 10.0, seed: int = 0) -> Made:
    """A box of points with relief, seen from an arc around it."""
    rng = np.random.default_rng(seed)
    world = rng.uniform([-1, -0.7, -0.7], [1, 0.7, 0.7], (points, 3))
    poses = np.stack([_looking(np.radians(step_deg * (n - (count - 1) / 2)), 0.15 * n) for n in range(count)])
    return seen_from(world, poses, noise_px=noise_px, seed=seed)


def seen_from(world: np.ndarray, world_from_cam: np.ndarray, *, noise_px: float = 0.0, seed: int = 0) -> Made:
    """What cameras of these poses see of points."""
    rng = np.random.default_rng(seed + 1)
    K = np.array([[FOCAL, 0.0, 300.0], [0.0, FOCAL, 215.0], [0.0, 0.0, 1.0]])
    cam_from_world = np.linalg.inv(world_from_cam)
    points_cam = world @ cam_from_world[:, :3, :3].transpose(0, 2, 1) + cam_from_world[:, None, :3, 3]
    pixels = points_cam @ K.T
    pixels = pixels[..., :2] / pixels[..., 2:] + noise_px * rng.normal(size=pixels[..., :2].shape)
    inside = (pixels >= 0).all(-1) & (pixels <= np.array(SIZE) - 1).all(-1)
    return Made(world, world_from_cam, K, pixels, inside & (points_cam[..., 2] > 0.1))


def _looking(angle: float, height: float) -> np.ndarray:
    """A camera 4 away from the origin that looks at it."""
    centre = np.array([4 * np.sin(angle), -height, -4 * np.cos(angle)])
    forward = -centre / np.linalg.norm(centre)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = centre
    return pose
