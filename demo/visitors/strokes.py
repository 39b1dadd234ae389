"""What visitors paint over on a photo, to be left out of the scene."""

import math
from typing import Any

import numpy as np

from pointmap.demo.visitors.sessions import Session
from pointmap.errors import InputError
from pointmap.shapes import Bool

MOST_STROKES = 100
MOST_POINTS = 2000
"""Of all strokes of a photo together."""

_FARTHEST = 100.0
"""In widths of the photo: a very tall one is so high."""


def set_strokes(session: Session, key: str, strokes: Any) -> None:
    """Replace what is painted over on a photo.

    Args:
        strokes: As in `SessionPhoto.strokes`; whatever a browser sent.

    Raises:
        KeyError: There is no such photo.
        InputError: These are no strokes, or too many; the old ones stay.
    """
    checked = checked_strokes(strokes)
    with session.lock:
        session.photo(key).strokes = checked


def checked_strokes(strokes: Any) -> list[dict[str, Any]]:
    """The same strokes as plain numbers.

    Raises:
        InputError: They are none, or too many.
    """
    if not isinstance(strokes, list):
        raise InputError("What was painted cannot be read: expected a list of strokes. Reload the page and try again.")
    if len(strokes) > MOST_STROKES:
        raise InputError(f"{len(strokes)} strokes are too many: at most {MOST_STROKES}. Take a thicker brush.")
    checked, count = [], 0
    for stroke in strokes:
        points = stroke.get("points") if isinstance(stroke, dict) else None
        if not isinstance(points, list) or not points:
            raise InputError("A stroke is a radius and a list of points. Reload the page and try again.")
        count += len(points)
        if count > MOST_POINTS:
            raise InputError(f"The strokes have more than {MOST_POINTS} points. Take a thicker brush.")
        radius = _number(stroke.get("radius"), 0.0, 1.0)
        checked.append({"radius": radius, "points": [_point(point) for point in points]})
    return checked


def stroke_mask(strokes: list[dict[str, Any]], size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Which pixels stay, True, of a photo of this width and height."""
    from PIL import Image, ImageDraw

    width, height = size
    painted = Image.new("1", size, 0)
    draw = ImageDraw.Draw(painted)
    for stroke in strokes:
        # Shares count from the photo's edge, pixels from the centre of the first.
        points = [(x * width - 0.5, y * width - 0.5) for x, y in stroke["points"]]
        radius = max(0.5, stroke["radius"] * width)
        if len(points) > 1:
            draw.line(points, fill=1, width=max(1, round(2 * radius)))
        for x, y in points:  # round ends and corners
            if -radius <= x <= width + radius and -radius <= y <= height + radius:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    return ~np.asarray(painted)


def _point(point: Any) -> list[float]:
    if not isinstance(point, (list, tuple)) or len(point) != 2:
        raise InputError("A point of a stroke is two numbers, x and y. Reload the page and try again.")
    return [_number(value, -1.0, _FARTHEST) for value in point]


def _number(value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"A stroke is made of numbers, not {str(value)[:40]!r}. Reload the page and try again.")
    return min(max(float(value), least), most)
