"""Which pixels show the object: masks of photos of one thing, found without being given.

On a turntable the background stands still while the object turns. Unmasked, it tells every matcher that the camera did
not move. Where the camera stands still, the background is what never changes; before a plain backdrop it is what looks
like the photo's own border. Where neither holds the background moves along with the object (somebody walked around
it), says the same about the cameras as the object does, and is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pointmap.images.graph_cut import cut
from pointmap.scene import View
from pointmap.shapes import Bool, Float, UInt8

Way = Literal["given", "static background", "plain backdrop", "nothing"]

_LEAST_PHOTOS = 4
"""Fewer do not tell what stands still from what happens to look alike."""
_BAND = 0.06
"""Width of the border of a photo, as a share of its long side, in which an object hardly ever is."""
_STILL = 0.75
"""Share of the border, and of its texture, that must not change for the camera to count as standing still."""
_PLAIN = 0.85
"""Share of the border that must look as its left and right ends say for the backdrop to count as plain."""
_NOISE_RANGE = (4.0, 20.0)
"""Of the largest change that counts as none, in levels of 255."""
_SELDOM = 0.1
"""Share of the photos that must agree on the background of a pixel for it to be known."""
_PASSERS_BY = 0.05
"""Share of the photos in which something else may be before the background."""
_SLACK_PX = 0.4
"""So far edges may shift: tripods shake."""
_DARKEST_SHADOW = 0.4
_TINT = 0.05
"""How far shadows may differ between red, green and blue: lamps and walls are not grey."""
_SMOOTHNESS = 4.0
"""Cost of a border between two pixels of one colour, against at most 2 for a pixel unlike the background."""
_SIZES = (0.003, 0.85)
"""Share of a photo that an object takes."""


@dataclass(frozen=True)
class ObjectMasks:
    """Masks of a photo set, and how they came about."""

    masks: list[Bool[np.ndarray, "_ _"]]
    """True on the object; per photo, in its working image."""
    way: Way
    """"nothing": all pixels are kept."""
    reason: str
    """In words, for the report."""


def object_masks(views: Sequence[View], given: Sequence[Bool[np.ndarray, "_ _"] | None] | None = None) -> ObjectMasks:
    """Masks of the object in photos of it, from the photos alone.

    Args:
        views: Photos in any working size; 300 to 600 pixels are enough.
        given: Known masks (h, w), None where there is none; these are kept as they are.
    """
    known = [None] * len(views) if given is None else list(given)
    if all(mask is not None for mask in known) and known:
        return ObjectMasks([np.asarray(mask, bool) for mask in known], "given", "masks were given")
    images = [view.image for view in views]
    found, failures = _from_plain_backdrop(images), []
    if isinstance(found, str):
        failures.append(found)
        found = _from_still_camera(images)
    if isinstance(found, str):
        failures.append(found)
        found = ObjectMasks([np.ones(image.shape[:2], bool) for image in images], "nothing", "; ".join(failures))
    masks = [mask if own is None else np.asarray(own, bool) for mask, own in zip(found.masks, known, strict=True)]
    count = sum(own is not None for own in known)
    reason = found.reason + (f"; {count} masks were given" if count else "")
    return ObjectMasks(masks, found.way, reason)


def isolate(view: View, mask: Bool[np.ndarray, "h w"], level: int = 127) -> View:
    """The view with grey instead of the background, for networks that would look at it."""
    from dataclasses import replace

    return replace(view, image=np.where(mask[..., None], view.image, np.uint8(level)))


def transfer(mask: Bool[np.ndarray, "h w"], view: View, to: View) -> Bool[np.ndarray, "h2 w2"]:
    """The mask of one working image on the pixels of another one of the same photo; nothing beyond its border."""
    matrix = view.working_from_original @ np.linalg.inv(to.working_from_original)
    rows, columns = to.image.shape[:2]
    v, u = (
        np.rint(matrix[axis, axis] * np.arange(length) + matrix[axis, 2]).astype(int)
        for axis, length in ((1, rows), (0, columns))
    )
    height, width = mask.shape
    inside = ((v >= 0) & (v < height))[:, None] & ((u >= 0) & (u < width))[None]
    return mask[np.ix_(np.clip(v, 0, height - 1), np.clip(u, 0, width - 1))] & inside


def _from_still_camera(images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> ObjectMasks | str:
    """Masks where most of the photos' border never changes; else why not."""
    if len(images) < _LEAST_PHOTOS:
        return f"{len(images)} photos do not tell what stands still"
    if len({image.shape for image in images}) > 1:
        return "the photos differ in size, so the camera moved"
    stack = _levelled(_smoothed(images))
    border = _border(*stack.shape[1:3])
    median = np.median(stack, axis=0)
    deviation = np.abs(stack - median).max(axis=-1)
    sigma = 1.4826 * float(np.median(np.median(deviation, axis=0)[border]))
    noise = float(np.clip(4 * sigma, *_NOISE_RANGE))
    plate, support = _most_frequent(stack, noise)
    slope = _slope(plate)
    tolerance = noise + _SLACK_PX * slope
    # All photos but one or two: somebody may have walked by.
    allowed = max(1, round(_PASSERS_BY * len(images)))
    changes = np.partition(np.abs(stack - plate).max(axis=-1), -1 - allowed, axis=0)[-1 - allowed]
    usually = changes < tolerance
    textured = border & (slope > noise)
    still = float(usually[border].mean())
    if still < _STILL or (textured.sum() > 0.01 * border.sum() and usually[textured].mean() < _STILL):
        return f"the background moves ({1 - still:.0%} of the photos' border changes)"
    # Where no background was ever seen, the object always is.
    never_seen = support < max(2, _SELDOM * len(images)) / len(images)
    swept = _closed(_opened(~usually, 0.004), 0.02)
    around = ~_grown(swept, 0.02)
    surely = never_seen & swept
    masks = [_mask(photo, plate, tolerance, surely, around) for photo in stack]
    # Where what is on the object mostly looks like the background, this is the object's own colour: a plain part that
    # turns in place. It is there in all photos.
    alike = sum(
        mask & (np.abs(photo - plate).max(axis=-1) < tolerance) for mask, photo in zip(masks, stack, strict=True)
    )
    own_color = _opened((alike > 0.5 * np.sum(masks, axis=0)) & (np.sum(masks, axis=0) > 1) & swept, 0.004)
    if (own_color & ~surely).any():
        masks = [_mask(photo, plate, tolerance, surely | own_color, around) for photo in stack]
    if not _are_objects(masks):
        return "what changes before the standing background is not one object"
    return ObjectMasks(masks, "static background", f"{still:.0%} of the photos' border never changes")


