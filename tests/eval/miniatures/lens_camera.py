"""The miniature world through lenses that are no pinholes."""

import numpy as np
from miniature_world import cast_rays


def depth_along(rays: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """(h, w) float32 z-depth where rays (h, w, 2) on the plane z = 1 of a camera end."""
    depth = np.empty(rays.shape[:2], np.float32)
    for place in np.ndindex(depth.shape):
        x, y = rays[place]
        # A picture of one pixel, which looks along this ray.
        depth[place] = cast_rays(np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]), world_from_cam, (1, 1))[0][0, 0]
    return depth
