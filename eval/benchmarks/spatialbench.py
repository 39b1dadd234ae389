"""SpatialBench: scenes of nineteen data sets in one layout, with few or many photos.

Its README counts about 10 photos in a medium scene and 13 in a dense one; the index has every 10th frame of a 7-Scenes
sequence (100) as medium and all 1000 as dense.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.ply_points import read_ply_points
from ..layouts.spatialbench_files import Filters, SceneFiles, depth_readers, flips, read_scene
from ..layouts.tree import find_scenes, require_root
from ..protocol import Protocol
from ..protocols.combined import Combined
from ..protocols.depth import Depth
from ..protocols.fused_surface import FusedSurface
from ..protocols.relative_pose import RelativePose
from ..protocols.trajectory import Trajectory
from ..task import Inputs, Kind, Task, Truth

DATASETS: Mapping[str, Filters] = {
    "7scenes": Filters(10.0),
    "adt": Filters(10.0),
    "droid": Filters(1.0),
    "dtu": Filters(3.0),
    "eth3d": Filters(30.0),
    "hiroom": Filters(10.0),
    "kitti_odometry": Filters(80.0),
    "lingbot": Filters(20.0),
    "nrgbd": Filters(10.0),
    "omniworld": Filters(50.0),
    "rlbench": Filters(3.0),
    "robolab": Filters(3.0),
    "robotwin": Filters(3.0),
    "ropedia": Filters(8.0, confidence=0.5, percentile=80.0),
    "scannetpp": Filters(10.0, masks=False),
    "tanks_and_temples": Filters(30.0),
    "tum": Filters(5.0),
    "vkitti": Filters(80.0),
    "waymo": Filters(50.0),
}
"""Which depths of each count: `Ropedia/SpatialBench:benchmark/datasets/data_readers.py`."""

INDEX = "all_scenes.json"
"""In the root: `Ropedia/SpatialBench:benchmark/scene_indices/all_scenes.json`."""

_HARNESS = "Ropedia/SpatialBench:benchmark/evaluation/"
_NOTE = (
    f"Scenes are those of {INDEX}, where it lies in the root, else all that are there; frames are those in the "
    "folders. Photos keep their size, where the source crops and scales them to a width of 518; estimates are compared "
    "at the size of the depth maps. Those that the source mirrors (RLBench) or undistorts (ScanNet++) are written anew."
)
_POSES = (
    " One median scale for all photos of a scene. Relative poses are composed as usual; the source composes matrices "
    "of world to camera as inv(E_i) E_j, so that its directions depend on the frame of the first camera. ATE is an "
    "RMSE after Sim(3) there and here; the source's RPE are means, ours RMSE."
)
_SURFACE = " The source aligns poses by their centres, without RANSAC."


def _views() -> Protocol:
    pose = RelativePose(fold=True, bins="numpy", auc=(30, 15, 5, 3), accuracy=(5, 3))
    return Combined((Depth(align="median", per="sequence"), pose, Trajectory()))


def _fused(
    voxel: float,
    truncation: float,
    *,
    down_sample: float,
    farthest: float = float("inf"),
    box_margin: float | None = None,
) -> Protocol:
    return FusedSurface(
        voxel,
        truncation,
        0.05,
        farthest=farthest,
        down_sample=down_sample,
        within_truth=False,
        box_margin=box_margin,
    )


class SpatialBench(Benchmark):
    """Peng et al. 2026."""

    name: ClassVar[str] = "spatialbench"
    title: ClassVar[str] = "SpatialBench"
    about: ClassVar[About] = About(
        homepage="https://huggingface.co/datasets/ropedia-ai/SpatialBenchmark",
        licence="of each data set; see the homepage",
        paper="Peng et al.: SpatialBench: Is Your Spatial Foundation Model an All-Round Player?, 2026",
        layout="ROOT/sparse/7scenes/chess_seq-05/0/   sparse.tar, and so single.tar, medium.tar and dense.tar\n"
        "          images/, depths/, poses/, intrinsics/, meta.json\n"
        "     pointcloud/7scenes/chess_seq-05/*.ply   pointcloud.tar; for `fscore` alone\n"
        f"     {INDEX}   optional: Ropedia/SpatialBench:benchmark/scene_indices/{INDEX}",
        layout_source="Ropedia/SpatialBench:README.md, :benchmark/README.md, :benchmark/datasets/data_readers.py",
        size="single 1.0 GiB, sparse 5.1, medium 19.4, dense 73.9, pointcloud 1.8",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "sparse": Setting(
            "Sparse: depth and poses",
            _views(),
            f"{_HARNESS}run_benchmark.py, metrics.py",
            _NOTE + _POSES,
            {"density": "sparse"},
        ),
        "single": Setting(
            "Single photos: depth",
            Depth(align="median", per="sequence"),
            f"{_HARNESS}run_benchmark.py, metrics.py",
            _NOTE,
            {"density": "single"},
        ),
        "medium": Setting(
            "Medium: depth and poses",
            _views(),
            f"{_HARNESS}run_benchmark.py, metrics.py",
            _NOTE + _POSES,
            {"density": "medium"},
        ),
        "dense": Setting(
            "Dense: depth and poses",
            _views(),
            f"{_HARNESS}run_benchmark.py, metrics.py",
            _NOTE + _POSES,
            {"density": "dense"},
        ),
        "fscore": Setting(
            "F-score, ScanNet++ and NRGBD",
            _fused(0.02, 0.15, down_sample=0.02, farthest=5.0, box_margin=0.1),
            f"{_HARNESS}metrics.py",
            _NOTE + _SURFACE,
            {"density": "medium", "datasets": ("scannetpp", "nrgbd")},
        ),
        "fscore-fine": Setting(
            "F-score, 7-Scenes and HiRoom",
            _fused(4 / 512, 0.04, down_sample=4 / 512),
            f"{_HARNESS}metrics.py",
            _NOTE + _SURFACE,
            {"density": "medium", "datasets": ("7scenes", "hiroom")},
        ),
        "fscore-dtu": Setting(
            "F-score, DTU",
            _fused(0.02, 0.15, down_sample=0.01, farthest=5.0, box_margin=0.1),
            f"{_HARNESS}metrics.py",
            _NOTE + _SURFACE,
            {"density": "medium", "datasets": ("dtu",)},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`. Names are the data set and the folders below it: `7scenes+chess_seq-05+0`."""
        require_root(self.title, self.about, root)
        density, datasets = self._options(setting)
        listed = _listed(root, density, datasets)
        if not listed:
            example = f"{density}/{datasets[0]}"
            return find_scenes(self, root, (f"any of {example}",), (), lambda _: f"{example}/.../meta.json")
        surface = setting.startswith("fscore")

        def missing(name: str) -> str | None:
            place = listed[name]
            if not (root / density / place / "meta.json").is_file():
                return f"{density}/{place}/meta.json"
            return f"pointcloud/{place}/*.ply" if surface and _reference(root, place) is None else None

        return find_scenes(self, root, tuple(listed), only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        density, datasets = self._options(setting)
        place = _listed(root, density, datasets)[scene]
        files = read_scene(root / density / place)
        K, photos = files.intrinsics.copy(), []
        for index in range(len(files.photos)):
            photo, K[index] = _upright(files, index, K[index], scratch / density / place)
            photos.append(photo)
        kinds: Mapping[str, Kind] = {"single": "single", "dense": "video"}
        reference = _reference(root, place) if setting.startswith("fscore") else None
        truth = Truth(
            K,
            files.world_from_cam,
            depth_readers(files, DATASETS[Path(place).parts[0]]),
            cloud=None if reference is None else partial(read_ply_points, reference),
            mesh=reference if reference is not None and _has_faces(reference) else None,
        )
        return Task(scene, Inputs(tuple(photos), kind=kinds.get(density, "views")), truth)

    def _options(self, setting: str) -> tuple[str, tuple[str, ...]]:
        options = self.settings[setting].options or {}
        datasets = options.get("datasets", tuple(DATASETS))
        if not isinstance(datasets, tuple):
            raise TypeError(f"Option 'datasets' of {setting!r} is {datasets!r}, expected names.")
        return str(options["density"]), datasets


def _listed(root: Path, density: str, datasets: tuple[str, ...]) -> dict[str, str]:
    """Folders below that of the density, by names of scenes."""
    index = root / INDEX
    if index.is_file():
        try:
            entries = json.loads(index.read_text(encoding="utf-8"))
            places = [
                f"{entry['source_dataset']}/{entry['scene_path']}"
                for entry in entries
                if entry["tags"]["view_density"] == density and entry["source_dataset"] in datasets
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{str(index)!r} is no index of scenes: {type(error).__name__}: {error}") from error
    else:
        found = [path for name in datasets for path in _scene_folders(root / density / name)]
        places = [path.relative_to(root / density).as_posix() for path in found]
    return {re.sub(r"[^A-Za-z0-9._+-]", "-", place.strip("/").replace("/", "+")): place for place in places}


def _scene_folders(folder: Path) -> Iterator[Path]:
    """Those with a meta.json, without a look into them: they may hold a thousand photos."""
    if (folder / "meta.json").is_file():
        yield folder
    elif folder.is_dir():
        for path in sorted(folder.iterdir()):
            yield from _scene_folders(path)


def _reference(root: Path, place: str) -> Path | None:
    """The cloud or mesh of a scene: in the folder of its name below pointcloud/, or of the nearest one above it; there,
    of several, the one whose name holds that of the next folder, unless this is a number."""
    dataset, *parts = Path(place).parts
    for end in range(len(parts), 0, -1):
        files = sorted((root / "pointcloud" / dataset).joinpath(*parts[:end]).glob("*.ply"))
        if files:
            named = [
                path for path in files if end < len(parts) and not parts[end].isdigit() and parts[end] in path.name
            ]
            return (named or files)[0]
    return None


def _has_faces(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(4096).split(b"end_header")[0]
    match = re.search(rb"element face (\d+)", header)
    return match is not None and int(match[1]) > 0


def _upright(scene: SceneFiles, index: int, K: np.ndarray, scratch: Path) -> tuple[Path, np.ndarray]:
    """The photo as its depth map and K have it: mirrored or undistorted in the scratch folder where it is not so."""
    photo = scene.photos[index]
    mirrored, upside_down = flips(scene, index)
    distorted = scene.meta.get("image_state") == "distorted_original"
    if not (mirrored or upside_down or distorted):
        return photo, K
    from PIL import Image

    written = scratch / f"{photo.stem}.png"
    with Image.open(photo) as image:
        width, height = image.size
        if not written.is_file():
            pixels = np.asarray(image.convert("RGB"))[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
            if distorted:
                pixels = _undistorted(np.ascontiguousarray(pixels), K, scene.folder / "intrinsics")
            scratch.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(written)
    K = K.copy()
    K[0, 2] = width - 1 - K[0, 2] if mirrored else K[0, 2]
    K[1, 2] = height - 1 - K[1, 2] if upside_down else K[1, 2]
    return written, K


def _undistorted(pixels: np.ndarray, K: np.ndarray, folder: Path) -> np.ndarray:
    """By OpenCV's lens in K_distorted.npy and distortion_coeffs.npy, to the pinhole K."""
    import cv2

    try:
        lens = [np.asarray(np.load(folder / name, allow_pickle=False), np.float64) for name in _LENS]
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the lens of {str(folder)!r}: {error}. Unpack this scene again.") from error
    return np.asarray(cv2.undistort(pixels, lens[0].reshape(3, 3), lens[1].ravel(), newCameraMatrix=K))


_LENS = ("K_distorted.npy", "distortion_coeffs.npy")
