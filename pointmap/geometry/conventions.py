"""How other tools count pixels and turn cameras. Ours: first pixel's centre (0, 0); x right, y down, z forward."""

import numpy as np

from pointmap.shapes import Float

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Cameras of OpenGL, glTF, Blender and nerfstudio have y up and look along -z. Its own inverse."""


def corner_intrinsics(K: Float[np.ndarray, "*n 3 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """For pixels that begin at the corner of the first one, whose centre is (0.5, 0.5): COLMAP's and nerfstudio's."""
    return K + _HALF


def centred_intrinsics(K: Float[np.ndarray, "*n 3 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """Ours from `corner_intrinsics`."""
    return K - _HALF


def resized_intrinsics(
    K: Float[np.ndarray, "3 3"], size: tuple[int, int], new_size: tuple[int, int]
) -> Float[np.ndarray, "3 3"]:
    """Pinhole of a whole image of (width, height) pixels after it was resized: corners stay at corners."""
    scale = np.diag([new_size[0] / size[0], new_size[1] / size[1], 1.0])
    return centred_intrinsics(scale @ corner_intrinsics(K))


_HALF = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
