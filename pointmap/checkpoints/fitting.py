"""Weights onto the network they claim to belong to; what does not fit is named.

The names of our network's weights are the official ones. Three liberties of the official files are taken away first:
tensors that are stored under two names, the single decoder of CroCo's files, and weights that nothing reads.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from pointmap.errors import InputError

_ALIAS = re.compile(r"(.*\.scratch)\.layer_rn\.(\d)\.weight")
_UNUSED = re.compile(r"mask_token|.*\.refinenet4\.resConfUnit1\..*|prediction_head\..*")
_SMALL = 1 << 16
HEADS = "downstream_head"


def official_names(state: Mapping[str, Tensor], *, two_decoders: bool = True) -> dict[str, Tensor]:
    """The weights, each tensor under one name, and with a second decoder where one is needed and none is stored.

    Args:
        state: Weights by their official names, with or without aliases.
        two_decoders: The network has a second decoder; it starts as the copy of the first where the file has only one.
    """
    named = {}
    for name, tensor in state.items():
        alias = _ALIAS.fullmatch(name)
        original = f"{alias[1]}.layer{int(alias[2]) + 1}_rn.weight" if alias else name
        if not alias or original not in state:
            named[original] = tensor
    if two_decoders and not any(name.startswith("dec_blocks2") for name in named):
        named |= {
            name.replace("dec_blocks", "dec_blocks2", 1): tensor.clone()  # a start, not a shared weight
            for name, tensor in named.items()
            if name.startswith("dec_blocks")
        }
    return named


def fit_weights(network: nn.Module, state: Mapping[str, Tensor], *, source: str, only_trunk: bool = False) -> None:
    """Put the weights into the network (which may be on the `meta` device), in the number format of its own parameters.

    Args:
        network: Built from the configuration that came with the weights.
        state: Weights by their official names; half precision is widened.
        source: What error messages call the file.
        only_trunk: Encoder and decoders only; the heads stay as they are (pretraining files have none).

    Raises:
        InputError: Names are missing or unexpected, shapes differ, or values are not finite.
    """
    expected = network.state_dict()
    if only_trunk:
        expected, state = (
            {name: tensor for name, tensor in tensors.items() if not name.startswith(HEADS)}
            for tensors in (expected, state)
        )
    state = official_names(state, two_decoders=any(name.startswith("dec_blocks2") for name in expected))

    missing = [name for name in expected if name not in state and not _UNUSED.fullmatch(name)]
    unexpected = [name for name in state if name not in expected and not _UNUSED.fullmatch(name)]
    common = [name for name in expected if name in state]
    misshapen = [
        f"{name} is {_shape(state[name])} and not {_shape(expected[name])}"
        for name in common
        if state[name].shape != expected[name].shape
    ]
    faults = [
        f"{len(found)} {what} ({_few(found)})"
        for what, found in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
        if found
    ]
    if faults:
        raise InputError(
            f"The weights in {source} do not belong to the network that is described with them. "
            f"Of {len(expected)} weights: {'; '.join(faults)}. Take weights and description from one place."
        )
    spoilt = [name for name in common if not _is_finite(state[name])]
    if spoilt:
        raise InputError(
            f"{len(spoilt)} of {len(common)} weights in {source} hold NaN or infinity ({_few(spoilt)}): "
            "the file is damaged, or its training diverged."
        )
    on_meta = any(tensor.is_meta for tensor in expected.values())
    # Small weights keep their precision: as copies, they do not keep a whole mapped file in memory with them.
    fitting = {name: state[name].to(expected[name].dtype, copy=state[name].numel() < _SMALL) for name in common}
    if on_meta:  # what nothing reads may be absent, but must be somewhere
        fitting |= {name: torch.zeros_like(expected[name], device="cpu") for name in expected if name not in fitting}
    network.load_state_dict(fitting, strict=False, assign=on_meta)


def _is_finite(tensor: Tensor) -> bool:
    # The sum is fast and needs no memory; it can overflow although every value is finite, so only then look at each.
    if not tensor.is_floating_point() or bool(tensor.sum(dtype=torch.float32).isfinite()):
        return True
    return bool(tensor.isfinite().all())


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _few(names: Iterable[str], count: int = 4) -> str:
    names = list(names)
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
