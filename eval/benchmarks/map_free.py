"""Map-free relocalisation: one reference photo is the whole map, poses are metric."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import whole_option
from ..layouts.mapped_queries import KnownPhoto, localization_task, read_poses
from ..layouts.tree import find_scenes, require_file
from ..protocols.map_free import MapFree
from ..task import Task

SCENES = tuple(f"s{number:05d}" for number in range(460, 525))
"""The 65 of the validation split: 460 for training are numbered before, 130 for testing after them."""

_REFERENCE = "seq0/frame_00000.jpg"
_NOTE = (
    "The validation split: the poses of the test split are not public, it is scored at "
    "https://research.nianticlabs.com/mapfree-reloc-benchmark/ only. Each query is localised by itself: a method may "
    "not use other queries. Intrinsics are given; the source does not state where its pixels begin, and they are taken "
    "as written."
)


class MapFreeRelocalisation(Benchmark):
    """Arnold et al. 2022."""

    name: ClassVar[str] = "mapfree"
    title: ClassVar[str] = "Map-free Relocalisation"
    about: ClassVar[About] = About(
        homepage="https://research.nianticlabs.com/mapfree-reloc-benchmark/dataset",
        licence="see the page of the data set",
        paper="Arnold, Wynn, Vicente, Garcia-Hernando, Monszpart, Prisacariu, Turmukhambetov, Brachmann: Map-free "
        "Visual Relocalization: Metric Pose Relative to a Single Image, ECCV 2022",
        layout="ROOT/val/s00460/                 val.zip, 65 scenes s00460 to s00524\n"
        "     intrinsics.txt, poses.txt\n"
        "     seq0/frame_00000.jpg        the reference\n"
        "     seq1/frame_00000.jpg, ...   queries",
        layout_source="nianticlabs/map-free-reloc:README.md",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "single": Setting(
            "Single frames, validation split",
            MapFree(),
            "nianticlabs/map-free-reloc:README.md (every 5th query), :lib/datasets/mapfree.py, :benchmark/mapfree.py",
            _NOTE,
            {"query_stride": 5},
        ),
        "single-sparse": Setting(
            "Single frames, every 50th query",
            MapFree(),
            "ours: every 50th query where the leaderboard takes every 5th, for methods that are slow",
            _NOTE,
            {"query_stride": 50},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        return find_scenes(self, root, SCENES, only, lambda name: _missing(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        stride = whole_option(self.settings[setting], "query_stride")
        folder = root / "val" / scene
        intrinsics = read_intrinsics(folder / "intrinsics.txt")
        poses = read_poses(folder / "poses.txt")
        queries = sorted(name for name in poses if not name.startswith("seq0/"))[::stride]
        photos = []
        for name in (_REFERENCE, *queries):
            if name not in poses or name not in intrinsics:
                file = "intrinsics.txt" if name in poses else "poses.txt"
                raise InputError(f"{str(folder / file)!r} says nothing of {name!r}. Unpack val.zip again.")
            path = require_file(folder / name, "a photo that poses.txt lists")
            photos.append(KnownPhoto(name, path, intrinsics[name], poses[name]))
        return localization_task(scene, photos[:1], photos[1:], retrieved={name: [_REFERENCE] for name in queries})


def _missing(root: Path, scene: str) -> str | None:
    names = ("intrinsics.txt", "poses.txt", _REFERENCE)
    return next((f"val/{scene}/{name}" for name in names if not (root / "val" / scene / name).is_file()), None)


def read_intrinsics(path: Path) -> dict[str, np.ndarray]:
    """(3, 3) pinhole K of each photo, of lines `photo fx fy cx cy width height`."""
    found = {}
    for line in require_file(path, "intrinsics").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, *words = line.split()
            fx, fy, cx, cy, _, _ = map(float, words)
        except ValueError as error:
            raise InputError(
                f"{str(path)!r} is damaged: expected a photo, fx fy cx cy width height, received {line!r}."
            ) from error
        found[name] = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return found
