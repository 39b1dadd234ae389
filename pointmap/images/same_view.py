"""Maps of one viewpoint on another pixel grid: sensors, working images and originals rarely share theirs."""

import numpy as np

from pointmap.geometry.lens import distort
from pointmap.shapes import Bool, Float, Int, Shaped


def nearest_in(
    shape: tuple[int, int],
    K: Float[np.ndarray, "3 3"],
    other_shape: tuple[int, int],
    other_K: Float[np.ndarray, "3 3"],
    distortion: Float[np.ndarray, "5"] | None = None,
) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """For every pixel the row and column of another image's pixel that shows the same ray, and True where it has one.

    Args:
        shape, K: Height and width, and pinhole, of the image that is to be filled.
        other_shape, other_K: Of the image that is looked into, from the same place in the same direction.
        distortion: OpenCV's k1, k2, p1, p2, k3 of the other image's lens.
    """
    v, u = np.indices(shape, np.float64)
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1)
    if distortion is not None and distortion.any():
        rays = distort(rays, distortion)
    column, row = np.moveaxis(np.rint(rays * np.diag(other_K)[:2] + other_K[:2, 2]), -1, 0)
    rows, columns = other_shape
    inside = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
    return np.where(inside, row, 0).astype(np.int64), np.where(inside, column, 0).astype(np.int64), inside


def on_grid(
    values: Shaped[np.ndarray, "rows columns"],
    values_K: Float[np.ndarray, "3 3"],
    shape: tuple[int, int],
    K: Float[np.ndarray, "3 3"],
    distortion: Float[np.ndarray, "5"] | None = None,
) -> Shaped[np.ndarray, "h w"]:
    """A map on another pixel grid of the same viewpoint: the nearest value, so that edges stay edges; 0 where none is.

    Args:
        values, values_K: The map, and the pinhole of its pixels.
        shape, K: Height and width, and pinhole, of the grid wanted.
        distortion: Of the lens through which the map was taken; see `nearest_in`.
    """
    rows, columns, inside = nearest_in(shape, K, values.shape[:2], values_K, distortion)
    return np.where(inside, values[rows, columns], np.zeros((), values.dtype))
