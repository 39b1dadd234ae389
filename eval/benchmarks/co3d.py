"""Common Objects in 3D, version 2."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.readers.posed import rigid_pose

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_array
from ..layouts.frame_choice import drawn, whole_option
from ..layouts.frozen_frames import places, read_frozen
from ..layouts.tree import find_scenes, require_file, require_root
from ..protocols.combined import Combined
from ..protocols.depth import Depth
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

# fmt: off
CATEGORIES = (
    "apple", "backpack", "banana", "baseballbat", "baseballglove", "bench", "bicycle", "bottle", "bowl", "broccoli",
    "cake", "car", "carrot", "cellphone", "chair", "cup", "donut", "hairdryer", "handbag", "hydrant", "keyboard",
    "laptop", "microwave", "motorcycle", "mouse", "orange", "parkingmeter", "pizza", "plant", "stopsign", "teddybear",
    "toaster", "toilet", "toybus", "toyplane", "toytrain", "toytruck", "tv", "umbrella", "vase", "wineglass",
)
# fmt: on
"""The 41 categories of the tables: RelPose's training categories, `SEEN_CATEGORIES` of `facebookresearch/vggt`
(evaluation/test_co3d.py of its branch `evaluation`)."""

SET_LIST = "set_lists/set_lists_fewview_dev.json"
FROZEN = "CO3Dv2_relpose_seq-id-map_seed42.json"
QUALITY = 0.5
"""Sequences must have a `viewpoint_quality_score` above."""
LEAST_FRAMES = 50
"""Sequences must have so many frames in the list."""
FARTHEST = 1e5
"""VGGT leaves out a sequence with a camera whose x + y + z is above: its reconstruction has failed."""

_MARK = re.compile(r"\s*([\[,\]])\s*")

_RULE = (
    "Sequences are those of the part 'test' of set_lists_fewview_dev.json with a viewpoint_quality_score above 0.5 and "
    "at least 50 frames, as in VGGT's evaluation and then in Pi3's; the release is co3dv2_231130 (yyfz/Pi3#104). "
    "One with a camera beyond 1e5 has no true poses (VGGT leaves it out). VGGT draws its frames from one random stream "
    f"for all sequences and Pi3 froze them: if Pi3's datasets/seq-id-maps/{FROZEN} lies in the root, its frames are "
    "used; else 10 frames are drawn for each sequence alone with np.random.default_rng(42), and sorted."
)

_DEPTH = Combined((Depth(align="median", per="sequence"),), kept=("absrel", "d1", "d2", "d3", "log_rmse", "coverage"))
"""No lengths: their unit is another one in every sequence."""


class Co3d(Benchmark):
    """See `about`. Scenes are `category+sequence`; `category` alone names all of its sequences."""

    name = "co3d"
    title = "CO3Dv2"
    about = About(
        homepage="https://github.com/facebookresearch/co3d",
        licence="non-commercial (facebookresearch/co3d#100); the page of the download has the terms",
        paper="Reizenstein, Shapovalov, Henzler, Sbordone, Labatut, Novotny: Common Objects in 3D, ICCV 2021",
        layout=f"""\
