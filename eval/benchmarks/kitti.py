"""KITTI: drives with depth of accumulated laser scans; the validation drives of depth completion, and Eigen's split."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_picture
from ..layouts.frame_choice import whole_option
from ..layouts.photo_files import numbered_photos, photo_size
from ..layouts.tree import find_scenes, require_file
from ..protocols.depth import Depth
from ..protocols.video_depth import kind_of, video_depth_settings
from ..task import Inputs, Task, Truth

SCENES = (
    "2011_09_26_drive_0002_sync",
    "2011_09_26_drive_0005_sync",
    "2011_09_26_drive_0013_sync",
    "2011_09_26_drive_0020_sync",
    "2011_09_26_drive_0023_sync",
    "2011_09_26_drive_0036_sync",
    "2011_09_26_drive_0079_sync",
    "2011_09_26_drive_0095_sync",
    "2011_09_26_drive_0113_sync",
    "2011_09_28_drive_0037_sync",
    "2011_09_29_drive_0026_sync",
    "2011_09_30_drive_0016_sync",
    "2011_10_03_drive_0047_sync",
)
"""All drives of `val` in data_depth_annotated.zip: `Junyi42/monst3r:data/download_kitti.sh`."""

MOST = 110
"""`Junyi42/monst3r:datasets_preprocess/prepare_kitti.py`."""

EIGEN_LIST = "eigen_test_files_with_gt.txt"
EIGEN_PHOTOS, EIGEN_GROUP = 652, 4
"""Of 697 photos of Eigen's test split 652 have a depth map: 163 groups of 4. Groups of one size keep the mean over
groups the mean over photos."""
EIGEN_SCENES = tuple(f"eigen-{number:03d}" for number in range(1, EIGEN_PHOTOS // EIGEN_GROUP + 1))

METRES_PER_STEP = 1 / 256
_DEPTH = "proj_depth/groundtruth/image_02"
_BENCHMARK_SIZE = (352, 1216)
"""Height and width to which the data set's benchmark cuts its photos: bottom, and middle."""


