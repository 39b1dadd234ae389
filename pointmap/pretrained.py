"""Networks of others, through transformers: from the hub, its cache on this machine, or a folder."""

import functools
import logging
import re
from pathlib import Path
from typing import Any

from pointmap.errors import InputError
from pointmap.extras import require

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
_NON_COMMERCIAL = {
    "superglue": "The SuperPoint and SuperGlue weights are",
    "lightglue": "The SuperPoint weights that LightGlue matches with are",
}


def load_pretrained(auto_class: str, name_or_path: str | Path, *, purpose: str) -> Any:
    """Load a network, ready for inference, on the CPU.

    Args:
        auto_class: Class of transformers that knows which network a `config.json` describes.
        name_or_path: A folder with `config.json` and weights, or `owner/name` or `owner/name@revision` of the hub.
            What is in the hub's cache on this machine is used without asking the hub again.
        purpose: What needs it, as the beginning of a sentence.

    Raises:
        InputError: transformers is not installed, or the network cannot be found, downloaded or read.
    """
    transformers = require("transformers", extra="match", purpose=purpose)
    path, name = Path(name_or_path).expanduser(), str(name_or_path)
    on_hub = not path.is_dir() and _HUB_ID.fullmatch(name) is not None
    if not on_hub and not path.is_dir():
        raise InputError(
            f"There is no network {name!r}: no folder of that name, and no owner/name of the hub. {purpose} needs a "
            "folder with config.json and model.safetensors, or the name of such a network on the hub."
        )
    try:
        model = _load(getattr(transformers, auto_class), name if on_hub else str(path), on_hub)
    except Exception as error:  # transformers raises errors of its own, of the hub's client and of torch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if not on_hub:
            raise InputError(
                f"{purpose} cannot use the network in {name!r} ({type(error).__name__}: {reason}). Expected the "
                "config.json and model.safetensors of a network of transformers for this purpose."
            ) from error
        raise InputError(
            f"{purpose} needs the network {name!r}, which is not on this machine and could not be downloaded "
            f"({type(error).__name__}: {reason}). Without a connection, fetch config.json and model.safetensors "
            "elsewhere and give the folder that holds both."
        ) from error
    licence = _NON_COMMERCIAL.get(model.config.model_type)
    if licence is not None:
        _say_licence_once(licence)
    return model.eval()


def _load(auto: Any, source: str, on_hub: bool) -> Any:
    """The network; code that comes along with weights is never run."""
    if not on_hub:
        return auto.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    hub_id, _, revision = source.partition("@")
    settings = {"trust_remote_code": False, "revision": revision or "main"}
    try:
        return auto.from_pretrained(hub_id, local_files_only=True, **settings)
    except OSError:  # not in the cache
        return auto.from_pretrained(hub_id, **settings)


@functools.cache
def _say_licence_once(what: str) -> None:
    """Once per process and network."""
    logging.getLogger("pointmap").warning(
        "%s licensed by Magic Leap for academic and other non-commercial use only. "
        "Matching by 'sift' or by the bundled networks has no such restriction.",
        what,
    )
