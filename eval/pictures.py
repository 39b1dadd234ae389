"""A scene at one glance, for the worst and best cases of the report."""

import io
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pointmap.export.palette import colorize, colorize_depth, typical_range

from .estimate import Estimate
from .task import Task

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

_MOST = 6
_GAP, _LINE = 6, 18
"""Pixels between pictures, and of a line of text."""
_TALLEST = 220
_LARGE_ERROR = 0.25
"""Relative error that is drawn yellow; 0 is violet."""
_PAPER, _INK, _BLANK = (255, 255, 255), (30, 30, 30), (222, 222, 222)
_TRUE, _ESTIMATED = (70, 70, 70), (213, 94, 0)
_log = logging.getLogger(__name__)


def scene_picture(task: Task, estimate: Estimate | None, *, width: int = 960) -> bytes:
    """JPEG: rows of up to six photos, their true depths, the estimated ones (same colours, after a median factor),
    their relative errors, and a map from above of true and estimated cameras after a similarity. Parts without data
    are left out; None shows the photos alone. Never raises for a strange estimate.
    """

    indices = _evenly(len(task), _MOST)
    aspects = [_aspect(task, index) for index in indices]
    # One or two photos would be huge: there several rows stand beside each other.
    across = 4 if len(indices) <= 2 and estimate is not None else max(1, len(indices))
    cell = max(16, min((width - _GAP) // across - _GAP, int(_TALLEST * float(np.median(aspects or [4 / 3])))))
    shapes = [_fitted(aspect, cell) for aspect in aspects]

    shown = f"{len(indices)} of {len(task)}" if len(indices) < len(task) else f"{len(task)}"
    photos = [_photo(task, index, shape) for index, shape in zip(indices, shapes, strict=True)]
    strips = [_strip(f"{shown} photo{'s' * (len(task) != 1)}", photos, cell)]
    if estimate is not None:
        strips += _guarded(lambda: _depth_strips(task, estimate, indices, shapes, cell), [])
        strips += _guarded(lambda: _camera_map(task, estimate, min(width - 2 * _GAP, 440)), [])
    page = _page(strips, width)
    file = io.BytesIO()
    page.save(file, "JPEG", quality=82, optimize=True)
    return file.getvalue()


def _guarded(make: Callable[[], T], otherwise: T) -> T:
    """A picture is a help: whatever a method handed in, the run goes on, without this part."""
    try:
        with np.errstate(all="ignore"):
            return make()
    except Exception as error:
        _log.warning("A part of a scene's picture is missing: %s: %s", type(error).__name__, error)
        return otherwise


def _evenly(count: int, most: int) -> list[int]:
    """Indices from the first to the last."""
    return [round(place) for place in np.linspace(0, count - 1, min(count, most))] if count else []


def _fitted(aspect: float, cell: int) -> tuple[int, int]:
    """Height and width of a photo in a cell."""
    height = round(min(cell / aspect, _TALLEST))
    return max(4, height), max(4, min(cell, round(height * aspect)))


def _aspect(task: Task, index: int) -> float:
    from PIL import Image

    def read() -> float:
        with Image.open(task.inputs.photos[index]) as photo:
            return photo.width / photo.height

    return _guarded(read, 4 / 3)


def _photo(task: Task, index: int, shape: tuple[int, int]) -> "Image":
    from PIL import Image

    def read() -> Image.Image:
        with Image.open(task.inputs.photos[index]) as photo:
            photo.draft("RGB", (2 * shape[1], 2 * shape[0]))  # a JPEG of 50 megapixels is decoded small
            photo.thumbnail((2 * shape[1], 2 * shape[0]))
            return photo.convert("RGB").resize((shape[1], shape[0]))

    return _guarded(read, Image.new("RGB", (shape[1], shape[0]), _BLANK))


def _depth_strips(
    task: Task, estimate: Estimate, indices: Sequence[int], shapes: Sequence[tuple[int, int]], cell: int
) -> "list[Image]":
    places = list(zip(indices, shapes, strict=True))
    true = [_guarded(lambda p=p: _true_depth(task, *p), np.full(p[1], np.nan)) for p in places]
    found = [_guarded(lambda p=p: _estimated_depth(estimate, *p), np.full(p[1], np.nan)) for p in places]
    ratios = _finite([t / f for t, f in zip(true, found, strict=True)])
    factor = float(np.median(ratios)) if len(ratios) else 1.0
    found = [depth * factor for depth in found]
    has_true, has_found = len(_finite(true)) > 0, len(_finite(found)) > 0
    low, high = typical_range([_finite(true if has_true else found)])

    def coloured(depths: Sequence[np.ndarray]) -> list["Image"]:
        return [_image(colorize_depth(depth, low, high, np.isfinite(depth))) for depth in depths]

    strips = []
    if has_true:
        unit = f" {task.truth.unit}" if task.truth.unit else ""
        strips.append((f"true depth: {low:.3g} (yellow) to {high:.3g}{unit}", coloured(true)))
    if has_found:
        strips.append((f"estimate x {factor:.3g}" if len(ratios) else "estimated depth", coloured(found)))
    if len(ratios):
        errors = [np.abs(f - t) / t for t, f in zip(true, found, strict=True)]
        label = f"error: 0 to {100 * _LARGE_ERROR:.0f} % (yellow), median {100 * np.median(_finite(errors)):.3g} %"
        strips.append((label, [_image(colorize(error, 0.0, _LARGE_ERROR)) for error in errors]))
    return [_strip(label, images, cell) for label, images in strips]


def _true_depth(task: Task, index: int, shape: tuple[int, int]) -> np.ndarray:
    """At the nearest pixels; NaN where unknown."""
    depth = task.truth.depth(index)
    if depth is None:
        return np.full(shape, np.nan)
    rows = ((np.arange(shape[0]) + 0.5) * depth.shape[0] / shape[0]).astype(int)
    columns = ((np.arange(shape[1]) + 0.5) * depth.shape[1] / shape[1]).astype(int)
    return _known(depth[rows[:, None], columns])


def _estimated_depth(estimate: Estimate, index: int, shape: tuple[int, int]) -> np.ndarray:
    """As the method says, or else of its points."""
    if estimate.depths and estimate.depths[index] is not None:
        return _known(estimate.depth_at(index, shape))
    world_from_cam = estimate.world_from_cam[index]
    offsets = estimate.points_at(index, shape) - world_from_cam[:3, 3]
    return _known(offsets @ world_from_cam[:3, 2])


def _known(depth: np.ndarray) -> np.ndarray:
    depth = np.asarray(depth, np.float64)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)


def _finite(maps: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) all their numbers."""
    joined = np.concatenate([np.zeros(0), *(values.ravel() for values in maps)])
    return joined[np.isfinite(joined)]


def _camera_map(task: Task, estimate: Estimate, side: int) -> "list[Image]":
    """Cameras from above: along the mean of their y axes. One picture, or none where fewer than two are known."""
    import torch
    from PIL import Image, ImageDraw

    from pointmap.geometry.similarity import align_cameras, move_cameras

    true = np.asarray(task.truth.world_from_cam, np.float64).reshape(-1, 4, 4)
    found = np.asarray(estimate.world_from_cam, np.float64).reshape(-1, 4, 4)
    known_true, known = _finite_poses(true), _finite_poses(found)
    both = np.logical_and(known_true, known)
    if both.any():
        a, b = torch.from_numpy(found[both]), torch.from_numpy(true[both])
        found = move_cameras(align_cameras(a, b), torch.from_numpy(found)).numpy()
    shown = true[known_true] if known_true.any() else found[known]
    if len(shown) < 2:
        return []
    right, forward = _plane(shown)
    # Without a camera in both there is no common frame: the estimate is then left out of the map.
    comparable = both.any() or not known_true.any()
    groups = [(_TRUE, true[known_true]), (_ESTIMATED, found[known & comparable])]
    spots = [poses[:, :3, 3] @ np.stack([right, -forward], axis=1) for _, poses in groups]  # far is up
    low, high = np.concatenate(spots).min(axis=0), np.concatenate(spots).max(axis=0)
    size = high - low
    reach = max(float(size[0]), 2.5 * float(size[1]), 1e-12)  # a map is no taller than needed to tell them apart
    scale = (side - 60) / reach

    drawing = Image.new("RGB", (side, round(size[1] * scale) + 60), _PAPER)
    pen = ImageDraw.Draw(drawing)
    if both.any():
        for start, end in zip(spots[0][both[known_true]], spots[1][both[known]], strict=True):
            pen.line([tuple((spot - low) * scale + 30) for spot in (start, end)], fill=_BLANK, width=2)
    for (colour, poses), centres in zip(groups, spots, strict=True):
        for pose, centre in zip(poses, (centres - low) * scale + 30, strict=True):
            _draw_camera(pen, centre, pose[:3, 2] @ np.stack([right, -forward], axis=1), colour)
    label = f"cameras from above: {known_true.sum()} true (grey), {known.sum()} estimated (orange)"
    return [_strip(label, [drawing], side)]


def _finite_poses(world_from_cam: np.ndarray) -> np.ndarray:
    """(N,) which of them are known."""
    return np.asarray(np.isfinite(world_from_cam).all(axis=(1, 2)))


def _plane(world_from_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors to the right and ahead on a map of these cameras."""
    down = world_from_cam[:, :3, 1].mean(axis=0)
    down = down / np.linalg.norm(down) if np.linalg.norm(down) > 1e-6 else world_from_cam[0, :3, 1]
    forward = world_from_cam[:, :3, 2].mean(axis=0)
    forward = forward - down * (forward @ down)
    if np.linalg.norm(forward) < 1e-6:  # cameras that look all around
        forward = np.cross(world_from_cam[0, :3, 0], down)
    forward = forward / max(float(np.linalg.norm(forward)), 1e-12)
    return np.cross(down, forward), forward


def _draw_camera(pen, centre: np.ndarray, heading: np.ndarray, colour: tuple[int, int, int]) -> None:
    """A wedge that opens to where the camera looks; one that looks straight up or down is a dot."""
    side = np.array([-heading[1], heading[0]])
    wedge = [centre, centre + 15 * heading + 7 * side, centre + 15 * heading - 7 * side, centre]
    pen.line([tuple(point) for point in wedge], fill=colour, width=2)
    pen.ellipse([*(centre - 3), *(centre + 3)], fill=colour)


def _image(pixels: np.ndarray) -> "Image":
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def _strip(label: str, images: "Sequence[Image]", cell: int) -> "Image":
    """Pictures side by side, and above them what they are."""
    from PIL import Image, ImageDraw, ImageFont

    height = max((image.height for image in images), default=0)
    width = len(images) * (cell + _GAP) - _GAP
    font = ImageFont.load_default(size=12)
    lines = _wrapped(label, max(width, 160), font)
    strip = Image.new("RGB", (max(width, 160), height + _LINE * len(lines)), _PAPER)
    pen = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        pen.text((0, number * _LINE), line, fill=_INK, font=font)
    for place, image in enumerate(images):
        strip.paste(image, (place * (cell + _GAP), _LINE * len(lines)))
    return strip


def _wrapped(text: str, width: int, font) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _page(strips: "Sequence[Image]", width: int) -> "Image":
    """In lines from left to right, as words on a page."""
    from PIL import Image

    lines: list[list[Image.Image]] = []
    for strip in strips:
        if lines and sum(other.width + _GAP for other in lines[-1]) + strip.width <= width - 2 * _GAP:
            lines[-1].append(strip)
        else:
            lines.append([strip])
    tops = np.cumsum([_GAP, *(max(strip.height for strip in line) + _GAP for line in lines)])
    page = Image.new("RGB", (width, int(tops[-1])), _PAPER)
    for top, line in zip(tops, lines, strict=False):
        left = _GAP
        for strip in line:
            page.paste(strip, (left, int(top)))
            left += strip.width + _GAP
    return page
