"""The photos in a visitor's zip: unpacked one by one under names of ours, and counted while they come."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pointmap.errors import InputError
from pointmap.images.sources import IMAGE_ENDINGS, natural_key

_MOST_LISTING = 4_000_000
"""Bytes of a zip's table of contents: some 40,000 files."""
_MOST_FILES = 2000
"""More are not looked at, whatever they are."""
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Unpacked:
    """A file of a zip, or why there is none."""

    name: str
    """As the zip calls it, without its folders."""

    after: int
    """So many come after it."""

    file: Path | None
    """Where it lies until the next one is asked for."""

    reason: str = ""
    """In words that go on after the name."""


class _TooMuch(InputError):
    pass


class _Sober(io.FileIO):
    """A file that is never read whole: what a zip says of its own size is not believed."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > _MOST_LISTING:
            raise zipfile.BadZipFile("its table of contents is too long")
        return super().read(size)


def is_zip(file: Path) -> bool:
    """Whether it begins like a zip with something in it."""
    with file.open("rb") as opened:
        return opened.read(4) == b"PK\x03\x04"


def unpack(file: Path, folder: Path, *, file_bytes: int, all_bytes: int) -> Iterator[Unpacked]:
    """The photos of a zip, sorted by name with numbers as numbers; folders in it are flattened.

    Whatever paths the zip names, files are written to `folder` alone. Hidden ones are left out without a word; files
    that are no photos by their names are, if there are others.

    Args:
        folder: For one file at a time.
        file_bytes, all_bytes: Limits of what is unpacked, counted while it is: of one file, and of all together.

    Raises:
        InputError: It is no zip that can be read; the message goes on after its name.
    """
    target = folder / "unpacked"
    try:
        with _Sober(file) as opened, zipfile.ZipFile(opened) as archive:
            members = sorted(filter(_is_meant, archive.infolist()), key=lambda member: natural_key(member.filename))
            if not members:
                raise InputError("holds no photos. Pack JPEG, PNG, WebP, AVIF, TIFF or HEIC files.")
            members = [member for member in members if _ending(member) in IMAGE_ENDINGS] or members
            left = all_bytes
            for index, member in enumerate(members[:_MOST_FILES]):
                about = PurePosixPath(member.filename.replace("\\", "/")).name, len(members) - index - 1
                try:
                    _write(archive, member, target, most=min(file_bytes, left))
                    yield Unpacked(*about, target)
                except _TooMuch as error:
                    if left < file_bytes:
                        raise InputError(
                            f"unpacks to more than {all_bytes / 1e6:.0f} MB; the rest was left out. Pack fewer photos."
                        ) from error
                    yield Unpacked(*about, None, str(error))
                except InputError as error:
                    yield Unpacked(*about, None, str(error))
                left -= target.stat().st_size if target.exists() else 0
                target.unlink(missing_ok=True)
    except InputError:
        raise
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"is a zip that cannot be read ({error}). Pack it again.") from error
    finally:
        target.unlink(missing_ok=True)


def _is_meant(member: zipfile.ZipInfo) -> bool:
    """Not a folder, nor hidden."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in parts)
    return bool(parts) and not member.is_dir() and not hidden


def _ending(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).suffix.lower()


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, *, most: int) -> None:
    """Unpack to a file, up to so many bytes."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError("is a link, not a photo. Pack the photo itself.")
    if member.flag_bits & 0x1:
        raise InputError("is encrypted. Unpack the zip and give the photos.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError("is packed in an unusual way. Pack an ordinary zip.")  # its chunks unpack to any size
    size = 0
    try:
        with archive.open(member) as packed, target.open("wb") as unpacked:
            while chunk := packed.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise _TooMuch(f"unpacks to more than {most / 1e6:.0f} MB. Give smaller photos.")
                unpacked.write(chunk)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise InputError("is damaged in the zip. Pack it again.") from error
