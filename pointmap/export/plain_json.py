"""JSON that every parser reads."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def to_json(value: Any, *, indent: int | None = 1) -> str:
    """Strict JSON: NumPy values become numbers and lists, paths text, and NaN and infinities null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def json_bytes(value: Any) -> bytes:
    """UTF-8 of `to_json`. A file name that is not valid text keeps its bytes as JSON's own escapes."""
    return (to_json(value) + "\n").encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return str(value) if isinstance(value, Path) else repr(value)
