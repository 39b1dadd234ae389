"""The miniature world by cameras that a layout prescribes."""

import numpy as np
from miniature_world import World, _cast, photograph


def photograph_by(intrinsics: np.ndarray, views: int, size: tuple[int, int], *, step_deg: float = 12.0) -> World:
    """As `photograph`, with this K. Views that are far apart on the arc see different things: keep the step small."""
    poses = photograph(views, (4, 4), step_deg=step_deg).world_from_cam
    shots = [_cast(intrinsics, pose, size) for pose in poses]
    depths = np.stack([depth.astype(np.float32) for depth, _ in shots])
    return World(np.stack([image for _, image in shots]), depths, np.repeat(intrinsics[None], views, 0), poses)


def depth_along(rays: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """(h, w) z-depth where rays (h, w, 2) on the plane z = 1 of a camera end: for lenses that are no pinholes."""
    depth = np.empty(rays.shape[:2], np.float32)
    for place in np.ndindex(depth.shape):
        x, y = rays[place]
        # A picture of one pixel, which looks along this ray.
        depth[place] = _cast(np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]), world_from_cam, (1, 1))[0][0, 0]
    return depth
