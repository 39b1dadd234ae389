"""Where photos come from: folders, files, globs, zips and images in memory, all flattened to one listing."""

import glob
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from pointmap.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

PhotoSource = Union[str, Path, np.ndarray, "Image.Image"]
"""A folder, a file, a glob, a zip, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8."""

IMAGE_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("avif", "bmp", "dib", "gif", "heic", "heif", "hif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "mpo"),
        *("pbm", "pgm", "png", "pnm", "ppm", "qoi", "tga", "tif", "tiff", "webp"),
    )
)
VIDEO_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("3g2", "3gp", "asf", "avi", "flv", "insv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts"),
        *("ogv", "ts", "webm", "wmv"),
    )
)
MAX_ZIPPED_BYTES = 2_000_000_000
_WHAT_TO_GIVE = "Give a folder, files, a glob, a zip, PIL images, or (H, W, 3) uint8 arrays."


@dataclass(frozen=True)
class ListedPhoto:
    """One entry of the listing, not opened yet."""

    name: str
    """File name, not yet made unique; empty for images in memory."""

    source: "Path | ZippedPhoto | Image.Image"


@dataclass(frozen=True)
class ZippedPhoto:
    """A photo inside a zip."""

    archive: Path
    member: str

    def read(self) -> io.BytesIO:
        """Its bytes.

        Raises:
            InputError: It is encrypted, or too large to be a photo.
            OSError, zipfile.BadZipFile: It is damaged.
        """
        with zipfile.ZipFile(self.archive) as archive:
            info = archive.getinfo(self.member)
            if info.flag_bits & 0x1:
                raise InputError("it is encrypted; unpack the zip first")
            if info.file_size > MAX_ZIPPED_BYTES:
                raise InputError(f"it would unpack to {info.file_size / 1e9:.1f} GB")
            return io.BytesIO(archive.read(info))


def list_photos(photos: PhotoSource | Sequence[PhotoSource]) -> list[ListedPhoto]:
    """Flatten the input to photos. Folders, globs and zips are sorted naturally (img2 before img10).

    Of what a folder, a glob or a zip holds, files without an image's ending are left out, unless none has one. Then a
    folder's or a glob's videos are listed, if there are any.
    Folders are not searched deeper, but for one called "images" where there are no photos beside it, the layout of
    many data sets; a zip is, since it usually holds one folder.

    Raises:
        InputError: A path does not exist, there is nothing in it, or an entry is of another kind.
    """
    if _is_one_source(photos):
        return _expand(photos)
    if not isinstance(photos, Sequence):
        raise InputError(f"Photos cannot be read from a {type(photos).__name__}. {_WHAT_TO_GIVE}")
    if not photos:
        raise InputError(f"The list of photos is empty. {_WHAT_TO_GIVE}")
    return [listed for photo in photos for listed in _expand(photo)]


def natural_key(text: str) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key under which numbers count as numbers and case does not matter."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    numbers_first = [(0, int(part)) if part[0] in "0123456789" else (1, part.casefold()) for part in parts]
    # The text itself breaks ties such as 1 and 01, so that the order never depends on the file system.
    return numbers_first, text


def _is_one_source(photos: Any) -> bool:
    from PIL import Image

    return isinstance(photos, (str, Path, np.ndarray, Image.Image))


def _expand(photo: Any) -> list[ListedPhoto]:
    if isinstance(photo, (str, Path)):
        return _expand_path(Path(photo).expanduser())
    if not _is_one_source(photo):
        raise InputError(f"A {type(photo).__name__} is not a photo. {_WHAT_TO_GIVE}")
    if isinstance(photo, np.ndarray):
        return [ListedPhoto("", _image_from_array(photo))]
    return [ListedPhoto(Path(getattr(photo, "filename", "") or "").name, photo)]


def _expand_path(path: Path) -> list[ListedPhoto]:
    if path.is_dir():
        return _expand_folder(path)
    if path.is_file():
        if path.suffix.lower() == ".zip":
            return _expand_zip(path)
        return [ListedPhoto(path.name, path)]
    if glob.has_magic(str(path)):
        files = [Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file()]
        return _photos_among(files, f"No file matches {str(path)!r}.")
    raise InputError(
        f"There is no file or folder {str(path)!r}; check the spelling. Relative paths start at {Path.cwd()}."
    )


def _expand_folder(path: Path) -> list[ListedPhoto]:
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    files = [entry for entry in entries if entry.is_file()]
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    if "images" in folders and not any(file.suffix.lower() in IMAGE_ENDINGS for file in files):
        return _expand_folder(path / "images")
    deeper = f" Folders in it are not searched ({', '.join(folders[:5])}): name the one that you mean." * bool(folders)
    return _photos_among(files, f"The folder {str(path)!r} holds no photos.{deeper}")


def _photos_among(files: list[Path], if_none: str) -> list[ListedPhoto]:
    if not files:
        raise InputError(f"{if_none} {_WHAT_TO_GIVE}")
    files = sorted(files, key=lambda file: natural_key(str(file)))
    for endings in (IMAGE_ENDINGS, VIDEO_ENDINGS):
        with_ending = [file for file in files if file.suffix.lower() in endings]
        if with_ending:
            return [ListedPhoto(file.name, file) for file in with_ending]
    return [ListedPhoto(file.name, file) for file in files]


def _expand_zip(path: Path) -> list[ListedPhoto]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [PurePosixPath(info.filename) for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{str(path)!r} is not a readable zip ({error}); pack it again.") from error
    members = [member for member in members if not _is_hidden(member)]
    if not members:
        raise InputError(f"The zip {str(path)!r} holds no photos. {_WHAT_TO_GIVE}")
    members.sort(key=lambda member: natural_key(str(member)))
    with_ending = [member for member in members if member.suffix.lower() in IMAGE_ENDINGS]
    return [ListedPhoto(member.name, ZippedPhoto(path, str(member))) for member in with_ending or members]


def _is_hidden(member: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in member.parts)


def _image_from_array(array: np.ndarray) -> "Image.Image":
    from PIL import Image

    shape_ok = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not shape_ok or 0 in array.shape or array.dtype != np.uint8:
        raise InputError(
            f"An array of shape {array.shape} and type {array.dtype} is not an image. Expected uint8, "
            f"0 to 255, of shape (H, W, 3), (H, W, 4) or (H, W); convert floats with (255 * x).round().astype('uint8')."
        )
    return Image.fromarray(np.ascontiguousarray(array))
