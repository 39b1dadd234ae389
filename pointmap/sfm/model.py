"""What structure from motion finds: cameras, and points with the places where photos show them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.shapes import Bool, Float, Int, UInt8


@dataclass(frozen=True, eq=False)
class SfmModel:
    """Posed photos and sparse points, in one world frame of arbitrary scale.

    Pixels are those of the original photos; the centre of the first one is (0, 0). Cameras are OpenCV's.
    """

    names: tuple[str, ...]
    """(N,) file names of all photos, registered or not."""
    image_sizes: Int[np.ndarray, "n 2"]
    """Width and height."""
    registered: Bool[np.ndarray, "n"]
    world_from_cam: Float[np.ndarray, "n 4 4"]
    """Rigid poses; NaN where not registered."""
    intrinsics: Float[np.ndarray, "n 3 3"]
    """Pinhole K; NaN where not registered."""
    radial: Float[np.ndarray, "n"]
    """COLMAP's one coefficient of radial distortion, k1: a ray at (x, y, 1) is seen where one at (1 + k1 (x^2 + y^2))
    (x, y) would be without it. 0 where there is none, or the camera's model is another."""
    points: Float[np.ndarray, "p 3"]
    """In the world frame."""
    colors: UInt8[np.ndarray, "p 3"]
    """RGB; black where the photos were not at hand."""
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
        if not len(self.track_points):
            return float("nan")
        return float(self.errors[self.track_points].mean())

    def seen_by(self, view: int) -> tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k 2"]]:
        """Points that one photo shows, and the pixels where."""
        here = self.track_views == view
        return self.track_points[here], self.track_pixels[here]


def save_model(model: SfmModel, path: Path) -> None:
    """Write a model for `load_model` in another process."""
    with path.open("wb") as file:
        np.savez(file, **{**vars(model), "names": np.array(model.names, str)})


def load_model(path: Path) -> SfmModel:
    """Read what `save_model` wrote."""
    with np.load(path) as content:
        return SfmModel(**{**content, "names": tuple(content["names"].tolist())})
