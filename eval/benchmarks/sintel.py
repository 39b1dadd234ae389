"""MPI Sintel: a rendered film with exact depth and cameras; the fourteen sequences in which the camera moves."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_array
from ..layouts.photo_files import numbered_photos
from ..layouts.tree import find_scenes, require_file
from ..protocols.trajectory import Trajectory
from ..protocols.video_depth import kind_of, video_depth_settings
from ..task import Inputs, Task, Truth

SCENES = (
    *("alley_2", "ambush_4", "ambush_5", "ambush_6", "cave_2", "cave_4", "market_2", "market_5", "market_6"),
    *("shaman_3", "sleeping_1", "sleeping_2", "temple_2", "temple_3"),
)
"""`Junyi42/monst3r:dust3r/eval_metadata.py`."""

TAG = np.float32(202021.25)
"""All of Sintel's own files begin with it, in little endian."""


class Sintel(Benchmark):
    """The pass "final", with motion blur and fog, all frames of a sequence.

    The principal point of the files is (511.5, 217.5) for frames of 1024x436: pixel centres are whole numbers, as ours.
    """

    name = "sintel"
    title = "MPI Sintel"
    about = About(
        homepage="http://sintel.is.tue.mpg.de/depth",
        licence="not stated here; see http://sintel.is.tue.mpg.de",
        paper="Butler, Wulff, Stanley, Black: A Naturalistic Open Source Movie for Optical Flow Evaluation, ECCV 2012",
        layout="""ROOT/training/
  final/alley_2/frame_0001.png           MPI-Sintel-training_images.zip
  depth/alley_2/frame_0001.dpt           MPI-Sintel-depth-training-20150305.zip
  camdata_left/alley_2/frame_0001.cam    the same archive""",
        layout_source="Junyi42/monst3r:data/download_sintel.sh; formats: sdk/python/sintel_io.py of the depth archive",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        **video_depth_settings(farthest=70.0, clip=True),
        "trajectory": Setting(
            "Trajectory, all frames",
            Trajectory("sim3"),
            "CUT3R/CUT3R:eval/relpose/evo_utils.py, yyfz/Pi3@evaluation:relpose/evo_utils.py",
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        parts = ("final", "camdata_left") if setting == "trajectory" else ("final", "camdata_left", "depth")

        def missing(name: str) -> str | None:
            paths = (f"training/{part}/{name}" for part in parts)
            return next((path for path in paths if not (root / path).is_dir()), None)

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = root / "training"
        photos = tuple(numbered_photos(folder / "final" / scene, "the frames of this sequence", "frame_*.png"))
        cameras = [read_cam(folder / "camdata_left" / scene / f"{photo.stem}.cam") for photo in photos]
        depths: tuple[Callable[[], np.ndarray], ...] = ()
        if setting != "trajectory":
            files = [folder / "depth" / scene / f"{photo.stem}.dpt" for photo in photos]
            depths = tuple(depth_array(partial(read_dpt, require_file(file, "a depth map"))) for file in files)
        cam_from_world = np.stack([pose for _, pose in cameras])
        truth = Truth(np.stack([K for K, _ in cameras]), np.linalg.inv(cam_from_world), depths)
        return Task(scene, Inputs(photos, kind_of(self.settings[setting])), truth)


def read_cam(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a `.cam` file: the tag, 3x3 K and 3x4 [R | t] in double precision.

    Returns:
        (3, 3) K in pixels, (4, 4) cam_from_world.
    """
    content = require_file(path, "a camera").read_bytes()
    if len(content) != 4 + 8 * 21 or np.frombuffer(content, "<f4", 1)[0] != TAG:
        raise InputError(f"{str(path)!r} is no camera file of Sintel: {len(content)} bytes. Unpack it again.")
    values = np.frombuffer(content, "<f8", 21, 4)
    return values[:9].reshape(3, 3).copy(), np.concatenate([values[9:].reshape(3, 4), [[0, 0, 0, 1]]])


def read_dpt(path: Path) -> np.ndarray:
    """Read a `.dpt` file: the tag, width and height, then depths row by row: (H, W) float32."""
    content = require_file(path, "a depth map").read_bytes()
    if len(content) < 12 or np.frombuffer(content, "<f4", 1)[0] != TAG:
        raise InputError(f"{str(path)!r} is no depth map of Sintel: it does not begin with {TAG}. Unpack it again.")
    width, height = np.frombuffer(content, "<i4", 2, 4)
    if len(content) != 12 + 4 * int(width) * int(height):
        raise InputError(
            f"{str(path)!r} is cut off: {len(content)} bytes for {width}x{height} depths. Unpack it again."
        )
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width).astype(np.float32)
