"""RealEstate10K: videos of houses from YouTube, with cameras by structure from motion."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.readers.posed import rigid_pose

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import drawn, whole_option
from ..layouts.frozen_frames import places, read_frozen
from ..layouts.photo_files import photo_size
from ..layouts.tree import find_scenes, require_file, require_root
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

FROZEN = "Re10K_relpose_seq-id-map_seed42.json"
ENDINGS = (".png", ".jpg")

_SCORING = RelativePose(fold=True, bins="numpy", auc=(30, 15, 5, 3), accuracy=(15, 30))
_FRAMES = (
    f"If Pi3's datasets/seq-id-maps/{FROZEN} lies in the root, its frames are used; else 10 frames are drawn for each "
    "sequence alone with np.random.default_rng(42), and sorted. AUC@n has n bins of 1 degree."
)
_MATTERS = (
    "The list of sequences matters: videos disappear from YouTube, lists of 1719, 1721 and 1800 sequences are in use, "
    "and VGGT has an AUC@30 of 77.6, 81.8 or 85.3 by who ran it (yyfz/Pi3#26)."
)


class RealEstate10K(Benchmark):
    """See `about`."""

    name: ClassVar[str] = "re10k"
    title: ClassVar[str] = "RealEstate10K"
    about: ClassVar[About] = About(
        homepage="https://google.github.io/realestate10k/",
        licence="cameras: see the page of the download; the videos belong to those who put them on YouTube",
        paper="Zhou, Tucker, Flynn, Fyffe, Snavely: Stereo Magnification, SIGGRAPH 2018",
        layout=f"""\
ROOT/test/000c3ab189999a83.txt                      of RealEstate10K.tar.gz: a video's address, then lines of
                                                    timestamp fx fy cx cy k1 k2 and 3 x 4 numbers
ROOT/frames/test/000c3ab189999a83/53453400.png      a frame by its timestamp in microseconds, or .jpg; extract them
                                                    with a tool of your own
ROOT/re10k_test_1719.txt, ROOT/re10k_test_1800.txt  for pose-1719 and pose-1800: names of sequences
ROOT/re10k_test.txt                                 optional, for pose: names of sequences
ROOT/{FROZEN}           optional: Pi3's frames""",
        layout_source="https://google.github.io/realestate10k/download.html; frames and lists: ours",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "pose": Setting(
            "Relative pose, 10 random frames, sequences as found",
            _SCORING,
            source="facebookresearch/vggt#45, facebookresearch/vggt#207; yyfz/Pi3:relpose/ (branch evaluation)",
            note="Sequences are those of re10k_test.txt in the root, or, without it, all in test/ whose "
            f"frames were extracted. {_MATTERS} {_FRAMES}",
            options={"frames": 10, "seed": 42, "list": "re10k_test.txt"},
        ),
        "pose-1719": Setting(
            "Relative pose, 10 random frames, Pi3's 1719 sequences",
            _SCORING,
            source="yyfz/Pi3:relpose/, :datasets/sequences/re10k_test_1719.txt (branch evaluation)",
            note=f"Sequences are those of re10k_test_1719.txt, which must lie in the root. {_MATTERS} {_FRAMES}",
            options={"frames": 10, "seed": 42, "list": "re10k_test_1719.txt"},
        ),
        "pose-1800": Setting(
            "Relative pose, 10 random frames, PoseDiffusion's sequences",
            _SCORING,
            source="facebookresearch/PoseDiffusion:pose_diffusion/datasets/re10k_test_1800.txt, which VGGT uses "
            "(facebookresearch/vggt#207)",
            note="Sequences are those of re10k_test_1800.txt, which must lie in the root; it is said to have 1832 "
            f"lines (facebookresearch/vggt#207). {_MATTERS} {_FRAMES}",
            options={"frames": 10, "seed": 42, "list": "re10k_test_1800.txt"},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        require_root(self.title, self.about, root)
        file = root / str((self.settings[setting].options or {})["list"])
        if file.is_file():
            names = [name.removesuffix(".txt") for name in file.read_text(encoding="utf-8").split()]
        elif setting == "pose":
            names = sorted(path.stem for path in (root / "test").glob("*.txt") if not _missing(root, path.stem))
        else:
            raise self._absent(root, f"its list {file.name} is missing")
        if not names:
            raise self._absent(root, "no sequence in test/ has frames")
        return find_scenes(self, root, names, only, lambda name: _missing(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        file = root / "test" / f"{scene}.txt"
        timestamps, normalised, cam_from_world = _read_cameras(file)
        frozen = read_frozen(root / FROZEN) or {}
        used = self.settings[setting]
        if scene in frozen:
            names = [f"{timestamp}" for timestamp in timestamps]
            chosen = list(places(frozen[scene], names, root / FROZEN, scene))
        else:
            chosen = drawn(len(timestamps), whole_option(used, "frames"), whole_option(used, "seed"))
        photos = tuple(_photo(root / "frames/test" / scene, timestamps[i]) for i in chosen)
        K = np.stack([_pixels(normalised[i], photo_size(photo)) for i, photo in zip(chosen, photos, strict=True)])
        poses = [rigid_pose(cam_from_world[i], f"The pose of frame {i} in {str(file)!r}") for i in chosen]
        lost = np.full((4, 4), np.nan)
        world_from_cam = np.stack([lost if pose is None else np.linalg.inv(pose) for pose in poses])
        return Task(scene, Inputs(photos), Truth(K, world_from_cam, unit=""))

    def _absent(self, root: Path, reason: str) -> InputError:
        return InputError(
            f"{str(root)!r} is not {self.title} as it is read here: {reason}.\nExpected:\n{self.about.layout}\n"
            f"Get it from {self.about.homepage}"
        )


def _missing(root: Path, scene: str) -> str | None:
    if not (root / "test" / f"{scene}.txt").is_file():
        return f"test/{scene}.txt"
    return None if (root / "frames/test" / scene).is_dir() else f"frames/test/{scene}"


def _photo(folder: Path, timestamp: int) -> Path:
    found = [folder / f"{timestamp}{ending}" for ending in ENDINGS if (folder / f"{timestamp}{ending}").is_file()]
    return found[0] if found else require_file(folder / f"{timestamp}.png", "a frame that was chosen (or its .jpg)")


def _read_cameras(file: Path) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Timestamps in microseconds, (n, 4) fx, fy, cx, cy as shares of width and height, (n, 3, 4) cam_from_world."""
    lines = require_file(file, "the cameras of a sequence").read_text(encoding="utf-8").splitlines()
    try:
        rows = [line.split() for line in lines[1:] if line.strip()]
        numbers = np.array([row[1:] for row in rows], np.float64)
        if numbers.ndim != 2 or numbers.shape[1] != 18:
            raise ValueError(f"{numbers.shape[1:]} numbers a line")
        return [int(row[0]) for row in rows], numbers[:, :4], numbers[:, 6:].reshape(-1, 3, 4)
    except ValueError as error:
        raise InputError(
            f"Cannot read the cameras in {str(file)!r}: {error}. Expected an address, then lines of 19 numbers."
        ) from error


def _pixels(normalised: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """K in pixels of a photo. 0 and 1 are its edges, and so the centre of the first pixel is half a pixel inside."""
    width, height = size
    fx, fy, cx, cy = normalised
    return np.array([[fx * width, 0, cx * width - 0.5], [0, fy * height, cy * height - 0.5], [0, 0, 1]])
