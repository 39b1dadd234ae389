"""Load a set of photos as views, leaving out those that cannot be read."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING

from pointmap.errors import InputError
from pointmap.images import exif
from pointmap.images.decode import MAX_PIXELS, decode, is_large
from pointmap.images.sizes import working_size
from pointmap.images.sources import VIDEO_ENDINGS, ListedPhoto, PhotoSource, ZippedPhoto, list_photos
from pointmap.progress import ProgressCallback
from pointmap.scene import View

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that was left out."""

    name: str
    reason: str


@dataclass(frozen=True)
class LoadedPhotos:
    """A photo set in working size."""

    views: list[View]
    """In the order of the input, with unique names."""

    skipped: list[SkippedPhoto]
    """Those that could not be read."""

    indices: list[int]
    """Position of every view among all listed photos, skipped ones included; for values given per photo."""


def load_views(
    photos: PhotoSource | Sequence[PhotoSource],
    *,
    image_size: int,
    patch_size: int,
    square_ok: bool = False,
    progress: ProgressCallback | None = None,
) -> LoadedPhotos:
    """Read photos: upright by their EXIF orientation, as 8-bit RGB, resized and cropped for the network.

    Args:
        photos: A folder, a zip, a file or a glob; a PIL image or an array (H, W, 3), (H, W, 4) or (H, W) of uint8;
            or a sequence of these.
        image_size: Long side of the working images in pixels; at 224, their short side and a square crop.
        patch_size: The network's, in pixels; working images are whole patches.
        square_ok: Keep square photos square; otherwise they are cropped to 4:3.
        progress: Called with ("load", done, total).

    Raises:
        InputError: Nothing is there, or nothing of it can be read.
    """
    if image_size < patch_size:
        raise InputError(f"The image size {image_size} is below one patch of {patch_size} pixels. Choose a larger one.")
    listing = list_photos(photos)
    results: list[View | SkippedPhoto] = []
    for result in _results(listing, image_size=(image_size, image_size), patch_size=patch_size, square_ok=square_ok):
        results.append(result)
        if progress is not None:
            progress("load", len(results), len(listing))
    views = [result for result in results if isinstance(result, View)]
    skipped = [result for result in results if isinstance(result, SkippedPhoto)]
    if not views:
        raise InputError(_nothing_readable(skipped))
    indices = [index for index, result in enumerate(results) if isinstance(result, View)]
    return LoadedPhotos(views, skipped, indices)


def iter_views(
    photos: PhotoSource | Sequence[PhotoSource],
    *,
    image_size: tuple[int, int],
    patch_size: int,
    square_ok: bool = False,
) -> Iterator[View]:
    """The views of `load_views` one after the other, for sizes in which not all need be in memory at once.

    Args:
        image_size: Least and largest long side; photos in between keep theirs.
    """
    for result in _results(list_photos(photos), image_size=image_size, patch_size=patch_size, square_ok=square_ok):
        if isinstance(result, View):
            yield result


def _results(
    listing: list[ListedPhoto], *, image_size: tuple[int, int], patch_size: int, square_ok: bool
) -> Iterator[View | SkippedPhoto]:
    """Every listed photo in order; a few are decoded ahead."""
    register_heif()
    threads = min(4, cpu_count() or 1)
    pool = ThreadPoolExecutor(max_workers=threads)
    ahead: deque[Future[View | SkippedPhoto]] = deque()
    try:
        for listed in _named(listing):
            ahead.append(
                pool.submit(_load_one, listed, image_size=image_size, patch_size=patch_size, square_ok=square_ok)
            )
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _load_one(
    listed: ListedPhoto, *, image_size: tuple[int, int], patch_size: int, square_ok: bool
) -> View | SkippedPhoto:
    from PIL import Image, UnidentifiedImageError

    try:
        with opened(listed.source) as image, _ONE_LARGE_AT_A_TIME if is_large(image.size) else nullcontext():
            orientation = exif.orientation(image)
            focal_px = exif.focal_px(image, image.size)
            upright_size = image.size if orientation <= 4 else image.size[::-1]
            long_side = sorted((*image_size, max(upright_size)))[1]
            size = working_size(upright_size, image_size=long_side, patch_size=patch_size, square_ok=square_ok)
            pixels = decode(image, size, orientation, lazy=image is not listed.source)
    except UnidentifiedImageError:
        return SkippedPhoto(listed.name, _why_unidentified(listed.source))
    except Image.DecompressionBombError:
        return SkippedPhoto(listed.name, f"it claims more than {MAX_PIXELS / 1e6:.0f} megapixels")
    except InputError as error:
        return SkippedPhoto(listed.name, str(error))
    except Exception as error:  # Damaged files raise whatever their decoder stumbles over.
        return SkippedPhoto(listed.name, f"it cannot be read ({type(error).__name__}: {error})")
    return View(
        name=listed.name,
        image=pixels,
        original_size=upright_size,
        working_from_original=size.working_from_original,
        path=listed.source if isinstance(listed.source, Path) else None,
        focal_px_prior=focal_px,
    )


@contextmanager
def opened(source: "Path | ZippedPhoto | Image.Image", *, formats: list[str] | None = None) -> Iterator["Image.Image"]:
    """An image that is not decoded yet, whatever the size it claims up to `MAX_PIXELS`; of these formats alone."""
    from PIL import Image

    if isinstance(source, Image.Image):
        with _IN_MEMORY:  # The caller may have listed one lazily opened image twice.
            source.load()
        yield source
        return
    file = source.read() if isinstance(source, ZippedPhoto) else source
    with _PILLOW_LIMIT:
        # Pillow's limit is global, and refuses above 179 megapixels; it is checked while opening.
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns above this and refuses above twice as much.
        try:
            image = Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        yield image


_ONE_LARGE_AT_A_TIME = threading.Lock()
_IN_MEMORY = threading.Lock()
_PILLOW_LIMIT = threading.Lock()


def register_heif() -> bool:
    """Let Pillow read HEIC, whatever its file is called, where the extra is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _why_unidentified(source: "Path | ZippedPhoto | Image.Image") -> str:
    file_name = source.member if isinstance(source, ZippedPhoto) else str(source)
    if file_name.lower().endswith((".heic", ".heif", ".hif")) and not register_heif():
        return "reading HEIC needs pillow-heif. Install it with: pip install 'pointmap[heif]'"
    if file_name.lower().endswith(tuple(VIDEO_ENDINGS)):
        return "it is a video, not a photo" + "; unpack the zip first" * isinstance(source, ZippedPhoto)
    return "it is not an image, or of an unknown format"


def _named(listing: list[ListedPhoto]) -> list[ListedPhoto]:
    """Give every photo a name, and none twice."""
    taken: set[str] = set()
    named = []
    for index, listed in enumerate(listing):
        path = Path(listed.name or f"image_{index:04d}.png")
        name, count = path.name, 1
        while name.casefold() in taken:  # Some file systems cannot tell A from a.
            count += 1
            name = f"{path.stem}_{count}{path.suffix}"
        taken.add(name.casefold())
        named.append(replace(listed, name=name))
    return named


def _nothing_readable(skipped: list[SkippedPhoto]) -> str:
    shown = [f"  {photo.name}: {photo.reason}" for photo in skipped[:10]]
    if len(skipped) > 10:
        shown.append(f"  ... and {len(skipped) - 10} more")
    what = "The photo cannot" if len(skipped) == 1 else f"None of the {len(skipped)} photos can"
    return "\n".join([f"{what} be used. Give JPEG, PNG, WebP, AVIF, TIFF or HEIC files.", *shown])
