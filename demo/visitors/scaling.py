"""A scene in the unit that a visitor set."""

from dataclasses import replace

import numpy as np

from pointmap.scene import Scene


def scaled(scene: Scene, factor: float, metric: bool) -> Scene:
    """The scene in another unit.

    Args:
        factor: New units per unit of the scene.
        metric: Whether the new unit is a metre.
    """
    world_from_cam = scene.world_from_cam.copy()
    world_from_cam[:, :3, 3] *= factor
    depths = [depth * np.asarray(factor, depth.dtype) for depth in scene.depths]
    return replace(scene, world_from_cam=world_from_cam, depths=depths, metric=metric)
