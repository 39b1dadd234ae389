"""What structure from motion finds: cameras, and points with the places where photos show them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pointmap.geometry.lens import distort
from pointmap.shapes import Bool, Float, Int, UInt8


@dataclass(frozen=True, eq=False)
class SfmModel:
    """Posed photos and sparse points, in one world frame of arbitrary scale.

    Pixels are those of the original photos; the centre of the first one is (0, 0). Cameras are OpenCV's.
    """

    names: tuple[str, ...]
    """(N,) file names of all photos, registered or not."""
    image_sizes: Int[np.ndarray, "n 2"]
    """Width and height; 0 where unknown."""
    registered: Bool[np.ndarray, "n"]
    world_from_cam: Float[np.ndarray, "n 4 4"]
    """Rigid poses; NaN where not registered."""
    intrinsics: Float[np.ndarray, "n 3 3"]
    """Pinhole K; NaN where not registered."""
    distortion: Float[np.ndarray, "n 5"]
    """OpenCV's k1, k2, p1, p2, k3; 0 where there is none. Pixels of tracks have it, K alone does not."""
    points: Float[np.ndarray, "p 3"]
    """In the world frame."""
    colors: UInt8[np.ndarray, "p 3"]
    """RGB; black where unknown."""
    errors: Float[np.ndarray, "p"]
    """Mean distance in pixels between where photos show a point and where it should be; NaN where unknown."""
    track_points: Int[np.ndarray, "t"]
    """One entry per place where a photo shows a point: the index of the point, ascending."""
    track_views: Int[np.ndarray, "t"]
    """The photo."""
    track_pixels: Float[np.ndarray, "t 2"]
    """(x, y) there."""

    @property
    def mean_error(self) -> float:
        """Mean distance in pixels over all places of all tracks; NaN without points."""
        return float(self.errors[self.track_points].mean()) if len(self.track_points) else float("nan")

    def seen_by(self, view: int) -> tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k 2"]]:
        """Points that one photo shows, and the pixels where."""
        here = self.track_views == view
        return self.track_points[here], self.track_pixels[here]

    def in_order(self, names: Sequence[str]) -> "SfmModel":
        """The same with photos in another order, and with others, which count as not registered.

        Every photo of the model must be among the names.
        """
        place = {name: index for index, name in enumerate(names)}
        index = np.array([place[name] for name in self.names], np.int64)
        count = len(names)

        def spread(values: np.ndarray, fill: float | int | bool) -> np.ndarray:
            filled = np.full((count, *values.shape[1:]), fill, values.dtype)
            filled[index] = values
            return filled

        return replace(
            self,
            names=tuple(names),
            image_sizes=spread(self.image_sizes, 0),
            registered=spread(self.registered, False),
            world_from_cam=spread(self.world_from_cam, np.nan),
            intrinsics=spread(self.intrinsics, np.nan),
            distortion=spread(self.distortion, 0),
            track_views=index[self.track_views],
        )


def projected_tracks(model: SfmModel) -> Float[np.ndarray, "t 2"]:
    """Per place of all tracks the pixel where the point should be; infinite for one behind the camera."""
    cam_from_world = np.linalg.inv(np.where(model.registered[:, None, None], model.world_from_cam, np.eye(4)))
    pose = cam_from_world[model.track_views]
    points = (pose[:, :3, :3] @ model.points[model.track_points][..., None])[..., 0] + pose[:, :3, 3]
    ahead = points[:, 2] > 0
    rays = points[:, :2] / np.where(ahead, points[:, 2], 1.0)[:, None]
    rays = distort(rays, model.distortion[model.track_views])
    K = model.intrinsics[model.track_views]
    pixels = (K[:, :2, :2] @ rays[..., None])[..., 0] + K[:, :2, 2]
    return np.where(ahead[:, None], pixels, np.inf)


def reprojection_errors(model: SfmModel) -> Float[np.ndarray, "t"]:
    """Per place of all tracks the distance in pixels to where the point should be."""
    return np.linalg.norm(projected_tracks(model) - model.track_pixels, axis=1)
