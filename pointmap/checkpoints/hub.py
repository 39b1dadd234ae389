"""Networks of the Hugging Face hub: pinned, resumed, checked; afterwards used without asking the hub again.

Imports `huggingface_hub` inside and torch never, so that the table of networks comes at once.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from pointmap.checkpoints.registry import CONFIG, WEIGHTS
from pointmap.errors import Cancelled, InputError
from pointmap.progress import ProgressCallback

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached_folder(hub_id: str, revision: str | None = None) -> Path | None:
    """Folder of a network in the hub's cache on this machine, or None. Asks nobody.

    Without a revision it is the one that was the newest when it was first asked for.
    """
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(hub_id, name, revision=revision) for name in (CONFIG, WEIGHTS)]
    return Path(found[1]).parent if all(isinstance(path, str) for path in found) else None


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

    config = Path(hf_hub_download(hub_id, CONFIG, revision=revision))
    commit = config.parent.name  # both files of one commit, whatever is pushed meanwhile
    stated = get_hf_file_metadata(hf_hub_url(hub_id, WEIGHTS, revision=commit)).etag or ""
    if not _SHA256.fullmatch(stated):
        raise InputError(f"The hub states no SHA-256 for {WEIGHTS!r} of {hub_id!r} (but {stated!r}): not loaded.")
    if sha256 is not None and sha256 != stated:
        raise InputError(f"The hub states SHA-256 {stated} for {WEIGHTS!r} of {hub_id!r}; expected {sha256}.")
    weights = Path(hf_hub_download(hub_id, WEIGHTS, revision=commit, **_reporting(progress)))
    try:
        found = _sha256(weights, progress)
    except BaseException:
        weights.unlink()  # unchecked, it must not be found in the cache; the content stays and is checked next time
        raise
    if found != stated:
        content = weights.resolve()
        weights.unlink()
        content.unlink(missing_ok=True)
        raise InputError(
            f"The download of {WEIGHTS!r} of {hub_id!r} is damaged: its SHA-256 is {found}, the hub states {stated}. "
            "It was removed; try again."
        )
    return weights.parent


def _sha256(path: Path, progress: ProgressCallback | None) -> str:
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress("check the download", done, total)
    return digest.hexdigest()


def _reporting(progress: ProgressCallback | None) -> dict[str, Any]:
    """Arguments that make the hub's client report to the callback; its own bar where there is none or it cannot."""
    import inspect

    from huggingface_hub import hf_hub_download

    if progress is None or "tqdm_class" not in inspect.signature(hf_hub_download).parameters:
        return {}
    import io

    from tqdm import tqdm

    class Reporter(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress("download", int(self.n), int(self.total or self.n))
            return shown

    return {"tqdm_class": Reporter}


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
