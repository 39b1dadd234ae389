"""Bonn RGB-D Dynamic: people and things that move, with a motion-captured trajectory; five sequences of 110 photos."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import resized_intrinsics

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_picture
from ..layouts.photo_files import numbered_photos, photo_size
from ..layouts.tree import find_scenes
from ..layouts.tum_files import TimedPoses, poses_at, read_trajectory
from ..protocols.trajectory import Trajectory
from ..protocols.video_depth import kind_of, video_depth_settings
from ..task import Inputs, Task, Truth

SCENES = ("balloon2", "crowd2", "crowd3", "person_tracking2", "synchronous")
"""`Junyi42/monst3r:dust3r/eval_metadata.py`."""

PREFIX = "rgbd_bonn_"
FRAMES = slice(30, 140)
"""`Junyi42/monst3r:datasets_preprocess/prepare_bonn.py`."""

METRES_PER_STEP = 1 / 5000

CAMERA, _PHOTO_SIZE = (542.822841, 542.576870, 315.593520, 237.756098), (640, 480)
"""fx fy cx cy as the data set's page gives them; the small lens distortion beside them is left out."""

_AXES = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_MARKERS_FROM_CAM = np.array(
    [
        [1.0157, 0.1828, -0.2389, 0.0113],
        [0.0009, -0.8431, -0.6413, -0.0098],
        [-0.3009, 0.6147, -0.8085, 0.0111],
        [0, 0, 0, 1],
    ]
)
"""The data set's page gives both (as T_ros and T_m) to bring points of the camera into the frame of its reference
cloud: T_ros^-1 T_groundtruth T_ros T_m. The second is 1.059 times a rotation."""

_DEPTH_NOTE = (
    "Frames 30 to 139 of the folders rgb and depth by name; the i-th of one belongs to the i-th of the other, as in "
    "`Junyi42/monst3r:datasets_preprocess/prepare_bonn.py`."
)


class Bonn(Benchmark):
    """True depths are the sensor's, in its metres; true poses are in the metres of the motion capture.

    The file's poses are those of markers on the sensor; the constants of the data set's page turn them into poses of
    the camera, without their scale.
    """

    name = "bonn"
    title = "Bonn RGB-D Dynamic"
    about = About(
        homepage="https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset/",
        licence="not stated here; see the homepage",
        paper="Palazzolo, Behley, Lottes, Giguere, Stachniss: ReFusion: 3D Reconstruction in Dynamic Environments for "
        "RGB-D Cameras Exploiting Residuals, IROS 2019",
        layout="""ROOT/                          the folder rgbd_bonn_dataset of rgbd_bonn_dataset.zip
  rgbd_bonn_balloon2/
    groundtruth.txt
    rgb/*.png depth/*.png        named by their times""",
        layout_source="Junyi42/monst3r:data/download_bonn.sh, :datasets_preprocess/prepare_bonn.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        **video_depth_settings(farthest=70.0, note=_DEPTH_NOTE),
        "trajectory": Setting(
            "Trajectory, 110 photos",
            Trajectory("sim3"),
            "ours",
            "The sources cut out lines 30 to 139 of groundtruth.txt, whose clock is another one than that of the "
            "photos, and publish no figures. Here each photo has the nearest pose, at most 20 ms away.",
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        needed = ("groundtruth.txt", "rgb", "depth") if setting.startswith("depth") else ("groundtruth.txt", "rgb")

        def missing(name: str) -> str | None:
            paths = (f"{PREFIX}{name}/{part}" for part in needed)
            return next((path for path in paths if not (root / path).exists()), None)

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = root / f"{PREFIX}{scene}"
        photos = tuple(_cut(folder / "rgb"))
        world_from_cam = poses_at(read_camera_trajectory(folder / "groundtruth.txt"), _times(photos), 0.02)
        depths: tuple[Callable[[], np.ndarray], ...] = ()
        if setting.startswith("depth"):
            depths = tuple(depth_picture(path, METRES_PER_STEP) for path in _cut(folder / "depth"))
            if len(depths) != len(photos):
                raise InputError(
                    f"{str(folder)!r} has {len(photos)} photos and {len(depths)} depth maps from the 31st to the 140th "
                    "of either folder; expected as many of both. Unpack this scene again."
                )
        fx, fy, cx, cy = CAMERA
        K = resized_intrinsics(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), _PHOTO_SIZE, photo_size(photos[0]))
        truth = Truth(np.tile(K, (len(photos), 1, 1)), world_from_cam, depths)
        return Task(scene, Inputs(photos, kind_of(self.settings[setting])), truth)


def read_camera_trajectory(path: Path) -> TimedPoses:
    """Read `groundtruth.txt`; its poses of the markers become rigid poses of the camera."""
    markers = read_trajectory(path)
    linear = _MARKERS_FROM_CAM[:3, :3]
    markers_from_cam = _MARKERS_FROM_CAM.copy()
    # The constants have four digits: the closest rotation.
    left, _, right = np.linalg.svd(linear)
    markers_from_cam[:3, :3] = left @ right
    return TimedPoses(markers.times, np.linalg.inv(_AXES) @ markers.world_from_cam @ _AXES @ markers_from_cam)


def _cut(folder: Path) -> list[Path]:
    files = numbered_photos(folder, "frames, named by their times")
    if len(files) <= FRAMES.start:
        raise InputError(
            f"{str(folder)!r} has {len(files)} frames; the protocol begins with the 31st. Unpack this scene again."
        )
    return files[FRAMES]


def _times(photos: tuple[Path, ...]) -> np.ndarray:
    try:
        return np.array([float(photo.stem) for photo in photos])
    except ValueError as error:
        raise InputError(f"A photo in {str(photos[0].parent)!r} is not named by its time: {error}") from error
