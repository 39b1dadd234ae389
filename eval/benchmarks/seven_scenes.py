"""7-Scenes: video of a Kinect in seven rooms; point maps, depth, poses, surfaces, localisation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import shuffled, strided, whole_option
from ..layouts.mapped_queries import KnownPhoto, localization_task, read_retrieval
from ..layouts.photo_files import photo_size
from ..layouts.seven_scenes_files import (
    count_frames,
    frame_file,
    pinhole,
    read_pose,
    read_sfm_poses,
    registered_reader,
    sensor_reader,
    sfm_file,
)
from ..layouts.tree import find_scenes, require_file
from ..protocols.depth import Depth
from ..protocols.fused_surface import FusedSurface
from ..protocols.localization import Localization
from ..protocols.points import PointMaps
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

SPLITS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "chess": {"train": (1, 2, 4, 6), "test": (3, 5)},
    "fire": {"train": (1, 2), "test": (3, 4)},
    "heads": {"train": (2,), "test": (1,)},
    "office": {"train": (1, 3, 4, 5, 8, 10), "test": (2, 6, 7, 9)},
    "pumpkin": {"train": (2, 3, 6, 8), "test": (1, 7)},
    "redkitchen": {"train": (1, 2, 5, 7, 8, 11, 13), "test": (3, 4, 6, 12, 14)},
    "stairs": {"train": (2, 3, 5, 6), "test": (1, 4)},
}
"""Sequences of each scene's TrainSplit.txt and TestSplit.txt."""

TEST_SEQUENCES = tuple(f"{scene}+seq-{number:02d}" for scene, split in SPLITS.items() for number in split["test"])

RETRIEVAL = ("pairsfile/query/APGeM-LM18_top20.txt", "pairfiles/query/APGeM-LM18_top20.txt")
"""In the folder of a scene: as `naver/dust3r:dust3r_visloc/README.md` names it, and as its code does."""

_RETRIEVED = 20

_PROJECTED = (
    "True depth is the sensor's as the colour camera sees it, f = 525 and the middle (320, 240): "
    "frame-*.depth.proj.png where it is there, otherwise projected from frame-*.depth.png when it is read, by the same "
    "computation. Poses are KinectFusion's, taken for those of the colour camera, as in the source."
)
_PI3 = (
    " In some copies of the source's reader the focal length is that of Neural RGB-D, 554.26: which one published "
    "figures were made with is not stated."
)
_WHOLE = (
    " The source crops photos before methods see them; here methods get the whole photo, and true maps are cropped."
)
_DA3 = "ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/datasets/sevenscenes.py, :utils/constants.py"
_DA3_NOTE = (
    "Frames of seq-01 (stairs: seq-02), of which 100 are taken as the source takes them (random.seed(42), shuffle, "
    "sort). f = 585, the depth sensor's, is taken for the photos, as in the source."
)
_POINTS: dict[str, Any] = {"kind": "sequence", "poses": "kinectfusion"}

Localised = Mapping[str, tuple[np.ndarray, float]]


