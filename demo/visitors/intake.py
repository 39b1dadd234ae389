"""What visitors give becomes photos of their session, or a message: nothing is believed, every file is looked at."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from stat import S_ISREG

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.gallery import (
    clear_photos,
    has_space,
    move_photo,
    remove_photo,
    remove_unneeded,
    thumbnail,
    thumbnail_file,
    used_bytes,
)
from pointmap.demo.visitors.names import clean_name, shown, unique_name
from pointmap.demo.visitors.photo_check import GIVE_PHOTOS, PREVIEW_SIZE, NoPhoto, check_photo
from pointmap.demo.visitors.sessions import Session, SessionPhoto, link_or_copy
from pointmap.demo.visitors.uploads import remove_taken
from pointmap.demo.visitors.zips import is_zip, unpack
from pointmap.errors import Cancelled, InputError
from pointmap.progress import ProgressCallback

__all__ = [
    "EXAMPLES",
    "Taken",
    "clear_photos",
    "move_photo",
    "remove_photo",
    "take_example",
    "take_files",
    "thumbnail",
]

EXAMPLES = ("room", "table", "street")

_PHOTO_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class Taken:
    """What became of an upload."""

    added: int
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Names and reasons, each with what to do."""

    left_out: int = 0
    """How many files that are: more than there are names, where many did not fit."""

    @property
    def in_words(self) -> str:
        """For people; empty if everything went well and nothing need be said."""
        if not self.refused:
            return ""
        words = [f"{_count(self.added, 'photo')} added. {_count(self.left_out, 'file')} left out:"]
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.refused:
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            each = "" if len(names) == 1 else ": each"
            words.append(f"{', '.join(names[:_SHOWN_NAMES])}{more}{each} {reason}")
        return " ".join(words)


def take_files(
    session: Session,
    files: Sequence[tuple[str, Path]],
    limits: Limits,
    *,
    frames_per_second: float = 2.0,
    progress: ProgressCallback | None = None,
) -> Taken:
    """Add photos, zips of photos and videos. Uploads are removed afterwards, other files stay.

    Args:
        files: (the visitor's name of it, where the upload lies). What a file is, its content says, never its name.
        frames_per_second: Of videos, at most; sharp ones with motion between them are chosen (`pointmap.video`).
        progress: Called with (stage, done, total) while videos are watched and photos are read; may raise `Cancelled`.

    Raises:
        InputError: The disk is full.
        Cancelled: By `progress`, or the session was closed; what was added before stays.
    """
    try:
        with _Intake.into(session, limits, progress) as intake:
            if not has_space(session):
                raise InputError("The demo has no space for more photos just now. Try again in a few minutes.")
            for index, (name, file) in enumerate(files):
                if intake.is_full:
                    intake.beyond += len(files) - index
                    break
                intake.tell("read", index, len(files))
                intake.take(shown(name), file, frames_per_second)
            return intake.taken
    finally:
        for _, file in files:
            remove_taken(file)


def take_example(session: Session, name: str, limits: Limits) -> Taken:
    """Replace the photos by those of an example: "room", "table" or "street".

    Raises:
        InputError: There is no such example.
    """
    if name not in EXAMPLES:
        raise InputError(f"There is no example {str(name)[:40]!r}. Choose {', '.join(EXAMPLES)}.")
    with as_file(files("pointmap.demo") / "photos" / name / "images") as folder:
        photos = [(f"{name}_{photo.name}", photo) for photo in sorted(folder.glob("*.jpg"))]
        clear_photos(session)
        return take_files(session, photos, limits)