class Kitti(Benchmark):
    """Left colour camera, rectified. Poses are not read: no protocol needs them.

    The true K is P_rect_02 of calib_cam_to_cam.txt where that file lies beside the drives, else unknown. Its authors do
    not state whether pixel centres are whole numbers; it is taken as it is.
    """

    name = "kitti"
    title = "KITTI depth"
    about = About(
        homepage="https://www.cvlibs.net/datasets/kitti/eval_depth_all.php",
        licence="CC BY-NC-SA 3.0",
        paper="Uhrig, Schneider, Schneider, Franke, Brox, Geiger: Sparsity Invariant CNNs, 3DV 2017",
        layout=f"""ROOT/
  val/2011_09_26_drive_0002_sync/{_DEPTH}/*.png     data_depth_annotated.zip, with val/ and train/
  2011_09_26/2011_09_26_drive_0002_sync/image_02/data/*.png     2011_09_26_drive_0002_sync.zip of the raw data
  2011_09_26/calib_cam_to_cam.txt                               2011_09_26_calib.zip; may be missing
The dates may lie in raw/, and the drives right in raw/ as well.
For eigen-affine, besides: train/, the drives of its list, and the list itself, a photo and a depth map in each line:
  {EIGEN_LIST}     cleinc/bts:train_test_inputs/eigen_test_files_with_gt.txt""",
        layout_source="devkit/readme.txt of data_depth_devkit.zip; Junyi42/monst3r:data/download_kitti.sh",
        size="depth 14 GB; raw data of the 13 drives of val, and of the 28 of Eigen's split, apart",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        **video_depth_settings(
            note="The first 110 depth maps of each of the 13 drives, camera image_02, and the photos of their numbers."
        ),
        "eigen-affine": Setting(
            "Eigen's test split, least-squares scale and shift per photo",
            Depth(
                align="scale_shift_ls",
                per="image",
                nearest=1e-5,
                farthest=80.0,
                clip=(1e-5, 80.0),
                resampling="bicubic",
                crop="eigen_kitti",
                pool="images",
            ),
            "HengyiWang/amb3r:benchmark/eval_monodepth.py, prs-eth/Marigold:src/dataset/kitti_dataset.py",
            "Photos and depth maps are cut to 1216x352 first, then Eigen's crop is taken of what is left, as there. "
            "The list is not ours to hand on: it is read from ROOT. Scenes are four photos of it, in its order.",
            {"kind": "single", "group": EIGEN_GROUP},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        if setting != "eigen-affine":
            return find_scenes(self, root, SCENES, only, lambda name: _missing_drive(root, name))
        path = root / EIGEN_LIST
        rows = read_eigen_list(path) if path.is_file() else []
        return find_scenes(self, root, EIGEN_SCENES, only, lambda name: _missing_group(root, rows, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        if setting == "eigen-affine":
            rows = _group(read_eigen_list(root / EIGEN_LIST), scene, whole_option(self.settings[setting], "group"))
            files = [(_found(root, photo), _found(root, depth)) for photo, depth in rows]
            parts = [_cut(photo, depth, scratch / "eigen") for photo, depth in files]
            photos, depths, offsets = (tuple(column) for column in zip(*parts, strict=True))
            intrinsics = np.stack([_intrinsics(photo) for photo, _ in files])
            intrinsics[:, :2, 2] -= np.array(offsets)
        else:
            folder = root / "val" / scene / _DEPTH
            maps = numbered_photos(folder, "depth maps of this drive")[:MOST]
            raw = _raw_folder(root, scene) or root / scene[:10] / scene
            photos = tuple(require_file(raw / "image_02/data" / path.name, "the photo of a depth map") for path in maps)
            depths = tuple(depth_picture(path, METRES_PER_STEP) for path in maps)
            intrinsics = np.stack([_intrinsics(photo) for photo in photos])
        truth = Truth(intrinsics, np.full((len(photos), 4, 4), np.nan), depths)
        return Task(scene, Inputs(photos, kind_of(self.settings[setting])), truth)


def read_eigen_list(path: Path) -> list[tuple[str, str]]:
    """Paths of a photo and of its depth map in each line; lines whose depth map is None are left out."""
    lines = [line.split() for line in require_file(path, "photos and depth maps").read_text().splitlines()]
    rows = [(words[0], words[1]) for words in lines if len(words) >= 2]
    if len(rows) != sum(map(bool, lines)):
        raise InputError(f"{str(path)!r} has a line of one word; expected a photo and its depth map in each.")
    return [(photo, depth) for photo, depth in rows if depth != "None"]


def _missing_drive(root: Path, name: str) -> str | None:
    if not (root / "val" / name / _DEPTH).is_dir():
        return f"val/{name}/{_DEPTH}"
    return None if _raw_folder(root, name) else f"{name[:10]}/{name}/image_02/data"


def _raw_folder(root: Path, drive: str) -> Path | None:
    places = (root / drive[:10] / drive, root / "raw" / drive[:10] / drive, root / "raw" / drive)
    return next((place for place in places if (place / "image_02/data").is_dir()), None)


def _group(rows: list[tuple[str, str]], name: str, size: int) -> list[tuple[str, str]]:
    first = (int(name.removeprefix("eigen-")) - 1) * size
    return rows[first : first + size]


def _missing_group(root: Path, rows: list[tuple[str, str]], name: str) -> str | None:
    if not rows:
        return EIGEN_LIST
    files = [path for row in _group(rows, name, EIGEN_GROUP) for path in row]
    if not files:
        return f"{EIGEN_LIST}, lines of {name}"
    return next((path for path in files if _find(root, path) is None), None)


def _find(root: Path, path: str) -> Path | None:
    places = (root / top / path.lstrip("/") for top in (".", "val", "train", "raw"))
    return next((place for place in places if place.is_file()), None)


def _found(root: Path, path: str) -> Path:
    found = _find(root, path)
    if found is None:
        raise InputError(f"No {path!r} in {str(root)!r} nor in its val, train or raw, which {EIGEN_LIST} lists.")
    return found


def _intrinsics(photo: Path) -> np.ndarray:
    """(3, 3) NaN where there is no calibration. A photo is `DATE/DRIVE/image_02/data/0000000005.png`."""
    date = photo.parents[3]
    path = date / "calib_cam_to_cam.txt"
    if not path.is_file():
        path = date / photo.parents[2].name[:10] / "calib_cam_to_cam.txt"
    if not path.is_file():
        return np.full((3, 3), np.nan)
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        return np.array(lines["P_rect_02"].split(), np.float64).reshape(3, 4)[:, :3].copy()
    except (KeyError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no calibration of KITTI: no P_rect_02 of 12 numbers. {error}") from error


def _cut(photo: Path, depth: Path, folder: Path) -> tuple[Path, Callable[[], np.ndarray], tuple[int, int]]:
    """The photo in the benchmark's size, a reader of the same part of the depth map, and the left upper corner."""
    from PIL import Image

    width, height = photo_size(photo)
    top, left = max(height - _BENCHMARK_SIZE[0], 0), max((width - _BENCHMARK_SIZE[1]) // 2, 0)
    bottom, right = top + min(height, _BENCHMARK_SIZE[0]), left + min(width, _BENCHMARK_SIZE[1])
    target = folder / f"{photo.parents[2].name}_{photo.stem}.png"
    if not target.is_file():
        with Image.open(photo) as image, atomic_path(target) as path:
            image.crop((left, top, right, bottom)).save(path)
    read = depth_picture(depth, METRES_PER_STEP)
    return target, lambda: read()[top:bottom, left:right], (left, top)
