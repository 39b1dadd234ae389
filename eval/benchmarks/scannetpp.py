"""ScanNet++ (version 2): undistorted photos of a DSLR camera and laser-scanned surfaces."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.images.sources import natural_key
from pointmap.sfm.cameras import rotation_from
from pointmap.sfm.model_files import read_text

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import shuffled, whole_option
from ..layouts.photo_files import photo_size
from ..layouts.rendered_depth import rendered, surface_samples
from ..layouts.tree import find_scenes, require_file, require_root
from ..protocols.dense_views import DenseViews
from ..protocols.fused_surface import FusedSurface
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

SPLIT = "splits/nvs_sem_val.txt"

# fmt: off
SCENES = (
    "7b6477cb95", "c50d2d1d42", "cc5237fd77", "acd95847c5", "fb5a96b1a2", "a24f64f7fb", "1ada7a0617", "5eb31827b7",
    "3e8bba0176", "3f15a9266d", "21d970d8de", "5748ce6f01", "c4c04e6d6c", "7831862f02", "bde1e479ad", "38d58a7a31",
    "5ee7c22ba0", "f9f95681fd", "3864514494", "40aec5fffa", "13c3e046d7", "e398684d27", "a8bf42d646", "45b0dac5e3",
    "31a2c91c43", "e7af285f7d", "286b55a2bf", "7bc286c1b6", "f3685d06a9", "b0a08200c9", "825d228aec", "a980334473",
    "f2dc06b1d2", "5942004064", "25f3b7a318", "bcd2436daf", "f3d64c30f8", "0d2ee665be", "3db0a1c8f3", "ac48a9b736",
    "c5439f4607", "578511c8a9", "d755b3d9d8", "99fa5c25e1", "09c1414f1b", "5f99900f09", "9071e139d9", "6115eddb86",
    "27dd4da69e", "c49a8c6cff",
)
# fmt: on
"""The validation split nvs_sem_val as public evaluation code lists it. The data set's own splits/nvs_sem_val.txt, where
it lies in the root, decides instead."""

# fmt: off
FUSED_SCENES = (
    "09c1414f1b", "1ada7a0617", "40aec5fffa", "3e8bba0176", "acd95847c5", "578511c8a9", "5f99900f09", "c4c04e6d6c",
    "f3d64c30f8", "7bc286c1b6", "c5439f4607", "286b55a2bf", "fb5a96b1a2", "7831862f02", "38d58a7a31", "bde1e479ad",
    "9071e139d9", "21d970d8de", "bcd2436daf", "cc5237fd77",
)
# fmt: on
"""Those of Depth Anything 3's bench, a part of the split (its src/depth_anything_3/utils/constants.py)."""

DEPTH_WIDTH = 876
"""Of rendered depth maps: half of the photos' width of 1752."""

_SAMPLES = 20_000
"""Vertices that stand for the surface where views are compared."""

_FRAMES = (
    "Photos are the undistorted DSLR ones of the data set that its transforms list under `frames` and do not call bad."
)
_IPHONE = (
    "Scenes, settings and the rule that draws 100 photos are Depth Anything 3's, but its photos are the iPhone's, "
    "with poses that its authors computed anew and publish apart: figures are not comparable with its table."
)
_RENDERED = f"True depths are rendered from mesh_aligned_0.05.ply, {DEPTH_WIDTH} pixels wide."


