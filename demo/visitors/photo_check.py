"""Whether a file is a photo: its content is looked at and decoded, its name is not believed."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pointmap.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

PREVIEW_SIZE = 960
"""Long side, in pixels, of what pages may show of a photo at most."""

# Formats that Pillow names; those without a signature (TGA), with programs in them (EPS) or whose decoders take many
# times the picture's memory (JPEG 2000) are left out.
_ENDINGS = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "PPM": ".ppm",
    "QOI": ".qoi",
}
GIVE_PHOTOS = "Give JPEG, PNG, WebP, AVIF, TIFF or HEIC photos."


class NoPhoto(InputError):
    """The file is something else."""


@dataclass(frozen=True)
class CheckedPhoto:
    """What is known of a photo after it was decoded."""

    ending: str
    """That its content calls for, such as ".jpg"."""

    size: tuple[int, int]
    """Width and height, upright, in pixels."""

    preview: "Image.Image"
    """RGB, upright, at most `PREVIEW_SIZE` on the long side and never larger than the photo."""


def check_photo(file: Path, *, megapixels: float) -> CheckedPhoto:
    """Decode a photo at reduced size; what it claims to be is checked before.

    Raises:
        NoPhoto: It is none.
        InputError: It is too large, or damaged; the message goes on after the name of the file.
    """
    from PIL import Image, UnidentifiedImageError

    from pointmap.images import exif
    from pointmap.images.decode import decode, is_large
    from pointmap.images.load import opened, register_heif
    from pointmap.images.sizes import whole_photo

    register_heif()
    try:
        with opened(file, formats=_formats()) as image:
            if image.size[0] * image.size[1] > megapixels * 1e6:
                raise InputError(
                    f"has {image.size[0] * image.size[1] / 1e6:.0f} megapixels; at most {megapixels:g} can be taken. "
                    "Make it smaller."
                )
            ending, orientation = _ENDINGS[image.format or ""], exif.orientation(image)
            upright_size = image.size if orientation <= 4 else image.size[::-1]
            plan = whole_photo(upright_size, PREVIEW_SIZE)
            with _FEW_AT_A_TIME:
                if not is_large(image.size):
                    # A JPEG need not be decoded whole to be read whole.
                    stored_size = plan.resized if orientation <= 4 else plan.resized[::-1]
                    image.draft(None, stored_size)
                preview = Image.fromarray(decode(image, plan, orientation, lazy=True))
    except UnidentifiedImageError as error:
        raise NoPhoto("is not a photo") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"claims to have more than {megapixels:g} megapixels. Make it smaller.") from error
    except InputError as error:
        raise InputError(_continued(str(error))) from error
    except Exception as error:  # damaged files raise whatever their decoder stumbles over
        raise InputError(f"is damaged and cannot be read ({type(error).__name__}). Save or copy it again.") from error
    return CheckedPhoto(ending, upright_size, preview)


_FEW_AT_A_TIME = threading.BoundedSemaphore(2)
"""Large photos take hundreds of megabytes while they are decoded."""


def _formats() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in _ENDINGS if name in Image.OPEN]


def _continued(message: str) -> str:
    """Messages of `pointmap.images` begin with "it", ours after the name of the file."""
    return message if message.startswith(("has ", "claims ")) else f"cannot be used: {message}"
