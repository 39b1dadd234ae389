"""What COLMAP does in its own process. Nothing here imports torch: it would take longer than a small scene."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def verify(folder: Path, *, database: str, seed: int, threads: int) -> None:
    """Estimate the geometry of every pair of a database."""
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    verifier = pycolmap.GeometricVerifierOptions(num_threads=threads)
    pycolmap.geometric_verification(database, verifier, two_view_geometry_options=options)


def map_incremental(folder: Path, *, count: int, fixed: list[int], seed: int, threads: int, images: str | None) -> None:
    """Incremental mapping of database.db."""
    import pycolmap

    verify(folder, database=str(folder / "database.db"), seed=seed, threads=threads)
    options = pycolmap.IncrementalPipelineOptions(num_threads=threads, random_seed=seed)
    options.extract_colors = images is not None
    options.min_model_size = 2
    options.constant_cameras = set(fixed)
    # Our matches are fewer than COLMAP's own, and fewer of them wrong. With its 30 buddha falls apart (3 of 13 photos
    # instead of 11); where there are more the result is the same.
    options.mapper.abs_pose_min_num_inliers = 15
    options.mapper.abs_pose_min_inlier_ratio = 0.15
    # Three photos that overlap little have hardly any other tracks: redkitchen, AUC@30 of 4 photos 40 instead of 29,
    # of 24 photos 83.3 instead of 83.6.
    options.triangulation.ignore_two_view_tracks = False
    done = 0

    def another() -> None:
        nonlocal done
        done += 1
        _tell(folder, "map", min(done, count), count)

    pycolmap.set_random_seed(seed)
    models = pycolmap.incremental_mapping(
        folder / "database.db",
        images or folder,
        folder / "models",
        options=options,
        initial_image_pair_callback=another,
        next_image_callback=another,
    )
    _save(folder, models)


def map_global(folder: Path, *, count: int, fixed: list[int], seed: int, threads: int, images: str | None) -> None:
    """Global mapping of database.db."""
    import pycolmap

    verify(folder, database=str(folder / "database.db"), seed=seed, threads=threads)
    options = pycolmap.GlobalPipelineOptions(num_threads=threads, random_seed=seed)
    options.min_model_size = 2
    _tell(folder, "map", 0, 1)
    pycolmap.set_random_seed(seed)
    models = pycolmap.global_mapping(folder / "database.db", images or folder, folder / "models", options=options)
    _save(folder, models)


def _save(folder: Path, models: dict[int, Any]) -> None:
    for number, model in enumerate(models.values()):
        found = folder / "found" / str(number)
        found.mkdir(parents=True)
        model.write_binary(found)


def _tell(folder: Path, stage: str, done: int, total: int) -> None:
    (folder / "progress.tmp").write_text(json.dumps([stage, done, total]))
    os.replace(folder / "progress.tmp", folder / "progress.json")


TASKS: dict[str, Callable[..., None]] = {"verify": verify, "incremental": map_incremental, "global": map_global}
