"""From an opened photo to its working image: upright, RGB, 8 bit, and without a second copy of large photos."""

from typing import TYPE_CHECKING

import numpy as np

from pointmap.errors import InputError
from pointmap.images.sizes import WorkingSize
from pointmap.shapes import UInt8

if TYPE_CHECKING:
    from PIL import Image

LARGE_PIXELS = 24_000_000
"""Photos above are shrunk in two steps, to keep memory and time low; those below follow the reference to the bit."""

MAX_PIXELS = 1_000_000_000
"""Larger ones are refused: a few kilobytes of PNG can claim any size."""

_BAND_PIXELS = 4_000_000


def decode(image: "Image.Image", size: WorkingSize, orientation: int, *, lazy: bool) -> UInt8[np.ndarray, "h w 3"]:
    """Decode, turn upright, resize and crop.

    Args:
        image: As `Image.open` returned it, or in memory.
        size: Of the upright photo.
        orientation: EXIF orientation of the stored photo, 1 to 8.
        lazy: The pixels are still in the file, so that a JPEG may be decoded at a fraction of its size.

    Raises:
        OSError, ValueError, SyntaxError: The file is damaged.
        InputError: Its kind of pixels is not supported.
    """
    from PIL import Image

    resampling = Image.Resampling.LANCZOS if size.shrinks else Image.Resampling.BICUBIC
    if not is_large(size.original):
        working = _upright(to_rgb(image), orientation).resize(size.resized, resampling)
    else:
        # Resize before turning, since turning needs a second copy of its input.
        stored_size = size.resized if orientation <= 4 else size.resized[::-1]
        rgb, extent = _shrunk(image, stored_size, lazy=lazy)
        working = _upright(rgb.resize(stored_size, resampling, box=(0, 0, *extent)), orientation)
    return np.array(working.crop(size.crop_box))


def is_large(size: tuple[int, int]) -> bool:
    """Whether a photo of this width and height needs care with memory."""
    return size[0] * size[1] > LARGE_PIXELS


def to_rgb(image: "Image.Image") -> "Image.Image":
    """Convert pixels of any kind to 8-bit RGB; what is transparent becomes white.

    Raises:
        InputError: The pixels are floating-point numbers, whose range no file states.
    """
    from PIL import Image

    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        # 16 bit, which Pillow's own conversion would clip at 255.
        values = np.asarray(image).astype(np.int32).clip(0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise InputError("its pixels are floating-point numbers of unknown range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _shrunk(image: "Image.Image", target: tuple[int, int], *, lazy: bool) -> tuple["Image.Image", tuple[float, float]]:
    """Shrink by a whole factor to at least twice the target size, as RGB and without a full-size copy.

    Returns the image and the width and height that the photo takes up in it: its last column and row may stand for
    fewer pixels of the photo than the others.
    """
    from PIL import Image

    width, height = image.size
    at_least = (2 * target[0], 2 * target[1])
    if lazy:
        image.draft(None, at_least)  # JPEG decodes to 1/2, 1/4 or 1/8 at a fraction of the memory; others ignore it.
    decoded_width, decoded_height = image.size
    factor = max(1, min(decoded_width // at_least[0], decoded_height // at_least[1]))
    rows = max(1, _BAND_PIXELS // decoded_width // factor) * factor
    shrunk = Image.new("RGB", (-(-decoded_width // factor), -(-decoded_height // factor)))
    image.load()
    for top in range(0, decoded_height, rows):
        band = image.crop((0, top, decoded_width, min(top + rows, decoded_height)))
        shrunk.paste(to_rgb(band).reduce(factor), (0, top // factor))
    # Draft sizes are rounded up from a power of two.
    draft_factor = 2 ** round(np.log2(width / decoded_width))
    return shrunk, (width / draft_factor / factor, height / draft_factor / factor)


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)
