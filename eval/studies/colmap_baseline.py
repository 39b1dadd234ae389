"""Classical structure from motion on the same photos: incremental COLMAP through pycolmap.

SIFT, exhaustive matching and mapping with COLMAP's default options, on the CPU, focal lengths from EXIF where COLMAP
finds them; of several models the largest counts. It runs in a process of its own, since it can abort, with a limit of
time. As a script it is that process: `python eval/studies/colmap_baseline.py REQUEST.json RESULT.json`.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

if not __package__:  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.atomic import write_bytes
from pointmap.errors import InputError

from ..ground_truth import GroundTruth
from ..memory import peak_gib
from .rows import Estimate, Row, failure, score

METHOD = "COLMAP"


def is_available() -> bool:
    """Whether pycolmap is installed."""
    return find_spec("pycolmap") is not None


def run_colmap(
    truth: GroundTruth, subsets: Sequence[np.ndarray], *, threads: int = 1, time_limit: float = 1200.0, seed: int = 0
) -> list[Row]:
    """Reconstruct all photos and each of some subsets of them, and score the poses.

    Features and matches of photos depend on no other photos, so they are computed once.

    Args:
        subsets: Indices of photos.
        threads: Of every stage.
        time_limit: Seconds until what is not done is given up.

    Returns:
        The row of all photos, whose time is that of everything, and one row per subset, with that of mapping alone.
        Whatever goes wrong becomes a row that says why.

    Raises:
        InputError: pycolmap is not installed.
    """
    if not is_available():
        raise InputError("The COLMAP baseline needs pycolmap. Install it with: pip install pycolmap")
    everything = np.arange(len(truth.files))
    with tempfile.TemporaryDirectory(prefix="colmap-") as folder:
        request, result = Path(folder, "request.json"), Path(folder, "result.json")
        content = {
            "photos": [str(file.resolve()) for file in truth.files],
            "subsets": [subset.tolist() for subset in (everything, *subsets)],
            "threads": threads,
            "seed": seed,
        }
        request.write_text(json.dumps(content))
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, str(request), str(result)]
        try:
            done = subprocess.run(
                command, env=environment, timeout=time_limit, capture_output=True, text=True, check=False
            )
            reason: Exception = RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        except subprocess.TimeoutExpired:
            reason = TimeoutError(f"gave up after {time_limit:.0f} s")
        found = json.loads(result.read_text()) if result.is_file() else []
    rows = []
    for number, subset in enumerate((everything, *subsets)):
        part = truth.select(subset)
        rows.append(_row(part, found[number]) if number < len(found) else failure(part, METHOD, reason))
    return rows


def _row(truth: GroundTruth, found: dict) -> Row:
    missing = [[math.nan] * 4] * 4
    photos = [found["photos"].get(str(index)) for index in range(len(truth.files))]
    estimate = Estimate(
        np.array([missing if photo is None else photo["world_from_cam"] for photo in photos], np.float64),
        np.array([math.nan if photo is None else photo["focal"] for photo in photos]),
        exif=found["exif"],
    )
    return score(truth, estimate, method=METHOD, seconds=found["seconds"], peak_gib=found["peak_gib"])


def reconstruct_subsets(request: dict, folder: Path) -> Iterator[dict]:
    """Per subset the poses and focal lengths of the registered photos, by their place in it, as plain JSON values."""
    import pycolmap

    threads, seed, device = request["threads"], request["seed"], pycolmap.Device.cpu
    pycolmap.set_random_seed(seed)
    names = [f"{index:05d}{Path(photo).suffix.lower()}" for index, photo in enumerate(request["photos"])]
    images, database = folder / "images", folder / "database.db"
    images.mkdir()
    for photo, name in zip(request["photos"], names, strict=True):
        (images / name).write_bytes(Path(photo).read_bytes())

    start = time.perf_counter()
    extraction = pycolmap.FeatureExtractionOptions(num_threads=threads)
    pycolmap.extract_features(database, images, extraction_options=extraction, device=device)
    matching = pycolmap.FeatureMatchingOptions(num_threads=threads)
    pycolmap.match_exhaustive(database, matching_options=matching, device=device)
    with pycolmap.Database.open(database) as content:
        cameras = {image.name: content.read_camera(image.camera_id) for image in content.read_all_images()}

    for number, subset in enumerate(request["subsets"]):
        chosen = [names[index] for index in subset]
        mapping = pycolmap.IncrementalPipelineOptions(num_threads=threads, random_seed=seed, image_names=chosen)
        mapping.min_model_size = 2  # in its favour: by default a small model would not count beside another one
        models = pycolmap.incremental_mapping(database, images, folder / f"models{number}", options=mapping)
        photos = {}
        if models:
            largest = max(models.values(), key=lambda model: model.num_reg_images())
            for image in largest.images.values():
                if image.has_pose:
                    world_from_cam = np.vstack([image.cam_from_world().inverse().matrix(), [0, 0, 0, 1]])
                    focal = float(image.camera.mean_focal_length())
                    photos[str(chosen.index(image.name))] = {"world_from_cam": world_from_cam.tolist(), "focal": focal}
        exif = sum(cameras[name].has_prior_focal_length for name in chosen if name in cameras)
        yield {"photos": photos, "seconds": time.perf_counter() - start, "exif": exif, "peak_gib": peak_gib()}
        start = time.perf_counter()


def main() -> None:
    """The process in which COLMAP runs."""
    request, result = (Path(argument) for argument in sys.argv[1:3])
    found = []
    for part in reconstruct_subsets(json.loads(request.read_text()), request.parent):
        found.append(part)
        write_bytes(result, json.dumps(found).encode())  # COLMAP may abort at the next one


if __name__ == "__main__":
    main()
