"""Tanks and Temples, its training set: photos of a video, a laser scan, and where to look at it."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import strided, whole_option
from ..layouts.ply_points import read_ply_points
from ..layouts.tree import find_scenes, read_numbers, require_file
from ..protocols.relative_pose import RelativePose
from ..protocols.tanks_official import TanksOfficial
from ..task import Inputs, Task, Truth

THRESHOLDS = {
    "Barn": 0.01,
    "Caterpillar": 0.005,
    "Church": 0.025,
    "Courthouse": 0.025,
    "Ignatius": 0.003,
    "Meetingroom": 0.01,
    "Truck": 0.005,
}
"""Tau of each scene in metres: `isl-org/TanksAndTemples:python_toolbox/evaluation/setup.py`."""

_SOURCE = "isl-org/TanksAndTemples:python_toolbox/evaluation/run.py, :setup.py, :registration.py"
_NOTE = (
    "Only the training set has a public scan; the other scenes are scored at https://www.tanksandtemples.org. True "
    "poses are those of COLMAP that come with the evaluation (SCENE_COLMAP_SfM.log), brought to the frame of the scan "
    "by SCENE_trans.txt; photos that COLMAP did not register (image number -1) have none. Intrinsics are not published."
)


class TanksAndTemples(Benchmark):
    """Knapitsch, Park, Zhou, Koltun 2017."""

    name: ClassVar[str] = "tanks"
    title: ClassVar[str] = "Tanks and Temples (training set)"
    about: ClassVar[About] = About(
        homepage="https://www.tanksandtemples.org/download/",
        licence="see https://www.tanksandtemples.org/license/",
        paper="Knapitsch, Park, Zhou, Koltun: Tanks and Temples: Benchmarking Large-Scale Scene Reconstruction, ACM "
        "Transactions on Graphics 2017",
        layout="ROOT/Barn/                       and so for each scene\n"
        "     Barn.ply                    the scan\n"
        "     Barn.json                   where it is evaluated\n"
        "     Barn_COLMAP_SfM.log, Barn_trans.txt\n"
        "     images/000001.jpg, ...      the image set, Barn.zip; all of it",
        layout_source="isl-org/TanksAndTemples:python_toolbox/evaluation/setup.py; the folder of photos as in "
        "NVlabs/neuralangelo:DATA_PROCESSING.md",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "official": Setting("F-score, all photos", TanksOfficial(), _SOURCE, _NOTE, {"stride": 1}),
        "official-tenth": Setting(
            "F-score, every 10th photo",
            TanksOfficial(),
            "ours: the official evaluation of a tenth of the photos, for methods that cannot take hundreds",
            _NOTE + " Photos 0, 10, 20, ... of the image set.",
            {"stride": 10},
        ),
        "pose": Setting(
            "Poses, every 10th photo",
            RelativePose(auc=(30, 5)),
            "ours: nobody defines one on the training set; the photos are those of `official-tenth`",
            _NOTE + " Photos 0, 10, 20, ... of the image set.",
            {"stride": 10},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        return find_scenes(self, root, tuple(THRESHOLDS), only, lambda name: _missing(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = root / scene
        poses = read_trajectory(folder / f"{scene}_COLMAP_SfM.log")
        cloud_from_world = read_numbers(folder / f"{scene}_trans.txt", (4, 4), "what brings poses to the scan")
        photos = sorted(path for path in (folder / "images").iterdir() if path.suffix.lower() in (".jpg", ".png"))
        if len(photos) != len(poses):
            raise InputError(
                f"{str(folder / 'images')!r} has {len(photos)} photos, {scene}_COLMAP_SfM.log poses of {len(poses)}. "
                "Unpack the whole image set: photos are those of the log in the order of their names."
            )
        chosen = strided(len(photos), whole_option(self.settings[setting], "stride"))
        truth = Truth(
            np.full((len(chosen), 3, 3), np.nan),
            _moved(cloud_from_world, poses[chosen]),
            cloud=partial(read_ply_points, require_file(folder / f"{scene}.ply", "the scan")),
            extra={"threshold": THRESHOLDS[scene], "crop": partial(_read_crop, folder / f"{scene}.json")},
        )
        return Task(scene, Inputs(tuple(photos[index] for index in chosen)), truth)


def _missing(root: Path, scene: str) -> str | None:
    names = (f"{scene}.ply", f"{scene}.json", f"{scene}_COLMAP_SfM.log", f"{scene}_trans.txt", "images")
    return next((f"{scene}/{name}" for name in names if not (root / scene / name).exists()), None)


def read_trajectory(path: Path) -> np.ndarray:
    """(N, 4, 4) world_from_cam of a .log file: three numbers, then 4x4, for each photo of the set in its order.

    The second of the three numbers is -1 for a photo that is not registered (`isl-org/TanksAndTemples:python_toolbox/
    convert_to_logfile.py`): its pose is NaN.
    """
    try:
        values = np.array(require_file(path, "poses").read_text().split(), np.float64).reshape(-1, 19)
        poses = values[:, 3:].reshape(-1, 4, 4)
        turned = poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)
        if len(poses) == 0 or not np.allclose(turned, np.eye(3), atol=1e-3):
            raise ValueError("its poses are not rigid" if len(poses) else "it is empty")
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is no trajectory: expected three numbers and a 4x4 matrix a photo. {error}"
        ) from error
    return np.where(values[:, 1, None, None] < 0, np.nan, poses)


def _moved(b_from_a: np.ndarray, a_from_cam: np.ndarray) -> np.ndarray:
    """Poses in another frame, rigid as before: the similarity scales centres alone."""
    scale = np.cbrt(np.linalg.det(b_from_a[:3, :3]))
    moved = b_from_a @ a_from_cam
    moved[:, :3, :3] /= scale
    return moved


def _read_crop(path: Path) -> dict[str, Any]:
    """The keys of Open3D's SelectionPolygonVolume."""
    needed = ("orthogonal_axis", "axis_min", "axis_max", "bounding_polygon")
    try:
        content = json.loads(require_file(path, "where the scan is evaluated").read_text(encoding="utf-8"))
        crop = {key: content[key] for key in needed}
        polygon = np.array(crop["bounding_polygon"], np.float64)
        if crop["orthogonal_axis"] not in ("X", "Y", "Z") or polygon.ndim != 2 or polygon.shape[1] != 3:
            raise ValueError(f"axis {crop['orthogonal_axis']!r}, a polygon of shape {polygon.shape}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} is damaged: expected {', '.join(needed)}. {error!r}") from error
    return crop | {"bounding_polygon": polygon}
