"""The networks that can be loaded by name. Imports nothing heavy, so that the table of them comes at once."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""The two files of a network, ours and the hub's."""

NON_COMMERCIAL = "CC BY-NC-SA 4.0"
OWN_LICENCE = "Apache-2.0"

_PACKAGE = Path(__file__).parents[1]
_ROOTS = (_PACKAGE, _PACKAGE.parent)


@dataclass(frozen=True)
class KnownModel:
    """A network with a name of its own."""

    name: str
    parameters: int
    size: int
    """Bytes of the weights file."""
    licence: str
    hub_id: str | None = None
    """Where it is downloaded from; None when it is bundled."""
    revision: str | None = None
    """Commit that is loaded. None: the newest when it was first asked for, kept from then on."""
    sha256: str | None = None
    """Of the weights file; None where only the hub says it."""


def _published(
    name: str, parameters: int, size: int, revision: str | None = None, sha256: str | None = None
) -> KnownModel:
    return KnownModel(name, parameters, size, NON_COMMERCIAL, f"naver/{name}", revision, sha256)


PUBLISHED = (
    _published("DUSt3R_ViTLarge_BaseDecoder_224_linear", 532_342_784, 2_129_000_000),
    _published("DUSt3R_ViTLarge_BaseDecoder_512_linear", 532_342_784, 2_129_000_000),
    _published(
        "DUSt3R_ViTLarge_BaseDecoder_512_dpt",
        571_171_208,
        2_284_790_056,
        revision="61c57447d7b0adc8a1a30b2b0adec7a8935aa2a3",
        sha256="7c300a89534113436bde52732d3151212bcbd90f0aa3c8d1496f86d84bfe4b42",
    ),
    _published(
        "MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric",
        688_638_856,
        2_754_661_648,
        revision="06e7259f34c3060f322df5cb0c7b9094f57e41fc",
        sha256="0a615eb05fa9db654050aa655945ee5696e7c6c1b7f93f1ee8c37249010f6feb",
    ),
)


def published_model(name: str) -> KnownModel | None:
    """The published network of this official name or hub id, if it is one."""
    return next((model for model in PUBLISHED if name in (model.name, model.hub_id)), None)


def bundled_folder(name: str) -> Path | None:
    """Folder of a bundled network: inside an installed package, beside the package in a source checkout."""
    folders = (root / "weights" / name for root in _ROOTS)
    return next((folder for folder in folders if _is_complete(folder)), None)


def bundled_models() -> list[KnownModel]:
    """The networks that travel with the package; one whose weights are absent, or a git pointer only, is not listed."""
    names = {path.parent.name for root in _ROOTS for path in root.glob(f"weights/*/{CONFIG}")}
    folders = {name: bundled_folder(name) for name in sorted(names)}
    weights = {name: folder / WEIGHTS for name, folder in folders.items() if folder is not None}
    return [
        KnownModel(name, count_parameters(file), file.stat().st_size, OWN_LICENCE) for name, file in weights.items()
    ]


def _is_complete(folder: Path) -> bool:
    weights = folder / WEIGHTS
    if not (folder / CONFIG).is_file() or not weights.is_file():
        return False
    with weights.open("rb") as file:
        return file.read(9)[8:] == b"{"  # where the header of a safetensors file begins


def count_parameters(weights: Path) -> int:
    """Number of values in a safetensors file, read from its header."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(math.prod(entry["shape"]) for key, entry in header.items() if key != "__metadata__")
