"""What callers give per view, taken apart and checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.priors import Soft
from pointmap.shapes import Bool, Float

PerView = Any
"""None, or a sequence with one value per view: plain (exact), `Soft`, or None where it is not known. Whatever callers
give is checked here, so that they are told what is wrong with it."""


def entries(name: str, values: PerView, count: int) -> list[tuple[int, Any]]:
    """What is known, and of which view."""
    if values is None:
        return []
    if isinstance(values, Soft) or not hasattr(values, "__len__") or len(values) != count:
        got = f"has {len(values)} entries" if hasattr(values, "__len__") else f"is a {type(values).__name__}"
        raise InputError(f"{name} {got} for {count} views; give one per view, None where it is not known.")
    return [(view, value) for view, value in enumerate(values) if value is not None]


def value_and_sigmas(name: str, view: int, value: Any, parts: int = 1) -> tuple[Any, list[float]]:
    """A value and its sigmas, which are 0 where it is exact."""
    if not isinstance(value, Soft):
        return value, [0.0] * parts
    sigmas = list(value.sigma) if isinstance(value.sigma, tuple | list) else [value.sigma]
    meaning = "(degrees, world units)" if parts == 2 else "one number"
    if len(sigmas) != parts:
        raise InputError(f"The sigma of {name}[{view}] is {value.sigma!r}; expected {meaning}.")
    sigmas = [float(sigma) for sigma in sigmas]
    if not all(sigma > 0 for sigma in sigmas):
        raise InputError(
            f"The sigma of {name}[{view}] is {value.sigma!r}; it must be positive. Give a value that is exact without "
            f"Soft, and infinity for what is not known."
        )
    return value.value, sigmas


def as_array(name: str, view: int, value: Any) -> Float[Tensor, "..."]:
    """float64, on the CPU."""
    try:
        return torch.as_tensor(np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}[{view}] is a {type(value).__name__}; expected an array of numbers.") from error


def as_map(
    name: str, view: int, value: Any, shape: tuple[int, int], device: torch.device | str
) -> Float[Tensor, "h w"]:
    """A map of a view's working image."""
    tensor = as_array(name, view, value)
    if tensor.ndim != 2 or shape not in ((0, 0), tuple(tensor.shape)):
        raise InputError(
            f"{name}[{view}] has the shape {tuple(tensor.shape)}, but the working image of that view has "
            f"{shape[0]}x{shape[1]} pixels (height x width). Give one value per pixel."
        )
    return tensor.to(device)


def read_masks(
    masks: PerView, shapes: Sequence[tuple[int, int]], device: torch.device | str = "cpu"
) -> list[Bool[Tensor, "_ _"] | None]:
    """Per view which pixels to keep; None where all are.

    Args:
        masks: Per view an (h, w) array of the working image, non-zero = keep, or None.
        shapes: (height, width) of the working images; (0, 0) where it is not known.

    Raises:
        InputError: A mask has another size, or keeps nothing.
    """
    kept: list[Tensor | None] = [None] * len(shapes)
    for view, mask in entries("masks", masks, len(shapes)):
        if isinstance(mask, Soft):
            raise InputError(f"masks[{view}] is soft, but a pixel is kept or not; give the mask itself.")
        tensor = as_map("masks", view, mask, shapes[view], device) != 0
        if not bool(tensor.any()):
            raise InputError(f"masks[{view}] keeps no pixel (True = keep). Leave that view out, or give None.")
        kept[view] = None if bool(tensor.all()) else tensor
    return kept
