"""RobustMVD: depth of one key view with source views around it, on five data sets.

Its lists of samples are pickles, which are not opened here: a pickle runs whatever it holds. In an environment with the
`rmvd` package, which opens them anyway, these lines write them as the JSON that is read here:

    import json
    from rmvd import create_dataset

    for name in ("eth3d", "kitti", "dtu", "scannet", "tanks_and_temples"):
        rows = []
        for sample in create_dataset(f"{name}.robustmvd.mvd").samples:
            data, view = sample.data, sample.data["images"][0]
            row = {"base": getattr(sample, "base", ""), "images": [image.path for image in data["images"]]}
            row |= {"key": int(data["keyview_idx"]), "depth": data["depth"].path}
            row["intrinsics"] = [K.tolist() for K in data["intrinsics"]]
            row["cam_from_ref"] = [pose.tolist() for pose in data["poses"]]
            if hasattr(view, "width"):
                row["size"] = [view.width, view.height]
            rows.append(row)
        with open(f"{name}.robustmvd.json", "w") as file:
            json.dump({"samples": rows}, file)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import resized_intrinsics

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_array, depth_picture
from ..layouts.mvsnet import read_pfm
from ..layouts.photo_files import photo_size
from ..layouts.tree import find_scenes, require_file
from ..protocols.depth import Depth
from ..task import Inputs, Task, Truth

COUNTS = {"eth3d": 104, "kitti": 93, "dtu": 110, "scannet": 200, "tanks_and_temples": 69}
"""Samples of each data set: `lmb-freiburg/robustmvd:rmvd/data/README.md`."""

_TITLES = {"eth3d": "ETH3D", "kitti": "KITTI", "dtu": "DTU", "scannet": "ScanNet", "tanks_and_temples": "T&T"}

_SOURCE = (
    "lmb-freiburg/robustmvd:rmvd/eval/robust_mvd_benchmark.py, :rmvd/eval/multi_view_depth_evaluation.py, "
    ":rmvd/eval/metrics.py"
)
_NOTE = (
    "All source views at once. Published figures come from a search that uses the truth: source views are ordered by "
    "how well each one alone does, more and more of them are given, and the best result of each sample is kept "
    '("quasi-optimal"). That search is not done here, so AbsRel here is higher for the same method.'
)


def _settings() -> dict[str, Setting]:
    shared = {"per": "image", "clip": (0.1, 100.0), "inlier_ratio": 1.03, "pool": "images", "missing": "fail"}
    median, metric = (Depth(align=align, **shared) for align in ("median", "none"))  # type: ignore[arg-type]
    settings = {}
    for name, title in _TITLES.items():
        short = name.split("_")[0]
        settings[short] = Setting(f"{title}, images only, median scale", median, _SOURCE, _NOTE, {"set": name})
    for name, title in _TITLES.items():
        note = f"Poses and intrinsics given, no depth range, no alignment. {_NOTE}"
        settings[f"{name.split('_')[0]}-posed"] = Setting(
            f"{title}, cameras given, not aligned", metric, _SOURCE, note, {"set": name, "posed": True}
        )
    return settings


class RobustMvd(Benchmark):
    """One scene is one sample: `eth3d+000` is the first one of ETH3D's list. Only the key view has a true depth.

    Poses and intrinsics are those of the list. Its authors do not state whether pixel centres are whole numbers; they
    are taken as they are.
    """

    name = "robustmvd"
    title = "RobustMVD"
    about = About(
        homepage="https://github.com/lmb-freiburg/robustmvd",
        licence="of each of the five data sets",
        paper="Schroeppel, Bechtold, Amiranashvili, Brox: A Benchmark and a Baseline for Robust Multi-view Depth "
        "Estimation, 3DV 2022",
        layout="""ROOT/                 the data sets as rmvd/data/README.md sets them up, under these names
  eth3d/              scripts/download_eth3d.sh
  kitti/              raw_data/ and depth_completion_prediction/
  dtu/                scripts/download_dtu.sh, scripts/convert_dtu.py
  scannet/            scripts/convert_scannet.py
  tanks_and_temples/  scripts/download_tanks_and_temples.sh
  eth3d.robustmvd.json, kitti.robustmvd.json, dtu.robustmvd.json, ...
                      the lists of samples: eval/benchmarks/robustmvd.py begins with the lines that write them
