"""The process in which COLMAP runs as a baseline, with its own features, matches and default options.

It can abort, so it is a process of its own, with a limit of time: `run_colmap_process` starts this file's module as a
script, `python -m pointmap.eval.methods.colmap_process REQUEST.json RESULT.json`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.threads import thread_variables

from ..memory import peak_gib


@dataclass(frozen=True)
class ColmapRequest:
    """What COLMAP shall do."""

    photos: tuple[str, ...]
    """Files."""
    subsets: tuple[tuple[int, ...], ...]
    """Indices of photos that are mapped together, one model each; features and matches of photos depend on no other
    photos, so they are computed once."""
    threads: int = 1
    seed: int = 0
    mapper: Literal["incremental", "global"] = "incremental"
    matching: Literal["exhaustive", "sequential"] = "exhaustive"
    camera_model: str = ""
    """One of COLMAP's; "" takes its default."""
    intrinsics: tuple[tuple[float, float, float, float] | None, ...] = ()
    """Per photo fx, fy, cx, cy with the centre of the first pixel at (0, 0), which are kept; None where unknown; ()
    where none is known."""


@dataclass(frozen=True)
class ColmapPhoto:
    """A photo that is registered."""

    world_from_cam: list[list[float]]
    intrinsics: list[list[float]]
    """3x3 pinhole K, the centre of the first pixel at (0, 0), without the distortion that COLMAP finds."""
    focal: float
    """Mean of both focal lengths."""


@dataclass(frozen=True)
class ColmapModel:
    """The largest model of one subset."""

    photos: dict[int, ColmapPhoto]
    """By place in the subset."""
    seconds: float
    """Of mapping; of the first subset those of features and matches as well."""
    peak_gib: float
    """Of the process so far."""
    exif: int
    """Photos whose focal length COLMAP knew before."""
    models: int = 1
    """How many models the photos fell into."""


@dataclass(frozen=True)
class ColmapResult:
    """What was found, and why not all."""

    models: list[ColmapModel] = field(default_factory=list)
    error: Exception | None = None
    """Why subsets after the last one of `models` have none."""


def run_colmap_process(request: ColmapRequest, time_limit: float) -> ColmapResult:
    """Let COLMAP work until it is done, dies, or the time in seconds is over; never raises for these."""
    with tempfile.TemporaryDirectory(prefix="colmap-") as folder:
        request_path, result_path = Path(folder, "request.json"), Path(folder, "result.json")
        request_path.write_text(json.dumps(asdict(request)))
        # The package may be on the path of this process alone.
        environment = os.environ | thread_variables(request.threads)
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        command = [sys.executable, "-m", __name__, str(request_path), str(result_path)]
        error: Exception | None = None
        try:
            done = subprocess.run(
                command, env=environment, timeout=time_limit, capture_output=True, text=True, check=False
            )
            if done.returncode:
                words = done.stderr.strip().splitlines()
                error = RuntimeError(words[-1] if words else f"COLMAP ended with exit code {done.returncode}")
        except subprocess.TimeoutExpired:
            error = TimeoutError(f"gave up after {time_limit:.0f} s")
        found = json.loads(result_path.read_text()) if result_path.is_file() else []
    return ColmapResult([_model(entry) for entry in found], error)


def _model(entry: dict[str, Any]) -> ColmapModel:
    photos = {int(place): ColmapPhoto(**photo) for place, photo in entry.pop("photos").items()}
    return ColmapModel(photos=photos, **entry)


def reconstruct_subsets(request: ColmapRequest, folder: Path) -> Iterator[ColmapModel]:
    """The models of the subsets, each as soon as it is there. COLMAP's files go to a folder."""
    import pycolmap

    pycolmap.set_random_seed(request.seed)
    names = [f"{index:05d}{Path(photo).suffix.lower()}" for index, photo in enumerate(request.photos)]
    images, database = folder / "images", folder / "database.db"
    images.mkdir()
    for photo, name in zip(request.photos, names, strict=True):
        (images / name).write_bytes(Path(photo).read_bytes())

    start = time.perf_counter()
    fixed = _find_and_match(pycolmap, request, images, names, database)
    with pycolmap.Database.open(database) as content:
        cameras = {image.name: content.read_camera(image.camera_id) for image in content.read_all_images()}
    for number, subset in enumerate(request.subsets):
        chosen = [names[index] for index in subset]
        output = folder / f"models{number}"
        output.mkdir()
        models = _mapped(pycolmap, request, database, images, output, chosen, fixed)
        photos = {}
        if models:
            largest = max(models.values(), key=lambda model: model.num_reg_images())
            photos = {chosen.index(name): photo for name, photo in _photos(largest)}
        exif = sum(cameras[name].has_prior_focal_length for name in chosen if name in cameras)
        yield ColmapModel(photos, time.perf_counter() - start, peak_gib(), exif, len(models))
        start = time.perf_counter()