def _from_plain_backdrop(images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> ObjectMasks | str:
    """Masks where every row of a photo's border goes on plainly from its left to its right end; else why not."""
    masks = []
    for image in images:
        smooth = _smoothed([image])
        plate, explained, noise = _rows_across(smooth[0])
        if explained < _PLAIN:
            return f"the backdrop is not plain ({1 - explained:.0%} of a border is not as its ends say)"
        tolerance = np.full(plate.shape[:2], noise)
        outside = _border(*plate.shape[:2]) & (np.abs(smooth[0] - plate).max(axis=-1) < noise)
        masks.append(_mask(smooth[0], plate, tolerance, np.zeros_like(outside), outside))
    if not _are_objects(masks):
        return "what stands out from the backdrop is not one object"
    return ObjectMasks(masks, "plain backdrop", "the photos' borders are plain")


def _mask(
    image: Float[np.ndarray, "h w 3"],
    plate: Float[np.ndarray, "h w 3"],
    tolerance: Float[np.ndarray, "h w"],
    surely_object: Bool[np.ndarray, "h w"],
    surely_background: Bool[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """What differs from the background by more than a shadow, within the best border; small pieces left out.

    That a pixel looks like the background says little, for much of an object may look alike in most photos.

    Args:
        plate: The background alone, as far as known.
    """
    difference = np.abs(image - plate).max(axis=-1) / tolerance
    one_shadow, whole_shadow = _shadows(image, plate, tolerance)
    cost_if_outside = np.clip(difference - 1, 0, 2)
    cost_if_outside[one_shadow] = np.minimum(cost_if_outside, 0.3)[one_shadow]
    cost_if_inside = np.where(difference < 1, 0.3, 0.0)
    cost_if_inside[whole_shadow] = 0.1
    cost_if_outside[whole_shadow] = 0
    cost_if_outside[surely_object] = np.inf
    cost_if_inside[surely_background & ~surely_object] = np.inf
    rows, columns = (np.flatnonzero(~surely_background.all(axis=axis)) for axis in (1, 0))
    mask = np.zeros(difference.shape, bool)
    if len(rows) == 0:
        return mask
    # With one more pixel on each side, which is background for sure.
    window = np.s_[max(rows[0] - 1, 0) : rows[-1] + 2, max(columns[0] - 1, 0) : columns[-1] + 2]
    mask[window] = cut(image[window], cost_if_inside[window], cost_if_outside[window], _SMOOTHNESS)
    return _whole(mask, see_through=difference < 1)


def _are_objects(masks: Sequence[Bool[np.ndarray, "_ _"]]) -> bool:
    return all(_SIZES[0] < mask.mean() < _SIZES[1] for mask in masks)


def _smoothed(images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Float[np.ndarray, "n h w 3"]:
    import cv2

    return np.stack([cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32) for image in images])


def _levelled(stack: Float[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n h w 3"]:
    """The photos with one exposure and white balance: that in which most pixels are as they usually are."""
    thin = stack[:, ::4, ::4]
    median = np.median(thin, axis=0)
    usable = (median > 15) & (median < 240)
    gains = [
        [
            float(np.median(median[..., c][usable[..., c]] / np.maximum(photo[..., c][usable[..., c]], 1)))
            if usable[..., c].any()
            else 1.0
            for c in range(3)
        ]
        for photo in thin
    ]
    return stack * np.array(gains, np.float32)[:, None, None, :]


def _most_frequent(
    stack: Float[np.ndarray, "n h w 3"], noise: float, candidates: int = 24
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """At every pixel the colour that most photos agree on, and the share that does."""
    chosen = np.unique(np.linspace(0, len(stack) - 1, min(candidates, len(stack))).round().astype(int))
    best = np.zeros(stack.shape[1:3], np.int32)
    plate = stack[0].copy()
    for candidate in chosen:
        near = np.abs(stack - stack[candidate]).max(axis=-1) < noise
        count = near.sum(axis=0, dtype=np.int32)
        better = count > best
        best = np.where(better, count, best)
        mean = (stack * near[..., None]).sum(axis=0) / np.maximum(count, 1)[..., None]
        plate = np.where(better[..., None], mean, plate)
    return plate, best / len(stack)


def _rows_across(image: Float[np.ndarray, "h w 3"]) -> tuple[Float[np.ndarray, "h w 3"], float, float]:
    """The backdrop as its left and right ends say row by row, the share of the border it explains, and its noise."""
    from scipy.ndimage import median_filter

    height, width = image.shape[:2]
    band = max(2, round(_BAND * max(height, width)))
    ends = [np.median(part, axis=1) for part in (image[:, :band], image[:, -band:])]
    left, right = (median_filter(end, size=(5, 1), mode="nearest") for end in ends)
    share = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    plate = left[:, None] * (1 - share) + right[:, None] * share
    difference = np.abs(image - plate).max(axis=-1)
    sides = np.concatenate([difference[:, :band].ravel(), difference[:, -band:].ravel()])
    noise = float(np.clip(4 * 1.4826 * np.median(sides), *_NOISE_RANGE))
    # A steady gradient bends more than a straight line between the ends in front of a round or lit backdrop.
    noise = max(noise, 8.0)
    return plate, float((difference[_border(height, width, bottom=False)] < noise).mean()), noise


def _shadows(
    photo: Float[np.ndarray, "h w 3"], plate: Float[np.ndarray, "h w 3"], tolerance: Float[np.ndarray, "h w"]
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Where a pixel may show the background in a shadow, and where all of a small window does.

    A shadow multiplies the background by one factor per colour. A plain object does so as well with a plain background.
    """
    import cv2

    def darker(factor: np.ndarray) -> np.ndarray:
        grey = factor.mean(axis=-1)
        tinted = np.abs(factor - grey[..., None]).max(axis=-1) > _TINT * grey
        return (grey > _DARKEST_SHADOW) & (grey < 1.02) & ~tinted

    side = 2 * max(1, round(0.006 * max(photo.shape[:2]))) + 1
    factor = cv2.blur(photo * plate, (side, side)) / np.maximum(cv2.blur(plate * plate, (side, side)), 1.0)
    left = np.sqrt(cv2.blur((photo - factor * plate) ** 2, (side, side)).clip(min=0)).max(axis=-1)
    return darker(photo / np.maximum(plate, 1)), darker(factor) & (left < 0.7 * tolerance)


def _whole(mask: Bool[np.ndarray, "h w"], see_through: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Without pieces far smaller than the largest, and without holes but those that the background is seen through."""
    from scipy.ndimage import binary_fill_holes, label

    pieces, count = label(mask)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    mask = (sizes >= max(0.1 * sizes.max(), 1))[pieces]
    holes, count = label(binary_fill_holes(mask) & ~mask)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    open_ = np.bincount(holes.ravel(), weights=see_through.ravel(), minlength=count + 1)
    filled = (open_ < 0.7 * sizes) | (sizes < 0.01 * mask.sum())
    filled[0] = False
    return mask | filled[holes]


def _border(height: int, width: int, *, bottom: bool = True) -> Bool[np.ndarray, "h w"]:
    band = max(2, round(_BAND * max(height, width)))
    border = np.ones((height, width), bool)
    border[band : -band if bottom else None, band:-band] = False
    return border


def _slope(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Change of colour per pixel."""
    dv, du = np.gradient(image, axis=(0, 1))
    return np.hypot(dv, du).max(axis=-1)


def _grown(mask: Bool[np.ndarray, "h w"], share: float) -> Bool[np.ndarray, "h w"]:
    """By a share of the long side, one pixel at least."""
    import cv2

    return cv2.dilate(mask.astype(np.uint8), _disc(share, mask)) > 0


def _opened(mask: Bool[np.ndarray, "h w"], share: float) -> Bool[np.ndarray, "h w"]:
    import cv2

    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _disc(share, mask)) > 0


def _closed(mask: Bool[np.ndarray, "h w"], share: float) -> Bool[np.ndarray, "h w"]:
    return ~_opened(~mask, share)


def _disc(share: float, mask: np.ndarray) -> UInt8[np.ndarray, "d d"]:
    import cv2

    radius = max(1, round(share * max(mask.shape)))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
