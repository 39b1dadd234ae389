"""Depth maps in the files of benchmarks, read when they are needed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pointmap.errors import InputError


def depth_picture(path: Path, units_per_step: float, *, largest: float = np.inf) -> Callable[[], np.ndarray]:
    """Reader of a picture of integers.

    Args:
        units_per_step: 0.001 for millimetres as metres.
        largest: Depths above are unknown (0); 65.535 for sensors that write 65535 where they see nothing.
    """

    def read() -> np.ndarray:
        from PIL import Image

        try:
            with Image.open(path) as image:
                values = np.asarray(image)
        except OSError as error:
            raise InputError(f"Cannot read the depth map {str(path)!r}: {error}") from error
        if values.ndim != 2:
            raise InputError(f"{str(path)!r} is no depth map: it has {values.ndim} axes, expected rows and columns.")
        depth = values.astype(np.float32) * np.float32(units_per_step)
        return np.where(depth <= largest, depth, np.float32(0))

    return read


def depth_array(read_values: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """Reader of anything else: what is not a positive number becomes 0."""

    def read() -> np.ndarray:
        values = np.asarray(read_values(), np.float32)
        return np.where(np.isfinite(values) & (values > 0), values, np.float32(0))

    return read
