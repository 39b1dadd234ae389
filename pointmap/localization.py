"""The pose of a new photo in a finished scene: similar photos, matches with them, and the camera that fits these."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointmap.atomic import write_bytes
from pointmap.checkpoints import load_model
from pointmap.checkpoints.registry import bundled_folder
from pointmap.errors import InputError
from pointmap.export.cameras import camera_entry, cameras_file
from pointmap.export.plain_json import json_bytes
from pointmap.geometry.cameras import original_intrinsics, working_intrinsics
from pointmap.geometry.focal import default_focal
from pointmap.images import PhotoSource, iter_views, load_views
from pointmap.match import KEYPOINT_SIZE, LEAST_KEYPOINT_SIZE
from pointmap.models import Network
from pointmap.progress import ProgressCallback
from pointmap.resection import resect
from pointmap.scene import Scene, View
from pointmap.scene_photos import NewPhoto, ScenePhotos, match_size, new_photo
from pointmap.shapes import Float

NEIGHBOURS = 10
"""Photos of the scene that a new one is matched with."""
_DEFAULT_MODEL = "small"
_SAME_FOCAL = 0.1
"""Logarithm up to which EXIF means the focal length of the scene's photos of that size."""
_ONE_FOCAL = 0.02
"""Median deviation of log focal lengths that counts as one camera."""


