"""The miniature room through a camera that a data set fixes, instead of the room's own."""

import numpy as np
from miniature_world import World, cast_rays, photograph


def photograph_through(K: np.ndarray, size: tuple[int, int], views: int, **options: float) -> World:
    """As `photograph`, with this pinhole.

    Args:
        K: (3, 3) in pixels of photos of `size`, height and width.
    """
    poses = photograph(views, (4, 4), **options).world_from_cam
    depths, images = zip(*(cast_rays(K, pose, size) for pose in poses), strict=True)
    return World(np.stack(images), np.stack(depths).astype(np.float32), np.tile(K, (views, 1, 1)), poses)
