"""TUM RGB-D: recordings by hand with a motion-captured trajectory; the nine freiburg1 sequences of SLAM tables."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.geometry.conventions import resized_intrinsics

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_picture
from ..layouts.lens import undistorted_photos
from ..layouts.photo_files import photo_size
from ..layouts.tree import find_scenes, require_file
from ..layouts.tum_files import nearest_in_time, poses_at, read_files, read_trajectory
from ..protocols.depth import Depth
from ..protocols.trajectory import Trajectory
from ..task import Inputs, Task, Truth

SCENES = tuple(
    f"freiburg1_{name}" for name in ("360", "desk", "desk2", "floor", "plant", "room", "rpy", "teddy", "xyz")
)
"""`princeton-vl/DROID-SLAM:tools/evaluate_tum.sh`, the same as MASt3R-SLAM's scripts/eval_tum.sh."""

PREFIX = "rgbd_dataset_"

METRES_PER_STEP = 1 / 5000

CALIBRATION = {
    "freiburg1": ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "freiburg3": ((535.4, 539.2, 320.1, 247.6), (0.0, 0.0, 0.0, 0.0, 0.0)),
}
"""fx fy cx cy and OpenCV's k1 k2 p1 p2 k3 of the colour camera, for photos of 640x480 pixels, as the data set's page
gives them: https://vision.in.tum.de/data/datasets/rgbd-dataset/file_formats. The photos of freiburg3 are undistorted
already."""

_PHOTO_SIZE = (640, 480)

_ABOUT = About(
    homepage="https://vision.in.tum.de/data/datasets/rgbd-dataset",
    licence="CC BY 4.0",
    paper="Sturm, Engelhard, Endres, Burgard, Cremers: A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012",
    layout="""ROOT/
  rgbd_dataset_freiburg1_desk/     one folder a sequence, as its .tgz unpacks
    rgb.txt depth.txt groundtruth.txt
    rgb/*.png depth/*.png""",
    layout_source="https://vision.in.tum.de/data/datasets/rgbd-dataset/file_formats",
)

_WHOLE = (
    "Every second photo, as `princeton-vl/DROID-SLAM:evaluation_scripts/test_tum.py` and "
    "`HengyiWang/amb3r:benchmark/eval_slam.py` take them, hundreds of photos a sequence; copies of "
    "MASt3R-SLAM's configuration take every one. The true pose is the nearest in time, at most 10 ms away, evo's limit."
)
_SPREAD = (
    "At most 100 photos, evenly over the sequence, the first and the last among them: no source does so, it is for "
    "methods that take whole sets."
)


def tum_camera(name: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Calibration of a sequence's colour camera.

    Args:
        name: Begins with freiburg1 or freiburg3.
        size: Width and height of its photos.

    Returns:
        (3, 3) pinhole K in pixels of such photos, (5,) lens.
    """
    (fx, fy, cx, cy), lens = CALIBRATION[name.split("_")[0]]
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return resized_intrinsics(K, _PHOTO_SIZE, size), np.array(lens)


class TumRgbd(Benchmark):
    """Photos of freiburg1 have lens distortion. Poses are of the colour camera.

    The true intrinsics are those of the pinhole, without the lens; where they are given (`trajectory-calibrated`) the
    photos are undistorted first, into `scratch`, and the truth is that of the new photos.
    """

    name = "tum"
    title = "TUM RGB-D"
    about = _ABOUT
    settings: ClassVar[Mapping[str, Setting]] = {
        "trajectory": Setting(
            "Trajectory, every second photo",
            Trajectory("sim3"),
            "princeton-vl/DROID-SLAM:evaluation_scripts/test_tum.py",
            _WHOLE
            + " Photos keep their lens distortion, as in MASt3R-SLAM's mode without calibration; DROID-SLAM, which "
            "needs the calibration, undistorts them. RPE is ours.",
            {"stride": 2},
        ),
        "trajectory-calibrated": Setting(
            "Trajectory, intrinsics given, photos undistorted",
            Trajectory("sim3"),
            "rmurai0610/MASt3R-SLAM:mast3r_slam/dataloader.py",
            _WHOLE + " Undistorted with OpenCV's optimal new camera matrix (alpha 0, principal point in the middle), "
            "as MASt3R-SLAM does it; DROID-SLAM keeps the camera matrix and cuts a border off.",
            {"stride": 2, "undistort": True},
        ),
        "trajectory-100": Setting("Trajectory, 100 photos", Trajectory("sim3"), "ours", _SPREAD, {"most": 100}),
        "depth": Setting(
            "Video depth, one scale per sequence, 100 photos",
            Depth(align="scale_l1", per="sequence", resampling="bicubic", weighted=True),
            "ours",
            _SPREAD + " Scored as Bonn is. Photos without a depth map within 20 ms have no truth.",
            {"most": 100, "depth": True},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""

        def missing(name: str) -> str | None:
            needed = ["rgb.txt", "groundtruth.txt"] + (["depth.txt"] if "depth" in setting else [])
            absent = (f"{PREFIX}{name}/{file}" for file in needed if not (root / f"{PREFIX}{name}" / file).is_file())
            return next(absent, None)

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = root / f"{PREFIX}{scene}"
        options = self.settings[setting].options or {}
        listed = read_files(folder / "rgb.txt")
        chosen = _choose(len(listed.files), options)
        times, photos = listed.times[chosen], tuple(listed.files[index] for index in chosen)
        for photo in photos:
            require_file(photo, "a photo that rgb.txt lists")
        K, lens = tum_camera(scene, photo_size(photos[0]))
        given = None
        if options.get("undistort"):
            photos, K = undistorted_photos(photos, K, lens, scratch / scene)
            given = np.tile(K, (len(photos), 1, 1))
        depths = tum_depths(folder, times) if options.get("depth") else ()
        world_from_cam = poses_at(read_trajectory(folder / "groundtruth.txt"), times, 0.01)
        truth = Truth(np.tile(K, (len(photos), 1, 1)), world_from_cam, depths)
        return Task(scene, Inputs(photos, "video", intrinsics=given), truth)


def tum_depths(folder: Path, times: np.ndarray) -> tuple[Callable[[], np.ndarray] | None, ...]:
    """Readers of the depth maps nearest in time, at most 20 ms away; None for a photo without one."""
    listed = read_files(folder / "depth.txt")
    places = nearest_in_time(listed.times, times, 0.02)
    return tuple(None if place < 0 else depth_picture(listed.files[place], METRES_PER_STEP) for place in places)


def _choose(count: int, options: Mapping[str, object]) -> np.ndarray:
    if "stride" in options:
        return np.arange(0, count, int(str(options["stride"])))
    most = int(str(options["most"]))
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
