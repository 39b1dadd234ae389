"""What a scene knows of each photo, as pictures, on scales that all its photos share."""

import io
from dataclasses import dataclass
from typing import Literal, Unpack, get_args
from weakref import WeakKeyDictionary

import numpy as np
import torch

from pointmap.export.palette import colorize, colorize_depth, typical_range
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.normals import pointmap_normals
from pointmap.scene import Keep, PhotoMaps, Scene

Kind = Literal["photo", "depth", "confidence", "normals"]
KINDS = get_args(Kind)

_SIZE = 960
"""Long side in pixels, at most."""
_RANKED = 100_000
"""So many confidences stand for all."""
_GREY = 222


@dataclass(frozen=True, eq=False)
class Scales:
    """What the colours of a scene's pictures mean, and which pixels are kept."""

    masks: list[np.ndarray]

    depth_range: tuple[float, float]
    """The depths, in scene units, that are yellow and violet, or are beyond."""

    confidences: np.ndarray
    """Rising: every so many-th of all photos."""

    @classmethod
    def of(cls, scene: Scene, **keep: Unpack[Keep]) -> "Scales":
        """Worked out once for a scene and what is kept of it."""
        known = _SCALES.setdefault(scene, {})
        settings = tuple(sorted(keep.items()))
        if settings not in known:
            masks = scene.masks(**keep)
            depths = [depth[mask] for depth, mask in zip(scene.depths, masks, strict=True)]
            maps = [scene.confidences[photo].reshape(-1) for photo in np.flatnonzero(scene.registered).tolist()]
            confidences = np.concatenate([*maps, np.zeros(0)])
            confidences = confidences[confidences > 0]
            confidences = np.sort(confidences[:: max(1, len(confidences) // _RANKED)])
            known[settings] = cls(masks, typical_range(depths), confidences)
        return known[settings]

    def percentiles(self, confidence: np.ndarray) -> np.ndarray:
        """How many percent of all pixels are less sure, or as many half."""
        below = np.searchsorted(self.confidences, confidence, "left")
        upto = np.searchsorted(self.confidences, confidence, "right")
        return (below + upto) * (50.0 / max(len(self.confidences), 1))


_SCALES: WeakKeyDictionary[Scene, dict[tuple[tuple[str, object], ...], Scales]] = WeakKeyDictionary()


def picture(scene: Scene, index: int, kind: Kind, **keep: Unpack[Keep]) -> bytes:
    """A JPEG, all kinds of one size, upright. What is not kept has neither depth nor normal: it is grey.

    Raises:
        IndexError, ValueError: There is no such photo or kind.
    """
    if not 0 <= index < len(scene):
        raise IndexError(f"There is no photo {index}; the scene has {len(scene)}.")
    if kind not in KINDS:
        raise ValueError(f"There is no picture {kind!r}; choose one of {', '.join(KINDS)}.")
    if kind == "photo" or not scene.registered[index]:
        image = scene.photo(index, max_size=_SIZE).image
        return _jpeg(image if kind == "photo" else np.full_like(image, _GREY))
    scales = Scales.of(scene, **keep)
    maps = scene.photo_maps(index, max_size=_SIZE, masks=scales.masks, **keep)
    if kind == "depth":
        return _jpeg(colorize_depth(maps.depth, *scales.depth_range, maps.mask))
    if kind == "confidence":
        return _jpeg(colorize(scales.percentiles(maps.confidence), 0.0, 100.0, maps.confidence > 0))
    return _jpeg(_normals(scene, index, maps))


def _normals(scene: Scene, index: int, maps: PhotoMaps) -> np.ndarray:
    """In the usual colours: red grows to the right, green upwards, blue towards the camera.

    Of the working maps, and a little smoothed: at the photo's resolution the steps of the small maps would be seen.
    """
    import cv2

    depth, intrinsics = scene.depths[index], scene.working_intrinsics[index]
    points_cam = unproject_depth(torch.from_numpy(depth).float(), torch.from_numpy(intrinsics).float())
    known = torch.from_numpy(np.isfinite(depth) & (depth > 0))
    normals = cv2.GaussianBlur(pointmap_normals(points_cam, known).numpy(), (0, 0), 1.0)
    small_from_photo = intrinsics @ np.linalg.inv(maps.intrinsics)
    normals = cv2.warpAffine(
        normals,
        small_from_photo[:2],
        maps.depth.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    normals *= np.array([1, -1, -1]) / np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-6)
    return np.where(maps.mask[..., None], np.round(127.5 * (normals + 1)), _GREY).astype(np.uint8)


def _jpeg(image: np.ndarray) -> bytes:
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "JPEG", quality=88, optimize=True)
    return encoded.getvalue()