def _find_and_match(
    pycolmap: Any, request: ColmapRequest, images: Path, names: Sequence[str], database: Path
) -> set[int]:
    """Fill the database; returns the numbers of the cameras that are known."""
    threads, device = request.threads, pycolmap.Device.cpu
    reader = pycolmap.ImageReaderOptions()
    if request.camera_model:
        reader.camera_model = request.camera_model
    pycolmap.extract_features(
        database,
        images,
        camera_mode=pycolmap.CameraMode.PER_IMAGE if any(request.intrinsics) else pycolmap.CameraMode.AUTO,
        reader_options=reader,
        extraction_options=pycolmap.FeatureExtractionOptions(num_threads=threads),
        device=device,
    )
    fixed = set()
    if any(request.intrinsics):
        known = dict(zip(names, request.intrinsics, strict=True))
        with pycolmap.Database.open(database) as content:
            for image in content.read_all_images():
                values = known[image.name]
                if values is not None:
                    content.update_camera(_known_camera(pycolmap, content.read_camera(image.camera_id), values))
                    fixed.add(image.camera_id)
    match = pycolmap.match_exhaustive if request.matching == "exhaustive" else pycolmap.match_sequential
    match(database, matching_options=pycolmap.FeatureMatchingOptions(num_threads=threads), device=device)
    return fixed


def _known_camera(pycolmap: Any, camera: Any, values: tuple[float, float, float, float]) -> Any:
    fx, fy, cx, cy = values
    return pycolmap.Camera(
        camera_id=camera.camera_id,
        model="PINHOLE",
        width=camera.width,
        height=camera.height,
        params=[fx, fy, cx + 0.5, cy + 0.5],  # COLMAP's first pixel has its centre at 0.5
        has_prior_focal_length=True,
    )


def _mapped(
    pycolmap: Any,
    request: ColmapRequest,
    database: Path,
    images: Path,
    output: Path,
    chosen: Sequence[str],
    fixed: set[int],
) -> dict[int, Any]:
    shared = {"num_threads": request.threads, "random_seed": request.seed, "image_names": list(chosen)}
    # In its favour: by default a small model would not count beside another one.
    if request.mapper == "global":
        options = pycolmap.GlobalPipelineOptions(min_model_size=2, **shared)
        if fixed and all(request.intrinsics):  # it cannot keep some and refine others
            options.mapper.bundle_adjustment.refine_focal_length = False
            options.mapper.bundle_adjustment.refine_principal_point = False
            options.mapper.bundle_adjustment.refine_extra_params = False
        return pycolmap.global_mapping(database, images, output, options=options)
    options = pycolmap.IncrementalPipelineOptions(min_model_size=2, constant_cameras=fixed, **shared)
    return pycolmap.incremental_mapping(database, images, output, options=options)


def _photos(model: Any) -> Iterator[tuple[str, ColmapPhoto]]:
    for image in model.images.values():
        if image.has_pose:
            world_from_cam = np.vstack([image.cam_from_world().inverse().matrix(), [0, 0, 0, 1]])
            K = np.array(image.camera.calibration_matrix(), np.float64)
            K[:2, 2] -= 0.5
            yield (
                image.name,
                ColmapPhoto(world_from_cam.tolist(), K.tolist(), float(image.camera.mean_focal_length())),
            )


def _end_with_parent(parent: int) -> None:
    """A caller that is killed cannot stop COLMAP."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Command line of the process."""
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    request_path, result_path = (Path(argument) for argument in sys.argv[1:3])
    request = ColmapRequest(**json.loads(request_path.read_text()))
    found = []
    for part in reconstruct_subsets(request, request_path.parent):
        found.append(asdict(part))
        write_bytes(result_path, json.dumps(found).encode())  # COLMAP may abort at the next one


if __name__ == "__main__":
    main()
