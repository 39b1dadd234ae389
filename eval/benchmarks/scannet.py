"""ScanNet v2: the 100 test scenes, exported from their sensor streams."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.images.sources import natural_key
from pointmap.readers.posed import rigid_pose

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_picture
from ..layouts.frame_choice import whole_option
from ..layouts.photo_files import photo_size
from ..layouts.sensor_depth import as_photo_sees_it
from ..layouts.tree import find_scenes, read_numbers, require_file
from ..protocols.depth import Depth
from ..protocols.neural_recon import NeuralRecon
from ..protocols.relative_pose import RelativePose
from ..protocols.trajectory import Trajectory
from ..task import Inputs, Kind, Task, Truth

SCENES = tuple(f"scene{number:04d}_00" for number in range(707, 807))
"""The official test set."""

LOST = ("0711", "0737", "0750", "0761", "0791", "0796")
"""Scenes with lost poses, which MonST3R leaves out (Junyi42/monst3r#29)."""

WHOLE_SCENES = tuple(scene for scene in SCENES if scene[5:9] not in LOST)

FARTHEST = 10.0
"""Metres; NeuralRecon's scripts leave out depths beyond."""

_DEPTHS = (
    "True depths are the sensor's, looked up along the rays of the colour camera (both have intrinsics of their own "
    "and count as one viewpoint); the sources resize the sensor's picture instead."
)


class ScanNet(Benchmark):
    """See `about`."""

    name: ClassVar[str] = "scannet"
    title: ClassVar[str] = "ScanNet"
    about: ClassVar[About] = About(
        homepage="http://www.scan-net.org",
        licence="ScanNet Terms of Use, non-commercial: https://kaldir.vc.in.tum.de/scannet/ScanNet_TOS.pdf",
        paper="Dai, Chang, Savva, Halber, Funkhouser, Niessner: ScanNet, CVPR 2017",
        layout="""\
ROOT/scans_test/scene0707_00/color/0.jpg        (or without the folder scans_test)
                             depth/0.png
                             pose/0.txt
                             intrinsic/intrinsic_color.txt, intrinsic/intrinsic_depth.txt
                             scene0707_00_vh_clean_2.ply    for neuralrecon only
(all but the mesh are made of the scene's .sens by SensReader/python/reader.py of github.com/ScanNet/ScanNet:
 reader.py --filename scene0707_00.sens --output_path scans_test/scene0707_00 --export_depth_images
 --export_color_images --export_poses --export_intrinsics)""",
        layout_source="ScanNet/ScanNet:SensReader/python/README.md, zju3dv/NeuralRecon:README.md",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "trajectory": Setting(
            "Trajectory, 90 frames, stride 3",
            Trajectory(align="sim3", rpe_delta=1),
            source="Junyi42/monst3r:datasets_preprocess/prepare_scannet.py, :data/download_scannetv2.sh, "
            "Junyi42/monst3r#29",
            note="94 scenes: MonST3R leaves out the six with lost poses. CUT3R and Pi3 take the same frames of "
            "scenes 707 to 806 (yyfz/Pi3#89); whether they leave out the six as well is not stated.",
            options={"frames": 90, "stride": 3},
        ),
        "neuralrecon": Setting(
            "Surface from posed video",
            NeuralRecon(),
            source="zju3dv/NeuralRecon:tools/evaluation.py, :tools/tsdf_fusion/generate_gt.py",
            note="A method is given the key frames of NeuralRecon's fragments (the camera moved by more than 0.1 m or "
            "its axis turned by more than 15 degrees since the last one), their poses and intrinsics. The 2D "
            f"figures are over these frames too, while the source renders every frame of the video. {_DEPTHS}",
            options={"distance": 0.1, "angle": 15},
        ),
        "depth": Setting(
            "Video depth, 30 frames, one scale a scene",
            Depth(align="scale_l1", per="sequence", farthest=FARTHEST, resampling="bicubic", weighted=True),
            source="ours: the alignment of CUT3R's and Pi3's video depth on clips of the trajectory protocol; nobody "
            "states a list of ScanNet frames for it",
            note=f"Every 9th of the first 270 frames. {_DEPTHS}",
            options={"frames": 30, "stride": 9},
        ),
        "pose": Setting(
            "Relative pose, 10 frames",
            RelativePose(auc=(30, 5), accuracy=(15, 5)),
            source="ours: ScanNet-1500 is about pairs; here 10 frames of the clips of the trajectory protocol",
            note="Every 27th of the first 270 frames; true directions of translation, not folded.",
            options={"frames": 10, "stride": 27},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        names = SCENES if setting == "neuralrecon" else WHOLE_SCENES
        return find_scenes(self, root, names, only, lambda scene: _missing(root, scene, mesh=setting == "neuralrecon"))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        folder = _folder(root, scene)
        files = [file for file in (folder / "color").iterdir() if file.suffix.lower() in (".jpg", ".png")]
        photos = sorted(files, key=lambda file: natural_key(file.name))
        used = self.settings[setting]
        if setting == "neuralrecon":
            photos, poses = _key_frames(photos, used)
        else:
            stride = whole_option(used, "stride")
            photos = photos[: whole_option(used, "frames") * stride : stride]
            poses = [_pose(photo) for photo in photos]
        if not photos:
            raise InputError(f"{str(folder / 'color')!r} has no photos with poses. Export the scene again.")
        K = _intrinsics(folder, "color")
        sensor = _intrinsics(folder, "depth")
        size = photo_size(photos[0])
        depths = (
            tuple(_depth(photo, sensor, K, size) for photo in photos) if setting in ("neuralrecon", "depth") else ()
        )
        intrinsics = np.repeat(K[None], len(photos), axis=0)
        world_from_cam = np.stack(poses)
        kind: Kind = "views" if setting == "pose" else "video"
        if setting != "neuralrecon":
            return Task(scene, Inputs(tuple(photos), kind), Truth(intrinsics, world_from_cam, depths))
        inputs = Inputs(tuple(photos), kind, intrinsics=intrinsics, world_from_cam=world_from_cam)
        mesh = require_file(folder / f"{scene}_vh_clean_2.ply", "the reference surface")
        return Task(scene, inputs, Truth(intrinsics, world_from_cam, depths, mesh=mesh))


def _folder(root: Path, scene: str) -> Path:
    inner = root / "scans_test" / scene
    return inner if inner.is_dir() else root / scene


def _missing(root: Path, scene: str, *, mesh: bool) -> str | None:
    folder = _folder(root, scene)
    wanted = ["color", "depth", "pose", "intrinsic/intrinsic_color.txt", "intrinsic/intrinsic_depth.txt"]
    wanted += [f"{scene}_vh_clean_2.ply"] if mesh else []
    return next((str((folder / name).relative_to(root)) for name in wanted if not (folder / name).exists()), None)


def _pose(photo: Path) -> np.ndarray:
    """World_from_cam beside a photo; NaN for one that was lost, which ScanNet writes as -inf."""
    file = photo.parents[1] / "pose" / f"{photo.stem}.txt"
    pose = rigid_pose(read_numbers(file, (4, 4), f"the pose of frame {photo.stem}"), f"The pose in {str(file)!r}")
    return np.full((4, 4), np.nan) if pose is None else pose


def _key_frames(photos: list[Path], setting: Setting) -> tuple[list[Path], list[np.ndarray]]:
    """Photos, with poses, for which the camera moved or turned enough since the last one; lost ones are left out."""
    options = setting.options or {}
    distance, angle = float(str(options["distance"])), np.radians(float(str(options["angle"])))
    kept: list[Path] = []
    poses: list[np.ndarray] = []
    for photo in photos:
        pose = _pose(photo)
        if not np.isfinite(pose).all():
            continue
        if poses:
            moved = np.linalg.norm(pose[:3, 3] - poses[-1][:3, 3])
            turned = np.arccos(np.clip(pose[:3, 2] @ poses[-1][:3, 2], -1, 1))
            if moved <= distance and turned <= angle:
                continue
        kept.append(photo)
        poses.append(pose)
    return kept, poses


def _intrinsics(folder: Path, camera: str) -> np.ndarray:
    """K in pixels, as written: the sensor's centre is the middle of 640 x 480 if the first pixel is at (0, 0)."""
    file = folder / "intrinsic" / f"intrinsic_{camera}.txt"
    return read_numbers(file, (4, 4), f"the intrinsics of the {camera} camera")[:3, :3]


def _depth(photo: Path, sensor: np.ndarray, K: np.ndarray, size: tuple[int, int]) -> Callable[[], np.ndarray]:
    """Millimetres; 65535 is what some sensors write where they see nothing."""
    file = require_file(photo.parents[1] / "depth" / f"{photo.stem}.png", f"the depth of frame {photo.stem}")
    return as_photo_sees_it(depth_picture(file, 0.001, largest=65.0), sensor, K, size)