Of these, what belongs to the protocol that is run.""",
        layout_source="lmb-freiburg/robustmvd:rmvd/data/README.md, :rmvd/data/{eth3d,kitti,dtu,scannet,...}.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = _settings()

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        chosen = _set_of(self.settings[setting])
        names = tuple(f"{chosen}+{number:03d}" for number in range(COUNTS[chosen]))
        path = root / f"{chosen}.robustmvd.json"
        rows = _rows(path) if path.is_file() else []

        def missing(name: str) -> str | None:
            number = int(name.rpartition("+")[2])
            if number >= len(rows):
                return f"{path.name}, sample {number}" if rows else path.name
            sample = _sample(path, rows, number)
            absent = (file for file in (*sample.photos, sample.depth) if not file.is_file())
            return next((str(file.relative_to(root)) for file in absent), None)

        return find_scenes(self, root, names, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        chosen, _, number = scene.rpartition("+")
        path = root / f"{chosen}.robustmvd.json"
        sample = _sample(path, _rows(path), int(number))
        intrinsics = np.stack(
            [
                K if sample.size is None else resized_intrinsics(K, sample.size, photo_size(photo))
                for K, photo in zip(sample.intrinsics, sample.photos, strict=True)
            ]
        )
        reader = _DEPTHS[chosen](require_file(sample.depth, "a depth map"), sample.photos[sample.key])
        depths = tuple(reader if index == sample.key else None for index in range(len(sample.photos)))
        truth = Truth(intrinsics, np.linalg.inv(sample.cam_from_ref), depths)
        if (self.settings[setting].options or {}).get("posed"):
            inputs = Inputs(sample.photos, "views", truth.intrinsics, truth.world_from_cam)
        else:
            inputs = Inputs(sample.photos, "views")
        return Task(scene, inputs, truth)


@dataclass(frozen=True, eq=False)
class _Sample:
    photos: tuple[Path, ...]
    key: int
    depth: Path
    intrinsics: np.ndarray
    cam_from_ref: np.ndarray
    size: tuple[int, int] | None
    """Width and height for which the intrinsics are; None: of the photos."""


def _set_of(setting: Setting) -> str:
    return str((setting.options or {})["set"])


def _rows(path: Path) -> list[Any]:
    try:
        rows = json.loads(require_file(path, "the samples of a data set").read_text(encoding="utf-8"))["samples"]
        if not isinstance(rows, list):
            raise TypeError(f"`samples` is {type(rows).__name__}, not a list")
        return rows
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} is no list of samples: {error}. Write it again.") from error


def _sample(path: Path, rows: list[Any], number: int) -> _Sample:
    try:
        row = rows[number]
        base = path.parent / path.name.split(".")[0] / row["base"]
        photos = tuple(base / name for name in row["images"])
        intrinsics = np.array(row["intrinsics"], np.float64).reshape(len(photos), 3, 3)
        cam_from_ref = np.array(row["cam_from_ref"], np.float64).reshape(len(photos), 4, 4)
        if not 0 <= row["key"] < len(photos):
            raise ValueError(f"the key view is {row['key']} of {len(photos)}")
        size = (int(row["size"][0]), int(row["size"][1])) if "size" in row else None
        return _Sample(photos, int(row["key"]), base / row["depth"], intrinsics, cam_from_ref, size)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"Sample {number} of {str(path)!r} cannot be read: {type(error).__name__}: {error}. Expected base, images, "
            "key, depth, intrinsics (3x3 each) and cam_from_ref (4x4 each)."
        ) from error


def _eth3d_depth(path: Path, photo: Path) -> Callable[[], np.ndarray]:
    """Single precision without any header, infinite where unknown, of the photos before undistortion."""

    def read() -> np.ndarray:
        values = np.frombuffer(path.read_bytes(), "<f4") if path.stat().st_size % 4 == 0 else np.zeros(0)
        for width, height in (photo_size(photo), (6048, 4032)):
            if len(values) == width * height:
                return values.reshape(height, width)
        raise InputError(f"{str(path)!r} has {path.stat().st_size} bytes, which is no depth map of {str(photo)!r}.")

    return depth_array(read)


def _pfm_depth(path: Path, photo: Path) -> Callable[[], np.ndarray]:
    """Millimetres."""
    return depth_array(lambda: read_pfm(path) / np.float32(1000))


def _npz_depth(path: Path, photo: Path) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        try:
            with np.load(path, allow_pickle=False) as content:
                return content["arr_0"]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(f"Cannot read the depth map {str(path)!r}: {error}. Unpack it again.") from error

    return depth_array(read)


def _picture_depth(path: Path, photo: Path, units_per_step: float) -> Callable[[], np.ndarray]:
    return depth_picture(path, units_per_step)


_DEPTHS: Mapping[str, Callable[[Path, Path], Callable[[], np.ndarray]]] = {
    "eth3d": _eth3d_depth,
    "kitti": partial(_picture_depth, units_per_step=1 / 256),
    "dtu": _pfm_depth,
    "scannet": partial(_picture_depth, units_per_step=0.001),
    "tanks_and_temples": _npz_depth,
}
"""Readers of metres: `lmb-freiburg/robustmvd:rmvd/data/{eth3d,kitti,dtu,scannet,tanks_and_temples}.py`."""
