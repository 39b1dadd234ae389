"""A scene known in closed form: cameras in a textured room with a ball in it, of mixed sizes and orientations."""

from dataclasses import replace

import numpy as np

from pointmap.scene import Scene

ROOM_MIN, ROOM_MAX = np.array([-2.0, -1.5, -1.0]), np.array([2.0, 1.0, 3.0])
BALL_CENTRE, BALL_RADIUS = np.array([0.2, 0.4, 1.6]), 0.45


def make_scene(*, scale: int = 1, num_photos: int = 5, confidence: float = 4.0) -> Scene:
    """Photos of the room: y is down, the first camera looks along +z. Every third one is upright (portrait).

    Args:
        scale: Working images of 32*scale x 24*scale pixels (or the other way round).
        confidence: Of every pixel.
    """
    rng = np.random.default_rng(7)
    names, sizes, intrinsics, working, poses, depths, colors = [], [], [], [], [], [], []
    for index in range(num_photos):
        width, height = (24 * scale, 32 * scale) if index % 3 == 2 else (32 * scale, 24 * scale)
        factor = 5 + index  # the original photo is larger by this
        centre = np.array([width / 2 - 0.5, height / 2 - 0.5]) + rng.uniform(-2, 2, 2) * scale
        K_working = np.array([[26.0 * scale, 0, centre[0]], [0, 27.0 * scale, centre[1]], [0, 0, 1]])
        original_from_working = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1.0]])
        angle = 2 * np.pi * index / max(num_photos, 3)
        position = np.array([0.9 * np.sin(angle), -0.3 - 0.05 * index, 0.3 - 0.3 * np.cos(angle)])
        pose = np.eye(4) if index == 0 else _look_at(position, BALL_CENTRE)
        depth, color = render(K_working, pose, width, height)
        names.append(f"photo {index}.jpg")
        sizes.append([width * factor, height * factor])
        intrinsics.append(original_from_working @ K_working)
        working.append(K_working)
        poses.append(pose)
        depths.append(depth)
        colors.append(color)
    return Scene(
        names=tuple(names),
        paths=(None,) * num_photos,
        image_sizes=np.array(sizes),
        intrinsics=np.stack(intrinsics),
        world_from_cam=np.stack(poses),
        depths=depths,
        confidences=[np.full(depth.shape, confidence, np.float32) for depth in depths],
        colors=colors,
        working_intrinsics=np.stack(working),
        registered=np.ones(num_photos, bool),
    )


def render(K: np.ndarray, world_from_cam: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """z-depth (h, w) float32 and colours (h, w, 3) uint8 of the room from inside it."""
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u, float)], axis=-1)
    rays = rays @ world_from_cam[:3, :3].T
    origin = world_from_cam[:3, 3]
    with np.errstate(divide="ignore"):
        depth = np.where(rays > 0, (ROOM_MAX - origin) / rays, (ROOM_MIN - origin) / rays)
    wall = np.argmin(depth, axis=-1)
    depth = depth.min(axis=-1)
    # |origin + t * ray - centre| = radius
    a, b = (rays**2).sum(-1), rays @ (origin - BALL_CENTRE)
    root = b**2 - a * (((origin - BALL_CENTRE) ** 2).sum() - BALL_RADIUS**2)
    ball = (root > 0) & (b < 0)
    depth = np.where(ball, (-b - np.sqrt(np.maximum(root, 0))) / a, depth)
    points = origin + depth[..., None] * rays
    # The shift keeps the walls, which lie at multiples of a half, off the edges of the checks.
    checks = (np.floor(points * 2 + 0.25).astype(int).sum(-1) % 2) * 40
    base = np.array([[200, 90, 80], [90, 190, 90], [90, 110, 210]])[wall]
    base = np.where(ball[..., None], [215, 180, 60], base)
    return depth.astype(np.float32), np.clip(base + checks[..., None] - 20, 0, 255).astype(np.uint8)


def _look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pose of a level camera (x right, y down, z forward)."""
    z = (target - position) / np.linalg.norm(target - position)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = position
    return pose


def without_registration(scene: Scene, *photos: int) -> Scene:
    """The scene, had these photos not been tied to the rest."""
    registered, world_from_cam = scene.registered.copy(), scene.world_from_cam.copy()
    registered[list(photos)], world_from_cam[list(photos)] = False, np.nan
    return replace(scene, registered=registered, world_from_cam=world_from_cam)


def distance_to_surface(points: np.ndarray) -> np.ndarray:
    """How far points (n, 3) are from the walls, or from the ball if that is nearer."""
    walls = np.minimum(np.abs(points - ROOM_MIN), np.abs(points - ROOM_MAX)).min(axis=-1)
    ball = np.abs(np.linalg.norm(points - BALL_CENTRE, axis=-1) - BALL_RADIUS)
    return np.minimum(walls, ball)
