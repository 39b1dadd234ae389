"""A ball known in closed form, before a wall or alone, from all around; wide images, off-centre principal points."""

import numpy as np

CENTRE, RADIUS = np.array([0.1, 0.2, 0.3]), 0.5
WALL_Z = 1.5
SIZE = (70, 100)
"""Height and width."""
K = np.array([[95.0, 0, 54.0], [0, 98.0, 31.0], [0, 0, 1]])
AROUND = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])


def ball_views(
    directions: np.ndarray = AROUND, *, wall: bool = False
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Depths (h, w) float32, 0 beside the ball; colours, red where x < 0.1, else green, blue on the wall; poses."""
    depths, colors, poses = [], [], []
    for direction in directions:
        pose = look_at(CENTRE + 2.2 * direction / np.linalg.norm(direction), CENTRE)
        depth, color = _render(pose, wall)
        depths.append(depth)
        colors.append(color)
        poses.append(pose)
    return depths, colors, np.stack(poses)


def distance_to_ball(points: np.ndarray) -> np.ndarray:
    """Unsigned, of (n, 3)."""
    return np.abs(np.linalg.norm(points - CENTRE, axis=-1) - RADIUS)


def look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pose of a camera (x right, y down, z forward), tilted a little so that no axis is an axis of the world."""
    z = (target - position) / np.linalg.norm(target - position)
    x = np.cross([0.2, 1.0, 0.3], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = position
    return pose


def _render(pose: np.ndarray, wall: bool) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.indices(SIZE)
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(SIZE)], axis=-1) @ pose[:3, :3].T
    origin = pose[:3, 3]
    a, b = (rays**2).sum(-1), rays @ (origin - CENTRE)
    root = b**2 - a * (((origin - CENTRE) ** 2).sum() - RADIUS**2)
    depth = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, 0)
    points = origin + depth[..., None] * rays
    color = np.where(points[..., :1] < CENTRE[0], [200, 40, 20], [20, 180, 60])
    if wall:
        to_wall = (WALL_Z - origin[2]) / np.where(np.abs(rays[..., 2]) < 1e-9, 1e-9, rays[..., 2])
        on_wall = (depth == 0) & (to_wall > 0)
        depth = np.where(on_wall, to_wall, depth)
        color = np.where(on_wall[..., None], [30, 30, 220], color)
    return depth.astype(np.float32), color.astype(np.uint8)
