"""Distortion of lenses, by OpenCV's k1, k2, p1, p2, k3."""

import numpy as np

from pointmap.shapes import Float


def distort(rays: Float[np.ndarray, "*n 2"], coefficients: Float[np.ndarray, "*#n 5"]) -> Float[np.ndarray, "*n 2"]:
    """Where on the plane z = 1 a lens shows rays (x, y, 1)."""
    (x, y), (k1, k2, p1, p2, k3) = np.moveaxis(rays, -1, 0), np.moveaxis(coefficients, -1, 0)
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
