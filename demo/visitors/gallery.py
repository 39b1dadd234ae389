"""The photos of a session: order, removal, small pictures of them."""

import shutil
import zipfile
from pathlib import Path

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.demo.visitors.photo_check import PREVIEW_SIZE
from pointmap.demo.visitors.sessions import Session

THUMBNAIL_SIZES = (160, 320, PREVIEW_SIZE)
_QUALITY = 85


def move_photo(session: Session, key: str, to: int) -> None:
    """Give a photo another place in the order, from 0; the others close ranks.

    Raises:
        KeyError: There is no such photo.
    """
    with session.lock:
        photo = session.photo(key)
        others = [other for other in session.photos if other is not photo]
        place = min(max(int(to), 0), len(others))
        session.photos = [*others[:place], photo, *others[place:]]


def remove_photo(session: Session, key: str) -> None:
    """Take a photo out.

    Raises:
        KeyError: There is no such photo.
    """
    with session.lock:
        photo = session.photo(key)
        session.photos = [other for other in session.photos if other is not photo]
        remove_unneeded(session)


def clear_photos(session: Session) -> None:
    """Take all photos out."""
    with session.lock:
        session.photos = []
        remove_unneeded(session)


def remove_unneeded(session: Session) -> None:
    """Remove the files of photos that were taken out, but those that the kept scene still reads its colours from."""
    with session.lock:
        if session.gone or not session.settled:  # a run may be about to read them
            return
        needed = {photo.file.name for photo in session.photos} | _of_kept_scene(session)
        for file in (session.folder / "photos").iterdir():
            if file.name not in needed:
                file.unlink(missing_ok=True)
        keys = {photo.key for photo in session.photos}
        for file in (session.folder / "thumbnails").glob("*.jpg"):
            if file.name.split("-")[0] not in keys:
                file.unlink(missing_ok=True)


def thumbnail(session: Session, key: str, size: int) -> Path:
    """A small JPEG of a photo, upright; made when first asked for. `size`: one of 160, 320, 960.

    Raises:
        KeyError: There is no such photo.
        ValueError: There is no such size.
    """
    if size not in THUMBNAIL_SIZES:
        raise ValueError(f"There are thumbnails of {', '.join(map(str, THUMBNAIL_SIZES))} pixels, none of {size}.")
    session.photo(key)
    file = thumbnail_file(session, key, size)
    if not file.exists():
        from PIL import Image

        with Image.open(thumbnail_file(session, key, PREVIEW_SIZE)) as preview:
            preview.draft("RGB", (size, size))
            preview.thumbnail((size, size), Image.Resampling.LANCZOS)
            with atomic_path(file) as temporary:
                preview.save(temporary, quality=_QUALITY)
    return file


def thumbnail_file(session: Session, key: str, size: int) -> Path:
    """Where it lies, once it is made."""
    return session.folder / "thumbnails" / f"{key}-{size}.jpg"


def used_bytes(session: Session) -> int:
    """Of the photos, on disk."""
    return sum(photo.bytes for photo in list(session.photos))


def has_space(session: Session, least: int = 2_000_000_000) -> bool:
    """Whether the disk has so many bytes left."""
    return shutil.disk_usage(session.folder).free >= least


def _of_kept_scene(session: Session) -> set[str]:
    """Names of files."""
    try:
        with np.load(session.scene_file, allow_pickle=False) as arrays:
            return {Path(path).name for path in arrays["paths"].tolist() if path}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return set()
