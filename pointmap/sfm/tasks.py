"""What COLMAP does in its own process. Nothing here imports torch: it would take longer than a small scene."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_COLMAP_ERROR_PX = 4.0
"""COLMAP's own largest error of matches; its other thresholds keep their ratio to it."""
_BUNDLE_ITERATIONS = 50
_ROUGH = 30.0
"""Of the largest error: so much is allowed before the first bundle adjustment."""
_MOST_ROUNDS = 4


def verify(folder: Path, *, database: str, max_error_px: float, seed: int, threads: int) -> None:
    """Estimate the geometry of every pair of a database."""
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.max_error = max_error_px
    options.ransac.random_seed = seed
    verifier = pycolmap.GeometricVerifierOptions(num_threads=threads)
    pycolmap.geometric_verification(database, verifier, two_view_geometry_options=options)


def features(folder: Path, *, extractor: str, seed: int, threads: int) -> None:
    """Keypoints and verified matches of all photos in images/ into database.db."""
    import pycolmap

    if extractor != "sift":
        raise ValueError(f"extractor {extractor!r}")
    pycolmap.set_random_seed(seed)
    database, device = folder / "database.db", pycolmap.Device.cpu
    _tell(folder, "features", 0, 2)
    extraction = pycolmap.FeatureExtractionOptions(type=pycolmap.FeatureExtractorType.SIFT, num_threads=threads)
    pycolmap.extract_features(
        database,
        folder / "images",
        camera_mode=pycolmap.CameraMode.PER_IMAGE,
        extraction_options=extraction,
        device=device,
    )
    _tell(folder, "features", 1, 2)
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = seed
    matching = pycolmap.FeatureMatchingOptions(num_threads=threads)
    pycolmap.match_exhaustive(database, matching_options=matching, verification_options=verification, device=device)


def map_incremental(
    folder: Path, *, count: int, fixed: list[int], max_error_px: float, images: str | None, seed: int, threads: int
) -> None:
    """Incremental mapping of database.db into found/."""
    import pycolmap

    database = folder / "database.db"
    verify(folder, database=str(database), max_error_px=max_error_px, seed=seed, threads=threads)
    options = _incremental_options(max_error_px, seed, threads)
    options.min_model_size = 2
    options.constant_cameras = set(fixed)
    # Our matches are fewer than COLMAP's own, and fewer of them wrong. With its 30 buddha falls apart (3 of 13 photos
    # instead of 11); where there are more the result is the same.
    options.mapper.abs_pose_min_num_inliers = 15
    options.mapper.abs_pose_min_inlier_ratio = 0.15
    done = 0

    def another() -> None:
        nonlocal done
        done += 1
        _tell(folder, "map", min(done, count), count)

    pycolmap.set_random_seed(seed)
    (folder / "models").mkdir()
    models = pycolmap.incremental_mapping(
        database,
        folder,
        folder / "models",
        options=options,
        initial_image_pair_callback=another,
        next_image_callback=another,
    )
    _save(folder, models, images)


def map_global(
    folder: Path, *, count: int, fixed: list[int], max_error_px: float, images: str | None, seed: int, threads: int
) -> None:
    """Global mapping of database.db into found/."""
    import pycolmap

    database = folder / "database.db"
    verify(folder, database=str(database), max_error_px=max_error_px, seed=seed, threads=threads)
    options = pycolmap.GlobalPipelineOptions(num_threads=threads, random_seed=seed)
    options.min_model_size = 2
    if fixed:
        options.mapper.bundle_adjustment.refine_focal_length = False
        options.mapper.bundle_adjustment.refine_extra_params = False
    _tell(folder, "map", 0, 1)
    pycolmap.set_random_seed(seed)
    (folder / "models").mkdir()
    _save(folder, pycolmap.global_mapping(database, folder, folder / "models", options=options), images)


def triangulate(folder: Path, *, max_error_px: float, seed: int, threads: int) -> None:
    """Points of database.db for the poses of cam_from_world.npy into found/0."""
    verify(folder, database=str(folder / "database.db"), max_error_px=max_error_px, seed=seed, threads=threads)
    _save(folder, {0: _triangulated(folder, _start(folder), max_error_px, seed, threads)})


