"""An image in which every matcher finds much."""

import numpy as np


def spots(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    """An image of rectangles of any size and colour: much to recognise."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128, np.uint8)
    for _ in range(height * width // 192):
        x, y, w, h = random.integers(0, [width, height, 30, 30])
        image[y : y + h + 4, x : x + w + 4] = random.integers(0, 256, 3)
    return image