@dataclass
class _Intake:
    """One upload on its way into a session."""

    session: Session
    limits: Limits
    folder: Path
    """For what is being looked at."""

    progress: ProgressCallback | None = None
    added: int = 0
    beyond: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def into(cls, session: Session, limits: Limits, progress: ProgressCallback | None) -> Iterator["_Intake"]:
        folder = session.folder / f"incoming-{secrets.token_hex(8)}"
        with session.lock:
            session.taking += 1
        try:
            if session.gone:
                raise Cancelled
            folder.mkdir(mode=0o700)
            (session.folder / "thumbnails").mkdir(mode=0o700, exist_ok=True)
            remove_unneeded(session)
            yield cls(session, limits, folder, progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with session.lock:
                session.taking -= 1

    @property
    def taken(self) -> Taken:
        """So far."""
        refused = list(self.refused)
        if self.beyond:
            room = f"at most {self.limits.photos} photos can be taken. Remove some to add others."
            refused.append((_count(self.beyond, "more file"), f"did not fit: {room}"))
        return Taken(self.added, refused, len(self.refused) + self.beyond)

    @property
    def is_full(self) -> bool:
        return len(self.session.photos) >= self.limits.photos

    def tell(self, stage: str, done: int, total: int) -> None:
        if self.session.gone:
            raise Cancelled
        if self.progress is not None:
            self.progress(stage, done, total)

    def take(self, name: str, file: Path, frames_per_second: float) -> None:
        """Whatever it is."""
        try:
            status = os.lstat(file)
            if not S_ISREG(status.st_mode):  # a link may lead anywhere
                raise InputError("is no ordinary file. Give the photo itself.")
            if status.st_size == 0:
                raise InputError("is empty. Copy it again.")
            if status.st_size > self.limits.file_megabytes * 1e6:
                raise InputError(
                    f"has {status.st_size / 1e6:.0f} MB; a file may have {self.limits.file_megabytes}. Make it smaller."
                )
            try:
                self.take_photo(name, file)
            except NoPhoto:
                self.take_other(name, file, frames_per_second)
        except OSError as error:
            self.check_open()
            self.refused.append((name, f"cannot be read ({error.strerror or 'it is gone'}). Upload it again."))
        except Cancelled:
            raise
        except InputError as error:
            self.refused.append((name, str(error)))

    def take_other(self, name: str, file: Path, frames_per_second: float) -> None:
        from pointmap.video import is_video

        if is_zip(file):
            self.take_zip(file)
        elif is_video(file):
            self.take_video(name, file, frames_per_second)
        elif _is_heif(file):
            raise InputError("is a kind of HEIC or AVIF photo that cannot be read here. Save it as JPEG.")
        else:
            raise InputError(f"is not a photo, video or zip. {GIVE_PHOTOS}")

    def take_photo(self, name: str, file: Path) -> None:
        """Raises NoPhoto for what is none."""
        checked = check_photo(file, megapixels=self.limits.megapixels)
        size = file.stat().st_size
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        session = self.session
        with session.lock:
            self.check_open()
            if self.is_full:  # another upload came in between
                self.beyond += 1
                return
            if any(photo.digest == digest for photo in session.photos):
                raise InputError("is there already.")
            if used_bytes(session) + size > self.limits.session_megabytes * 1e6:
                raise InputError(
                    f"does not fit: all photos together may have {self.limits.session_megabytes} MB. "
                    "Remove some, or give smaller ones."
                )
            key = f"p{session.next_photo}"
            session.next_photo += 1
            stored = session.folder / "photos" / (key + checked.ending)
            checked.preview.save(thumbnail_file(session, key, PREVIEW_SIZE), quality=85)
            link_or_copy(file, stored)
            unique = unique_name(clean_name(name, checked.ending), (photo.name for photo in session.photos))
            photo = SessionPhoto(key, unique, stored, checked.size, bytes=size, digest=digest)
            session.photos = [*session.photos, photo]
            self.added += 1

    def take_zip(self, file: Path) -> None:
        limits = self.limits
        most, most_together = (
            round(megabytes * 1e6) for megabytes in (limits.file_megabytes, limits.session_megabytes)
        )
        for index, member in enumerate(unpack(file, self.folder, file_bytes=most, all_bytes=most_together)):
            self.tell("unpack", index, index + member.after + 1)
            name = shown(member.name)
            try:
                if member.file is None:
                    raise InputError(member.reason)
                self.take_photo(name, member.file)
            except NoPhoto:
                self.refused.append((name, _no_photo_in_zip(member.file)))
            except InputError as error:
                self.refused.append((name, str(error)))
            if self.is_full:
                self.beyond += member.after
                return

    def take_video(self, name: str, file: Path, frames_per_second: float) -> None:
        from pointmap.video import choose_frames

        folder = self.folder / "frames"
        try:
            frames = choose_frames(
                file,
                folder,
                frames_per_second=frames_per_second,
                most=max(2, self.limits.photos - len(self.session.photos)),
                max_seconds=60 * self.limits.video_minutes,
                progress=self.tell,
            )
        except InputError as error:
            message, called = str(error), f"{file.name!r} "
            raise InputError(
                message.removeprefix(called) if message.startswith(called) else f"cannot be used: {message}"
            ) from error
        stem = Path(clean_name(name, "")).name
        try:
            for frame in frames:
                self.take_photo(f"{stem}_{frame.name}", frame)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def check_open(self) -> None:
        if self.session.gone:
            raise Cancelled


def _is_heif(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _PHOTO_BRANDS


def _no_photo_in_zip(file: Path | None) -> str:
    from pointmap.video import is_video

    if file is not None and is_zip(file):
        return "is a zip in a zip. Unpack it first."
    if file is not None and is_video(file):
        return "is a video in a zip. Give it by itself."
    return f"is not a photo. {GIVE_PHOTOS}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
