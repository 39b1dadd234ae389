"""Files of 7-Scenes: frames of sequences, poses of KinectFusion, and COLMAP's by `visloc_pseudo_gt_limitations`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import resized_intrinsics
from pointmap.readers.posed import rigid_pose
from pointmap.sfm.cameras import rotation_from

from .depth_maps import depth_picture
from .kinect import register_depth
from .mapped_queries import LOST
from .tree import read_numbers, require_file

SIZE = (640, 480)
"""Width and height of photos and depth maps. K of copies of another size follows in proportion."""

FARTHEST = 10.0
"""Metres; depths beyond are unknown, 65535 of the sensor among them. The readers of Spann3R, CUT3R and Pi3 do so."""

CAM_FROM_SENSOR = np.array(
    [
        [9.9996518012567637e-01, 2.6765126468950343e-03, -7.9041012313000904e-03, -2.5558943178152542e-02],
        [-2.7409311281316700e-03, 9.9996302803027592e-01, -8.1504520778013286e-03, 1.0109636268061706e-04],
        [7.8819942130445332e-03, 8.1718328771890631e-03, 9.9993554558014031e-01, 2.0318321729487039e-03],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""Colour camera from depth sensor, metres: a calibration of a Kinect by LIRIS,
https://projet.liris.cnrs.fr/voir/activities-dataset/kinect-calibration.html, as `visloc_pseudo_gt_limitations` and
`nianticlabs/simplerecon:data_scripts/7scenes_preprocessing.py` use it."""


def pinhole(focal: float, size: tuple[int, int], *, centre: float) -> np.ndarray:
    """(3, 3) K of a picture of (width, height).

    Args:
        focal: In pixels of 640 x 480.
        centre: Of the first pixel on the axis on which the middle of the picture is (320, 240): 0, as benchmarks count
            that write K = (f, 320, 240) and lift the pixel grid 0, 1, 2, ...; or 0.5, as COLMAP counts.
    """
    K = np.array([[focal, 0, 320 - centre], [0, focal, 240 - centre], [0, 0, 1]])
    return resized_intrinsics(K, SIZE, size)


def count_frames(sequence: Path) -> int:
    """Number of photos of `seq-XX`, which are frames 0, 1, 2, ..."""
    return sum(1 for _ in sequence.glob("frame-*.color.png"))


def frame_file(sequence: Path, frame: int, kind: str) -> Path:
    """`kind`: color.png, depth.png, depth.proj.png, pose.txt."""
    return sequence / f"frame-{frame:06d}.{kind}"


def read_pose(sequence: Path, frame: int) -> np.ndarray:
    """(4, 4) world_from_cam by KinectFusion, OpenCV axes, metres; NaN where it was lost."""
    path = frame_file(sequence, frame, "pose.txt")
    pose = rigid_pose(read_numbers(path, (4, 4), f"the pose of frame {frame}"), f"The pose in {str(path)!r}")
    return LOST if pose is None else pose


def registered_reader(sequence: Path, frame: int) -> Callable[[], np.ndarray]:
    """Reader of the depth as the colour camera sees it (K of focal length 525, centre 0).

    `depth.proj.png` where preprocessing left it beside the photo; otherwise the sensor's `depth.png` is moved to the
    colour camera in the same way: sensor of focal length 585, both principal points in the middle, the nearest point
    wins, whole millimetres. Source: `nianticlabs/simplerecon:data_scripts/7scenes_preprocessing.py`.
    """
    ready = frame_file(sequence, frame, "depth.proj.png")
    if ready.is_file():
        return depth_picture(ready, 0.001, largest=FARTHEST)

    def read() -> np.ndarray:
        depth = sensor_reader(sequence, frame)()
        size = depth.shape[1], depth.shape[0]
        cameras = pinhole(585, size, centre=0.5), pinhole(525, size, centre=0.0)
        seen = register_depth(depth, *cameras, CAM_FROM_SENSOR, (size[1], size[0]))
        return np.floor(1000 * seen) / np.float32(1000)

    return read


def sensor_reader(sequence: Path, frame: int) -> Callable[[], np.ndarray]:
    """Reader of the depth as the sensor sees it."""
    return depth_picture(frame_file(sequence, frame, "depth.png"), 0.001, largest=FARTHEST)


def read_sfm_poses(root: Path, scene: str, split: str) -> dict[str, tuple[np.ndarray, float]]:
    """COLMAP's (4, 4) world_from_cam and focal length in pixels, by names like `seq-03/frame-000000.color.png`.

    File: `pgt/sfm/7scenes/<scene>_<train or test>.txt`, lines `name qw qx qy qz tx ty tz f` of cam_from_world
    (`tsattler/visloc_pseudo_gt_limitations:README.md`).
    """
    path = sfm_file(root, scene, split)
    poses = {}
    for number, line in enumerate(require_file(path, "COLMAP's poses").read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name, *words = line.split()
        try:
            values = np.array(words, np.float64)
            if values.shape != (8,) or not np.isfinite(values).all() or not values[:4].any():
                raise ValueError(f"{len(words)} numbers")
        except ValueError as error:
            raise InputError(
                f"Line {number} of {str(path)!r} is no pose: expected a name, qw qx qy qz tx ty tz and f. {error}"
            ) from error
        rotation = rotation_from(values[:4] / np.linalg.norm(values[:4]))
        world_from_cam = np.eye(4)
        world_from_cam[:3, :3], world_from_cam[:3, 3] = rotation.T, -rotation.T @ values[4:7]
        poses[name] = (world_from_cam, float(values[7]))
    return poses


def sfm_file(root: Path, scene: str, split: str) -> Path:
    """Where COLMAP's poses of a scene's train or test split are."""
    return root / "pgt" / "sfm" / "7scenes" / f"{scene}_{split}.txt"
