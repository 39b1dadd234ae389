"""COLMAP's reconstructions as our models, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pointmap.sfm.cameras import to_intrinsics, to_world_from_cam
from pointmap.sfm.model import SfmModel


def from_reconstruction(reconstruction: Any, names: Sequence[str] | None = None) -> SfmModel:
    """A `pycolmap.Reconstruction` as a model.

    Args:
        names: All photos, in the order wanted, with those that it has not registered; default its own, by name.
    """
    images = {image.name: image for image in reconstruction.images.values()}
    names = sorted(images) if names is None else names
    count = len(names)
    sizes, registered = np.zeros((count, 2), np.int64), np.zeros(count, bool)
    poses, intrinsics = np.full((count, 4, 4), np.nan), np.full((count, 3, 3), np.nan)
    radial = np.zeros(count)
    point_ids = sorted(reconstruction.point3D_ids())
    place = {point_id: index for index, point_id in enumerate(point_ids)}
    track_points, track_views, track_pixels = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((0, 2))]
    for view, name in enumerate(names):
        image = images.get(name)
        if image is None:
            continue
        camera = image.camera
        sizes[view] = camera.width, camera.height
        if not image.has_pose:
            continue
        registered[view] = True
        poses[view], intrinsics[view] = to_world_from_cam(image), to_intrinsics(camera)
        if camera.model.name == "SIMPLE_RADIAL":
            radial[view] = camera.params[3]
        seen = image.get_observation_points2D()
        if len(seen):
            track_points.append(np.array([place[point.point3D_id] for point in seen]))
            track_pixels.append(np.array([point.xy for point in seen]) - 0.5)
            track_views.append(np.full(len(seen), view))
    points = [reconstruction.points3D[point_id] for point_id in point_ids]
    order = np.argsort(np.concatenate(track_points), kind="stable")
    errors = np.array([point.error if point.has_error else np.nan for point in points], np.float64)
    return SfmModel(
        names=tuple(names),
        image_sizes=sizes,
        registered=registered,
        world_from_cam=poses,
        intrinsics=intrinsics,
        radial=radial,
        points=np.array([point.xyz for point in points]).reshape(-1, 3),
        colors=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        errors=errors,
        track_points=np.concatenate(track_points)[order],
        track_views=np.concatenate(track_views)[order],
        track_pixels=np.concatenate(track_pixels)[order],
    )
