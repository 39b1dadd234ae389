"""From raw outputs to points, confidences and descriptors."""

from math import inf

from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Float


def activate_points(raw: Float[Tensor, "*batch 3"], mode: str) -> Float[Tensor, "*batch 3"]:
    """The direction of the raw vector, at a distance that grows with its length.

    Args:
        mode: "exp" (length d becomes exp(d) - 1), "square" (d squared) or "linear" (as it is).
    """
    if mode == "linear":
        return raw
    length = raw.norm(dim=-1, keepdim=True)
    direction = raw / length.clamp(min=1e-8)
    if mode == "exp":
        return direction * length.expm1()
    if mode == "square":
        return direction * length.square()
    raise InputError(f"Unknown activation of points {mode!r}. Choose 'exp', 'square' or 'linear'.")


def activate_confidence(
    raw: Float[Tensor, "*batch"], mode: str, limits: tuple[float, float]
) -> Float[Tensor, "*batch"]:
    """A confidence within `limits`.

    Args:
        mode: "exp" (lower limit + exp) or "sigmoid".
    """
    low, high = limits
    if mode == "exp":
        return low + raw.exp().clamp(max=high - low)
    if mode == "sigmoid" and high < inf:
        return low + (high - low) * raw.sigmoid()
    raise InputError(f"Unknown activation of confidence {mode!r} in {limits}. Choose 'exp', or 'sigmoid' with limits.")


def activate_descriptors(raw: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Descriptors of unit length."""
    return raw / raw.norm(dim=-1, keepdim=True)
