"""A name, a folder or a file -> a network that is ready to use."""

import functools
import logging
import re
from dataclasses import replace
from pathlib import Path

import torch

from pointmap.checkpoints.containers import Checkpoint, read_checkpoint
from pointmap.checkpoints.fitting import fit_weights
from pointmap.checkpoints.hub import fetch
from pointmap.checkpoints.registry import (
    NON_COMMERCIAL,
    PUBLISHED,
    WEIGHTS,
    bundled_folder,
    bundled_models,
    published_model,
)
from pointmap.errors import InputError
from pointmap.models.config import NetworkConfig
from pointmap.models.network import Network
from pointmap.models.official import config_from_official
from pointmap.models.precision import resolve_device, resolve_precision
from pointmap.progress import ProgressCallback

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_METRIC = re.compile(r"[_-]metric(?![A-Za-z])")
_WEIGHT_FILES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


def load_model(
    name_or_path: str | Path = "small",
    *,
    device: str | torch.device | None = None,
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Network:
    """Load a network, ready for inference.

    Args:
        name_or_path: A bundled name ('small', 'tiny'), a folder with `config.json` and `model.safetensors`, a
            `.safetensors` file with its `config.json` beside it, an official `.pth` file, an official name with or
            without its owner ('naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt'), or any `owner/name` or
            `owner/name@revision` of the hub in the same layout. A bundled name comes before a path, a path before the
            hub. Downloads stay in the hub's cache, and are used from there without asking the hub again.
        device: Default: CUDA where there is one, else the CPU.
        precision: 'auto' (bfloat16 where the hardware has it), 'fp32', 'bf16', 'fp16' (CUDA only).
        progress: Called with ("download" | "check the download", bytes done, bytes in all) during a download.

    Raises:
        InputError: It cannot be found, downloaded, or read, or its weights do not fit; the message says which.
    """
    resolved = resolve_device(device)
    dtype = resolve_precision(precision, resolved)
    checkpoint = read_checkpoint(_locate(name_or_path, progress))
    source = repr(str(checkpoint.path))
    if checkpoint.pretraining:
        raise InputError(
            f"{source} is a CroCo pretraining file: it has no heads, so it predicts no points. "
            "As a start for training: pointmap.checkpoints.load_pretraining(network, path)."
        )
    config = _network_config(checkpoint, str(name_or_path))
    with torch.device("meta"):  # no time and memory for random weights that are replaced at once
        network = Network(config)
    fit_weights(network, checkpoint.state, source=source)
    del checkpoint  # the weights as stored can go when they are converted
    network.to(resolved).set_precision(dtype)
    return network.eval()


def load_pretraining(network: Network, path: str | Path) -> None:
    """Start a network from a CroCo pretraining file: its encoder, and its one decoder as both decoders. Heads stay.

    The encoder and decoders of a finished network (any layout that is a file) are taken as well.

    Raises:
        InputError: The file cannot be read, or is of a network with other widths or depths.
    """
    checkpoint = read_checkpoint(Path(path).expanduser())
    _say_licence_once(NON_COMMERCIAL)
    fit_weights(network, checkpoint.state, source=repr(str(checkpoint.path)), only_trunk=True)


def _network_config(checkpoint: Checkpoint, name: str) -> NetworkConfig:
    if checkpoint.config is None:
        raise InputError(
            f"{str(checkpoint.path)!r} holds weights without a description of the network. "
            "Put the config.json that belongs to them into the same folder."
        )
    try:
        if checkpoint.config.get("format") == "pointmap":
            return NetworkConfig.from_dict(checkpoint.config)
        _say_licence_once(NON_COMMERCIAL)
        config = config_from_official(checkpoint.config)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(
            f"The network of {str(checkpoint.path)!r} cannot be built from its description: {error}"
        ) from error
    # Whether points are in metres stands in the published names only (and there is a `_nonmetric` one).
    called = [Path(name).name, checkpoint.path.parent.name if checkpoint.path.name == WEIGHTS else ""]
    return replace(config, metric=any(_METRIC.search(part) for part in called))


def _locate(name_or_path: str | Path, progress: ProgressCallback | None) -> Path:
    """Folder or file of the weights, downloaded where needed."""
    path, name = Path(name_or_path).expanduser(), str(name_or_path)
    folder = bundled_folder(name) if isinstance(name_or_path, str) and path.name == name else None
    if folder is not None:
        return folder
    if path.exists() or isinstance(name_or_path, Path) or path.suffix in _WEIGHT_FILES:
        return path  # a missing file is an error of the reader
    known = published_model(name)
    if known is not None and known.hub_id is not None:
        return fetch(known.hub_id, known.revision, sha256=known.sha256, progress=progress)
    hub_id, _, revision = name.partition("@")
    if _HUB_ID.fullmatch(hub_id):
        return fetch(hub_id, revision or None, progress=progress)
    names = [model.name for model in (*bundled_models(), *PUBLISHED)]
    raise InputError(
        f"There is no network {name!r}: no file or folder of that name, and none of {', '.join(names)}. "
        "`pointmap models` lists what can be loaded; another network of the hub is owner/name."
    )


@functools.cache
def _say_licence_once(licence: str) -> None:
    """Once per process: no state is kept on the machine, and nobody who runs the network can have missed it."""
    logging.getLogger("pointmap").warning(
        "The published DUSt3R, MASt3R and CroCo weights are licensed under %s, for non-commercial use only. "
        "The bundled networks have no such restriction.",
        licence,
    )
