"""Cambridge Landmarks: five outdoor scenes, localisation by a map of posed photos."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.sfm.cameras import rotation_from

from ..benchmark import About, Benchmark, Setting
from ..estimate import photo_sizes
from ..layouts.frame_choice import whole_option
from ..layouts.mapped_queries import KnownPhoto, localization_task, read_retrieval
from ..layouts.tree import find_scenes, require_file
from ..protocols.localization import Localization
from ..task import Task

SCENES = ("GreatCourt", "KingsCollege", "OldHospital", "ShopFacade", "StMarysChurch")
"""Those that hloc, DUSt3R and ACE evaluate; the data set's sixth, Street, is in none of their lists."""

RETRIEVAL = "pairsfile/query/AP-GeM-LM18_top50.txt"
"""In the folder of a scene, as `naver/dust3r:dust3r_visloc/README.md` names it."""

_TOO_FAR = 10_000.0
"""Of the largest component of a translation, in metres."""

_SOURCE = "naver/mast3r:README.md, naver/dust3r:dust3r_visloc/README.md"
_NOTE = (
    "Truth are the poses that come with the data set; hloc and MASt3R take those of COLMAP models by Torsten Sattler "
    "(CambridgeLandmarks_Colmap_Retriangulated_1024px). Focal lengths are those of reconstruction.nvm and the "
    "principal point is the centre, as in nianticlabs/ace:datasets/setup_cambridge.py; NVM's radial distortion is left "
    "out: K is a pinhole, where hloc uses SIMPLE_RADIAL. Photos whose pose is further than 10 km off are left out, as "
    f"in ACE. The {RETRIEVAL} of each scene, where it is there, names the photos of the map (20 of them are used), "
    "else methods retrieve by themselves."
)


class Cambridge(Benchmark):
    """Kendall, Grimes, Cipolla 2015."""

    name: ClassVar[str] = "cambridge"
    title: ClassVar[str] = "Cambridge Landmarks"
    about: ClassVar[About] = About(
        homepage="https://www.repository.cam.ac.uk/items/53788265-cb98-42ee-b85b-7a0cbc8eddb3",
        licence="see its page at the repository of the University of Cambridge",
        paper="Kendall, Grimes, Cipolla: PoseNet: A Convolutional Network for Real-Time 6-DOF Camera Relocalization, "
        "ICCV 2015",
        layout="ROOT/KingsCollege/               KingsCollege.zip, and so for each scene\n"
        "     dataset_train.txt, dataset_test.txt\n"
        "     reconstruction.nvm\n"
        "     seq1/frame00001.png, ...\n"
        f"     {RETRIEVAL}   optional, see naver/dust3r:dust3r_visloc/README.md",
        layout_source="nianticlabs/ace:datasets/setup_cambridge.py, cvg/Hierarchical-Localization:"
        "hloc/pipelines/Cambridge/README.md",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "localization": Setting(
            "Localisation, all queries",
            Localization(),
            _SOURCE,
            _NOTE,
            {"query_stride": 1, "top": 20},
        ),
        "localization-tenth": Setting(
            "Localisation, every 10th query",
            Localization(),
            "ours: the same with the queries 0, 10, 20, ... of dataset_test.txt, for methods that are slow",
            _NOTE,
            {"query_stride": 10, "top": 20},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        return find_scenes(self, root, SCENES, only, lambda name: _missing(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        stride, top = (whole_option(self.settings[setting], name) for name in ("query_stride", "top"))
        folder = root / scene
        focals = read_focals(folder / "reconstruction.nvm")
        mapped = _photos(folder, "dataset_train.txt", focals)
        queries = _photos(folder, "dataset_test.txt", focals)[::stride]
        pairs = folder / RETRIEVAL
        return localization_task(
            scene, mapped, queries, retrieved=read_retrieval(pairs) if pairs.is_file() else None, top=top
        )


def _missing(root: Path, scene: str) -> str | None:
    names = ("dataset_train.txt", "dataset_test.txt", "reconstruction.nvm")
    return next((f"{scene}/{name}" for name in names if not (root / scene / name).is_file()), None)


def read_focals(path: Path) -> dict[str, float]:
    """Focal length in pixels of each photo of an NVM model, by its name without ending (its own are .jpg).

    Format: http://ccwu.me/vsfm/doc.html#nvm: after the version, the count of cameras, and for each the file, the focal
    length, a quaternion, the camera's centre, the radial distortion and 0.
    """
    lines = [line for line in require_file(path, "the model of VisualSFM").read_text().splitlines() if line.strip()]
    try:
        if not lines[0].startswith("NVM_V3"):
            raise ValueError(f"it begins with {lines[0][:20]!r}")
        cameras = [line.split() for line in lines[2 : 2 + int(lines[1])]]
        if len(cameras) != int(lines[1]):
            raise ValueError(f"it has {len(cameras)} of {lines[1]} cameras")
        return {words[0].rsplit(".", 1)[0]: float(words[1]) for words in cameras}
    except (ValueError, IndexError) as error:
        raise InputError(f"{str(path)!r} is no NVM_V3 model: {error}. Unpack this scene again.") from error


def _photos(folder: Path, name: str, focals: Mapping[str, float]) -> list[KnownPhoto]:
    """Of a list, in its order. A photo that is not in the model has no K."""
    path = require_file(folder / name, "photos and their poses")
    # Three lines of title come first: two of text and an empty one.
    lines = [line for line in path.read_text().splitlines()[3:] if line.strip()]
    posed = [(words, _pose(words, path)) for words in map(str.split, lines)]
    posed = [(words, pose) for words, pose in posed if np.abs(np.linalg.inv(pose)[:3, 3]).max() <= _TOO_FAR]
    files = [require_file(folder / words[0], f"a photo that {name} lists") for words, _ in posed]
    photos = []
    for (words, pose), file, size in zip(posed, files, photo_sizes(tuple(files)), strict=True):
        K = np.full((3, 3), np.nan)
        if (focal := focals.get(words[0].rsplit(".", 1)[0])) is not None:
            K = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
        photos.append(KnownPhoto(words[0], file, K, pose))
    return photos


def _pose(words: list[str], path: Path) -> np.ndarray:
    """world_from_cam of a line: file, camera's centre, quaternion w x y z of the rotation from world to camera."""
    try:
        values = np.array(words[1:], np.float64)
        if values.shape != (7,) or not np.isfinite(values).all() or not values[3:].any():
            raise ValueError(f"{len(words) - 1} numbers")
    except ValueError as error:
        raise InputError(
            f"{str(path)!r} is damaged: expected a photo, X Y Z and W P Q R, received {' '.join(words)!r}. {error}"
        ) from error
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation_from(values[3:]).T, values[:3]
    return pose
