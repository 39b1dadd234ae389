"""A network -> a folder that `load_model` reads."""

import json
from pathlib import Path

import torch

from pointmap.atomic import atomic_path
from pointmap.checkpoints.registry import CONFIG, WEIGHTS
from pointmap.models.network import Network


def save_model(network: Network, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> Path:
    """Write `config.json` and `model.safetensors`; an interrupted call leaves no half-written file.

    Args:
        network: On any device.
        folder: Created where it is missing; a network in it is replaced.
        dtype: Of the stored matrices and kernels (nearly all of the file). Biases, norms and scalars stay float32.

    Returns:
        The folder.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    state = {
        name: tensor.detach().to("cpu", dtype if tensor.ndim > 1 else torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
    }
    with atomic_path(folder / WEIGHTS) as weights, atomic_path(folder / CONFIG) as config:
        save_file(state, weights, metadata={"format": "pt"})
        config.write_text(json.dumps(network.config.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return folder
