"""ETH3D high-resolution multi-view: DSLR photos of 13 places with laser scans; metres."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.eth3d_files import (
    Eth3dPhoto,
    raw_depth_reader,
    read_calibration,
    read_scans,
    undistorted_reader,
)
from ..layouts.frame_choice import drawn, shuffled, strided, whole_option
from ..layouts.tree import find_scenes, require_file
from ..protocols.depth import Depth
from ..protocols.eth3d_official import Eth3dOfficial
from ..protocols.fused_surface import FusedSurface
from ..protocols.points import PointMaps
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

SCENES = (
    "courtyard",
    "delivery_area",
    "electro",
    "facade",
    "kicker",
    "meadow",
    "office",
    "pipes",
    "playground",
    "relief",
    "relief_2",
    "terrace",
    "terrains",
)
"""The training data of the high-resolution multi-view benchmark; the others' truth is not public."""

DA3_SCENES = tuple(scene for scene in SCENES if scene not in ("meadow", "terrace"))

DA3_LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "delivery_area": tuple(f"{number}.JPG" for number in range(711, 715)),
    "electro": tuple(f"{number}.JPG" for number in (*range(9289, 9294), 9298)),
    "playground": tuple(f"{number}.JPG" for number in range(587, 593)),
    "relief": tuple(f"{number}.JPG" for number in range(427, 439)),
    "relief_2": tuple(f"{number}.JPG" for number in range(458, 469)),
}
"""Ends of the names of photos with unusual rotations.
`ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/utils/constants.py`."""

UNDISTORTED, ORIGINAL = "dslr_images_undistorted", "dslr_images"
_CALIBRATION = {UNDISTORTED: "dslr_calibration_undistorted", ORIGINAL: "dslr_calibration_jpg"}
_SCANS = "dslr_scan_eval/scan_alignment.mlp"
_DEPTHS = "ground_truth_depth/dslr_images"
_MESH = "combined_mesh.ply"

_NOTE = (
    "Photos are the official undistorted ones, with their pinholes. ETH3D's depth maps belong to the original photos; "
    "here the ray of each undistorted pixel goes through the original lens (THIN_PRISM_FISHEYE), and its nearest pixel "
    "is read. "
)
_DA3 = "ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/eth3d.py, :utils/constants.py"
_DA3_NOTE = (
    "11 scenes without photos of unusual rotation, as in the source, which takes the original photos for pinholes, "
    "distorted as they are. " + _NOTE
)
_DA3_MESH = (
    "The reference is the source's combined_mesh.ply where it lies in the scene, else the laser scans. Fused at 1550 "
    "columns, the source at those of the photo. "
)


