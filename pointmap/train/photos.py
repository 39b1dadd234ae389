"""Posed photos with or without depth, to learn from or to validate on: what fine-tuning to a domain needs.

A folder holds `cameras.json`, the format that `pointmap reconstruct` writes, and what it names:

    {"images": [{"file": "images/0.jpg", "width": 640, "height": 480, "fx": 525.0, "fy": 525.0, "cx": 320, "cy": 240,
                 "cam_from_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
                 "distortion": null, "depth": "depth/0.png", "depth_scale": 0.001}]}

Paths are relative to the folder; `images/` may be left out. Cameras look along +z, x right, y down; the centre of the
first pixel is (0, 0). `cam_from_world` maps world points into the camera (4x4, rows first; null or absent: the photo
is left out). `distortion` is null or OpenCV's k1, k2, p1, p2, k3 by name, and is taken out on reading.
`"world_unit": "metre"` beside `images` says that all of it is in metres: so metric networks keep their scale.
`depth` is along z, in the units of the poses after multiplying by `depth_scale` (1 if absent): a PNG of integers, an
`.npy`, or the array `depth` of an `.npz`; 0 and NaN mean unknown. It may be absent: then such pairs teach, with
`--loss-rays`, the lines of sight of their cameras, and validate poses.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Float, Int, UInt8
from pointmap.train.pairs import PairBatch
from pointmap.train.photo_overlap import pair_overlaps
from pointmap.train.random import Random

_LEAST_OVERLAP = 0.1
_SPARE = 1.5
"""Photos are kept in memory so much larger than what is trained on: a crop of them is still sharp."""
_CLOSEST_CROP = 0.75


@dataclass(frozen=True)
class PosedPhotos:
    """The photos of a folder, shrunk and without distortion, and the pairs among them that share something."""

    name: str
    images: list[UInt8[Tensor, "h w 3"]]
    depths: list[Float[Tensor, "h w"]]
    """z-depth in the units of the poses; NaN where unknown."""
    intrinsics: Float[Tensor, "photos 3 3"]
    """Of the shrunk photos."""
    cam_from_world: Float[Tensor, "photos 4 4"]
    pairs: Int[Tensor, "pairs 2"]
    """By overlap, the least first."""
    overlap: Float[Tensor, "pairs"]
    metric: bool = False
    """Depths and poses are in metres."""

    @property
    def is_portrait(self) -> bool:
        """Whether most photos are higher than wide."""
        return sum(len(image) > image.shape[1] for image in self.images) * 2 > len(self.images)


def read_photos(folder: str | Path, image_size: int) -> PosedPhotos:
    """Read a folder as the module describes it.

    Args:
        image_size: Long side of the largest images that will be made of them.

    Raises:
        InputError: `cameras.json` or a file that it names is missing or cannot be read, or no two photos overlap.
    """
    folder = Path(folder)
    path = folder / "cameras.json"
    try:
        content = json.loads(path.read_text())
        entries = [entry for entry in content["images"] if entry.get("cam_from_world")]
        metric = content.get("world_unit") == "metre"
        read = [_read_photo(folder, entry, round(image_size * _SPARE)) for entry in entries]
        poses = torch.tensor([entry["cam_from_world"] for entry in entries], dtype=torch.float64).reshape(-1, 4, 4)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"There is no {error.filename!r}. Photos need a cameras.json, which names them.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} or a file that it names cannot be read ({type(error).__name__}: {error}). Expected "
            "`images` with file, width, height, fx, fy, cx, cy and cam_from_world, see pointmap/train/photos.py."
        ) from error
    images, depths = ([photo[part] for photo in read] for part in (0, 1))
    intrinsics = torch.stack([photo[2] for photo in read]) if read else torch.zeros(0, 3, 3)
    overlaps = pair_overlaps(depths, intrinsics, poses.float())
    first, second = torch.triu_indices(len(images), len(images), 1)
    overlap = overlaps[first, second]
    order = overlap.argsort()
    order = order[overlap[order] >= _LEAST_OVERLAP]
    if len(order) == 0:
        raise InputError(
            f"No two of the {len(images)} posed photos in {str(folder)!r} share {_LEAST_OVERLAP:.0%} of what they see."
        )
    pairs = torch.stack([first, second], dim=1)[order]
    name = folder.resolve().name
    return PosedPhotos(name, images, depths, intrinsics, poses.float(), pairs, overlap[order], metric)


def photo_pairs(photos: PosedPhotos, size: tuple[int, int], random: Random, count: int) -> PairBatch:
    """Random pairs, in either order, cropped at random and resized; intrinsics are exact.

    Args:
        size: Height and width.
        random: On the CPU, where the photos are.
    """
    index = random.integers(0, len(photos.pairs), count)
    pairs = photos.pairs[index]
    pairs = torch.where(random.integers(0, 2, count, 1) > 0, pairs.flip(1), pairs)
    crops = random.uniform(0, 1, count, 2, 3).tolist()
    return _batch(photos, pairs, photos.overlap[index], size, crops)


def spread_photo_pairs(photos: PosedPhotos, size: tuple[int, int], count: int) -> PairBatch:
    """At most `count` pairs evenly over all overlaps, cropped in the middle, always the same ones."""
    index = torch.linspace(0, len(photos.pairs) - 1, min(count, len(photos.pairs))).round().long()
    middle = [[[1.0, 0.5, 0.5]] * 2] * len(index)
    return _batch(photos, photos.pairs[index], photos.overlap[index], size, middle)


def _batch(
    photos: PosedPhotos, pairs: Tensor, overlap: Tensor, size: tuple[int, int], crops: list[list[list[float]]]
) -> PairBatch:
    made = [
        [_cropped(photos, number, size, crop) for number, crop in zip(pair, both, strict=True)]
        for pair, both in zip(pairs.tolist(), crops, strict=True)
    ]
    images, depths, intrinsics = (torch.stack([torch.stack([v[k] for v in pair]) for pair in made]) for k in range(3))
    first, second = photos.cam_from_world.double()[pairs].unbind(1)
    first_from_second = (first @ torch.linalg.inv(second)).float()
    metric = torch.full_like(overlap, photos.metric, dtype=torch.bool)
    return PairBatch(images, depths, intrinsics, first_from_second, overlap, metric)


def _cropped(
    photos: PosedPhotos, number: int, size: tuple[int, int], crop: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    """A photo at another size.

    Args:
        crop: How large (1: as large as fits), how far right and how far down, each in [0, 1].
    """
    image, depth, K = photos.images[number], photos.depths[number], photos.intrinsics[number]
    height, width = depth.shape
    zoom = _CLOSEST_CROP + (1 - _CLOSEST_CROP) * crop[0]
    unit = min(height / size[0], width / size[1]) * zoom
    high, wide = min(height, max(1, round(size[0] * unit))), min(width, max(1, round(size[1] * unit)))
    left, top = round((width - wide) * crop[1]), round((height - high) * crop[2])
    window = (slice(top, top + high), slice(left, left + wide))
    pixels = image[window].permute(2, 0, 1)[None].float()
    pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
    # Depth is never averaged: between a near and a far surface there is nothing.
    nearest = F.interpolate(depth[window][None, None], size, mode="nearest-exact")[0, 0]
    shifted = K.clone()
    shifted[0, 2] -= left
    shifted[1, 2] -= top
    return pixels[0].permute(1, 2, 0), nearest, _scaled(shifted, size[1] / wide, size[0] / high)


def _scaled(intrinsics: Tensor, right: float, down: float) -> Tensor:
    """Intrinsics after resizing: pixel u goes to s (u + 0.5) - 0.5."""
    scaled = intrinsics.clone()
    for axis, scale in ((0, right), (1, down)):
        scaled[axis] *= scale
        scaled[axis, 2] += (scale - 1) / 2
    return scaled


def _read_photo(folder: Path, entry: dict[str, Any], longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, depth and intrinsics, without distortion, at most so long."""
    from PIL import Image, ImageOps

    file = folder / entry["file"]
    file = file if file.is_file() else folder / "images" / entry["file"]
    with Image.open(file) as opened:
        stated = (entry["width"], entry["height"])
        upright = ImageOps.exif_transpose(opened)
        photo = (upright if upright.size == stated else opened).convert("RGB")
    if photo.size != stated:
        raise InputError(f"{str(file)!r} has {photo.size} pixels, but cameras.json says {stated}.")
    K = np.array([[entry["fx"], 0, entry["cx"]], [0, entry["fy"], entry["cy"]], [0, 0, 1]], dtype=np.float64)
    pixels, depth = np.asarray(photo), _read_depth(folder, entry)
    if entry.get("distortion"):
        pixels, depth = _undistorted(pixels, depth, K, entry["distortion"])
    scale = min(1.0, longest / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    shrunk = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    intrinsics = _scaled(torch.from_numpy(K), width / photo.size[0], height / photo.size[1]).float()
    known = torch.full((height, width), torch.nan)
    if depth is not None:
        known = F.interpolate(torch.from_numpy(depth)[None, None], (height, width), mode="nearest-exact")[0, 0]
    return torch.from_numpy(np.array(shrunk)), known, intrinsics


def _read_depth(folder: Path, entry: dict[str, Any]) -> np.ndarray | None:
    """float32, NaN where unknown; None where there is no file."""
    if not entry.get("depth"):
        return None
    file = folder / entry["depth"]
    if file.suffix == ".npz":
        with np.load(file) as content:
            values = content["depth"]
    elif file.suffix == ".npy":
        values = np.load(file)
    else:
        from PIL import Image

        with Image.open(file) as image:
            values = np.asarray(image)
    if values.ndim != 2:
        raise InputError(f"The depth in {str(file)!r} has shape {values.shape}; expected (height, width).")
    values = values.astype(np.float32) * np.float32(entry.get("depth_scale") or 1.0)
    return np.where(np.isfinite(values) & (values > 0), values, np.float32(np.nan))


def _undistorted(
    pixels: np.ndarray, depth: np.ndarray | None, K: np.ndarray, distortion: dict[str, float]
) -> tuple[np.ndarray, np.ndarray | None]:
    """The photo that a pinhole camera of the same intrinsics had taken."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError("Photos with distortion need OpenCV. Install it: pip install opencv-python") from error
    height, width = pixels.shape[:2]
    coefficients = np.array([distortion.get(name, 0.0) for name in ("k1", "k2", "p1", "p2", "k3")])
    x, y = cv2.initUndistortRectifyMap(K, coefficients, None, K, (width, height), cv2.CV_32FC1)
    pixels = cv2.remap(pixels, x, y, cv2.INTER_LINEAR)
    if depth is not None:
        right, down = depth.shape[1] / width, depth.shape[0] / height
        x, y = (x + 0.5) * right - 0.5, (y + 0.5) * down - 0.5
        depth = cv2.remap(depth, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
    return pixels, depth
