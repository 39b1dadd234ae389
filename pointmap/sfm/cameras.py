"""Our pinholes and rotations as COLMAP's, and back: the centre of its first pixel is (0.5, 0.5)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pointmap.geometry.conventions import centred_intrinsics, corner_intrinsics
from pointmap.geometry.rotations import quaternion_from_rotation
from pointmap.sfm.model_files import CAMERA_MODELS, CameraRecord
from pointmap.shapes import Float


def camera_record(
    K: Float[np.ndarray, "3 3"],
    distortion: Float[np.ndarray, "5"],
    size: Sequence[int] | np.ndarray,
    *,
    model: str | None = None,
) -> CameraRecord:
    """A camera of a model, by default the simplest that holds these values.

    Args:
        K: Pinhole in our pixels.
        distortion: OpenCV's k1, k2, p1, p2, k3.
        size: Width and height.
    """
    (fx, _, cx), (_, fy, cy), _ = corner_intrinsics(np.asarray(K, np.float64)).tolist()
    focals, centre = [fx, fy], [cx, cy]
    k1, k2, p1, p2, k3 = map(float, distortion)
    one_focal = focals[0] == focals[1]
    if model is None:
        if k3:
            model = "FULL_OPENCV"
        elif p1 or p2 or not one_focal:
            model = "OPENCV" if k1 or k2 or p1 or p2 else "PINHOLE"
        else:
            model = "RADIAL" if k2 else "SIMPLE_RADIAL" if k1 else "SIMPLE_PINHOLE"
    mean = [sum(focals) / 2]
    params = {
        "SIMPLE_PINHOLE": [*mean, *centre],
        "PINHOLE": [*focals, *centre],
        "SIMPLE_RADIAL": [*mean, *centre, k1],
        "RADIAL": [*mean, *centre, k1, k2],
        "OPENCV": [*focals, *centre, k1, k2, p1, p2],
        "FULL_OPENCV": [*focals, *centre, k1, k2, p1, p2, k3, 0.0, 0.0, 0.0],
    }
    return CameraRecord(model, int(size[0]), int(size[1]), tuple(params[model]))


def pinhole_and_distortion(camera: CameraRecord) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "5"]]:
    """K in our pixels, and OpenCV's k1, k2, p1, p2, k3.

    Raises:
        ValueError: It has more distortion than that.
    """
    count = CAMERA_MODELS[camera.model][1]
    values = list(camera.params)
    if camera.model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        values.insert(0, values[0])
    fx, fy, cx, cy, *rest = values
    if any(rest[5:]):
        raise ValueError(f"a camera of {count} parameters has distortion beyond k3")
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return centred_intrinsics(K), np.array([*rest[:5], *[0.0] * (5 - len(rest[:5]))])


def to_pycolmap(pycolmap: Any, record: CameraRecord, camera_id: int) -> Any:
    """The same as a `pycolmap.Camera`."""
    return pycolmap.Camera(
        model=record.model, width=record.width, height=record.height, params=list(record.params), camera_id=camera_id
    )


def from_pycolmap(camera: Any) -> CameraRecord:
    """A `pycolmap.Camera` as a record."""
    return CameraRecord(camera.model.name, camera.width, camera.height, tuple(camera.params.tolist()))


def rotation_from(quaternion: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """Rotation of a quaternion w, x, y, z of any length."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def quaternion_from(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """Unit quaternion w, x, y, z with w >= 0."""
    x, y, z, w = quaternion_from_rotation(torch.from_numpy(rotation)).tolist()
    return np.array([w, x, y, z])
