"""DTU: photos of objects by a robot arm, with scans by structured light; millimetres."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.dtu_files import (
    OBSERVATION,
    DtuPhoto,
    cloud_file,
    depth_reader,
    find_photos,
    observation_files,
    read_mask,
    read_observation,
    read_plane,
)
from ..layouts.frame_choice import strided, whole_option
from ..layouts.mvsnet import read_camera
from ..layouts.ply_points import read_ply_points
from ..layouts.tree import find_scenes
from ..protocols.dtu_official import DtuOfficial
from ..protocols.points import PointMaps
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

_TEST = (1, 4, 9, 10, 11, 12, 13, 15, 23, 24, 29, 32, 33, 34, 48, 49, 62, 75, 77, 110, 114, 118)
SCANS = tuple(f"scan{number}" for number in _TEST)
"""MVSNet's test scans (`YoYo000/MVSNet`), of all protocols but `pose`."""

POSE_SCANS = tuple(f"scan{n}" for n in (105, 114, 118, 122, 24, 37, 40, 55, 63, 65, 69, 83, 97))
"""DTU-64 of `ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/utils/constants.py`."""

_REFERENCE = 33
"""Place of the photo that Depth Anything 3's bench puts first."""

_NOTE = (
    "K and poses are those of MVSNet's camera files, whose authors do not say where the first pixel's centre is; they "
    "are used as written."
)
_DEPTH = (
    "True depth is rendered from Poisson surfaces of the scans by Spann3R's authors, within their masks, whose rim of "
    "5 pixels is cut off. "
)
_OFFICIAL = (
    "Photos 1 to 49 under the full light, number 34 first as in the source. Scans are the official ones; poses of "
    "methods that get none are aligned by the protocol. The source masks depths by depth_visual_*.png, here by these "
    "or by binary_masks, whichever lies beside the photos. " + _NOTE
)


