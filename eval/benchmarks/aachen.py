"""Aachen Day-Night v1.1: localisation in a city; the poses of the queries are not public."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.sfm.cameras import pinhole_and_distortion, rotation_from
from pointmap.sfm.model_files import CAMERA_MODELS, CameraRecord, ModelFiles, read_binary, read_text

from ..benchmark import About, Benchmark, Setting
from ..estimate import Estimate
from ..layouts.frame_choice import whole_option
from ..layouts.mapped_queries import LOST, KnownPhoto, localization_task, read_poses, read_retrieval, submission_lines
from ..layouts.tree import find_scenes, require_file
from ..protocols.combined import Combined
from ..protocols.localization import Localization
from ..protocols.registered import Registered
from ..task import Task

SCENES = ("day", "night")

PHOTOS = "images_upright"
MODEL = "3D-models/aachen_v_1_1"
RETRIEVAL = "pairsfile/query/fire_top50.txt"
"""As `naver/dust3r:dust3r_visloc/README.md` names it."""
POSES = "query_poses.txt"
"""Of whoever has them, in the root: lines `name qw qx qy qz tx ty tz` of cam_from_world."""

_NOTE = (
    "The poses of the queries are not public: without them every error is unknown, and only how many queries got a "
    "pose can be told. Beside each scene a run leaves the file that "
    "https://www.visuallocalization.net/submission/ scores, where photos have their names without folders. Whoever has "
    f"poses puts them into {POSES} in the root. K are pinholes: radial distortion of the map's cameras and of the "
    "query lists is left out. COLMAP's pixels are shifted by -0.5."
)


class Aachen(Benchmark):
    """Sattler et al. 2018; v1.1: Zhang, Sattler, Scaramuzza 2021."""

    name: ClassVar[str] = "aachen"
    title: ClassVar[str] = "Aachen Day-Night v1.1"
    about: ClassVar[About] = About(
        homepage="https://www.visuallocalization.net",
        licence="see the README of the data set",
        paper="Sattler et al.: Benchmarking 6DOF Outdoor Visual Localization in Changing Conditions, CVPR 2018; Zhang, "
        "Sattler, Scaramuzza: Reference Pose Generation for Long-term Visual Localization via Learned Features and "
        "View Synthesis, IJCV 2021",
        layout=f"ROOT/{PHOTOS}/db/, query/, sequences/   database_and_query_images.zip and aachen_v1_1.zip, merged\n"
        f"     {MODEL}/cameras, images (.bin or .txt)\n"
        "     queries/day_time_queries_with_intrinsics.txt, night_time_queries_with_intrinsics.txt\n"
        f"     {RETRIEVAL}   optional, see naver/dust3r:dust3r_visloc/README.md\n"
        f"     {POSES}   optional: poses of queries, name qw qx qy qz tx ty tz of cam_from_world",
        layout_source="cvg/Hierarchical-Localization:hloc/pipelines/Aachen_v1_1/README.md, :pipeline.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "localization": Setting(
            "Localisation",
            Combined((Localization(((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))), Registered())),
            "https://www.visuallocalization.net/benchmark/; naver/mast3r:README.md (FIRe top50, 20 of them)",
            _NOTE,
            {"top": 20},
        )
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        return find_scenes(self, root, SCENES, only, lambda name: _missing(root, name))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        model = _read_model(root / MODEL)
        mapped = []
        for image in sorted(model.images.values(), key=lambda image: image.name):
            pose = np.eye(4)
            pose[:3, :3] = rotation_from(image.quaternion).T
            pose[:3, 3] = -pose[:3, :3] @ image.translation
            path = require_file(root / PHOTOS / image.name, "a photo of the map")
            K, _ = pinhole_and_distortion(model.cameras[image.camera_id])
            mapped.append(KnownPhoto(image.name, path, K, pose))
        poses = read_poses(root / POSES) if (root / POSES).is_file() else {}
        queries = []
        for name, K in read_query_list(root / _queries(scene)).items():
            pose = poses.get(name, poses.get(Path(name).name, LOST))
            queries.append(KnownPhoto(name, require_file(root / PHOTOS / name, "a query"), K, pose))
        pairs = root / RETRIEVAL
        return localization_task(
            scene,
            mapped,
            queries,
            retrieved=read_retrieval(pairs) if pairs.is_file() else None,
            top=whole_option(self.settings[setting], "top"),
            submit={query.name: Path(query.name).name for query in queries},
        )

    def submission(self, task: Task, estimate: Estimate) -> str:
        """Of the server."""
        return "".join(f"{line}\n" for line in submission_lines(task, estimate))


def _queries(scene: str) -> str:
    return f"queries/{scene}_time_queries_with_intrinsics.txt"


def _missing(root: Path, scene: str) -> str | None:
    if not any((root / MODEL / f"images{ending}").is_file() for ending in (".bin", ".txt")):
        return f"{MODEL}/images.bin"
    return next((path for path in (_queries(scene), PHOTOS) if not (root / path).exists()), None)


def _read_model(folder: Path) -> ModelFiles:
    """Cameras and photos; the points, which are many, are not needed."""
    binary = (folder / "images.bin").is_file()
    ending = ".bin" if binary else ".txt"
    cameras, images = (require_file(folder / f"{name}{ending}", "the model") for name in ("cameras", "images"))
    try:
        if binary:
            return read_binary(cameras.read_bytes(), images.read_bytes(), struct.pack("<Q", 0))
        return read_text(cameras.read_bytes(), images.read_bytes(), b"")
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"The COLMAP model in {str(folder)!r} is damaged: {error}. Download it again.") from error


def read_query_list(path: Path) -> dict[str, np.ndarray]:
    """(3, 3) pinhole K by name, of lines `name MODEL width height parameters` with COLMAP's cameras."""
    found = {}
    for line in require_file(path, "queries and their cameras").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, model, width, height, *params = line.split()
            if model not in CAMERA_MODELS or len(params) != CAMERA_MODELS[model][1]:
                raise ValueError(f"a camera {model} with {len(params)} parameters")
            camera = CameraRecord(model, int(width), int(height), tuple(map(float, params)))
            found[name], _ = pinhole_and_distortion(camera)
        except ValueError as error:
            raise InputError(
                f"{str(path)!r} is damaged: expected a photo, a camera's model, width, height and parameters, received "
                f"{line!r}. {error}"
            ) from error
    return found
