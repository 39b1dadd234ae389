"""TUM-dynamics: the eight sequences of TUM RGB-D with people who sit and walk, 90 photos of each."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..benchmark import Benchmark, Setting
from ..layouts.photo_files import photo_size
from ..layouts.tree import find_scenes, require_file
from ..layouts.tum_files import associate, read_files, read_trajectory
from ..protocols.trajectory import Trajectory
from ..protocols.video_depth import kind_of, video_depth_settings
from ..task import Inputs, Task, Truth
from .tum_rgbd import PREFIX, TumRgbd, tum_camera, tum_depths

SCENES = tuple(
    f"freiburg3_{who}_{motion}" for who in ("sitting", "walking") for motion in ("halfsphere", "rpy", "static", "xyz")
)
"""`OliEfr/Align3R:data/download_tum.sh`; `Junyi42/monst3r:datasets_preprocess/prepare_tum.py` takes what lies in its
folder."""

STRIDE, MOST = 3, 90

_CHOICE = (
    "Photos and poses are paired as the data set's associate.py does (less than 20 ms apart, closest first, each "
    "once); of the pairs every third, at most 90."
)


class TumDynamics(Benchmark):
    """Photos are undistorted as they are; the true K is the data set's calibration."""

    name = "tum-dynamics"
    title = "TUM-dynamics"
    about = replace(
        TumRgbd.about,
        layout="""ROOT/
  rgbd_dataset_freiburg3_walking_xyz/     one folder a sequence, as its .tgz unpacks
    rgb.txt depth.txt groundtruth.txt
    rgb/*.png depth/*.png""",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "trajectory": Setting(
            "Trajectory, 90 photos",
            Trajectory("sim3"),
            "Junyi42/monst3r:datasets_preprocess/prepare_tum.py, CUT3R/CUT3R:eval/relpose/evo_utils.py",
            _CHOICE,
        ),
        **video_depth_settings(
            note="The sources do not evaluate depth on these sequences: photos are those of the trajectory, scored as "
            "Bonn is. Depth maps are the nearest in time; photos without one within 20 ms have no truth.",
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        needed = ["rgb.txt", "groundtruth.txt"] + (["depth.txt"] if setting.startswith("depth") else [])

        def missing(name: str) -> str | None:
            paths = (f"{PREFIX}{name}/{file}" for file in needed)
            return next((path for path in paths if not (root / path).is_file()), None)

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = root / f"{PREFIX}{scene}"
        listed, trajectory = read_files(folder / "rgb.txt"), read_trajectory(folder / "groundtruth.txt")
        pairs = np.array(associate(listed.times, trajectory.times, 0.02)).reshape(-1, 2)[::STRIDE][:MOST]
        photos = tuple(require_file(listed.files[index], "a photo that rgb.txt lists") for index in pairs[:, 0])
        world_from_cam = trajectory.world_from_cam[pairs[:, 1]]
        K, _ = tum_camera(scene, photo_size(photos[0]))
        depths = tum_depths(folder, listed.times[pairs[:, 0]]) if setting.startswith("depth") else ()
        truth = Truth(np.tile(K, (len(photos), 1, 1)), world_from_cam, depths)
        return Task(scene, Inputs(photos, kind_of(self.settings[setting])), truth)