class Dtu(Benchmark):
    """Jensen et al. 2014; Aanaes et al. 2016."""

    name: ClassVar[str] = "dtu"
    title: ClassVar[str] = "DTU"
    about: ClassVar[About] = About(
        homepage="https://roboimagedata.compute.dtu.dk/?page_id=36",
        licence="not stated here; see the homepage",
        paper="Jensen, Dahl, Vogiatzis, Tola, Aanaes: Large Scale Multi-view Stereopsis Evaluation, CVPR 2014",
        layout="ROOT/scan1/                      dtu_test by the link in HengyiWang/spann3r:docs/data_preprocess.md\n"
        "     images/00000000.jpg, cams/00000000_cam.txt\n"
        "     depths/00000000.npy, binary_masks/00000000.png\n"
        " or, for official:\n"
        "ROOT/Rectified/scan1/rect_001_3_r5000.png, Cameras/00000000_cam.txt,\n"
        "     depth_raw/Depths/scan1/depth_visual_0000.png    dtu.zip of DA3-BENCH\n"
        "ROOT/Points/stl/stl001_total.ply                     for official: Points.zip of the homepage\n"
        f"ROOT/{OBSERVATION[1]}/ObsMask1_10.mat, Plane1.mat  for official: SampleSet.zip of the homepage\n"
        "     (or without the two folders above ObsMask)\n"
        "ROOT/scan24/image/00000000.png, Cameras/00000000_cam.txt  for pose: dtu64.zip of DA3-BENCH,\n"
        "     https://huggingface.co/datasets/depth-anything/DA3-BENCH",
        layout_source="HengyiWang/spann3r:spann3r/datasets/dtu.py, "
        "ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/dtu.py, dtu64.py",
        size="8.3 GB dtu.zip, 1.7 GB dtu64.zip of DA3-BENCH",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "points": Setting(
            "Point maps, every 5th photo (Pi3)",
            PointMaps(first="umeyama", icp=100.0, size=(518, 388), farthest=float("inf"), unit="mm"),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml",
            _DEPTH + _NOTE,
            {"stride": 5},
        ),
        "points-spann3r": Setting(
            "Point maps, every 5th photo (Spann3R)",
            PointMaps(first="normalised", icp=100.0, size=(224, 224), farthest=float("inf"), unit="mm"),
            "HengyiWang/spann3r:eval.py, :spann3r/datasets/dtu.py",
            _DEPTH
            + "The source crops photos before methods see them; here methods get the whole photo, and true maps are "
            "cropped. " + _NOTE,
            {"stride": 5},
        ),
        "official": Setting(
            "Official accuracy and completeness of 49 photos (Depth Anything 3)",
            DtuOfficial(),
            "ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/dtu.py, :utils/constants.py",
            _OFFICIAL,
            {"limit": 49},
        ),
        "pose": Setting(
            "Relative poses of 64 photos (Depth Anything 3)",
            RelativePose(fold=True, bins="numpy", auc=(30, 3)),
            "ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/dtu64.py, :utils/constants.py",
            "Number 34 first, as in the source. " + _NOTE,
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""

        def missing(scan: str) -> str | None:
            if setting == "pose":
                return None if _pose_photos(root, scan) else f"{scan}/image/*.png"
            photos = find_photos(root, scan)
            if not photos:
                return f"{scan}/images/*.jpg"
            wanted = [photos[0].camera]
            if setting == "official":
                wanted += [cloud_file(root, scan), *observation_files(root, scan)]
            else:
                wanted += [photos[0].depth, photos[0].mask]
            return next((str(path.relative_to(root)) for path in wanted if not path.is_file()), None)

        return find_scenes(self, root, POSE_SCANS if setting == "pose" else SCANS, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        chosen = self.settings[setting]
        if setting == "pose":
            return _task(scene, _reference_first(_pose_photos(root, scene)))
        photos = find_photos(root, scene)
        if setting != "official":
            selected = [photos[index] for index in strided(len(photos), whole_option(chosen, "stride"))]
            if absent := [photo.depth for photo in selected if not photo.depth.is_file()]:
                raise InputError(f"No depth map {str(absent[0])!r}: {chosen.title} needs one for each photo.")
            return _task(scene, selected, depths=True)
        selected = _reference_first(photos[: whole_option(chosen, "limit")])
        observation, plane = observation_files(root, scene)
        extra: dict[str, Any] = {
            "observation_mask": lambda: read_observation(observation),
            "plane": lambda: read_plane(plane),
            "masks": tuple(_mask_reader(photo.mask) if photo.mask.is_file() else None for photo in selected),
        }
        return _task(scene, selected, depths=True, cloud=cloud_file(root, scene), extra=extra)


def _task(
    scan: str,
    photos: list[DtuPhoto],
    *,
    depths: bool = False,
    cloud: Path | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Task:
    if not photos:
        raise InputError(f"DTU's {scan} has no photos here. Unpack it again.")
    cameras = [read_camera(photo.camera) for photo in photos]
    truth = Truth(
        np.stack([camera.intrinsics for camera in cameras]),
        np.linalg.inv(np.stack([camera.cam_from_world for camera in cameras])),
        tuple(depth_reader(photo) for photo in photos) if depths else (),
        unit="mm",
        cloud=None if cloud is None else lambda: read_ply_points(cloud),
        extra=extra or {},
    )
    return Task(scan, Inputs(tuple(photo.path for photo in photos)), truth)


def _mask_reader(path: Path) -> Any:
    return lambda: read_mask(path)


def _reference_first(photos: list[DtuPhoto]) -> list[DtuPhoto]:
    return [*photos[_REFERENCE : _REFERENCE + 1], *photos[:_REFERENCE], *photos[_REFERENCE + 1 :]]


def _pose_photos(root: Path, scan: str) -> list[DtuPhoto]:
    """Of DTU-64, whose numbers are those of the cameras."""
    photos = sorted((root / scan / "image").glob("*.png"))
    none = root / scan / "none"
    return [
        DtuPhoto(photo, root / "Cameras" / f"{int(photo.stem):08d}_cam.txt", none, none)
        for photo in photos
        if photo.stem.isdigit()
    ]
