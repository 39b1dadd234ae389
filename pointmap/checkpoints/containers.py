"""Files of weights: what they hold, read without running anything that is in them.

Layouts: our own and the hub's folder (`config.json` beside `model.safetensors`), the official DUSt3R / MASt3R pickle
(`args.model` holds a constructor call as text) and CroCo's pretraining pickle (`croco_kwargs`).
"""

import argparse
import ast
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointmap.checkpoints.registry import CONFIG, WEIGHTS
from pointmap.errors import InputError


@dataclass(frozen=True)
class Checkpoint:
    """Weights and how to build the network that they belong to."""

    path: Path
    state: dict[str, Tensor]
    config: dict[str, Any] | None
    """What `config.json`, the constructor call or `croco_kwargs` says; None when the file does not say."""
    pretraining: bool = False
    """CroCo's layout: one decoder, no heads for pointmaps."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a folder, a `.safetensors` file or a pickled checkpoint; the content decides, not the ending.

    Raises:
        InputError: It is missing, empty, truncated, no file of weights, or a pickle with code in it (which never runs).
    """
    if path.is_dir():
        missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
        if missing:
            raise InputError(f"The folder {str(path)!r} has no {' and no '.join(missing)}. A network is both files.")
        path = path / WEIGHTS
    if not path.is_file():
        raise InputError(f"There is no file of weights {str(path)!r}. Check the path.")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise InputError(f"{str(path)!r} is empty. Download or copy it again.")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{str(path)!r} is the pointer that Git LFS keeps instead of the weights. Run: git lfs pull")
    if head.lstrip()[:1] == b"<":
        raise InputError(f"{str(path)!r} is a web page, not weights: the download got an error or log-in page instead.")
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head.startswith((b"PK", b"\x80")):
        return _from_pickle(path, _unpickle(path, is_zip=head.startswith(b"PK")))
    raise InputError(
        f"{str(path)!r} is neither a safetensors file nor a PyTorch checkpoint (it starts with {head[:8]!r})."
    )


def read_config(path: Path) -> dict[str, Any]:
    """Read `config.json`. The hub's files hold bare `Infinity`, which is not JSON but which Python reads."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{str(path)!r} must hold an object of settings, but holds a {type(config).__name__}.")
    return config


def parse_constructor(call: str) -> dict[str, Any]:
    """Keyword arguments of a constructor call written as text, such as `Net(depth=2, mode=('exp', -inf, inf))`.

    Only literals, and the names `inf` and `nan`, are understood; nothing is evaluated.
    """
    try:
        tree = ast.parse(call.strip(), mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise ValueError("it is not a call of a class by its name")
        if tree.args or any(keyword.arg is None for keyword in tree.keywords):
            raise ValueError("its arguments are not all given by keyword")
        return {str(keyword.arg): _literal(keyword.value) for keyword in tree.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"The checkpoint's constructor call cannot be read, {error}: {call[:200]!r}") from error


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_literal(item) for item in items)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _literal(operand)
            if isinstance(value, (int, float)):
                return -value
        case ast.Name(id="inf"):
            return math.inf
        case ast.Name(id="nan"):
            return math.nan
    raise ValueError(f"it holds {ast.unparse(node)!r}, which is no literal")


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} is a truncated or damaged safetensors file ({error}). Download or copy it again."
        ) from error
    config = path.with_name(CONFIG)
    return Checkpoint(path, state, read_config(config) if config.is_file() else None)


def _unpickle(path: Path, *, is_zip: bool) -> Any:
    import pickle

    try:
        # The official files hold the training options; a Namespace is a bag of values and runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        reason = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "class" in line), "")
        raise InputError(
            f"{str(path)!r} is damaged, or a pickle with more in it than weights; such content is never run. {reason}"
        ) from error
    except Exception as error:  # damaged bytes can make an unpickler raise anything
        raise InputError(
            f"{str(path)!r} is truncated, damaged or no checkpoint ({type(error).__name__}: {error}). "
            "Download or copy it again."
        ) from error


def _from_pickle(path: Path, content: Any) -> Checkpoint:
    if not isinstance(content, dict):
        raise InputError(f"{str(path)!r} holds a {type(content).__name__}; a checkpoint is a dictionary.")
    state = content.get("model", content)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        keys = ", ".join(map(repr, list(content)[:6]))
        raise InputError(
            f"{str(path)!r} holds {keys} but no weights: "
            "expected 'model' (name -> tensor) with 'args' or 'croco_kwargs'."
        )
    if isinstance(content.get("croco_kwargs"), dict):
        return Checkpoint(path, state, content["croco_kwargs"], pretraining=True)
    constructor = getattr(content.get("args"), "model", None)
    if isinstance(constructor, str):
        return Checkpoint(path, state, parse_constructor(constructor))
    config = path.with_name(CONFIG)
    return Checkpoint(path, state, read_config(config) if config.is_file() else None)
