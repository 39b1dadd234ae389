"""Networks of the Hugging Face hub: pinned, resumed, checked; afterwards used without asking the hub again.

Imports `huggingface_hub` inside and torch never, so that the table of networks comes at once.
"""

import hashlib
import os
import re
from pathlib import Path

from pointmap.checkpoints.registry import CONFIG, WEIGHTS
from pointmap.errors import Cancelled, InputError
from pointmap.progress import ProgressCallback

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached_folder(hub_id: str, revision: str | None = None) -> Path | None:
    """Folder of a network in the hub's cache on this machine, or None. Asks nobody.

    Without a revision it is the one that was the newest when it was first asked for.
    """
    from huggingface_hub import try_to_load_from_cache

    config, weights = (try_to_load_from_cache(hub_id, name, revision=revision) for name in (CONFIG, WEIGHTS))
    return Path(weights).parent if isinstance(config, str) and isinstance(weights, str) else None


def fetch(
    hub_id: str, revision: str | None = None, *, sha256: str | None = None, progress: ProgressCallback | None = None
) -> Path:
    """Folder with `config.json` and `model.safetensors` of a network on the hub, downloaded where it is not here yet.

    An interrupted download continues where it stopped. The weights are compared with the SHA-256 that the hub states.

    Args:
        hub_id: `owner/name`.
        revision: Commit, tag or branch; by default the newest when it is first asked for, kept from then on.
        sha256: Of the weights, where it is known beforehand; the hub must state the same.

    Raises:
        InputError: No such network or file, no network connection, or the weights are not what the hub states.
    """
    folder = cached_folder(hub_id, revision)
    if folder is not None:
        return folder
    try:
        return _download(hub_id, revision, sha256, progress)
    except (Cancelled, InputError):
        raise
    except Exception as error:  # the client raises errors of its own, of its HTTP library and of the system
        raise InputError(_explain(error, hub_id, revision)) from error


def _download(hub_id: str, revision: str | None, sha256: str | None, progress: ProgressCallback | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    weights = get_hf_file_metadata(hf_hub_url(hub_id, WEIGHTS, revision=revision))
    stated = weights.etag or ""
    if not _SHA256.fullmatch(stated) or weights.size is None:
        raise InputError(f"The hub states no SHA-256 for {WEIGHTS!r} of {hub_id!r} (but {stated!r}): not loaded.")
    if sha256 is not None and sha256 != stated:
        raise InputError(f"The hub states SHA-256 {stated} for {WEIGHTS!r} of {hub_id!r}; expected {sha256}.")
    config = Path(hf_hub_download(hub_id, CONFIG, revision=revision))
    commit = config.parent.name
    if commit != weights.commit_hash:
        raise InputError(f"{hub_id!r} was changed on the hub while it was asked for. Try again.")
    content = config.parents[2] / "blobs" / stated
    if not content.exists():
        _download_checked(hf_hub_url(hub_id, WEIGHTS, revision=commit), content, weights.size, progress)
    return Path(hf_hub_download(hub_id, WEIGHTS, revision=commit)).parent  # finds the content and names it


def _download_checked(url: str, content: Path, size: int, progress: ProgressCallback | None) -> None:
    """Bring a file, whose name is its SHA-256, to where the hub's client keeps it.

    The client itself starts anew after every interruption (huggingface_hub 2), which hurts with gigabytes.
    """
    from huggingface_hub.utils import WeakFileLock

    content.parent.mkdir(parents=True, exist_ok=True)
    partial = content.with_name(f"{content.name}.partial")
    with WeakFileLock(content.with_name(f"{content.name}.lock")):
        if content.exists():  # another process brought it meanwhile
            return
        while (before := _size(partial)) < size:
            try:
                _continue(url, partial, before, size, progress)
            except Exception as error:
                # A connection that brought something may do so again.
                if isinstance(error, (Cancelled, OSError)) or _size(partial) <= before:
                    raise
        found = _sha256(partial, progress)
        if found != content.name:
            partial.unlink()
            raise InputError(
                f"The download of {url} is damaged: its SHA-256 is {found}, the hub states {content.name}. "
                "It was removed; try again."
            )
        os.replace(partial, content)


def _continue(url: str, partial: Path, start: int, size: int, progress: ProgressCallback | None) -> None:
    """Append what is missing of a download, as far as the connection carries."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    headers = build_hf_headers() | {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=30.0) as response:
        hf_raise_for_status(response)
        ranged = response.status_code == 206  # a server that ignores the range sends everything
        done = start if ranged else 0
        with partial.open("ab" if ranged else "wb") as file:
            for block in response.iter_bytes():
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress("download", done, size)
    if done <= start:
        raise ConnectionError(f"the hub sent nothing beyond byte {start} of {size}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path, progress: ProgressCallback | None) -> str:
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress("check the download", done, total)
    return digest.hexdigest()


def _explain(error: Exception, hub_id: str, revision: str | None) -> str:
    from huggingface_hub import errors

    asked = f"{hub_id!r}" + (f" at revision {revision!r}" if revision else "")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    match error:
        case errors.GatedRepoError():
            return f"The hub gives {asked} only to those who accepted its conditions: accept them, then hf auth login."
        case errors.RepositoryNotFoundError():
            return f"The hub has no network {asked}, or it is private (then run hf auth login). {reason}"
        case errors.RevisionNotFoundError():
            return f"The hub has {hub_id!r}, but no revision {revision!r} of it."
        case errors.EntryNotFoundError() if not isinstance(error, errors.LocalEntryNotFoundError):
            return (
                f"{asked} on the hub has no {CONFIG} or no {WEIGHTS}, so it is no network that can be loaded. {reason}"
            )
        case errors.HFValidationError():
            return f"{hub_id!r} is no name of a network on the hub: expected owner/name. {reason}"
    return (
        f"{asked} is not on this machine and could not be downloaded ({type(error).__name__}: {reason}). "
        "What has arrived is kept: the same call continues. Without a connection, "
        f"fetch {CONFIG} and {WEIGHTS} elsewhere and give the folder that holds both, or give an official .pth file."
    )