ROOT/{FROZEN}    optional: Pi3's frames
ROOT/apple/frame_annotations.jgz
ROOT/apple/sequence_annotations.jgz
ROOT/apple/{SET_LIST}
ROOT/apple/110_13051_23361/images/frame000001.jpg
ROOT/apple/110_13051_23361/depths/frame000001.jpg.geometric.png
ROOT/apple/110_13051_23361/depth_masks/frame000001.png
(download_dataset.py unpacks it like this; depths and depth_masks only for the protocol depth)""",
        layout_source="facebookresearch/co3d:README.md, :co3d/dataset/data_types.py",
        size="5.5 TB, by category",
    )
    settings = {
        "pose": Setting(
            "Relative pose, 10 random frames",
            RelativePose(fold=True, bins="numpy", auc=(30, 15, 5, 3), accuracy=(15, 30)),
            source="facebookresearch/vggt:evaluation/test_co3d.py, :evaluation/preprocess_co3d.py (branch evaluation); "
            "yyfz/Pi3:relpose/ (branch evaluation), yyfz/Pi3#104",
            note=f"{_RULE} AUC@n has n bins of 1 degree, as in both sources. Every sequence counts the same, which is "
            "Pi3's mean over all pairs; VGGT's figure is the mean over categories.",
            options={"frames": 10, "seed": 42},
        ),
        "depth": Setting(
            "Multi-view depth, 10 random frames, one median scale a sequence",
            _DEPTH,
            source="ours: nobody publishes depth on CO3D with a stated protocol; the frames are those of `pose`",
            note=f"{_RULE} True depths are COLMAP's, where the data set's depth masks call them reliable.",
            options={"frames": 10, "seed": 42},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`. Reads the set lists of the categories that are asked for."""
        require_root(self.title, self.about, root)
        categories = find_scenes(
            self, root, CATEGORIES, tuple({name.split("+")[0] for name in only}), lambda name: _missing(root, name)
        )
        listed = [f"{category}+{sequence}" for category in categories for sequence in _sequences(root / category)]
        whole = {name for name in only if "+" not in name}
        wanted = tuple(name for name in listed if name in only or name.split("+")[0] in whole)
        unknown = tuple(name for name in only if "+" in name and name not in listed)
        return find_scenes(self, root, listed, wanted + unknown, lambda name: _without_photos(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`. What is needed of a category's frame annotations, hundreds of MB, is kept in `scratch`."""
        category, _, sequence = scene.partition("+")
        frames = _annotations(root, category, scratch).get(sequence)
        if frames is None:
            raise InputError(f"{SET_LIST} of {category!r} in {str(root)!r} lists no test frames of {sequence!r}.")
        paths = [frame["image"]["path"] for frame in frames]
        frozen = read_frozen(root / FROZEN) or {}
        if sequence in frozen:
            chosen = places(frozen[sequence], paths, root / FROZEN, scene)
        else:
            used = self.settings[setting]
            chosen = tuple(drawn(len(frames), whole_option(used, "frames"), whole_option(used, "seed")))
        photos = tuple(require_file(root / paths[i], f"photo {i} of {scene}") for i in chosen)
        where = root / category / "frame_annotations.jgz"
        cameras = [_camera(frame, where) for frame in frames]
        poses = np.stack([cameras[i][1] for i in chosen])
        if any(sum(frame["viewpoint"]["T"]) > FARTHEST for frame in frames):
            poses[:] = np.nan
        depths = tuple(_depth(root, frames[i]) for i in chosen) if setting == "depth" else ()
        return Task(scene, Inputs(photos), Truth(np.stack([cameras[i][0] for i in chosen]), poses, depths, unit=""))


def _missing(root: Path, category: str) -> str | None:
    files = (f"{category}/{name}" for name in ("frame_annotations.jgz", "sequence_annotations.jgz", SET_LIST))
    return next((file for file in files if not (root / file).is_file()), None)


def _without_photos(root: Path, scene: str) -> str | None:
    folder = scene.replace("+", "/") + "/images"
    return None if (root / folder).is_dir() else folder


def _sequences(folder: Path) -> tuple[str, ...]:
    """Names of a category's sequences that take part, in their order in the set list."""
    counts: dict[str, int] = {}
    for sequence, _, _ in _test_frames(folder):
        counts[sequence] = counts.get(sequence, 0) + 1
    annotations = _unpacked(folder / "sequence_annotations.jgz")
    try:
        # A score may be null.
        good = {entry["sequence_name"] for entry in annotations if (entry["viewpoint_quality_score"] or 0) > QUALITY}
    except (KeyError, TypeError) as error:
        raise _refusal(folder / "sequence_annotations.jgz", error) from error
    return tuple(name for name, count in counts.items() if name in good and count >= LEAST_FRAMES)


def _test_frames(folder: Path) -> list[tuple[str, int, str]]:
    """(sequence, number, path) of the frames of the part 'test'."""
    file = require_file(folder / SET_LIST, "a set list")
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["test"]
        return [(str(sequence), int(number), str(path)) for sequence, number, path in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refusal(file, error) from error


def _unpacked(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a list, one after the other: all of a category's frames at once would take gigabytes."""
    require_file(file, "annotations")
    decoder = json.JSONDecoder()
    try:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            text = stream.read()
        mark = _MARK.match(text)
        if mark is None or mark[1] != "[":
            raise ValueError("it is no list")
        while mark[1] != "]" and not text.startswith("]", mark.end()):
            entry, place = decoder.raw_decode(text, mark.end())
            yield entry
            mark = _MARK.match(text, place)
            if mark is None:
                raise ValueError(f"no comma at character {place}")
    except (OSError, EOFError, ValueError) as error:
        raise _refusal(file, error) from error


def _annotations(root: Path, category: str, scratch: Path) -> Mapping[str, list[dict[str, Any]]]:
    """Annotations of the frames in the part 'test', by sequences, in the order of the set list."""
    source = require_file(root / category / "frame_annotations.jgz", "annotations")
    state = source.stat()
    kept = scratch / f"{category}-{state.st_size}-{state.st_mtime_ns}.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    wanted = _test_frames(root / category)
    numbers = {(sequence, number) for sequence, number, _ in wanted}
    try:
        known = {}
        for entry in _unpacked(source):
            if (frame := (entry["sequence_name"], int(entry["frame_number"]))) in numbers:
                known[frame] = {key: entry.get(key) for key in ("image", "depth", "viewpoint")}
    except (KeyError, TypeError) as error:
        raise _refusal(source, error) from error
    if lost := numbers - known.keys():
        raise InputError(
            f"{str(source)!r} has no frame {min(lost)}, which {SET_LIST} lists. Unpack the category again."
        )
    frames: dict[str, list[dict[str, Any]]] = {}
    for sequence, number, _ in wanted:
        frames.setdefault(sequence, []).append(known[sequence, number])
    write_bytes(kept, json.dumps(frames).encode())
    return frames


def _camera(frame: Mapping[str, Any], file: Path) -> tuple[np.ndarray, np.ndarray]:
    """K in pixels and world_from_cam, of PyTorch3D's conventions.

    There points are rows, `x_cam = x_world @ R + T`, cameras look along +z with x to the left and y up, and the
    principal point is measured from the middle of the picture to the left and up. Normalised coordinates reach to the
    edges of the picture, so the centre of the first pixel is half a pixel inside.
    """
    try:
        height, width = (float(value) for value in frame["image"]["size"])
        view = frame["viewpoint"]
        half = np.array([width, height]) / 2
        kind = str(view.get("intrinsics_format", "ndc_norm_image_bounds")).lower()
        scale = {"ndc_norm_image_bounds": half, "ndc_isotropic": np.full(2, half.min())}[kind]
        focal = np.array(view["focal_length"], np.float64) * scale
        centre = half - np.array(view["principal_point"], np.float64) * scale - 0.5
        rotation = np.array(view["R"], np.float64).reshape(3, 3)
        translation = np.array(view["T"], np.float64).reshape(3)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _refusal(file, error) from error
    turned = np.diag([-1.0, -1.0, 1.0])
    cam_from_world = np.eye(4)
    cam_from_world[:3, :3] = turned @ rotation.T
    cam_from_world[:3, 3] = turned @ translation
    pose = rigid_pose(cam_from_world, f"A viewpoint in {str(file)!r}")
    K = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    return K, np.full((4, 4), np.nan) if pose is None else np.linalg.inv(pose)


def _depth(root: Path, frame: Mapping[str, Any]) -> Callable[[], np.ndarray] | None:
    """The picture's 16 bits are a float16, times the annotation's scale; the mask says where it is reliable."""
    entry = frame["depth"]
    if entry is None:
        return None
    file = require_file(root / entry["path"], "a depth map")
    mask = require_file(root / entry["mask_path"], "a depth mask") if entry.get("mask_path") else None

    def read() -> np.ndarray:
        bits = _picture(file).astype(np.uint16)
        depth = bits.view(np.float16).astype(np.float32) * np.float32(entry["scale_adjustment"])
        if mask is not None:
            reliable = _picture(mask) > 0
            if reliable.shape != depth.shape:
                raise InputError(f"{str(mask)!r} is of another size than {str(file)!r}.")
            depth = np.where(reliable, depth, np.float32(0))
        return depth

    return depth_array(read)


def _picture(file: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as image:
            values = np.asarray(image)
    except OSError as error:
        raise InputError(f"Cannot read {str(file)!r}: {error}") from error
    if values.ndim != 2:
        raise InputError(f"{str(file)!r} has {values.ndim} axes, expected rows and columns.")
    return values


def _refusal(file: Path, error: Exception) -> InputError:
    return InputError(
        f"Cannot read {str(file)!r}: {type(error).__name__}: {error}. Expected CO3Dv2's annotations; unpack it again."
    )
