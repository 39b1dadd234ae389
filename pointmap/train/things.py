"""How things are made of solids.

Each thing is described in a frame in which its width and depth go from -1 to 1 and its height from 0 to 1, upwards; its
front looks along -z. `size` gives the ranges of half its width, its height and half its depth in metres.
"""

from dataclasses import dataclass

Vector = tuple[float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """One solid."""

    kind: str
    centre: Vector
    half: Vector
    material: int = 0
    """Parts with the same number look the same; -1: a look of its own."""
    turn: str = "none"
    """Where its y axis points to: "none", "x" or "z"."""
    cut: tuple[float, ...] = (0.0,) * 12


@dataclass(frozen=True)
class Thing:
    """A composite."""

    size: tuple[Range, Range, Range]
    parts: tuple[Part, ...]
    top: float = 1.0
    """Height of the surface on which other things can stand."""


def grid(columns: int, rows: int, across: float, up: float, depth: Range, margin: Range = (0, 0)) -> tuple[float, ...]:
    """Cuts in the front of a box: how many, their share of the width and height, and from where to where (-1 to 1).

    Args:
        margin: Left free below and above, in halves of the height.
    """
    low, high = -1 + margin[1], 1 - margin[0]  # y points down in the solid's own frame
    half_x, half_y = across / columns, up * (high - low) / 2 / rows
    first_y, pitch_y = low + (high - low) / 2 / rows, (high - low) / rows
    z, half_z = (depth[0] + depth[1]) / 2, (depth[1] - depth[0]) / 2
    first = (-1 + 1 / columns, first_y, z)
    last = (1 - 1 / columns, first_y + (rows - 1) * pitch_y, z)
    return (*first, 2 / columns, pitch_y, 0.0, *last, half_x, half_y, half_z)


def box(x: float, y: float, z: float, a: float, b: float, c: float, material: int = 0) -> Part:
    return Part("box", (x, y, z), (a, b, c), material)


def solid(kind: str, y: float, r: float, h: float, material: int = 0, x: float = 0, z: float = 0) -> Part:
    return Part(kind, (x, y, z), (r, h, r), material)


def legs(x: float, z: float, width: float, half_height: float, material: int = 1) -> tuple[Part, ...]:
    corners = [(a, b) for a in (-x, x) for b in (-z, z)]
    return tuple(box(a, half_height, b, width, half_height, width, material) for a, b in corners)


def cut_box(
    cut: tuple[float, ...], half: Vector = (1, 0.5, 1), y: float = 0.5, z: float = 0, material: int = 0
) -> Part:
    return Part("cut_box", (0, y, z), half, material, cut=cut)


def shelf(columns: int, rows: int) -> Thing:
    books = tuple(
        box(x, (row + 0.13 + 0.3) / rows, 0.1, 0.55 / columns, 0.3 / rows, 0.7, -1)
        for row, x in ((0, -0.5), (1, 0.45), (rows - 1, -0.4), (rows - 2, 0.1), (1, -0.55))
    )
    return Thing(
        ((0.3, 0.8), (0.8, 2.1), (0.13, 0.22)), (cut_box(grid(columns, rows, 0.92, 0.88, (-1.02, 0.9))), *books)
    )


def front(columns: int, rows: int, across: float, up: float, ground: float = 0.1) -> Thing:
    """A house's front with recessed windows, a door, a ledge and a roof's edge."""
    return Thing(
        ((3, 8), (3.0, 12), (2, 4)),
        (
            cut_box(grid(columns, rows, across, up, (-1.01, -0.93), (ground, 0.08))),
            box(0, 0.99, -0.02, 1.03, 0.02, 1.05, 1),
            box(0, 1 / rows, -1.0, 1.0, 0.008, 0.02, 1),
            box(-1 + 1 / columns, 0.1, -0.95, across / columns * 0.6, 0.1, 0.06, 2),
            box(0, 0.015, -0.98, 1.01, 0.015, 0.04, 2),
        ),
    )
