"""Photos of a small room with exact geometry, for trees of files in the layouts of benchmarks."""

from dataclasses import dataclass

import numpy as np

HALF = np.array([2.0, 1.5, 2.5])
"""Half the size of the room in metres; its walls are seen from inside."""
BALL, RADIUS = np.array([0.3, 0.6, 0.8]), 0.6


@dataclass(frozen=True, eq=False)
class World:
    """What a benchmark of these photos would know."""

    images: np.ndarray
    """(N, H, W, 3) uint8"""
    depths: np.ndarray
    """(N, H, W) float32 z-depth in metres, positive everywhere."""
    intrinsics: np.ndarray
    """(N, 3, 3) in pixels; the principal point is off the middle, the pixels are not square unless asked for."""
    world_from_cam: np.ndarray
    """(N, 4, 4) OpenCV axes, y down."""

    @property
    def cam_from_world(self) -> np.ndarray:
        """(N, 4, 4)"""
        return np.linalg.inv(self.world_from_cam)

    def points(self) -> np.ndarray:
        """(N, H, W, 3) of every pixel, in the world frame."""
        return np.stack([_rays(K, P, d.shape)[1] * d[..., None] + P[:3, 3] for K, P, d in self._each()])

    def _each(self):
        return zip(self.intrinsics, self.world_from_cam, self.depths, strict=True)


def photograph(
    views: int = 4,
    size: tuple[int, int] = (48, 64),
    *,
    seed: int = 0,
    square: bool = True,
    centred: bool = False,
    step_deg: float = 12.0,
) -> World:
    """Photos along an arc that looks at the ball and the walls behind it.

    Args:
        size: Height and width.
        centred: Put the principal point in the middle, for layouts that store one number only.
        step_deg: Between neighbours on the arc.
    """
    random = np.random.default_rng(seed)
    height, width = size
    focal = 0.9 * width
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    if not centred:
        K[0, 2] += 1.5
        K[1, 2] -= 0.75
    if not square:
        K[1, 1] *= 1.03
    poses, images, depths = [], [], []
    for index in range(views):
        angle = np.radians(step_deg) * (index - (views - 1) / 2)
        centre = np.array([1.6 * np.sin(angle), 0.1 * np.sin(1.7 * index), 0.4 - 1.9 * np.cos(angle)])
        centre += random.uniform(-0.05, 0.05, 3)
        poses.append(_look_at(centre, BALL + random.uniform(-0.1, 0.1, 3)))
        depth, colour = cast_rays(K, poses[-1], size)
        depths.append(depth.astype(np.float32))
        images.append(colour)
    return World(np.stack(images), np.stack(depths), np.repeat(K[None], views, 0), np.stack(poses))


def _look_at(centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    forward = target - centre
    forward = forward / np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, centre], axis=1)
    return pose


def _rays(K: np.ndarray, world_from_cam: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Directions of unit z, in the camera's and in the world's frame."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    camera = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(size)], axis=-1)
    return camera, camera @ world_from_cam[:3, :3].T


def cast_rays(K: np.ndarray, world_from_cam: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """z-depth and colours of the room as a camera sees it."""
    _, rays = _rays(K, world_from_cam, size)
    centre = world_from_cam[:3, 3]
    with np.errstate(divide="ignore"):
        walls = np.maximum((HALF - centre) / rays, (-HALF - centre) / rays).min(axis=-1)
    offset = centre - BALL
    a, b, c = (rays**2).sum(-1), (rays * offset).sum(-1), offset @ offset - RADIUS**2
    root = b**2 - a * c
    ball = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    depth = np.where(ball > 0, np.minimum(ball, walls), walls)
    points = centre + rays * depth[..., None]
    # Three waves of different lengths: every place looks different, and corners are found.
    colour = 0.5 + 0.25 * np.sin(points * [9, 11, 7]) + 0.25 * np.sin(points[..., ::-1] * [23, 19, 29] + points)
    colour[..., 0] += 0.15 * (ball < walls)
    return depth, (255 * colour.clip(0, 1)).astype(np.uint8)
