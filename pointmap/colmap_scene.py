"""A scene for COLMAP and what reads its models: cameras, photos, and points with tracks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.photos import PhotoFile, plan_photos, write_photos
from pointmap.fusion.tracks import TrackView, find_tracks
from pointmap.images.same_view import on_grid
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene
from pointmap.sfm.model import SfmModel, reprojection_errors
from pointmap.sfm.models import write_model

_MATCH_SIZE = 1600
"""Long side in pixels of the photos in which tracks are found."""


def write_colmap(
    scene: Scene,
    path: str | Path,
    *,
    images: bool = True,
    masks: bool = False,
    text: bool = False,
    max_points: int = 20_000,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write a folder as COLMAP lays it out: the model in sparse/0, the photos in images/.

    Cameras are pinholes in pixels of the photos as written: upright, without distortion, of their original size. Points
    are corners that two photos or more show; their places in the photos are measured there (`pointmap.fusion.tracks`).
    Each file appears whole or not at all; a model that is there is replaced.

    Args:
        path: The folder; created where it is missing.
        images: Write the photos, too; without, the model is that of the photos which this would write.
        masks: Write masks/NAME.png, white where a pixel is kept, as COLMAP's `--ImageReader.mask_path` takes them.
        text: Text files instead of binary ones.
        max_points: At most so many points.
        progress: Called with ("photos", done, total) and ("tracks", done, total).
        keep: Which pixels may become points; see `Scene.masks`.

    Raises:
        InputError: The folder cannot be written.
    """
    folder = Path(path)
    kept = scene.masks(**keep)
    photos = write_photos(scene, folder / "images", progress=progress) if images else plan_photos(scene)
    if masks:
        _write_masks(scene, photos, kept, folder / "masks")
    model = sparse_model(scene, photos, kept, max_points=max_points, progress=progress)
    write_model(folder / "sparse" / "0", model, format="text" if text else "binary")
    return folder


def sparse_model(
    scene: Scene,
    photos: Sequence[PhotoFile],
    masks: Sequence[np.ndarray],
    *,
    max_points: int = 20_000,
    progress: ProgressCallback | None = None,
) -> SfmModel:
    """Cameras of photos as they were written, and points with tracks in pixels of these.

    Args:
        masks: Per photo of the scene, True where the depth of its working image is trusted.
    """
    views, resized = [], []
    for photo in photos:
        # The photo is not always at hand in the size that it was planned in.
        small = scene.photo(photo.view, max_size=_MATCH_SIZE)
        resized.append(photo.intrinsics @ np.linalg.inv(small.intrinsics))
        views.append(
            TrackView(
                _grey(small.image),
                small.intrinsics,
                np.asarray(scene.world_from_cam[photo.view], np.float64),
                scene.depths[photo.view],
                masks[photo.view],
                scene.colors[photo.view],
                scene.working_intrinsics[photo.view],
            )
        )
    tracks = find_tracks(views, max_points=max_points, progress=progress)
    scale, offset = (
        np.array(values).reshape(-1, 2) for values in ([np.diag(r)[:2] for r in resized], [r[:2, 2] for r in resized])
    )
    model = SfmModel(
        names=tuple(photo.name for photo in photos),
        image_sizes=np.array([photo.size for photo in photos], np.int64).reshape(-1, 2),
        registered=np.ones(len(photos), bool),
        world_from_cam=np.array([view.world_from_cam for view in views], np.float64).reshape(-1, 4, 4),
        intrinsics=np.array([photo.intrinsics for photo in photos], np.float64).reshape(-1, 3, 3),
        distortion=np.zeros((len(photos), 5)),
        points=tracks.points,
        colors=tracks.colors,
        errors=np.zeros(len(tracks.points)),
        track_points=tracks.track_points,
        track_views=tracks.track_views,
        track_pixels=tracks.track_pixels * scale[tracks.track_views] + offset[tracks.track_views],
    )
    count = len(model.points)
    lengths = np.maximum(np.bincount(model.track_points, minlength=count), 1)
    errors = np.bincount(model.track_points, reprojection_errors(model), count) / lengths
    return replace(model, errors=errors)


def _grey(image: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _write_masks(scene: Scene, photos: Sequence[PhotoFile], masks: Sequence[np.ndarray], folder: Path) -> None:
    import cv2

    for photo in photos:
        width, height = photo.size
        mask = on_grid(masks[photo.view], scene.working_intrinsics[photo.view], (height, width), photo.intrinsics)
        _, encoded = cv2.imencode(".png", mask.astype(np.uint8) * 255)
        write_bytes(folder / f"{photo.name}.png", encoded.tobytes())