class Eth3d(Benchmark):
    """Schoeps et al. 2017."""

    name: ClassVar[str] = "eth3d"
    title: ClassVar[str] = "ETH3D"
    about: ClassVar[About] = About(
        homepage="https://www.eth3d.net/datasets#high-res-multi-view-training-data",
        licence="CC BY-NC-SA 4.0",
        paper="Schoeps, Schoenberger, Galliani, Sattler, Schindler, Pollefeys, Geiger: A Multi-View Stereo Benchmark "
        "with High-Resolution Images and Multi-Camera Videos, CVPR 2017",
        layout="ROOT/courtyard/                           multi_view_training_dslr_undistorted.7z, and so each scene\n"
        "     images/dslr_images_undistorted/*.JPG\n"
        "     dslr_calibration_undistorted/cameras.txt, images.txt\n"
        "     dslr_calibration_jpg/cameras.txt, images.txt  multi_view_training_dslr_jpg.7z, for all with depth\n"
        "     images/dslr_images/*.JPG                 of the same archive, for mono\n"
        "     ground_truth_depth/dslr_images/*.JPG     courtyard_dslr_depth.7z, for all with depth\n"
        f"     {_SCANS}, scan1.ply   courtyard_dslr_scan_eval.7z, for official and tsdf\n"
        f"     {_MESH}                         of DA3-BENCH, optional, for tsdf",
        layout_source="https://www.eth3d.net/documentation",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "points": Setting(
            "Point maps, every 5th photo (Pi3)",
            PointMaps(first="umeyama", icp=0.1, nearest=1e-4, farthest=float("inf")),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml, :datasets/preprocess/prepare_eth3d.sh",
            _NOTE + "The source undistorts photos and depth itself, with the fisheye terms k1 to k4 alone and another "
            "pinhole. True maps have 518 columns, as there.",
            {"stride": 5, "depth_width": 518},
        ),
        "points-vggt": Setting(
            "Point maps of 10 photos, Umeyama alone (VGGT)",
            PointMaps(first="umeyama", icp=None, nearest=1e-4, farthest=float("inf"), normals=False),
            "Wang et al., VGGT, CVPR 2025, section 4.3; facebookresearch/vggt issues 45 and 282",
            _NOTE + "The source draws 10 photos of each scene at random and does not say which: here "
            "numpy.random.default_rng(42) draws them. Its official masks are in the depth maps already. True maps have "
            "518 columns.",
            {"draw": 10, "depth_width": 518},
        ),
        "pose": Setting(
            "Relative poses of all photos (Depth Anything 3)",
            RelativePose(fold=True, bins="numpy", auc=(30, 3)),
            _DA3,
            _DA3_NOTE.replace(_NOTE, "Here photos are the official undistorted ones."),
            {"limit": 100, "da3": True},
        ),
        "tsdf": Setting(
            "Fused surface of all photos (Depth Anything 3)",
            FusedSurface(voxel=4 / 512 * 5, truncation=0.2, threshold=0.25, down_sample=4 / 512 * 5),
            _DA3,
            _DA3_NOTE + _DA3_MESH,
            {"limit": 100, "da3": True, "depth_width": 1550, "scans": True},
        ),
        "tsdf-posed": Setting(
            "Fused surface of all photos, cameras given (Depth Anything 3)",
            FusedSurface(voxel=4 / 512 * 5, truncation=0.2, threshold=0.25, down_sample=4 / 512 * 5, poses="true"),
            _DA3,
            _DA3_NOTE + _DA3_MESH,
            {"limit": 100, "da3": True, "depth_width": 1550, "scans": True, "posed": True},
        ),
        "official": Setting(
            "Official accuracy, completeness and F1, cameras given",
            Eth3dOfficial(),
            "https://www.eth3d.net, ETH3D/multi-view-evaluation:README.md",
            _NOTE + "All photos, with the official cameras, as the benchmark gives them to methods of stereo.",
            {"depth_width": 1550, "scans": True, "posed": True},
        ),
        "depth": Setting(
            "Depth of all photos, one median factor a scene",
            Depth(align="median", per="sequence"),
            "ours: of depth on ETH3D sources publish tuples (RobustMVD, a benchmark of its own here) or single photos",
            _NOTE + "True maps have 1550 columns.",
            {"depth_width": 1550},
        ),
        "mono": Setting(
            "Depth of single photos, scale and shift of each",
            Depth(align="scale_shift_ls", per="image", nearest=1e-5, clip=(1e-5, float("inf")), pool="images"),
            "HengyiWang/amb3r:benchmark/eval_monodepth.py, after prs-eth/Marigold",
            "The 454 original, distorted photos with their depth, as in the source. True maps have 1512 columns, a "
            "quarter of the photo's; means are over photos and then over scenes, in the source over all photos.",
            {"depth_width": 1512, "original": True},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        options = self.settings[setting].options or {}
        photos = ORIGINAL if options.get("original") else UNDISTORTED
        wanted = [f"{_CALIBRATION[photos]}/cameras.txt", f"{_CALIBRATION[photos]}/images.txt", f"images/{photos}"]
        if "depth_width" in options:
            wanted += [f"{_CALIBRATION[ORIGINAL]}/cameras.txt", f"{_CALIBRATION[ORIGINAL]}/images.txt", _DEPTHS]
        if options.get("scans"):
            wanted.append(_SCANS)

        def missing(scene: str) -> str | None:
            return next((f"{scene}/{path}" for path in wanted if not (root / scene / path).exists()), None)

        return find_scenes(self, root, DA3_SCENES if options.get("da3") else SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`. Photos are in order of their names."""
        chosen, folder = self.settings[setting], root / scene
        options = chosen.options or {}
        kind = ORIGINAL if options.get("original") else UNDISTORTED
        calibrated = read_calibration(folder / _CALIBRATION[kind])
        names = _select(sorted(calibrated), scene, chosen)
        if not names:
            raise InputError(f"{str(folder / _CALIBRATION[kind] / 'images.txt')!r} lists no photo.")
        photos = [calibrated[name] for name in names]
        files = tuple(require_file(folder / "images" / kind / name, "a photo") for name in names)
        K = np.stack([photo.camera.intrinsics for photo in photos])
        poses = np.linalg.inv(np.stack([photo.cam_from_world for photo in photos]))
        project, mesh = folder / _SCANS, folder / _MESH
        scans = bool(options.get("scans"))
        truth = Truth(
            K,
            poses,
            _depths(folder, photos, chosen) if "depth_width" in options else (),
            cloud=(lambda: np.concatenate([points for _, points in read_scans(project)])) if scans else None,
            mesh=mesh if options.get("da3") and scans and mesh.is_file() else None,
            extra={"scans": lambda: read_scans(project)} if scans else {},
        )
        given: dict[str, Any] = {"intrinsics": K, "world_from_cam": poses} if options.get("posed") else {}
        return Task(scene, Inputs(files, "single" if kind == ORIGINAL else "views", **given), truth)


def _select(names: list[str], scene: str, setting: Setting) -> list[str]:
    options = setting.options or {}
    if options.get("da3"):
        names = [name for name in names if not name.endswith(DA3_LEFT_OUT.get(scene, ()))]
    if "stride" in options:
        chosen = strided(len(names), whole_option(setting, "stride"))
    elif "draw" in options:
        chosen = drawn(len(names), whole_option(setting, "draw"))
    else:
        chosen = shuffled(len(names), whole_option(setting, "limit") if "limit" in options else len(names))
    return [names[index] for index in chosen]


def _depths(folder: Path, photos: list[Eth3dPhoto], setting: Setting) -> tuple[Any, ...]:
    """Readers; None for photos without a file, as ETH3D has them for a few."""
    originals = read_calibration(folder / _CALIBRATION[ORIGINAL])
    width = whole_option(setting, "depth_width")
    readers: list[Any] = []
    for photo in photos:
        path = folder / _DEPTHS / photo.name
        if photo.name not in originals:
            raise InputError(f"{str(folder / _CALIBRATION[ORIGINAL] / 'images.txt')!r} has no {photo.name}.")
        original = originals[photo.name].camera
        if not path.is_file():
            readers.append(None)
        elif (setting.options or {}).get("original"):
            readers.append(raw_depth_reader(path, original, width))
        else:
            readers.append(undistorted_reader(path, original, photo.camera, width))
    if not any(readers):
        raise InputError(f"{str(folder / _DEPTHS)!r} has no depth of {photos[0].name} or any other photo.")
    return tuple(readers)