class SevenScenes(Benchmark):
    """Shotton et al. 2013."""

    name: ClassVar[str] = "7scenes"
    title: ClassVar[str] = "7-Scenes"
    about: ClassVar[About] = About(
        homepage="https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/",
        licence="Microsoft Research's, see the homepage",
        paper="Shotton, Glocker, Zach, Izadi, Criminisi, Fitzgibbon: Scene Coordinate Regression Forests for Camera "
        "Relocalization in RGB-D Images, CVPR 2013",
        layout="ROOT/chess/                        chess.zip, and so for each scene; the zips inside unpacked as well\n"
        "     seq-01/frame-000000.color.png, .depth.png, .pose.txt, ...\n"
        "     seq-01/frame-000000.depth.proj.png  optional, by SimpleRecon's 7scenes_preprocessing.py\n"
        f"     {RETRIEVAL[0]}  optional, for localization\n"
        "ROOT/pgt/sfm/7scenes/chess_test.txt  for amb3r and localization-sfm: the folder pgt of\n"
        "                                     https://github.com/tsattler/visloc_pseudo_gt_limitations\n"
        "ROOT/meshes/chess.ply                for tsdf: 7Scenes/meshes of 7scenes.zip of\n"
        "                                     https://huggingface.co/datasets/depth-anything/DA3-BENCH",
        layout_source="the data set's homepage; HengyiWang/spann3r:spann3r/datasets/seven_scenes.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "points-sparse": Setting(
            "Point maps, every 200th frame (Pi3)",
            PointMaps(first="umeyama", icp=0.1, size=(518, 388)),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml",
            _PROJECTED + _PI3,
            {**_POINTS, "stride": 200},
        ),
        "points-dense": Setting(
            "Point maps, every 40th frame (Pi3)",
            PointMaps(first="umeyama", icp=0.1, size=(518, 388)),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml",
            _PROJECTED + _PI3,
            {**_POINTS, "stride": 40},
        ),
        "points-cut3r": Setting(
            "Point maps, every 200th frame (CUT3R)",
            PointMaps(first="normalised", icp=0.1, size=(512, 384), crop=224),
            "CUT3R/CUT3R:eval/mv_recon/launch.py",
            _PROJECTED,
            {**_POINTS, "stride": 200},
        ),
        "points-spann3r": Setting(
            "Point maps, every 20th frame (Spann3R)",
            PointMaps(first="normalised", icp=0.1, size=(224, 224)),
            "HengyiWang/spann3r:eval.py, :spann3r/datasets/seven_scenes.py",
            _PROJECTED + _WHOLE,
            {**_POINTS, "stride": 20},
        ),
        "amb3r": Setting(
            "Point maps, every 40th frame, COLMAP's poses (AMB3R)",
            PointMaps(first="median", icp=None, size=(518, 392), normals=False),
            "HengyiWang/amb3r:benchmark/eval_mvrecon.py, :benchmark/README.md",
            "Poses are those of tsattler/visloc_pseudo_gt_limitations; K is as in the other settings (f = 525), which "
            "the source does not state. " + _PROJECTED.split(" Poses")[0] + _WHOLE,
            {**_POINTS, "stride": 40, "poses": "sfm"},
        ),
        "depth": Setting(
            "Depth of every 40th frame, one median factor a sequence",
            Depth(align="median", per="sequence", nearest=1e-3, farthest=10.0),
            "ours: depth of the photos of points-dense; published figures of depth on 7-Scenes do not say their frames",
            _PROJECTED,
            {**_POINTS, "stride": 40},
        ),
        "pose": Setting(
            "Relative poses of 100 frames (Depth Anything 3)",
            RelativePose(fold=True, bins="numpy", auc=(30, 3)),
            _DA3,
            _DA3_NOTE,
            {"kind": "scene", "limit": 100, "mesh": False},
        ),
        "tsdf": Setting(
            "Fused surface of 100 frames (Depth Anything 3)",
            FusedSurface(voxel=4 / 512, truncation=0.04, threshold=0.05, down_sample=4 / 512),
            _DA3,
            _DA3_NOTE,
            {"kind": "scene", "limit": 100, "mesh": True},
        ),
        "tsdf-posed": Setting(
            "Fused surface of 100 frames, cameras given (Depth Anything 3)",
            FusedSurface(voxel=4 / 512, truncation=0.04, threshold=0.05, down_sample=4 / 512, poses="true"),
            _DA3,
            _DA3_NOTE,
            {"kind": "scene", "limit": 100, "mesh": True, "posed": True},
        ),
        "localization": Setting(
            "Localisation, every 50th query, poses of KinectFusion",
            Localization(thresholds=((0.05, 5.0), (0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))),
            "naver/dust3r:dust3r_visloc/README.md, naver/mast3r:README.md; frames are ours, for time",
            "The map is every 10th frame of the training sequences and, where a list of retrieved photos is there "
            f"({RETRIEVAL[0]}), the {_RETRIEVED} that it names for each query. f = 525 and the middle of the picture.",
            {"kind": "localization", "poses": "kinectfusion", "map_stride": 10, "query_stride": 50},
        ),
        "localization-sfm": Setting(
            "Localisation, every 50th query, COLMAP's poses",
            Localization(thresholds=((0.05, 5.0), (0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))),
            "Brachmann et al., ICCV 2021, tsattler/visloc_pseudo_gt_limitations; frames are ours, for time",
            "As localization, with poses and focal lengths of COLMAP; frames that it could not register are left out.",
            {"kind": "localization", "poses": "sfm", "map_stride": 10, "query_stride": 50},
        ),
        "localization-full": Setting(
            "Localisation, all frames, poses of KinectFusion",
            Localization(thresholds=((0.05, 5.0), (0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))),
            "naver/dust3r:dust3r_visloc/README.md, naver/mast3r:README.md",
            "All 26 000 training and 17 000 test frames. f = 525 and the middle of the picture.",
            {"kind": "localization", "poses": "kinectfusion", "map_stride": 1, "query_stride": 1},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`. Sequences for maps of points and depth (`heads+seq-01`), scenes for all else (`heads`)."""
        options = self.settings[setting].options or {}

        def missing(name: str) -> str | None:
            scene = name.split("+")[0]
            wanted = [frame_file(root / folder, 0, "color.png") for folder in _folders(name, options)]
            if options.get("mesh"):
                wanted.append(root / "meshes" / f"{scene}.ply")
            if options.get("poses") == "sfm":
                splits = ("test",) if options["kind"] == "sequence" else ("train", "test")
                wanted += [sfm_file(root, scene, split) for split in splits]
            return next((str(path.relative_to(root)) for path in wanted if not path.is_file()), None)

        names = TEST_SEQUENCES if options["kind"] == "sequence" else tuple(SPLITS)
        return find_scenes(self, root, names, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        chosen = self.settings[setting]
        options = chosen.options or {}
        if options["kind"] == "sequence":
            return _sequence(root, scene, chosen)
        if options["kind"] == "localization":
            return _localization(root, scene, chosen)
        sequence = root / _folders(scene, options)[0]
        frames = shuffled(count_frames(sequence), whole_option(chosen, "limit"))
        photos = _photos(sequence, frames)
        K = np.repeat(pinhole(585, photo_size(photos[0]), centre=0.0)[None], len(frames), 0)
        poses = np.stack([read_pose(sequence, frame) for frame in frames])
        truth = Truth(
            K,
            poses,
            tuple(sensor_reader(sequence, frame) for frame in frames),
            mesh=root / "meshes" / f"{scene}.ply" if options["mesh"] else None,
        )
        given: dict[str, Any] = {"intrinsics": K, "world_from_cam": poses} if options.get("posed") else {}
        return Task(scene, Inputs(photos, "video", **given), truth)


def _folders(name: str, options: Mapping[str, object]) -> list[str]:
    """Of the sequences that a scene of a setting is made of, relative to the root."""
    if options["kind"] == "sequence":
        return [name.replace("+", "/")]
    if options["kind"] == "scene":
        return [f"{name}/seq-{2 if name == 'stairs' else 1:02d}"]
    return [f"{name}/seq-{number:02d}" for split in ("train", "test") for number in SPLITS[name][split]]


def _photos(sequence: Path, frames: list[int]) -> tuple[Path, ...]:
    if not frames:
        raise InputError(f"No frame-*.color.png in {str(sequence)!r}. Unpack {sequence.name}.zip there.")
    return tuple(require_file(frame_file(sequence, frame, "color.png"), f"frame {frame}") for frame in frames)


def _sequence(root: Path, name: str, setting: Setting) -> Task:
    """Every so many frames of a test sequence, with depth of the colour camera."""
    scene, folder = name.split("+")
    sequence = root / scene / folder
    frames = strided(count_frames(sequence), whole_option(setting, "stride"))
    if (setting.options or {})["poses"] == "sfm":
        known = read_sfm_poses(root, scene, "test")
        frames = [frame for frame in frames if _listed(folder, frame) in known]
        poses = [known[_listed(folder, frame)][0] for frame in frames]
    else:
        poses = [read_pose(sequence, frame) for frame in frames]
    photos = _photos(sequence, frames)
    K = pinhole(525, photo_size(photos[0]), centre=0.0)
    depths = tuple(registered_reader(sequence, frame) for frame in frames)
    return Task(name, Inputs(photos, "video"), Truth(np.repeat(K[None], len(frames), 0), np.stack(poses), depths))


def _localization(root: Path, scene: str, setting: Setting) -> Task:
    """Training frames as the map, test frames as queries."""
    by_sfm = (setting.options or {})["poses"] == "sfm"
    found = next((root / scene / name for name in RETRIEVAL if (root / scene / name).is_file()), None)
    retrieved = None if found is None else read_retrieval(found)
    names = {split: _split_names(root, scene, split, whole_option(setting, f"{split}_stride")) for split in _STRIDES}
    if retrieved is not None:
        wanted = {name for query in names["query"] for name in retrieved.get(query, ())[:_RETRIEVED]}
        names["map"] = sorted({*names["map"], *wanted})
    size = photo_size(root / scene / names["query"][0]) if names["query"] else (0, 0)
    photos: dict[str, list[KnownPhoto]] = {}
    for split, folder in _STRIDES.items():
        known = read_sfm_poses(root, scene, folder) if by_sfm else None
        made = (_known_photo(root / scene, name, known, size) for name in names[split])
        photos[split] = [photo for photo in made if photo is not None]
    if retrieved is not None and by_sfm:
        there = {photo.name for photo in photos["map"]}
        retrieved = {query: [name for name in found if name in there] for query, found in retrieved.items()}
    return localization_task(scene, photos["map"], photos["query"], retrieved=retrieved, top=_RETRIEVED)


_STRIDES = {"map": "train", "query": "test"}


def _split_names(root: Path, scene: str, role: str, stride: int) -> list[str]:
    """Of every so many frames of each sequence, as lists name them."""
    folders = [f"seq-{number:02d}" for number in SPLITS[scene][_STRIDES[role]]]
    return [
        _listed(folder, frame) for folder in folders for frame in strided(count_frames(root / scene / folder), stride)
    ]


def _listed(folder: str, frame: int) -> str:
    return f"{folder}/frame-{frame:06d}.color.png"


def _known_photo(scene: Path, name: str, sfm: Localised | None, size: tuple[int, int]) -> KnownPhoto | None:
    """None for a frame that COLMAP could not register. `size` is that of all photos."""
    path = require_file(scene / name, "a frame")
    if sfm is None:
        pose, focal = read_pose(path.parent, int(path.name[6:12])), 525.0
    elif name in sfm:
        pose, focal = sfm[name]
    else:
        return None
    return KnownPhoto(name, path, pinhole(focal, size, centre=0.5), pose)
