"""Our pinholes and poses as COLMAP's, and back: its first pixel's centre is (0.5, 0.5)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pointmap.shapes import Float


def to_camera(
    pycolmap: Any, K: Float[np.ndarray, "3 3"], size: Sequence[int] | np.ndarray, model: str, *, camera_id: int
) -> Any:
    """A `pycolmap.Camera` of a model with focal length(s), principal point, and coefficients that start at zero.

    Args:
        K: Pinhole in our pixels.
        size: Width and height.
    """
    camera = pycolmap.Camera(model=model, width=int(size[0]), height=int(size[1]), camera_id=camera_id)
    focals = [K[0, 0], K[1, 1]] if len(camera.focal_length_idxs()) == 2 else [(K[0, 0] + K[1, 1]) / 2]
    camera.params = [*focals, K[0, 2] + 0.5, K[1, 2] + 0.5, *[0.0] * len(camera.extra_params_idxs())]
    return camera


def to_intrinsics(camera: Any) -> Float[np.ndarray, "3 3"]:
    """Pinhole K, in our pixels, of a `pycolmap.Camera`; its distortion is left out."""
    K = np.array(camera.calibration_matrix())
    K[:2, 2] -= 0.5
    return K


def to_world_from_cam(image: Any) -> Float[np.ndarray, "4 4"]:
    """Pose of a registered `pycolmap.Image`."""
    return np.vstack([image.cam_from_world().inverse().matrix(), [0.0, 0.0, 0.0, 1.0]])


def to_cam_from_world(pycolmap: Any, world_from_cam: Float[np.ndarray, "4 4"]) -> Any:
    """A pose as a `pycolmap.Rigid3d`."""
    rotation = world_from_cam[:3, :3].T
    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), -rotation @ world_from_cam[:3, 3])
