"""Where other tools expect up and forward."""

import numpy as np
import torch

from pointmap.geometry.conventions import OPENGL_FROM_OPENCV
from pointmap.geometry.transforms import invert_rigid
from pointmap.scene import Scene


def gltf_from_world(scene: Scene) -> np.ndarray:
    """(4, 4) transform to glTF's axes, in which the first registered camera is upright at the origin.

    A viewer, which starts in front of the scene (on +z), then shows it as that photo does. The scale stays.
    """
    registered = np.flatnonzero(scene.registered)
    if len(registered) == 0:
        return OPENGL_FROM_OPENCV
    world_from_cam = torch.from_numpy(np.asarray(scene.world_from_cam[registered[0]], np.float64))
    return OPENGL_FROM_OPENCV @ invert_rigid(world_from_cam).numpy()
