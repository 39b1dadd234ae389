"""NYU Depth V2: single photos of rooms; the 654 test photos of the labelled set."""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError
from pointmap.extras import require
from pointmap.geometry.conventions import resized_intrinsics

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_array
from ..layouts.tree import find_scenes, require_file
from ..protocols.depth import Depth
from ..protocols.video_depth import SINGLE_SOURCE
from ..task import Inputs, Task, Truth

LABELLED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"

COUNT, GROUP = 654, 6
"""Photos of the test set, and of a scene: 109 scenes. Groups of one size keep the mean over groups the mean over
photos."""
SCENES = tuple(f"test-{number:03d}" for number in range(1, COUNT // GROUP + 1))

_CAMERA, _PHOTO_SIZE = (518.857901, 519.469611, 325.582449, 253.736166), (640, 480)
"""fx fy cx cy of the colour camera in the data set's toolbox (camera_params.m), which counts pixels from 1
(rgb_plane2rgb_world.m)."""

_GROUPS = "Every photo by itself; scenes are six of them in the order of splits.mat."


class NyuV2(Benchmark):
    """Photos are unpacked into `scratch`, under their numbers in the labelled set, counted from 1."""

    name = "nyuv2"
    title = "NYU Depth V2"
    about = About(
        homepage="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
        licence="not stated here; see the homepage",
        paper="Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images, ECCV 2012",
        layout=f"""ROOT/
  {LABELLED}     1449 photos with depth maps
  {SPLITS}                   which are the test set: http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat""",
        layout_source="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
        size="2.8 GB",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "depth-median": Setting(
            "Median scale per photo",
            Depth(align="median", per="image", resampling="bicubic", weighted=True),
            SINGLE_SOURCE,
            "The source reads HDF5 copies of the 654 photos (`Junyi42/monst3r:datasets_preprocess/prepare_nyuv2.py`) "
            "and does not state whether their depth is raw or filled in; others found the filled one there "
            "(`zzangjinsun/NLSPN_ECCV20` issue 40). Here it is the filled one (`depths`), all of the picture. "
            + _GROUPS,
            {"depth": "depths"},
        ),
        "depth-affine": Setting(
            "Least-squares scale and shift per photo",
            Depth(
                align="scale_shift_ls",
                per="image",
                nearest=1e-3,
                farthest=10.0,
                clip=(1e-3, 10.0),
                resampling="bicubic",
                crop="eigen_nyu",
                pool="images",
            ),
            "HengyiWang/amb3r:benchmark/eval_monodepth.py, prs-eth/Marigold:src/dataset/nyu_dataset.py",
            "The sources take depth as the sensor gave it (`prs-eth/Marigold` issue 114): here `rawDepths`. " + _GROUPS,
            {"depth": "rawDepths"},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        present = [name for name in (LABELLED, SPLITS) if (root / name).is_file()]
        numbers = read_test_numbers(root / SPLITS) if len(present) == 2 else np.zeros(0, int)

        def missing(name: str) -> str | None:
            absent = next((file for file in (LABELLED, SPLITS) if file not in present), None)
            return absent or (None if len(_group(numbers, name)) else f"{SPLITS}, numbers of {name}")

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        numbers = _group(read_test_numbers(root / SPLITS), scene)
        path = root / LABELLED
        photos = tuple(_unpacked(path, number, scratch / "photos") for number in numbers)
        which = str((self.settings[setting].options or {})["depth"])
        depths: tuple[Callable[[], np.ndarray], ...] = tuple(
            depth_array(partial(_read, path, which, number)) for number in numbers
        )
        fx, fy, cx, cy = _CAMERA
        K = np.array([[fx, 0, cx - 1], [0, fy, cy - 1], [0, 0, 1]])
        K = resized_intrinsics(K, _PHOTO_SIZE, _photo_size(path))
        truth = Truth(np.tile(K, (len(photos), 1, 1)), np.full((len(photos), 4, 4), np.nan), depths)
        return Task(scene, Inputs(photos, "single"), truth)


def read_test_numbers(path: Path) -> np.ndarray:
    """(n,) int numbers of the test photos in the labelled set, counted from 1, ascending.

    Raises:
        InputError: There is no such file, or it is no MATLAB file with `testNdxs`.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    unreadable = (MatReadError, OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError, zlib.error)
    try:
        return np.sort(loadmat(require_file(path, "the numbers of the test photos"))["testNdxs"].ravel().astype(int))
    except unreadable as error:
        raise InputError(f"{str(path)!r} is no MATLAB file with testNdxs: {error}. Download it again.") from error


def _group(numbers: np.ndarray, name: str) -> list[int]:
    first = (int(name.removeprefix("test-")) - 1) * GROUP
    return [int(number) for number in numbers[first : first + GROUP]]


def _unpacked(path: Path, number: int, folder: Path) -> Path:
    target = folder / f"{number:04d}.png"
    if not target.is_file():
        from PIL import Image

        image = np.ascontiguousarray(np.moveaxis(_read(path, "images", number, channels=True), 0, -1))
        with atomic_path(target) as temporary:
            Image.fromarray(image).save(temporary)
    return target


def _read(path: Path, name: str, number: int, *, channels: bool = False) -> np.ndarray:
    """(H, W) or (C, H, W) of one photo. MATLAB's arrays have their axes in reverse order in HDF5: number, (C,) W, H."""
    with _opened(path) as file:
        try:
            values = file[name][number - 1]
            if values.ndim != 2 + channels:
                raise ValueError(f"its shape is {values.shape}")
            return np.asarray(values.swapaxes(-1, -2))
        except (KeyError, ValueError, IndexError, OSError) as error:
            raise InputError(f"{str(path)!r} has no {name} of photo {number}: {error}. Download it again.") from error


def _photo_size(path: Path) -> tuple[int, int]:
    """Width and height."""
    with _opened(path) as file:
        _, width, height = file["depths"].shape
        return width, height


def _opened(path: Path) -> Any:
    h5py = require("h5py", extra="eval", purpose="NYU Depth V2")
    try:
        return h5py.File(require_file(path, "photos and depth maps"), "r")
    except OSError as error:
        raise InputError(f"{str(path)!r} is no HDF5 file: {error}. Download it again.") from error
