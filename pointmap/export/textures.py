"""Textures as the bytes of an image file."""

import io

import numpy as np

from pointmap.shapes import UInt8

MOST_BYTES = 6_000_000
"""Of a texture, if it can be helped: with 200000 faces the file then stays under 15 MB."""

_FEW_COLORS = 256
"""An image with fewer in a sample of its pixels was drawn, not taken."""


def encode_texture(image: UInt8[np.ndarray, "h w 3"], *, most_bytes: int = MOST_BYTES) -> tuple[bytes, str]:
    """Encode an image as JPEG, at most so large; a drawing as PNG, which is exact and then smaller.

    Returns:
        The file's content, and its ending: ".jpg" or ".png".
    """
    from PIL import Image

    picture = Image.fromarray(image)
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / 2**16)))
    sample = image[::step, ::step].reshape(-1, 3).astype(np.int32) @ np.array([65536, 256, 1])
    if len(np.unique(sample)) < _FEW_COLORS and len(content := _saved(picture, "PNG")) <= most_bytes:
        return content, ".png"
    # Full colour resolution as long as there is room: charts end in sharp edges.
    for quality, subsampling in ((92, 0), (90, 2), (82, 2), (70, 2), (50, 2)):
        content = _saved(picture, "JPEG", quality=quality, subsampling=subsampling)
        if len(content) <= most_bytes:
            break
    return content, ".jpg"


def _saved(picture, kind: str, **settings: int) -> bytes:  # type: ignore[no-untyped-def]
    encoded = io.BytesIO()
    picture.save(encoded, kind, **settings)
    return encoded.getvalue()
