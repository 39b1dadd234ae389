"""A bowl known in closed form, on a floor or in the air, seen by cameras on a ring above it."""

import numpy as np

from pointmap.scene import Scene

CENTRE, RADIUS = np.array([0.1, -0.2, 3.0]), 0.5
DENT, DENT_RADIUS = CENTRE - np.array([0, 0.45, 0]), 0.35
"""Cut out of the ball from above; no outline from the side shows it."""
FLOOR = CENTRE[1] + 0.95 * RADIUS


def bowl_scene(*, photos: int = 10, floor: bool = False, pitch_deg: float = 55) -> tuple[Scene, list[np.ndarray]]:
    """The scene, red on the left (x < centre) and blue on the right; and its masks. y points down."""
    height, width = 60, 80
    K = np.array([[95.0, 0, 42.0], [0, 95.0, 27.0], [0, 0, 1]])
    poses, depths, colors, masks = [], [], [], []
    for azimuth in np.arange(photos) * (2 * np.pi / photos):
        pose = _camera(azimuth, np.radians(pitch_deg))
        depth, mask, points = _render(K, pose, height, width, floor)
        color = np.where(points[..., :1] < CENTRE[0], [200, 40, 40], [40, 40, 200])
        color = np.where(mask[..., None], color, 128)
        poses.append(pose)
        depths.append(depth.astype(np.float32))
        colors.append(color.astype(np.uint8))
        masks.append(mask)
    scene = Scene(
        names=tuple(f"{index}.png" for index in range(photos)),
        paths=(None,) * photos,
        image_sizes=np.array([[width, height]] * photos),
        intrinsics=np.stack([K] * photos),
        world_from_cam=np.stack(poses),
        depths=depths,
        confidences=[np.full((height, width), 4.0, np.float32)] * photos,
        colors=colors,
        working_intrinsics=np.stack([K] * photos),
        registered=np.ones(photos, bool),
    )
    return scene, masks


def _camera(azimuth: float, pitch: float) -> np.ndarray:
    away = np.array([np.sin(azimuth) * np.cos(pitch), -np.sin(pitch), -np.cos(azimuth) * np.cos(pitch)])
    z = -away
    x = np.cross([0, 1.0, 0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = CENTRE + 2.2 * away
    return pose


def _render(
    K: np.ndarray, pose: np.ndarray, height: int, width: int, floor: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)], axis=-1) @ pose[:3, :3].T
    origin = pose[:3, 3]
    near, far = _ball(origin, rays, CENTRE, RADIUS)
    dent_near, dent_far = _ball(origin, rays, DENT, DENT_RADIUS)
    # A ray that enters the ball within the dent goes on to the dent's other side.
    in_dent = (dent_near <= near) & (near < dent_far)
    depth = np.where(in_dent, dent_far, near)
    mask = np.isfinite(depth) & (depth < far)
    depth = np.where(mask, depth, 0)
    if floor:
        on_floor = (FLOOR - origin[1]) / np.where(rays[..., 1] > 1e-6, rays[..., 1], np.nan)
        here = np.isfinite(on_floor) & (~mask | (on_floor < depth))
        depth, mask = np.where(here, on_floor, depth), mask & ~here
    return depth, mask, origin + depth[..., None] * rays


def _ball(origin: np.ndarray, rays: np.ndarray, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    a, b = (rays**2).sum(-1), rays @ (origin - centre)
    root = b**2 - a * (((origin - centre) ** 2).sum() - radius**2)
    half = np.sqrt(np.where(root > 0, root, np.nan)) / a
    return np.nan_to_num(-b / a - half, nan=np.inf), np.nan_to_num(-b / a + half, nan=-np.inf)
