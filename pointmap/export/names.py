"""File names for what is made of a photo."""

import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import PurePosixPath

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_MAX_BYTES = 180  # file systems allow 255, of which endings and temporary names take some


def output_stems(names: Sequence[str]) -> list[str]:
    """One file name without ending per photo: different from all others and safe on all file systems.

    Spaces and unicode stay. Folders within a name (of a zip, say) join it with "_"; what some system forbids becomes
    "_"; a photo's ending is kept as "_ending" where the stem alone is taken, then numbers are added. Names that
    differ in case only count as equal.
    """
    taken: set[str] = set()
    stems = []
    for name in names:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        path = PurePosixPath("_".join(parts) or "photo")
        suffix = path.suffix.removeprefix(".")
        stem = _safe(path.stem)
        with_suffix = [f"{stem}_{_safe(suffix)}"] if suffix else []
        candidates = chain([stem], with_suffix, (f"{stem}_{number}" for number in count(2)))
        chosen = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(chosen.casefold())
        stems.append(chosen)
    return stems


def _safe(text: str) -> str:
    text = _FORBIDDEN.sub("_", text).strip(" .") or "photo"
    return text.encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore")
