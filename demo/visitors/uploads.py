"""Uploads on their way in, in Gradio's folder: each under a name that only its sender is told, and not for long.

Gradio itself names an upload by its content, so that who has the same file knows where another one's lies.
"""

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointmap.demo.limits import Limits

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message, Receive

GIVEN = "given"
"""The folder of uploads in Gradio's folder; nothing in it is ever sent to anybody."""

_LONGEST_SECONDS = 1800
"""An upload must have been taken by then."""
_YOUNG_SECONDS = 60
_LEAST_FREE = 2_000_000_000


async def take_upload(request: "Request", limits: Limits) -> "Response":
    """In place of Gradio's own: the same answer, the paths of the files."""
    from gradio.route_utils import upload_fn
    from gradio.routes import file_upload_statuses
    from starlette.formparsers import MultiPartException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse

    app: Any = request.app
    # All photos of a session at once, and what a form adds to them.
    most = round((limits.session_megabytes + 10) * 1e6)
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        return PlainTextResponse(f"At most {limits.session_megabytes} MB at a time.", status_code=413)
    folder = Path(app.uploaded_file_dir) / GIVEN / secrets.token_hex(16)
    folder.mkdir(mode=0o700, parents=True)
    upload_id = request.query_params.get("upload_id")
    try:
        if shutil.disk_usage(folder).free < _LEAST_FREE:
            raise MultiPartException("The demo has no space for more files just now.")
        files, _, _ = await upload_fn(
            Request(request.scope, _counted(request.receive, most)),
            str(folder),
            limits.file_megabytes * 1e6,
            upload_id,
            force_move=True,
            upload_progress=file_upload_statuses if upload_id else None,
        )
    except MultiPartException as error:
        shutil.rmtree(folder, ignore_errors=True)
        return PlainTextResponse(error.message, status_code=413 if "maximum allowed size" in error.message else 400)
    except BaseException:  # Gradio would leave the half of a file behind that came before the sender went away
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not files:
        shutil.rmtree(folder, ignore_errors=True)
    return JSONResponse(files)


def remove_taken(file: Path) -> None:
    """Remove an upload that was taken; a file that is none stays."""
    cache = os.environ.get("GRADIO_TEMP_DIR")
    if not cache:
        return
    file = Path(os.path.normpath(file))
    if any(file.is_relative_to(folder / GIVEN) for folder in (Path(os.path.abspath(cache)), Path(cache).resolve())):
        with suppress(OSError):  # others of the same upload may still lie there
            file.unlink(missing_ok=True)
            file.parent.rmdir()
            file.parent.parent.rmdir()


def remove_old_uploads(folder: Path) -> None:
    """Remove from Gradio's folder what nobody took, and what Gradio itself never removes: empty files and folders."""
    now = time.time()
    for entry in _entries(folder / GIVEN):
        newest = max((_modified(inner) for inner in _entries(Path(entry.path))), default=0)
        if now - max(newest, _modified(entry)) > _LONGEST_SECONDS:
            shutil.rmtree(entry.path, ignore_errors=True)
    for entry in _entries(folder):
        if now - _modified(entry) < _YOUNG_SECONDS or entry.name == GIVEN:
            continue
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                os.rmdir(entry.path)  # if it is empty
            elif entry.name.startswith("tmp") and not entry.stat().st_size:
                os.unlink(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def _counted(receive: "Receive", most: int) -> "Receive":
    """The same messages, but an end where they get too many."""
    from starlette.formparsers import MultiPartException

    count = 0

    async def counted() -> "Message":
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > most:
            raise MultiPartException("All files together have more than the maximum allowed size.")
        return message

    return counted
