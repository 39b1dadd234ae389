"""preview.png: the whole result on one sheet, to judge at a glance."""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch

from pointmap.atomic import atomic_path
from pointmap.export.frusta import Frusta, make_frusta
from pointmap.export.palette import colorize, colorize_depth, colorize_log, typical_range
from pointmap.export.splats import Splats, render_splats
from pointmap.export.viewpoints import overview
from pointmap.scene import Keep, Scene
from pointmap.shapes import UInt8

_MAX_ROWS = 8
_SIDES = (("seen from slightly left", 15.0, 12.0), ("seen from the right, higher up", -35.0, 38.0))
_VIEW_WIDTH, _MARGIN, _GAP, _HEADER, _CAPTION = 960, 24, 8, 64, 20
_SHORTEST_BAR, _SCALE_TEXT = 32, 14
_PAPER, _INK, _FAINT = (255, 255, 255), (35, 35, 40), (110, 110, 118)


def render_preview(scene: Scene, path: str | Path, **keep: Unpack[Keep]) -> Path:
    """Draw the cloud with its cameras from two sides, beside up to eight photos with depth and confidence maps.

    All depth maps share one colour scale (near is yellow), all confidence maps another; both are logarithmic. Depths
    that are left out of the cloud are grey.

    Args:
        keep: See `Scene.masks`.
    """
    masks = scene.masks(**keep)
    shown = np.unique(np.linspace(0, len(scene) - 1, min(_MAX_ROWS, len(scene))).round().astype(int)).tolist()
    depth_range = typical_range([depth[mask] for depth, mask in zip(scene.depths, masks, strict=True)])
    confidence_range = typical_range([np.ravel(values) for values in scene.confidences])
    aspect = max([scene.depths[photo].shape[1] / scene.depths[photo].shape[0] for photo in shown], default=4 / 3)
    row_height = int(np.clip(1120 / max(len(shown), 1), 140, 300))
    tile = (round(row_height * np.clip(aspect, 0.6, 1.6)), row_height)
    body = max(len(shown) * (row_height + _CAPTION + _GAP) - _GAP, 1000)
    view_size = (_VIEW_WIDTH, (body - _GAP) // 2)
    title = "photo" if len(shown) == len(scene) else f"{len(shown)} of {len(scene)} photos"
    headers = (_text_width(title), _scale_width(*depth_range), _scale_width(*confidence_range))
    column_width = max(tile[0], max(headers) + _GAP)  # wider than upright photos, rather than headers in one another

    sheet = _Sheet(2 * _MARGIN + _VIEW_WIDTH + 3 * (column_width + _GAP) + _GAP, 2 * _MARGIN + _HEADER + body)
    top, left = _MARGIN + _HEADER, _MARGIN
    points = sum(int(mask.sum()) for mask in masks)
    sheet.text((left, _MARGIN), f"{int(scene.registered.sum())} of {len(scene)} photos registered", size=26)
    unit = "metres" if scene.metric else "arbitrary unit"
    sheet.text((left, _MARGIN + 33), f"{points:,} points, {unit}", color=_FAINT)
    for index, image in enumerate(_views(scene, masks, view_size, keep)):
        place = (left, top + index * (view_size[1] + _GAP))
        sheet.paste(image, place, view_size)
        sheet.text((place[0] + 8, place[1] + 8), _SIDES[index][0], color=_FAINT, backed=True)

    columns = [left + _VIEW_WIDTH + 2 * _GAP + column * (column_width + _GAP) for column in range(3)]
    scale_width = column_width - _GAP
    sheet.text((columns[0], _MARGIN + 9), title)
    sheet.scale((columns[1], _MARGIN + 9), scale_width, "depth", *depth_range, reverse=True)
    sheet.scale((columns[2], _MARGIN + 9), scale_width, "confidence", *confidence_range)
    for row, photo in enumerate(shown):
        y = top + row * (row_height + _CAPTION + _GAP)
        depth = colorize_depth(scene.depths[photo], *depth_range, masks[photo])
        confidence = scene.confidences[photo]
        sure = colorize_log(confidence, *confidence_range, confidence > 0)
        for x, image in zip(columns, (scene.colors[photo], depth, sure), strict=True):
            sheet.paste(image, (x, y), tile)
        note = "" if scene.registered[photo] else "not registered: "
        sheet.text((columns[0], y + row_height + 2), note + scene.names[photo], width=3 * column_width, color=_FAINT)
    with atomic_path(path) as temporary:
        sheet.image.save(temporary, "PNG")
    return Path(path)


def _views(
    scene: Scene, masks: list[np.ndarray], size: tuple[int, int], keep: Keep
) -> list[UInt8[np.ndarray, "h w 3"]]:
    cloud = scene.point_cloud(max_points=500_000, **keep)
    points = np.asarray(cloud.vertices)
    # Wider than a pixel, since slanted surfaces would gape otherwise. Fewer points become larger.
    thinning = sum(int(mask.sum()) for mask in masks) / max(len(points), 1)
    widths = cloud.metadata["spacing"] * (2.0 * np.sqrt(thinning))
    centres = scene.world_from_cam[cloud.metadata["photo"], :3, 3]
    frusta = make_frusta(scene)
    images = []
    for _, azimuth_deg, elevation_deg in _SIDES:
        viewpoint = overview(
            scene,
            points,
            frusta.corners_world.reshape(-1, 3),
            (2 * size[0], 2 * size[1]),  # drawn twice as large for smooth edges
            azimuth_deg=azimuth_deg,
            elevation_deg=elevation_deg,
        )
        front = viewpoint.sees_front(points, centres)
        surface = Splats(
            centres_world=torch.from_numpy(points[front]).float(),
            colors=torch.from_numpy(np.asarray(cloud.colors)[front, :3]),
            widths=torch.from_numpy(widths[front]).float(),
        )
        image = render_splats(
            [surface, _lines(frusta)],
            torch.from_numpy(viewpoint.world_from_eye).float(),
            torch.from_numpy(viewpoint.intrinsics).float(),
            (2 * size[0], 2 * size[1]),
            background=(243, 243, 246),
        )
        images.append(image)
    return images


def _lines(frusta: Frusta, samples: int = 200) -> Splats:
    """The pyramids' edges as rows of dots."""
    start, end = np.moveaxis(frusta.segments(), 2, 0)
    part = np.linspace(0, 1, samples)[:, None]
    dots = start[:, :, None] * (1 - part) + end[:, :, None] * part
    colors = np.broadcast_to(frusta.colors[:, None, None], dots.shape)
    return Splats(
        centres_world=torch.from_numpy(dots.reshape(-1, 3)).float(),
        colors=torch.from_numpy(colors.reshape(-1, 3).copy()),
        widths=torch.zeros(dots.size // 3),
        min_radius_px=2.0,
    )


def _font(size: int = 16) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _text_width(text: str, size: int = 16) -> int:
    return round(_font(size).getlength(text))


def _scale_ends(low: float, high: float) -> tuple[str, str]:
    return f"{low:.3g}", f"{high:.3g}"


def _scale_width(low: float, high: float) -> int:
    """The least that a colour bar takes with its two ends."""
    return sum(_text_width(end, _SCALE_TEXT) for end in _scale_ends(low, high)) + _SHORTEST_BAR


class _Sheet:
    """A white page to draw on; places are (left, top) in pixels."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (width, height), _PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def paste(self, pixels: np.ndarray, place: tuple[int, int], size: tuple[int, int]) -> None:
        """The image as large as fits into a box of this size, at its top left."""
        from PIL import Image

        scale = min(size[0] / pixels.shape[1], size[1] / pixels.shape[0])
        fitting = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        self.image.paste(Image.fromarray(pixels).resize(fitting, Image.Resampling.LANCZOS), place)

    def text(
        self,
        place: tuple[int, int],
        text: str,
        *,
        size: int = 16,
        color: tuple[int, int, int] = _INK,
        width: int | None = None,
        backed: bool = False,
    ) -> int:
        """Write one line, cut to a width, on white if it has to be read on an image; returns how wide it is."""
        font = _font(size)
        # What no font can show would stop the writing: lone surrogates of names that are not text.
        text = text.encode("utf-8", "replace").decode("utf-8")
        if width is not None and font.getlength(text) > width:
            while text and font.getlength(text + "...") > width:
                text = text[:-1]
            text += "..."
        if backed:
            left, top, right, bottom = self._draw.textbbox(place, text, font=font)
            self._draw.rectangle((left - 5, top - 4, right + 5, bottom + 4), fill=_PAPER)
        self._draw.text(place, text, fill=color, font=font)
        return round(font.getlength(text))

    def scale(
        self, place: tuple[int, int], width: int, title: str, low: float, high: float, *, reverse: bool = False
    ) -> None:
        """A title over a colour bar with its two ends."""
        from PIL import Image

        self.text(place, title)
        bar = colorize(np.linspace(0, 1, 256)[None], 0.0, 1.0)[:, :: -1 if reverse else 1]
        first, last = _scale_ends(low, high)
        y = place[1] + 24
        start = place[0] + self.text((place[0], y), first, size=_SCALE_TEXT, color=_FAINT) + 6
        end = place[0] + width - _text_width(last, _SCALE_TEXT) - 6
        self.image.paste(Image.fromarray(bar).resize((end - start, 10)), (start, y + 4))
        self.text((end + 6, y), last, size=_SCALE_TEXT, color=_FAINT)
