"""What a caller knows before: values that are kept exactly, or softly with a stated doubt."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Soft(Generic[Value]):
    """A known value that may be wrong by about `sigma` (one standard deviation)."""

    value: Value
    """The value: a matrix, a map, a vector."""

    sigma: float | tuple[float, float]
    """Of the logarithm of focal lengths and depths; (degrees, world units) of a pose; degrees of a direction."""


@dataclass(frozen=True)
class KnownDistance:
    """The distance of two places in the world, which tells its scale.

    A place is a view, which means the centre of its camera, or (view, x, y): the point that this pixel of the view's
    working image shows.
    """

    a: int | tuple[int, float, float]
    b: int | tuple[int, float, float]

    length: float
    """In the units that the world shall have."""

    sigma: float | None = None
    """Of its logarithm; None where it is exact."""
