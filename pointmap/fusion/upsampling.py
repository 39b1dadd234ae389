"""Depth, confidence and mask of a photo at its own resolution, with depth edges on the edges of its colours.

Away from depth edges inverse depth, which is affine on planes, is interpolated. At depth edges a pixel first chooses
its surface: those on the two sides grow from where the small maps are sure towards one another, over the weakest
colour gradients first (watershed; Beucher & Meyer 1993), and so meet on the strongest. Its depth is then that of its
surface alone, extended as a plane: nothing hangs between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import torch

from pointmap.fusion.masks import flying_pixels, scene_masks
from pointmap.fusion.sky import sky_mask
from pointmap.scene import Keep, Photo, PhotoMaps, Scene
from pointmap.shapes import Bool, Float, Int, Shaped, UInt8

_STRIP_PIXELS = 1_500_000
"""That are worked on at once, about."""
_MARGIN = 4
"""Small pixels around a strip that its watershed sees: as far as surfaces grow."""
_SAME = 0.015
"""Share of the inverse depth by which a surface may leave its plane from pixel to pixel."""
_JUMP = 0.05
"""Of inverse depth, as a share of it, that is an edge."""
_STEEPEST = 0.1
"""Change of inverse depth per small pixel, as a share of it, that is taken for a slope beside an edge."""
_BETWEEN = 0.15
"""Share of the range of inverse depth nearby that a pixel is away from both ends if it is on neither surface."""
_SIGMA = 0.15
"""Of the smoothing of the photo before its gradient, in small pixels; large photos are noisy, and soft."""
_SIGMA_RANGE = (0.5, 1.0)
"""The same in pixels of the photo."""
_GRADIENT_STEP = 2.0
"""Levels per pixel: surfaces grow evenly over gradients that differ by less, for noise has no edges."""


def photo_maps(
    scene: Scene,
    index: int,
    *,
    max_size: int | None = None,
    masks: Sequence[Bool[np.ndarray, "_ _"]] | None = None,
    **keep: Unpack[Keep],
) -> PhotoMaps:
    """See `Scene.photo_maps`. Beyond the working image, which may be a crop, nothing is known."""
    photo = scene.photo(index, max_size=max_size)
    kept = (scene_masks(scene, **keep) if masks is None else masks)[index]
    depth = scene.depths[index]
    if keep.get("mask_sky"):
        depth = np.where(sky_mask(scene, index), 0, depth)
    return upsample_maps(photo, depth, scene.confidences[index], kept, scene.working_intrinsics[index])


def upsample_maps(
    photo: Photo,
    depth: Float[np.ndarray, "h w"],
    confidence: Float[np.ndarray, "h w"],
    kept: Bool[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> PhotoMaps:
    """Maps of a small version of a photo, or of a crop of that, at the photo's resolution.

    Args:
        depth: z-depth; where it is not positive and finite there is no surface.
        kept: What `PhotoMaps.mask` is of.
        intrinsics: K in pixels of the small maps.
    """
    small = _SmallMaps.of(depth, confidence, kept)
    height, width = photo.image.shape[:2]
    small_from_photo = intrinsics @ np.linalg.inv(photo.intrinsics)
    u, v = (
        small_from_photo[axis, axis] * np.arange(length) + small_from_photo[axis, 2]
        for axis, length in ((0, width), (1, height))
    )
    columns, rows = _inside(u, depth.shape[1]), _inside(v, depth.shape[0])
    full = [np.zeros((height, width), dtype) for dtype in (np.float32, np.float32, bool)]
    margin = int(np.ceil(_MARGIN / small_from_photo[1, 1]))
    for own, seen in _strips(rows, columns.stop - columns.start, margin):
        part = _upsample(small, photo.image[seen, columns], u[columns].astype(np.float32), v[seen].astype(np.float32))
        for target, values in zip(full, part, strict=True):
            target[own, columns] = values[own.start - seen.start : own.stop - seen.start]
    return PhotoMaps(photo.image, photo.intrinsics, *full)


def _inside(positions: Float[np.ndarray, "n"], length: int) -> slice:
    """Those within an image of that length."""
    start, stop = np.searchsorted(positions, [-0.5, length - 0.5])
    return slice(int(start), int(stop))


def _strips(rows: slice, width: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """Rows to work out, and rows to look at for that."""
    step = max(1, _STRIP_PIXELS // max(1, width))
    for start in range(rows.start, rows.stop, step):
        stop = min(rows.stop, start + step)
        yield slice(start, stop), slice(max(rows.start, start - margin), min(rows.stop, stop + margin))


@dataclass(frozen=True)
class _SmallMaps:
    """The small maps, and how far they can be relied on."""

    inverse: Float[np.ndarray, "h w"]
    """Depth; 0 where there is no surface."""
    slope: Float[np.ndarray, "h w 2"]
    """Change of inverse depth per pixel, to the right and down."""
    confidence: Float[np.ndarray, "h w"]
    kept: Bool[np.ndarray, "h w"]
    unsure: Bool[np.ndarray, "h w"]
    """Beside an edge: which surface is seen is for the photo to say."""
    seed: Bool[np.ndarray, "h w"]
    """What surfaces grow from: sure pixels, and the middle of unsure ones that do not hang between two surfaces."""
    plain: Bool[np.ndarray, "h w"]
    """Where all pixels around are sure."""

    @staticmethod
    def of(depth: np.ndarray, confidence: np.ndarray, kept: np.ndarray) -> "_SmallMaps":
        """Find edges and slopes."""
        known = np.isfinite(depth) & (depth > 0)
        depth = np.where(known, depth, 0).astype(np.float32)
        inverse = np.divide(1, depth, out=np.zeros_like(depth), where=known)
        around = np.stack([_shifted(np.where(known, inverse, np.nan), dy, dx, np.nan) for dy, dx in _OFFSETS])
        low, high = np.fmin.reduce(around), np.fmax.reduce(around)
        unsure = flying_pixels(torch.from_numpy(depth)).numpy() & (_jumps(inverse, known) > _JUMP)
        unsure |= ~np.isnan(low) & ~np.all([_shifted(known, dy, dx, True) for dy, dx in _OFFSETS], axis=0)
        is_between = known & (np.minimum(inverse - low, high - inverse) > _BETWEEN * (high - low))
        seed = ~(unsure & is_between)
        plain = np.all([_shifted(known & ~unsure, dy, dx, False) for dy, dx in _OFFSETS], axis=0)
        confidence = np.where(known & (confidence > 0), confidence, 0).astype(np.float32)  # not NaN
        kept = _kept_to_the_edge(inverse, confidence, kept & known, unsure & seed)
        return _SmallMaps(inverse, _slopes(inverse, unsure, seed), confidence, kept, unsure, seed, plain)


_OFFSETS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def _shifted(values: Shaped[np.ndarray, "h w"], dy: int, dx: int, beyond: Any) -> Shaped[np.ndarray, "h w"]:
    """Of every pixel the value so far down and to the right."""
    height, width = values.shape
    padded = np.pad(values, 3, constant_values=beyond)
    return padded[3 + dy : 3 + dy + height, 3 + dx : 3 + dx + width]


def _kept_to_the_edge(
    inverse: Float[np.ndarray, "h w"],
    confidence: Float[np.ndarray, "h w"],
    kept: Bool[np.ndarray, "h w"],
    candidates: Bool[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """With the candidates that continue a surface which is kept, unless they are less confident than all of it."""
    if not kept.any():
        return kept
    candidates = candidates & (confidence >= confidence[kept].min())
    same = [np.abs(_shifted(inverse, dy, dx, np.nan) - inverse) <= 4 * _SAME * inverse for dy, dx in _OFFSETS]
    for _ in range(_MARGIN):
        near = [_shifted(kept, dy, dx, False) & alike for (dy, dx), alike in zip(_OFFSETS, same, strict=True)]
        kept = kept | (candidates & np.any(near, axis=0))
    return kept


def _jumps(inverse: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """How far the planes on two sides of a pixel, and the pixel itself, are apart there, relative to its inverse depth.

    On a crease, however sharp, all three agree but for where in the pixel it is; at a step they do not.
    """
    values = np.where(known, inverse, np.nan)
    found = np.zeros_like(inverse)
    for dy, dx in ((0, 1), (1, 0)):
        planes, slopes = [values], []
        for sign in (-1, 1):
            near, far = (_shifted(values, sign * n * dy, sign * n * dx, np.nan) for n in (2, 3))
            planes.append(3 * near - 2 * far)
            slopes.append(sign * (far - near))
        spread = np.fmax.reduce(planes) - np.fmin.reduce(planes)
        spread -= np.nan_to_num(np.abs(slopes[1] - slopes[0]))
        found = np.fmax(found, spread / np.maximum(inverse, 1e-12))
    return found


def _slopes(
    inverse: Float[np.ndarray, "h w"], unsure: Bool[np.ndarray, "h w"], seed: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 2"]:
    """Mean change towards the two neighbours on an axis, of those on the same surface."""
    slopes = []
    for dy, dx in ((0, 1), (1, 0)):
        total, count = np.zeros_like(inverse), np.zeros_like(inverse)
        for sign in (-1, 1):
            change = _shifted(inverse, sign * dy, sign * dx, np.nan) - inverse
            is_slope = ~unsure & _shifted(~unsure, sign * dy, sign * dx, False)
            is_slope |= np.abs(change) <= _STEEPEST * inverse
            same = is_slope & _shifted(seed, sign * dy, sign * dx, False) & ~np.isnan(change)
            total += np.where(same, sign * change, 0)
            count += same
        slopes.append(total / np.maximum(count, 1))
    return np.stack(slopes, axis=-1)


def _upsample(
    small: _SmallMaps,
    image: UInt8[np.ndarray, "rows columns 3"],
    u: Float[np.ndarray, "columns"],
    v: Float[np.ndarray, "rows"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth, confidence and mask of a strip whose pixels lie at (u, v) in the small maps."""
    h, w = small.inverse.shape
    x, y = (np.rint(positions).astype(np.int32).clip(0, size - 1) for positions, size in ((u, w), (v, h)))
    inverse, confidence = (_bilinear(values, u, v) for values in (small.inverse, small.confidence))
    mask = small.kept[np.ix_(y, x)]
    row, column = np.nonzero(~small.plain[np.ix_(y, x)])
    if len(row):
        surface = _choose_surfaces(small, image, u, v)[row, column]
        at = (row, column)
        inverse[at], confidence[at] = _on_surface(small, surface, u[column], v[row])
        mask[at] = small.kept.ravel()[surface]
    known = inverse > 0
    depth = np.divide(1, inverse, out=np.zeros_like(inverse), where=known)
    return depth, np.where(known, confidence, 0), mask & known