def adjust(
    folder: Path, *, max_error_px: float, fixed_poses: list[int], fixed: list[int], seed: int, threads: int
) -> None:
    """Triangulation and bundle adjustment by turns into found/0; in gained.json errors before and after."""
    import pycolmap

    verify(folder, database=str(folder / "database.db"), max_error_px=max_error_px, seed=seed, threads=threads)
    reconstruction = _start(folder)
    # Poses may be off by some degrees at first, and so are points; afterwards no more is allowed than what is left.
    allowed = _ROUGH * max_error_px
    for done in range(_MOST_ROUNDS):
        _tell(folder, "adjust", done, _MOST_ROUNDS)
        reconstruction = _triangulated(folder, reconstruction, allowed, seed, threads)
        if not reconstruction.num_points3D():
            break
        config = _all_photos(reconstruction)
        for image_id in fixed_poses:
            if image_id in config.images:
                config.set_constant_rig_from_world_pose(reconstruction.image(image_id).frame_id)
        for camera_id in fixed:
            config.set_constant_cam_intrinsics(camera_id)
        if len(fixed_poses) < 2:
            config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
        # What misses by much more than the typical place is wrong.
        scale = max(max_error_px / 2, 2 * float(np.median(_errors(reconstruction))))
        _solve(reconstruction, config, scale, threads)
        if allowed == max_error_px:
            break
        allowed = max(max_error_px, min(allowed / 5, 6 * float(np.median(_errors(reconstruction)))))
    reconstruction.update_point_3d_errors()
    _save(folder, {0: reconstruction})
    gained = [np.nan, np.nan]
    if reconstruction.num_points3D():
        after = np.array(_errors(reconstruction))
        _put_back(folder, reconstruction)
        config = _all_photos(reconstruction)
        for image_id in config.images:
            config.set_constant_rig_from_world_pose(reconstruction.image(image_id).frame_id)
            config.set_constant_cam_intrinsics(reconstruction.image(image_id).camera_id)
        _solve(reconstruction, config, max_error_px / 2, threads)
        before = np.array(_errors(reconstruction))
        both = np.isfinite(before) & np.isfinite(after)
        gained = [float(before[both].mean()), float(after[both].mean())]
    (folder / "gained.json").write_text(json.dumps(gained))


def _all_photos(reconstruction: Any) -> Any:
    import pycolmap

    config = pycolmap.BundleAdjustmentConfig()
    for image_id in reconstruction.reg_image_ids():
        config.add_image(image_id)
    return config


def _solve(reconstruction: Any, config: Any, scale_px: float, threads: int) -> None:
    """Bundle adjustment in which places that miss by more than the scale count less and less."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions(print_summary=False)
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = scale_px
    options.ceres.solver_options.max_num_iterations = _BUNDLE_ITERATIONS
    options.ceres.solver_options.num_threads = threads
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()


def _incremental_options(max_error_px: float, seed: int, threads: int) -> Any:
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions(num_threads=threads, random_seed=seed)
    options.extract_colors = False
    for part, names in (
        (options.mapper, ("init_max_error", "abs_pose_max_error", "filter_max_reproj_error")),
        (options.triangulation, ("merge_max_reproj_error", "complete_max_reproj_error")),
    ):
        for name in names:
            setattr(part, name, getattr(part, name) * max_error_px / _COLMAP_ERROR_PX)
    # Three photos that overlap little have hardly any other tracks: redkitchen, AUC@30 of 4 photos 40 instead of 29,
    # of 24 photos 83.3 instead of 83.6.
    options.triangulation.ignore_two_view_tracks = False
    return options


def _start(folder: Path) -> Any:
    """The cameras and photos of database.db in the poses of cam_from_world.npy."""
    import pycolmap

    poses = np.load(folder / "cam_from_world.npy")
    reconstruction = pycolmap.Reconstruction()
    with pycolmap.Database.open(folder / "database.db") as database:
        for camera in database.read_all_cameras():
            reconstruction.add_camera_with_trivial_rig(camera)
        for read in database.read_all_images():
            pose = poses[read.image_id - 1]
            if np.isfinite(pose).all():
                image = pycolmap.Image(name=read.name, camera_id=read.camera_id, image_id=read.image_id)
                reconstruction.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    return reconstruction


def _triangulated(folder: Path, reconstruction: Any, max_error_px: float, seed: int, threads: int) -> Any:
    import pycolmap

    (folder / "points").mkdir(exist_ok=True)
    options = _incremental_options(max_error_px, seed, threads)
    pycolmap.set_random_seed(seed)
    return pycolmap.triangulate_points(
        reconstruction, folder / "database.db", folder, folder / "points", options=options
    )


def _put_back(folder: Path, reconstruction: Any) -> None:
    """The cameras as they were at the start; points and tracks stay."""
    start = _start(folder)
    for camera_id, camera in start.cameras.items():
        reconstruction.camera(camera_id).params = camera.params
    for image_id in reconstruction.reg_image_ids():
        image = reconstruction.image(image_id)
        image.frame.set_cam_from_world(image.camera_id, start.image(image_id).cam_from_world())


def _errors(reconstruction: Any) -> list[float]:
    """Per place of all tracks its distance in pixels to where the point should be; infinite behind the camera."""
    errors: list[float] = []
    for image_id in reconstruction.reg_image_ids():
        image = reconstruction.image(image_id)
        for seen in image.get_observation_points2D():
            projected = image.project_point(reconstruction.point3D(seen.point3D_id).xyz)
            errors.append(np.inf if projected is None else float(np.linalg.norm(projected - seen.xy)))
    return errors


def _save(folder: Path, models: dict[int, Any], images: str | None = None) -> None:
    for number, model in enumerate(models.values()):
        if images is not None:
            model.extract_colors_for_all_images(images)
        found = folder / "found" / str(number)
        found.mkdir(parents=True)
        model.write_binary(found)


def _tell(folder: Path, stage: str, done: int, total: int) -> None:
    (folder / "progress.tmp").write_text(json.dumps([stage, done, total]))
    os.replace(folder / "progress.tmp", folder / "progress.json")


TASKS: dict[str, Callable[..., None]] = {
    "verify": verify,
    "features": features,
    "incremental": map_incremental,
    "global": map_global,
    "triangulate": triangulate,
    "adjust": adjust,
}
