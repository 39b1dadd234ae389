"""Which networks and settings visitors may choose: names from lists, so that no path or address reaches the engine."""

import math
import re
from dataclasses import dataclass
from typing import Any

from pointmap.errors import InputError

IMAGE_SIZES = (224, 320, 512)
POSES = ("auto", "network", "sfm")
DEPTHS = ("auto", "network", "stereo")
SUBJECTS = ("scene", "object")
MATCHERS = ("sift", "tokens")
CLASSICAL = "classical"

_PAIRS = re.compile(r"auto|complete|(retrieval|window|log-window)-\d{1,3}|one-to-all-\d{1,4}")


@dataclass(frozen=True)
class OfferedNetwork:
    """A network that is on this machine."""

    name: str
    label: str
    """Its name, size and licence, for people."""


def offered_networks() -> list[OfferedNetwork]:
    """The bundled networks, published ones that were downloaded before, and none at all."""
    from pointmap.checkpoints.hub import cached_folder
    from pointmap.checkpoints.registry import PUBLISHED, bundled_models

    here = [*bundled_models(), *(known for known in PUBLISHED if cached_folder(known.hub_id or "", known.revision))]
    offered = [
        OfferedNetwork(known.hub_id or known.name, f"{known.name} ({_size(known.size)}, {known.licence})")
        for known in here
    ]
    return [*offered, OfferedNetwork(CLASSICAL, "none (keypoints and stereo alone)")]


def checked_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of `jobs.reconstruct_job`, or an error; those that are None are left out.

    Raises:
        InputError: A setting is none that visitors may choose.
    """
    known = {name: value for name, value in settings.items() if value is not None}
    choices: dict[str, tuple[Any, ...]] = {
        "model": tuple(network.name for network in offered_networks()),
        "image_size": IMAGE_SIZES,
        "poses": POSES,
        "depth": DEPTHS,
        "subject": SUBJECTS,
        "shared_focal": (True, False),
        "mask_sky": (True, False),
        "surface": (True, False),
    }
    for name, value in known.items():
        shown = repr(str(value)[:60])
        if name in choices:
            if value not in choices[name]:
                raise InputError(f"{name} cannot be {shown} here. Choose {', '.join(map(str, choices[name]))}.")
        elif name == "pairs":
            if not (isinstance(value, str) and _PAIRS.fullmatch(value)):
                raise InputError(f"Pairs cannot be {shown}. Choose auto, complete, retrieval-10 or window-3.")
        elif name in ("focal_px", "focal_35mm"):
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise InputError(f"{shown} is no focal length. Give a number above 0, or leave it open.")
        else:
            raise InputError(f"There is no setting {str(name)[:60]!r}.")
    return known


def _size(size: int) -> str:
    return f"{size / 2**20:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