def _bilinear(
    values: Float[np.ndarray, "h w"], u: Float[np.ndarray, "columns"], v: Float[np.ndarray, "rows"]
) -> Float[np.ndarray, "rows columns"]:
    """The border's values beyond it."""
    for positions in (v, u):  # the first axis, and after turning the other one
        low = np.floor(positions).astype(np.int32)
        last = len(values) - 1
        share = (positions - low)[:, None]
        before, after = values[low.clip(0, last)], values[(low + 1).clip(0, last)]
        values = (before + share * (after - before)).T
    return np.ascontiguousarray(values)


def _choose_surfaces(
    small: _SmallMaps,
    image: UInt8[np.ndarray, "rows columns 3"],
    u: Float[np.ndarray, "columns"],
    v: Float[np.ndarray, "rows"],
) -> Int[np.ndarray, "rows columns"]:
    """For every pixel of a strip the small pixel, as an index, whose surface it shows."""
    import cv2
    from skimage.segmentation import watershed

    h, w = small.inverse.shape
    x, y = (np.rint(positions).astype(np.int32).clip(0, size - 1) for positions, size in ((u, w), (v, h)))
    own = y[:, None] * np.int32(w) + x
    in_middle = (_is_middle(v, y))[:, None] & _is_middle(u, x)
    cells = np.ix_(y, x)
    is_seed = small.seed[cells] & (~small.unsure[cells] | in_middle)
    near = cv2.dilate((~is_seed).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if is_seed.all():
        return own
    smooth = cv2.GaussianBlur(image, (0, 0), float(np.clip(_SIGMA / _step(v), *_SIGMA_RANGE)))
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    gradient = cv2.magnitude(across, down).max(axis=-1)
    found = watershed(np.floor(gradient / _GRADIENT_STEP), np.where(is_seed & near, own + 1, 0), mask=near)
    return np.where(found > 0, found - 1, own)


def _is_middle(positions: Float[np.ndarray, "n"], nearest: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """Whether a pixel is the closest to the middle of a small pixel."""
    return np.abs(positions - nearest) <= 0.5 * _step(positions)


def _step(positions: Float[np.ndarray, "n"]) -> float:
    """From one to the next."""
    return float(positions[1] - positions[0]) if len(positions) > 1 else 1.0


def _on_surface(
    small: _SmallMaps,
    surface: Int[np.ndarray, "n"],
    u: Float[np.ndarray, "n"],
    v: Float[np.ndarray, "n"],
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Inverse depth and confidence at (u, v) of the surfaces that small pixels show."""
    h, w = small.inverse.shape
    inverse, confidence, seed = small.inverse.ravel(), small.confidence.ravel(), small.seed.ravel()
    right, down = small.slope.reshape(-1, 2).T
    start_y, start_x = surface // w, surface % w
    start, start_right, start_down = inverse[surface], right[surface], down[surface]
    # What is seen there, alone, and all else around that lies on its plane.
    total_weight = np.full(len(surface), 1e-4, np.float32)
    alone = start + start_right * (u - start_x) + start_down * (v - start_y)
    total, total_confidence = total_weight * alone, total_weight * confidence[surface]
    x, y = np.rint(u).astype(np.int32), np.rint(v).astype(np.int32)
    for dy, dx in _OFFSETS:
        i, j = (y + dy).clip(0, h - 1), (x + dx).clip(0, w - 1)
        at = i * w + j
        expected = start + start_right * (j - start_x) + start_down * (i - start_y)
        far = 1 + np.maximum(np.abs(i - start_y), np.abs(j - start_x))
        same = seed[at] & (np.abs(inverse[at] - expected) <= _SAME * far * start)
        to_u, to_v = u - (x + dx), v - (y + dy)
        # A tent over three pixels: it has no step where the nearest pixel changes.
        weight = same * (1.5 - np.abs(to_u)).clip(0) * (1.5 - np.abs(to_v)).clip(0)
        total += weight * (inverse[at] + right[at] * (u - j) + down[at] * (v - i))
        total_confidence += weight * confidence[at]
        total_weight += weight
    return (total / total_weight).clip(0.5 * start, 2 * start), total_confidence / total_weight
