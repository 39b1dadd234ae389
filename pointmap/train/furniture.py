"""Things made of solids, as data: what stands in rooms, on tables, in streets.

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


def _box(x: float, y: float, z: float, a: float, b: float, c: float, material: int = 0) -> Part:
    return Part("box", (x, y, z), (a, b, c), material)


def _solid(kind: str, y: float, r: float, h: float, material: int = 0, x: float = 0, z: float = 0) -> Part:
    return Part(kind, (x, y, z), (r, h, r), material)


def _legs(x: float, z: float, width: float, half_height: float, material: int = 1) -> tuple[Part, ...]:
    corners = [(a, b) for a in (-x, x) for b in (-z, z)]
    return tuple(_box(a, half_height, b, width, half_height, width, material) for a, b in corners)


def _cut(cut: tuple[float, ...], half: Vector = (1, 0.5, 1), y: float = 0.5, z: float = 0, material: int = 0) -> Part:
    return Part("cut_box", (0, y, z), half, material, cut=cut)


def _shelf(columns: int, rows: int) -> Thing:
    books = tuple(
        _box(x, (row + 0.13 + 0.3) / rows, 0.1, 0.55 / columns, 0.3 / rows, 0.7, -1)
        for row, x in ((0, -0.5), (1, 0.45), (rows - 1, -0.4), (rows - 2, 0.1), (1, -0.55))
    )
    return Thing(((0.3, 0.8), (0.8, 2.1), (0.13, 0.22)), (_cut(grid(columns, rows, 0.92, 0.88, (-1.02, 0.9))), *books))


def _wall(columns: int, rows: int, across: float, up: float, ground: float = 0.1) -> Thing:
    """A house's front with recessed windows, a door, a ledge and a roof's edge."""
    return Thing(
        ((3, 8), (3.0, 12), (2, 4)),
        (
            _cut(grid(columns, rows, across, up, (-1.01, -0.93), (ground, 0.08))),
            _box(0, 0.99, -0.02, 1.03, 0.02, 1.05, 1),
            _box(0, 1 / rows, -1.0, 1.0, 0.008, 0.02, 1),
            _box(-1 + 1 / columns, 0.1, -0.95, across / columns * 0.6, 0.1, 0.06, 2),
            _box(0, 0.015, -0.98, 1.01, 0.015, 0.04, 2),
        ),
    )


_FRAME = grid(1, 1, 0.88, 0.88, (-1.02, 0.6))
ROOM_THINGS = {
    "table": Thing(
        ((0.4, 1.0), (0.68, 0.8), (0.35, 0.6)), (_box(0, 0.97, 0, 1, 0.03, 1), *_legs(0.9, 0.88, 0.05, 0.47))
    ),
    "round_table": Thing(
        ((0.3, 0.6), (0.45, 0.8), (0.3, 0.6)),
        (_solid("cylinder", 0.97, 1, 0.03), _solid("cylinder", 0.5, 0.09, 0.48, 1), _solid("cylinder", 0.02, 0.5, 0.02, 1)),
    ),
    "desk": Thing(
        ((0.5, 0.9), (0.7, 0.78), (0.3, 0.42)),
        (
            _cut((-0.25, 0.12, -0.1, 0, 0, 0, -0.25, 0.12, -0.1, 0.7, 1.05, 0.95)),
            *(_box(0.7, 0.2 + 0.25 * i, -1.01, 0.25, 0.1, 0.02, 1) for i in range(3)),
            _box(0.0, 0.98, 0, 1.03, 0.02, 1.05, 2),
        ),
    ),
    "chair": Thing(
        ((0.19, 0.25), (0.8, 1.0), (0.19, 0.25)),
        (_box(0, 0.5, 0, 1, 0.03, 1), _box(0, 0.8, 0.93, 0.95, 0.18, 0.06), *_legs(0.9, 0.9, 0.08, 0.24)),
        top=0.53,
    ),
    "rail_chair": Thing(
        ((0.19, 0.25), (0.8, 1.0), (0.19, 0.25)),
        (
            _box(0, 0.5, 0, 1, 0.025, 1),
            _cut(grid(5, 1, 0.7, 0.85, (-1.1, 1.1)), (0.95, 0.24, 0.06), 0.76, 0.93),
            *_legs(0.9, 0.9, 0.08, 0.24, 0),
        ),
        top=0.53,
    ),
    "stool": Thing(
        ((0.15, 0.22), (0.4, 0.75), (0.15, 0.22)),
        (_solid("cylinder", 0.96, 1, 0.04), _solid("cylinder", 0.5, 0.12, 0.47, 1), _solid("cylinder", 0.02, 0.9, 0.02, 1)),
    ),
    "sofa": Thing(
        ((0.45, 1.15), (0.7, 0.95), (0.38, 0.5)),
        (
            _box(0, 0.24, 0, 1, 0.2, 0.95), _box(0, 0.65, 0.8, 0.95, 0.35, 0.2), _box(-0.93, 0.4, 0, 0.09, 0.26, 1),
            _box(0.93, 0.4, 0, 0.09, 0.26, 1), _box(-0.42, 0.49, -0.15, 0.4, 0.07, 0.8, 1),
            _box(0.42, 0.49, -0.15, 0.4, 0.07, 0.8, 1), _box(0.5, 0.68, 0.4, 0.2, 0.17, 0.12, 2),
        ),
        top=0.55,
    ),
    "bed": Thing(
        ((0.5, 0.9), (0.7, 1.1), (0.9, 1.05)),
        (
            _box(0, 0.17, 0, 1, 0.15, 1), _box(0, 0.4, 0, 0.97, 0.1, 0.97, 1), _box(0, 0.5, 1, 1, 0.5, 0.03),
            _box(-0.5, 0.53, 0.75, 0.38, 0.06, 0.18, 2), _box(0.5, 0.53, 0.75, 0.38, 0.06, 0.18, 2),
            _box(0, 0.39, -0.3, 1.01, 0.13, 0.72, 3),
        ),
        top=0.5,
    ),
    "cabinet": Thing(
        ((0.3, 0.8), (0.6, 2.1), (0.2, 0.35)),
        (
            _box(0, 0.5, 0, 1, 0.5, 1), _box(-0.49, 0.52, -1.03, 0.47, 0.45, 0.03, 1),
            _box(0.49, 0.52, -1.03, 0.47, 0.45, 0.03, 1), _solid("ball", 0.5, 0.04, 0.02, 2, -0.08, -1.08),
            _solid("ball", 0.5, 0.04, 0.02, 2, 0.08, -1.08),
        ),
    ),
    "drawers": Thing(
        ((0.3, 0.7), (0.6, 1.2), (0.2, 0.3)),
        (_box(0, 0.5, 0, 1, 0.5, 1), *(_box(0, 0.16 + 0.225 * i, -1.03, 0.94, 0.1, 0.03, 1) for i in range(4))),
    ),
    "shelf_2x4": _shelf(2, 4),
    "shelf_1x4": _shelf(1, 4),
    "shelf_3x5": _shelf(3, 5),
    "floor_lamp": Thing(
        ((0.15, 0.25), (1.2, 1.8), (0.15, 0.25)),
        (_solid("cylinder", 0.01, 0.8, 0.01), _solid("cylinder", 0.5, 0.06, 0.5), _solid("cone", 0.9, 1, 0.1, 1)),
    ),
    "plant": Thing(
        ((0.2, 0.4), (0.6, 1.6), (0.2, 0.4)),
        (
            _solid("cylinder", 0.12, 0.5, 0.12), _solid("cylinder", 0.4, 0.06, 0.2, 1), _solid("ball", 0.7, 0.8, 0.25, 2),
            _solid("ball", 0.85, 0.5, 0.15, 2, 0.3, 0.2),
        ),
    ),
    "crates": Thing(
        ((0.25, 0.5), (0.5, 1.4), (0.25, 0.5)),
        (_box(-0.1, 0.2, 0, 0.85, 0.2, 0.9, -1), _box(0.1, 0.55, -0.1, 0.7, 0.15, 0.75, -1), _box(0, 0.85, 0, 0.5, 0.15, 0.4, -1)),
    ),
    "bench": Thing(((0.4, 0.9), (0.4, 0.5), (0.15, 0.25)), (_cut((0, 0.2, 0, 0, 0, 0, 0, 0.2, 0, 0.85, 1.0, 1.1)),)),
}  # fmt: skip
WALL_THINGS = {
    "picture": Thing(
        ((0.12, 0.6), (0.3, 1.1), (0.015, 0.03)), (_cut(_FRAME), _box(0, 0.5, 0.7, 0.88, 0.44, 0.2, -1))
    ),
    "poster": Thing(((0.2, 0.6), (0.4, 1.2), (0.004, 0.01)), (_box(0, 0.5, 0, 1, 0.5, 1),)),
    "window": Thing(
        ((0.35, 1.0), (0.8, 1.5), (0.05, 0.12)),
        (_cut(grid(2, 2, 0.85, 0.88, (-1.02, 0.6))), _box(0, 0.5, 0.75, 0.9, 0.46, 0.15, 1), _box(0, -0.01, -0.6, 1.1, 0.02, 1.5)),
    ),
    "door": Thing(
        ((0.4, 0.5), (1.95, 2.15), (0.04, 0.08)),
        (
            _cut((0, 0.05, -0.5, 0, 0, 0, 0, 0.05, -0.5, 0.86, 0.98, 0.6)), _box(0, 0.47, 0.3, 0.87, 0.46, 0.3, 1),
            _solid("ball", 0.48, 0.06, 0.014, 2, 0.7, -0.5),
        ),
    ),
    "radiator": Thing(((0.3, 0.7), (0.5, 0.7), (0.05, 0.08)), (_cut(grid(14, 1, 0.45, 0.8, (-1.02, 0.3))),)),
    "board": Thing(((0.2, 0.6), (0.03, 0.05), (0.1, 0.15)), (_box(0, 0.5, 0, 1, 0.5, 1), _box(-0.3, 3, 0, 0.2, 2.5, 0.6, -1))),
    "pipe": Thing(((0.03, 0.06), (2.0, 2.6), (0.03, 0.06)), (_solid("cylinder", 0.5, 1, 0.5),)),
}  # fmt: skip
SMALL_THINGS = {
    "book": Thing(((0.08, 0.15), (0.02, 0.06), (0.1, 0.2)), (_box(0, 0.5, 0, 1, 0.5, 1),)),
    "stack": Thing(
        ((0.1, 0.15), (0.08, 0.2), (0.08, 0.14)), tuple(_box(0.06 * (-1) ** i, 0.125 + 0.25 * i, 0.05 * (i % 3 - 1), 0.9, 0.125, 0.9, -1) for i in range(4))
    ),
    "mug": Thing(((0.035, 0.05), (0.08, 0.12), (0.035, 0.05)), (_solid("cylinder", 0.5, 1, 0.5),)),
    "bottle": Thing(
        ((0.03, 0.05), (0.2, 0.34), (0.03, 0.05)),
        (_solid("cylinder", 0.32, 1, 0.32), _solid("ball", 0.64, 1, 0.12), _solid("cylinder", 0.85, 0.35, 0.15), _solid("cylinder", 0.97, 0.4, 0.03, 1)),
    ),
    "vase": Thing(
        ((0.07, 0.15), (0.2, 0.4), (0.07, 0.15)),
        (_solid("ball", 0.35, 1, 0.35), _solid("cylinder", 0.7, 0.4, 0.3), _solid("cylinder", 0.98, 0.6, 0.02)),
    ),
    "fruit": Thing(((0.035, 0.06), (0.07, 0.12), (0.035, 0.06)), (_solid("ball", 0.5, 1, 0.5),)),
    "monitor": Thing(
        ((0.2, 0.35), (0.35, 0.5), (0.1, 0.13)),
        (_box(0, 0.62, 0, 1, 0.38, 0.12), _box(0, 0.62, -0.11, 0.95, 0.34, 0.04, 1), _box(0, 0.2, 0.1, 0.1, 0.2, 0.15), _box(0, 0.02, 0, 0.5, 0.02, 1)),
    ),
    "laptop": Thing(((0.15, 0.19), (0.2, 0.24), (0.11, 0.14)), (_box(0, 0.03, 0, 1, 0.03, 1), _box(0, 0.5, 0.95, 1, 0.5, 0.05, 1))),
    "carton": Thing(((0.05, 0.2), (0.08, 0.35), (0.05, 0.2)), (_box(0, 0.5, 0, 1, 0.5, 1),)),
    "desk_lamp": Thing(
        ((0.08, 0.14), (0.3, 0.5), (0.08, 0.14)),
        (_solid("cylinder", 0.03, 0.8, 0.03), _solid("cylinder", 0.4, 0.1, 0.4), _solid("cone", 0.8, 1, 0.2, 1)),
    ),
    "globe": Thing(((0.1, 0.15), (0.25, 0.35), (0.1, 0.15)), (_solid("ball", 0.62, 1, 0.38), _solid("cylinder", 0.12, 0.15, 0.12, 1), _solid("cylinder", 0.02, 0.6, 0.02, 1))),
    "toy_house": Thing(
        ((0.1, 0.2), (0.15, 0.35), (0.1, 0.2)), (_cut(grid(2, 2, 0.5, 0.5, (-1.01, -0.8)), (1, 0.3, 1), 0.3), Part("gable", (0, 0.8, 0), (1.1, 0.2, 1.1), 1))
    ),
    "basket": Thing(((0.12, 0.2), (0.15, 0.3), (0.12, 0.2)), (_cut((0, -0.2, 0, 0, 0, 0, 0, -0.2, 0, 0.9, 1.0, 0.9)), _solid("ball", 0.75, 0.4, 0.2, -1, 0.3), _solid("ball", 0.7, 0.4, 0.2, -1, -0.35))),
}  # fmt: skip
STATUES = {
    "bust": Thing(
        ((0.2, 0.4), (0.5, 1.0), (0.18, 0.35)),
        (
            _box(0, 0.08, 0, 0.8, 0.08, 0.8, 1), _solid("ball", 0.38, 0.95, 0.2), _solid("cylinder", 0.55, 0.3, 0.15),
            _solid("ball", 0.8, 0.5, 0.2), Part("cone", (0, 0.8, -0.5), (0.1, 0.06, 0.14)), _box(0, 0.2, 0, 0.5, 0.1, 0.5),
        ),
    ),
    "figure": Thing(
        ((0.2, 0.35), (0.6, 1.7), (0.12, 0.25)),
        (
            _solid("ball", 0.92, 0.4, 0.08), Part("ball", (0, 0.66, 0), (0.7, 0.2, 0.8)), Part("cylinder", (-0.3, 0.25, 0), (0.2, 0.25, 0.35), 1),
            Part("cylinder", (0.3, 0.25, 0), (0.2, 0.25, 0.35), 1), Part("cylinder", (-0.8, 0.62, 0), (0.15, 0.2, 0.25)),
            Part("cylinder", (0.75, 0.72, -0.5), (0.15, 0.04, 0.9), 0, "z"), _box(0, 0.02, 0, 1, 0.02, 1.2, 2), _box(0, 0.48, 0, 0.6, 0.06, 0.7, 1),
        ),
    ),
    "seated": Thing(
        ((0.3, 0.6), (0.6, 1.2), (0.3, 0.5)),
        (
            _box(0, 0.06, 0, 1, 0.06, 1, 1), Part("ball", (0, 0.25, -0.1), (0.95, 0.14, 0.8)), Part("ball", (0, 0.5, 0.15), (0.6, 0.28, 0.5)),
            _solid("ball", 0.86, 0.3, 0.14, 0, 0, 0.1), Part("cylinder", (-0.6, 0.45, 0), (0.16, 0.2, 0.25)), Part("cylinder", (0.6, 0.45, 0), (0.16, 0.2, 0.25)),
            _solid("cone", 0.98, 0.12, 0.05, 0, 0, 0.1),
        ),
    ),
    "animal": Thing(
        ((0.12, 0.25), (0.25, 0.6), (0.25, 0.5)),
        (
            Part("ball", (0, 0.55, 0), (0.9, 0.28, 0.85)), Part("ball", (0, 0.85, -0.8), (0.55, 0.18, 0.3)), *(Part("cylinder", (x, 0.2, z), (0.2, 0.2, 0.1)) for x in (-0.5, 0.5) for z in (-0.55, 0.55)),
            Part("cone", (0.25, 1.05, -0.75), (0.15, 0.1, 0.08)), Part("cone", (-0.25, 1.05, -0.75), (0.15, 0.1, 0.08)),
        ),
    ),
    "body": Thing(((0.2, 0.5), (0.4, 1.0), (0.2, 0.5)), (Part("body", (0, 0.55, 0), (1, 0.5, 1)), _box(0, 0.03, 0, 0.8, 0.03, 0.8, 1))),
    "machine": Thing(
        ((0.2, 0.5), (0.3, 0.8), (0.2, 0.4)),
        (
            _cut(grid(3, 2, 0.8, 0.7, (-1.01, -0.5)), (0.9, 0.3, 0.8), 0.35), Part("cylinder", (0.3, 0.75, 0), (0.6, 0.2, 0.4), 1, "x"), _box(-0.5, 0.8, 0.1, 0.3, 0.18, 0.5, 2),
            Part("cylinder", (-0.4, 0.4, -0.85), (0.3, 0.1, 0.2), 1, "z"), _box(0, 0.03, 0, 1, 0.03, 1, 2), Part("cylinder", (0.8, 0.8, 0.5), (0.06, 0.2, 0.06), 1),
        ),
    ),
}  # fmt: skip
STREET_THINGS = {
    "tree": Thing(((0.8, 2), (3, 7), (0.8, 2)), (_solid("cylinder", 0.25, 0.1, 0.25), _solid("ball", 0.65, 0.9, 0.28, 1), _solid("ball", 0.82, 0.6, 0.18, 1, 0.3, 0.2))),
    "conifer": Thing(((0.8, 1.6), (3, 8), (0.8, 1.6)), (_solid("cylinder", 0.1, 0.1, 0.1), _solid("cone", 0.4, 1, 0.3, 1), _solid("cone", 0.7, 0.7, 0.3, 1))),
    "bush": Thing(((0.4, 1.2), (0.5, 1.5), (0.4, 1.2)), (_solid("ball", 0.45, 0.9, 0.5), _solid("ball", 0.4, 0.6, 0.4, 0, 0.5, 0.3))),
    "lamp_post": Thing(((0.3, 0.5), (3, 5), (0.1, 0.15)), (_solid("cylinder", 0.5, 0.12, 0.5), _box(0.4, 0.985, 0, 0.5, 0.008, 0.3), _box(0.8, 0.97, 0, 0.25, 0.015, 0.6, 1))),
    "car": Thing(
        ((1.8, 2.2), (1.3, 1.6), (0.75, 0.9)),
        (
            _box(0, 0.42, 0, 1, 0.2, 1), _box(0.05, 0.78, 0, 0.5, 0.2, 0.88, 1),
            *(Part("cylinder", (x, 0.2, z), (0.15, 0.2, 0.12), 2, "z") for x in (-0.6, 0.6) for z in (-0.9, 0.9)),
        ),
    ),
    "fence": Thing(((1.2, 3), (0.8, 1.6), (0.02, 0.05)), (_cut(grid(14, 1, 0.55, 1.0, (-1.1, 1.1), (0.12, 0.25))), _box(-1, 0.52, 0, 0.02, 0.52, 1.8, 1), _box(1, 0.52, 0, 0.02, 0.52, 1.8, 1))),
    "rail": Thing(((1.0, 2.5), (0.9, 1.1), (0.02, 0.03)), (_cut(grid(4, 2, 0.95, 0.93, (-1.1, 1.1))),)),
    "lattice": Thing(((0.8, 2), (1.2, 2.2), (0.015, 0.03)), (_cut(grid(12, 10, 0.86, 0.86, (-1.1, 1.1))),)),
    "bin": Thing(((0.2, 0.35), (0.7, 1.1), (0.2, 0.35)), (_solid("cylinder", 0.45, 0.95, 0.45), _solid("cylinder", 0.94, 1, 0.06, 1))),
    "sign": Thing(((0.2, 0.4), (2, 2.8), (0.03, 0.05)), (_solid("cylinder", 0.5, 0.1, 0.5), _box(0, 0.85, -0.5, 1, 0.13, 0.3, -1))),
    "column": Thing(((0.2, 0.4), (2, 4), (0.2, 0.4)), (_solid("cylinder", 0.5, 0.8, 0.45), _box(0, 0.03, 0, 1, 0.03, 1), _box(0, 0.97, 0, 1, 0.03, 1))),
    "steps": Thing(((0.8, 2), (0.4, 0.9), (0.6, 1.2)), tuple(_box(0, 0.125 * (i + 1), 0.25 * i, 1, 0.125 * (i + 1), 1 - 0.25 * i) for i in range(4))),
    "bollard": Thing(((0.06, 0.12), (0.6, 1.0), (0.06, 0.12)), (_solid("cylinder", 0.45, 0.8, 0.45), _solid("ball", 0.9, 1, 0.1))),
    "house": Thing(
        ((2.5, 5), (4, 8), (2.5, 5)),
        (
            _cut(grid(3, 2, 0.4, 0.5, (-1.01, -0.93), (0.06, 0.05)), (1, 0.32, 1), 0.32), Part("gable", (0, 0.82, 0), (1.12, 0.18, 1.1), 1), _box(0.66, 0.16, -1.01, 0.16, 0.15, 0.03, 2),
            _box(-0.5, 0.88, 0.3, 0.08, 0.14, 0.08, 3), _box(0.66, 0.02, -1.1, 0.25, 0.02, 0.12, 2),
        ),
    ),
    "rock": Thing(((0.3, 1.5), (0.3, 1.5), (0.3, 1.5)), (Part("ball", (0, 0.35, 0), (0.9, 0.55, 0.7)), Part("ball", (0.35, 0.25, 0.2), (0.6, 0.45, 0.7)))),
}  # fmt: skip
FRONTS = {
    "front_3x2": _wall(3, 2, 0.5, 0.6),
    "front_4x3": _wall(4, 3, 0.5, 0.6),
    "front_5x2": _wall(5, 2, 0.6, 0.55),
    "front_6x4": _wall(6, 4, 0.55, 0.6),
    "front_2x2": _wall(2, 2, 0.4, 0.5),
    "front_8x5": _wall(8, 5, 0.7, 0.7),
    "porch": Thing(
        ((2, 5), (3, 5), (1.5, 3)),
        (_cut((0, 0.3, -0.7, 0, 0, 0, 0, 0.3, -0.7, 0.45, 0.7, 0.35)), _box(0, 0.32, -0.33, 0.3, 0.32, 0.03, 1), *(Part("cylinder", (x, 0.35, -0.98), (0.05, 0.35, 0.07), 2) for x in (-0.5, 0.5)), _box(0, 0.03, -1.1, 0.6, 0.03, 0.3, 2), _box(0, 0.74, -1.02, 0.7, 0.03, 0.06, 2)),
    ),
    "colonnade": Thing(((3, 7), (3.5, 6), (1.5, 3)), (_cut(grid(5, 1, 0.7, 0.8, (-1.01, 0.3), (0.0, 0.3))), _box(0, 0.93, -1.02, 1.02, 0.04, 0.05, 1))),
}  # fmt: skip
SOLIDS = {
    kind: Thing(((0.1, 0.4), (0.2, 0.8), (0.1, 0.4)), (Part(kind, (0, 0.5, 0), (1, 0.5, 1)),))
    for kind in ("box", "ball", "cylinder", "cone", "gable", "body")
} | {"hollow": Thing(((0.1, 0.4), (0.2, 0.8), (0.1, 0.4)), (_cut(grid(1, 1, 0.8, 0.8, (-1.02, 0.8))),))}
WIRE = {"wire": Thing(((5, 12), (0.02, 0.03), (0.01, 0.015)), (Part("cylinder", (0, 0.5, 0), (1, 0.5, 1), 0, "x"),))}
THINGS = ROOM_THINGS | WALL_THINGS | SMALL_THINGS | STATUES | STREET_THINGS | FRONTS | SOLIDS | WIRE