@dataclass(frozen=True, eq=False)
class Localization:
    """Where a photo was taken, in the world frame and scale of a scene. Cameras are OpenCV's, as the scene's."""

    name: str
    """File name."""

    image_size: tuple[int, int] | None
    """Width and height of the upright original photo; None if it could not be read."""

    world_from_cam: Float[np.ndarray, "4 4"]
    """Rigid pose; NaN if it is not registered."""

    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole K in pixels of the original photo: as given, or as found; NaN if it is not registered."""

    registered: bool
    """Whether enough agrees on the pose."""

    num_matches: int = 0
    """Matches with the neighbours."""

    num_inliers: int = 0
    """Matches that agree with the pose."""

    neighbours: tuple[str, ...] = ()
    """Photos of the scene that it was matched with, the most similar first."""

    reason: str | None = None
    """Why it is not registered."""


def localize(
    scene: Scene,
    photos: PhotoSource | Sequence[PhotoSource],
    *,
    model: str | Path | Network | None = _DEFAULT_MODEL,
    intrinsics: Float[np.ndarray, "3 3"] | Sequence[Float[np.ndarray, "3 3"] | None] | None = None,
    neighbours: int = NEIGHBOURS,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
) -> Localization | list[Localization]:
    """Find where photos were taken, in a scene that stays as it is.

    Keypoints (SIFT) are matched with the scene's original photos where `Scene.paths` still finds them, else with its
    small working images. Where they do not suffice, the network's matches join them.

    Args:
        photos: One photo, or whatever `reconstruct` takes.
        model: Chooses similar photos and matches where keypoints do not; what `reconstruct` takes. None, or the default
            where it is not installed: keypoints alone.
        intrinsics: Known pinhole K (3, 3) in pixels of the upright original photo, one for all or one per photo, None
            where unknown. Without one, the scene's photos of the same size tell the focal length, else EXIF, else the
            matches.
        neighbours: Photos of the scene to match with.
        device: Of the network; default CUDA where there is one.
        progress: Called with ("localize", done, total).

    Returns:
        One for one photo; otherwise a list in the order of the photos, unreadable ones included. A photo that does not
        fit in has `registered` False, and a `reason`.

    Raises:
        InputError: There is no photo that can be read, the scene has no registered one, or a setting is wrong.
    """
    if neighbours < 1:
        raise InputError(f"neighbours is {neighbours}: a photo is localised by at least 1 photo of the scene.")
    if not scene.registered.any():
        raise InputError("No photo of this scene is registered, so there is nothing to localise others by.")
    network = _network(model, device, progress)
    known = ScenePhotos(scene, network)
    loaded = load_views(photos, image_size=known.size, patch_size=1, square_ok=True)
    skipped = iter(loaded.skipped)
    total = len(loaded.views) + len(loaded.skipped)
    given = _per_photo(intrinsics, total)
    sizes = (LEAST_KEYPOINT_SIZE, KEYPOINT_SIZE)
    large = _by_name(list(iter_views(photos, image_size=sizes, patch_size=1, square_ok=True)))
    to_match: dict[str, View] = {}
    if network is not None:
        patch_size = network.config.patch_size
        with suppress(InputError):  # all are too narrow for the network; keypoints still tell
            to_match = _by_name(load_views(photos, image_size=match_size(network), patch_size=patch_size).views)
    views = dict(zip(loaded.indices, loaded.views, strict=True))
    found = []
    for index in range(total):
        if progress is not None:
            progress("localize", index, total)
        if index in views:
            view = views[index]
            photo = new_photo(view, large.get(view.name, view), to_match.get(view.name))
            found.append(_localize(known, photo, given[index], neighbours))
        else:
            lost = next(skipped)
            found.append(_not_registered(lost.name, None, lost.reason))
    if progress is not None:
        progress("localize", total, total)
    return found[0] if _is_one_photo(photos) else found


def write_localizations(scene: Scene, found: Sequence[Localization], path: str | Path) -> Path:
    """Write the poses of photos that could be read in the format of cameras.json.

    Raises:
        InputError: The file cannot be written.
    """
    entries = [
        camera_entry(photo.name, photo.image_size, photo.intrinsics, photo.world_from_cam if photo.registered else None)
        for photo in found
        if photo.image_size is not None
    ]
    return write_bytes(path, json_bytes(cameras_file(entries, metric=scene.metric)))


def _localize(known: ScenePhotos, photo: NewPhoto, K: np.ndarray | None, neighbours: int) -> Localization:
    view = photo.view
    indices = known.neighbours(photo, neighbours)
    cameras, names = known.cameras(indices), tuple(known.scene.names[index] for index in indices)
    guess, is_likely = (K, True) if K is not None else _likely_intrinsics(known.scene, view)
    start = torch.from_numpy(working_intrinsics(guess, view.working_from_original)).double()
    matches = known.keypoint_matches(indices, photo)
    known_focal = {"focal_is_known": K is not None, "focal_is_likely": is_likely}
    found = resect(matches, cameras, start, **known_focal, size=known.size)
    if found is None:
        matches += known.token_matches(indices, photo)
        found = resect(matches, cameras, start, **known_focal, size=known.size)
    count = sum(len(match.weights) for match in matches)
    if found is None:
        reason = f"of {count} matches with {len(names)} photos of the scene too few agree on a pose"
        return _not_registered(view.name, view.original_size, reason, num_matches=count, neighbours=names)
    return Localization(
        name=view.name,
        image_size=view.original_size,
        world_from_cam=found.world_from_cam.numpy(),
        intrinsics=original_intrinsics(found.intrinsics.numpy(), view.working_from_original) if K is None else K,
        registered=True,
        num_matches=count,
        num_inliers=found.num_inliers,
        neighbours=names,
    )


def _likely_intrinsics(scene: Scene, view: View) -> tuple[np.ndarray, bool]:
    """K of the original photo, and whether it is more than a guess: from photos of the same size, or EXIF."""
    width, height = view.original_size
    sizes = scene.image_sizes
    same = scene.registered & (np.sort(sizes, axis=1) == sorted(view.original_size)).all(axis=1)
    middle = np.array([[1.0, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    exif = view.focal_px_prior
    if same.any():
        alike = same & (sizes[:, 0] == width)
        K = np.median(scene.intrinsics[alike], axis=0) if alike.any() else middle
        focals = scene.intrinsics[same, 0, 0]
        focal = float(np.median(focals))
        if exif is None or abs(log(exif / focal)) < _SAME_FOCAL:
            return _with_focal(K, focal), float(np.median(np.abs(np.log(focals / focal)))) < _ONE_FOCAL
    if exif is not None:
        return _with_focal(middle, exif), True
    return _with_focal(middle, default_focal(height, width)), False


def _with_focal(K: np.ndarray, focal: float) -> np.ndarray:
    """The same aspect and principal point."""
    return np.array([[focal, 0, K[0, 2]], [0, focal * K[1, 1] / K[0, 0], K[1, 2]], [0, 0, 1]])


def _network(
    model: str | Path | Network | None, device: str | torch.device | None, progress: ProgressCallback | None
) -> Network | None:
    if model is None or isinstance(model, Network):
        return model
    if model == _DEFAULT_MODEL and bundled_folder(_DEFAULT_MODEL) is None:
        return None
    return load_model(model, device=device, progress=progress)


def _per_photo(intrinsics: Any, count: int) -> list[np.ndarray | None]:
    """Known K of every photo."""
    if intrinsics is None:
        return [None] * count
    shared = isinstance(intrinsics, np.ndarray) and intrinsics.ndim == 2
    entries = [intrinsics] * count if shared else list(intrinsics)
    if len(entries) != count:
        raise InputError(f"intrinsics has {len(entries)} entries for {count} photos. Give one K, or one per photo.")
    known = [None if K is None else np.asarray(K, float) for K in entries]
    for K in known:
        if K is not None and (K.shape != (3, 3) or not np.isfinite(K).all() or not (K[0, 0] > 0 and K[1, 1] > 0)):
            raise InputError(f"Intrinsics are a pinhole K (3, 3) with positive focal lengths in pixels; received {K}.")
    return known


def _by_name(views: Sequence[View]) -> dict[str, View]:
    return {view.name: view for view in views}


def _is_one_photo(photos: Any) -> bool:
    if isinstance(photos, (str, Path)):
        path = Path(photos).expanduser()
        return path.is_file() and path.suffix.lower() != ".zip"
    return not isinstance(photos, Sequence)


def _not_registered(name: str, size: tuple[int, int] | None, reason: str, **more: Any) -> Localization:
    return Localization(
        name, size, np.full((4, 4), np.nan), np.full((3, 3), np.nan), registered=False, reason=reason, **more
    )