class ScanNetPP(Benchmark):
    """See `about`."""

    name: ClassVar[str] = "scannetpp"
    title: ClassVar[str] = "ScanNet++ v2"
    about: ClassVar[About] = About(
        homepage="https://kaldir.vc.in.tum.de/scannetpp/",
        licence="ScanNet++ Terms of Use, non-commercial: "
        "https://kaldir.vc.in.tum.de/scannetpp/static/scannetpp-terms-of-use.pdf",
        paper="Yeshwanth, Liu, Niessner, Dai: ScanNet++: A High-Fidelity Dataset of 3D Indoor Scenes, ICCV 2023",
        layout=f"""\
ROOT/{SPLIT}    optional: the scenes of dense-views
ROOT/data/7b6477cb95/dslr/resized_undistorted_images/DSC00001.JPG
                     dslr/nerfstudio/transforms_undistorted.json
                     dslr/colmap/images.txt
                     scans/mesh_aligned_0.05.ply    not for pose
(older downloads: `python -m dslr.undistort dslr/configs/undistort.yml` of github.com/scannetpp/scannetpp makes the
 undistorted photos and their transforms)""",
        layout_source="scannetpp/scannetpp:common/scene_release.py, :dslr/undistort.py, :README.md",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "tsdf": Setting(
            "Fused surface, at most 100 photos",
            FusedSurface(voxel=0.02, truncation=0.15, threshold=0.05, farthest=5.0, down_sample=0.02, box_margin=0.1),
            source="ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/scannetpp.py, "
            ":src/depth_anything_3/bench/evaluator.py, :src/depth_anything_3/utils/constants.py",
            note=f"{_IPHONE} {_FRAMES}",
            options={"frames": 100, "seed": 42},
        ),
        "pose": Setting(
            "Relative pose, at most 100 photos",
            RelativePose(fold=True, bins="numpy", auc=(30, 3), accuracy=(15, 5)),
            source="ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/evaluator.py, :bench/utils.py",
            note=f"{_IPHONE} {_FRAMES}",
            options={"frames": 100, "seed": 42},
        ),
        "dense-views": Setting(
            "Dense reconstruction, 8 views that see common parts",
            DenseViews(),
            source="facebookresearch/map-anything:benchmarking/dense_n_view/, "
            ":configs/dataset/scannetpp_wai/test/default.yaml",
            note="As in the source's sets, each view shares at least a quarter of what it sees with an earlier one, "
            "drawn with seed 777. The source has covisibilities of its own and so other sets; here a vertex of the "
            "surface is seen if it falls into the picture, within 5 m, and faces the camera. 8 views stand for the "
            f"source's 2 to 100. Scenes are those of {SPLIT}; the source's test scenes are not stated in its "
            f"repository. {_RENDERED} "
            f"{_FRAMES}",
            options={"frames": 8, "seed": 777, "covisibility": 0.25},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        require_root(self.title, self.about, root)
        names: tuple[str, ...] = FUSED_SCENES
        if setting == "dense-views":
            split = root / SPLIT
            names = tuple(split.read_text(encoding="utf-8").split()) if split.is_file() else SCENES
        return find_scenes(self, root, names, only, lambda scene: _missing(root, scene, mesh=setting != "pose"))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`. Depth maps are rendered when they are read, and kept in `scratch`."""
        folder = root / "data" / scene
        names, K, size = _photos(folder)
        poses = _poses(folder / "dslr/colmap/images.txt")
        names = [name for name in names if name in poses]
        if not names:
            raise InputError(f"No photo of {str(folder / 'dslr')!r} has a pose in colmap/images.txt. Unpack it again.")
        world_from_cam = np.stack([poses[name] for name in names])
        mesh = folder / "scans/mesh_aligned_0.05.ply"
        used = self.settings[setting]
        count, seed = whole_option(used, "frames"), whole_option(used, "seed")
        if setting == "dense-views":
            least = float(str((used.options or {})["covisibility"]))
            seen = _visibility(mesh, K, world_from_cam, size)
            chosen = connected_views(seen, count, least, seed)
        else:
            chosen = shuffled(len(names), count, seed)
        photos = tuple(folder / "dslr/resized_undistorted_images" / names[i] for i in chosen)
        for photo in photos:
            require_file(photo, "a photo")
        if photo_size(photos[0]) != size:
            raise InputError(f"{str(photos[0])!r} is not of the size {size} that transforms_undistorted.json states.")
        world_from_cam = world_from_cam[chosen]
        intrinsics = np.repeat(K[None], len(photos), axis=0)
        if setting == "pose":
            return Task(scene, Inputs(photos), Truth(intrinsics, world_from_cam))
        kept = scratch / scene
        depths = tuple(
            rendered(mesh, K, pose, size, kept / f"{photo.stem}-{DEPTH_WIDTH}.npz", width=DEPTH_WIDTH)
            for photo, pose in zip(photos, world_from_cam, strict=True)
        )
        return Task(scene, Inputs(photos), Truth(intrinsics, world_from_cam, depths, mesh=mesh))


def connected_views(seen: np.ndarray, count: int, least: float, seed: int) -> list[int]:
    """Draw views of which each shares what it sees with an earlier one.

    Args:
        seen: (views, samples) bool: which samples of the surface a view sees.
        count: Of views; fewer if no other shares enough.
        least: Share of what either of two views sees that the other must see, too.
    """
    random = np.random.default_rng(seed)
    counts = seen.sum(axis=1)
    common = seen.astype(np.float32) @ seen.T.astype(np.float32)
    enough = common >= least * np.maximum(counts[:, None], counts).clip(min=1)
    able = np.flatnonzero((enough.sum(axis=1) > 1) & (counts > 0))
    chosen = [int(random.choice(able if len(able) else len(seen)))]
    while len(chosen) < min(count, len(seen)):
        candidates = np.setdiff1d(np.flatnonzero(enough[chosen].any(axis=0)), chosen)
        if not len(candidates):
            break
        chosen.append(int(random.choice(candidates)))
    return chosen


def _missing(root: Path, scene: str, *, mesh: bool) -> str | None:
    wanted = [
        "dslr/resized_undistorted_images",
        "dslr/nerfstudio/transforms_undistorted.json",
        "dslr/colmap/images.txt",
    ]
    wanted += ["scans/mesh_aligned_0.05.ply"] if mesh else []
    return next((f"data/{scene}/{name}" for name in wanted if not (root / "data" / scene / name).exists()), None)


def _photos(folder: Path) -> tuple[list[str], np.ndarray, tuple[int, int]]:
    """Names of the photos that are not bad, their common K, and their width and height.

    The toolkit undistorts with OpenCV, which counts pixels from their centres, by intrinsics of COLMAP, which counts
    them from the corner. It thereby leaves K in COLMAP's convention (exactly so near the middle of the picture, where
    both cameras have nearly one focal length), and half a pixel is taken off.
    """
    file = require_file(folder / "dslr/nerfstudio/transforms_undistorted.json", "the photos' camera")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = [frame["file_path"].split("/")[-1] for frame in content["frames"] if not frame.get("is_bad", False)]
        fx, fy, cx, cy = (float(content[key]) for key in ("fl_x", "fl_y", "cx", "cy"))
        size = int(content["w"]), int(content["h"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Cannot read {str(file)!r}: {type(error).__name__}: {error}. Unpack this scene again."
        ) from error
    return sorted(names, key=natural_key), np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]]), size


def _poses(file: Path) -> dict[str, np.ndarray]:
    """World_from_cam by names of photos. COLMAP's world is that of the scan; the transforms' need not be."""
    try:
        images = read_text(b"", require_file(file, "the photos' poses").read_bytes(), b"").images
        poses = {}
        for image in images.values():
            cam_from_world = np.eye(4)
            cam_from_world[:3, :3] = rotation_from(image.quaternion)
            cam_from_world[:3, 3] = image.translation
            poses[image.name.split("/")[-1]] = np.linalg.inv(cam_from_world)
    except (ValueError, IndexError) as error:
        raise InputError(f"Cannot read {str(file)!r} as COLMAP's images: {error}. Unpack this scene again.") from error
    return poses


def _visibility(mesh: Path, K: np.ndarray, world_from_cam: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(views, samples) bool: samples of the surface in the picture, within 5 m, on the side that faces the camera."""
    points, normals = surface_samples(mesh, _SAMPLES, seed=0)
    inside = np.zeros((len(world_from_cam), len(points)), bool)
    facing = np.zeros_like(inside)
    for view, pose in enumerate(world_from_cam):
        offset = points - pose[:3, 3]
        camera = offset @ pose[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = (camera @ K.T)[:, :2] / camera[:, 2:]
        in_picture = ((pixels >= -0.5) & (pixels < np.array(size) - 0.5)).all(axis=-1)
        inside[view] = in_picture & (camera[:, 2] > 0) & (camera[:, 2] < 5.0)
        facing[view] = (offset * normals).sum(axis=-1) < 0
    # Most of what is in a picture faces the camera, whichever way the faces of the mesh go round.
    return inside & (facing if facing[inside].mean() > 0.5 else ~facing) if inside.any() else inside
