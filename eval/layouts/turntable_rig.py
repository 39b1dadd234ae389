"""The rig that photographed BigBIRD and the YCB objects: five cameras NP1 to NP5 above a turntable.

Layout (Singh et al. 2014; Calli et al. 2015; `chenxi-wang/ycb-scripts:ycb_generate_point_cloud.py`), a folder an
object:

    NP3_0.jpg, NP3_3.jpg, ...       camera and angle of the table in degrees, every 3rd
    calibration.h5                  NP3_rgb_K, H_NP3_from_NP5, ...
    poses/NP5_0_pose.h5, ...        H_table_from_reference_camera; NP5 is the reference
    masks/NP3_0_mask.pbm, ...       black on the object; optional here

Angles are those of the object: in its frame, that of the table, the cameras move around it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.extras import require

from ..benchmark import Benchmark, Setting
from ..protocols.object_mesh import ObjectMesh
from ..task import Inputs, Task, Truth
from .frame_choice import whole_option
from .tree import find_scenes, require_file

REFERENCE = "NP5"
CAMERA = "NP3"
"""Whose photos are used: the one in the middle of the quarter circle."""


class TurntableBenchmark(Benchmark):
    """Meshes of objects from photos of the rig, beside those that were made of its depth cameras."""

    objects: ClassVar[tuple[str, ...]]
    """Names of folders: the frozen list."""

    meshes: ClassVar[tuple[str, ...]]
    """Files of an object, in its folder and in the frame of the table: the first that is there is the reference."""

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        step = whole_option(self.settings[setting], "step")

        def missing(name: str) -> str | None:
            return first_missing(root / name, CAMERA, step, self.meshes)

        return find_scenes(self, root, self.objects, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        if (mesh := first_mesh(root / scene, self.meshes)) is None:
            raise InputError(f"{str(root / scene)!r} has no {' and no '.join(self.meshes)}. Unpack this object again.")
        return turntable_task(root / scene, CAMERA, whole_option(self.settings[setting], "step"), mesh)


def mesh_settings(note: str) -> dict[str, Setting]:
    """`mesh` of 24 photos and `mesh-sparse` of 8.

    Args:
        note: What the reference is.
    """
    source = "ours: nobody defines reconstruction from the photos of the rig; distances as in Knapitsch et al. 2017"

    def setting(step: int) -> Setting:
        photos = (
            f"Photos of {CAMERA}, the camera in the middle of the quarter circle, one every {step} degrees of the "
            f"table. {note} K is a pinhole: the small distortion of the lens ({CAMERA}_rgb_d) is left out."
        )
        return Setting(f"Mesh of {360 // step} photos", ObjectMesh(), source, photos, {"camera": CAMERA, "step": step})

    return {"mesh": setting(15), "mesh-sparse": setting(45)}


def angles(step: int) -> range:
    """Degrees of the table: 0, step, ... below 360."""
    return range(0, 360, step)


def turntable_task(folder: Path, camera: str, step: int, mesh: Path) -> Task:
    """Photos of one camera while the table turns.

    Args:
        camera: NP1 to NP5.
        step: Degrees between photos, a multiple of 3.
        mesh: The scan, in the frame of the table.

    Raises:
        InputError: A photo, a pose or the calibration is missing or damaged.
    """
    calibration = folder / "calibration.h5"
    K = read_matrix(calibration, f"{camera}_rgb_K", (3, 3))
    cam_from_reference = np.eye(4)
    if camera != REFERENCE:
        cam_from_reference = _rigid(read_matrix(calibration, f"H_{camera}_from_{REFERENCE}", (4, 4)), calibration)
    photos, poses, masks = [], [], []
    for angle in angles(step):
        photos.append(require_file(folder / f"{camera}_{angle}.jpg", f"what {camera} saw at {angle} degrees"))
        pose = folder / f"poses/{REFERENCE}_{angle}_pose.h5"
        table_from_reference = _rigid(read_matrix(pose, "H_table_from_reference_camera", (4, 4)), pose)
        poses.append(table_from_reference @ np.linalg.inv(cam_from_reference))
        mask = folder / f"masks/{camera}_{angle}_mask.pbm"
        masks.append(partial(_read_mask, mask) if mask.is_file() else None)
    truth = Truth(np.tile(K, (len(photos), 1, 1)), np.stack(poses), mesh=mesh, extra={"masks": tuple(masks)})
    return Task(folder.name, Inputs(tuple(photos)), truth)


def first_missing(folder: Path, camera: str, step: int, meshes: Sequence[str]) -> str | None:
    """What is not there, relative to the folder of all objects; of the meshes any one is enough."""
    first, *_ = angles(step)
    needed = (f"{camera}_{first}.jpg", "calibration.h5", f"poses/{REFERENCE}_{first}_pose.h5")
    for name in needed:
        if not (folder / name).is_file():
            return f"{folder.name}/{name}"
    return None if first_mesh(folder, meshes) else f"{folder.name}/{meshes[0]}"


def first_mesh(folder: Path, meshes: Sequence[str]) -> Path | None:
    """The first one of these that is there."""
    return next((folder / name for name in meshes if (folder / name).is_file()), None)


def read_matrix(path: Path, name: str, shape: tuple[int, int]) -> np.ndarray:
    """A matrix of an HDF5 file.

    Raises:
        InputError: The file or the matrix is missing or damaged.
    """
    h5py = require("h5py", extra="eval", purpose="Reading the turntable's calibration")
    require_file(path, name)
    try:
        with h5py.File(path, "r") as file:
            values = np.asarray(file[name], np.float64).reshape(shape)
            if not np.isfinite(values).all():
                raise ValueError("not all of its numbers are finite")
            return values
    except (OSError, KeyError, ValueError, TypeError) as error:
        rows, columns = shape
        raise InputError(f"Cannot read {name} ({rows} x {columns}) in {str(path)!r}: {error}") from error


def _read_mask(path: Path) -> np.ndarray:
    """(H, W) bool, True on the object."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) == 0
    except OSError as error:
        raise InputError(f"Cannot read the mask {str(path)!r}: {error}. Unpack this object again.") from error


def _rigid(matrix: np.ndarray, path: Path) -> np.ndarray:
    """The nearest rigid transform: those in the files are so to a few digits."""
    u, values, vt = np.linalg.svd(matrix[:3, :3])
    if np.abs(values - 1).max() > 0.02 or np.linalg.det(u @ vt) < 0:
        raise InputError(f"A transform in {str(path)!r} is not rigid: it scales axes by {values.round(3).tolist()}.")
    rigid = matrix.copy()
    rigid[:3, :3] = u @ vt
    return rigid
