"""Which frames of many: strides and draws that anybody can repeat."""

import random

import numpy as np

from ..benchmark import Setting


def strided(count: int, stride: int) -> list[int]:
    """0, stride, 2 stride, ... below count."""
    return list(range(0, count, stride))


def shuffled(count: int, limit: int, seed: int = 42) -> list[int]:
    """At most `limit` of the numbers below count, ascending, as Depth Anything 3's bench takes its frames.

    Python's own generator shuffles all numbers and the first ones are taken; its sequence is the same in every version
    of Python 3. Source: `ByteDance-Seed/Depth-Anything-3:src/depth_anything_3/bench/evaluator.py`.
    """
    if count <= limit:
        return list(range(count))
    numbers = list(range(count))
    random.Random(seed).shuffle(numbers)
    return sorted(numbers[:limit])


def drawn(count: int, limit: int, seed: int = 42) -> list[int]:
    """At most `limit` of the numbers below count, ascending, by `numpy.random.default_rng(seed)`: our own rule."""
    if count <= limit:
        return list(range(count))
    return sorted(np.random.default_rng(seed).choice(count, limit, replace=False).tolist())


def whole_option(setting: Setting, name: str) -> int:
    """A whole number of the setting's options."""
    value = (setting.options or {})[name]
    if not isinstance(value, int):
        raise TypeError(f"Option {name!r} of {setting.title!r} is {value!r}, expected a whole number.")
    return value
