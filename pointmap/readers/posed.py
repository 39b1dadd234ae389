"""A scene from photos whose cameras are known: what all readers end in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import resized_intrinsics
from pointmap.images import exif
from pointmap.images.decode import decode
from pointmap.images.load import opened, register_heif
from pointmap.images.same_view import on_grid
from pointmap.images.sizes import whole_photo
from pointmap.progress import ProgressCallback
from pointmap.scene import Scene
from pointmap.shapes import Float

WORKING_SIZE = 640
"""Long side of working images: of photos, and of the depth maps of a scene, in pixels."""
MILLIMETRES = 0.001
"""Depth sensors' unit, in metres."""
NO_DEPTH = 65535
"""What some of them write where they measure nothing; others write 0."""


@dataclass(frozen=True, eq=False)
class DepthMap:
    """z-depth of a photo, on a grid of its own; 0, NaN and infinite where unknown."""

    load: Callable[[], np.ndarray]
    """Gives (H, W), in world units."""
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    """Pinhole of the map; None for one of the whole photo, at any resolution, with its lens."""


@dataclass(frozen=True, eq=False)
class PosedPhoto:
    """A photo with its camera, as some data set has it, in our conventions."""

    path: Path
    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole in pixels of the photo."""
    world_from_cam: Float[np.ndarray, "4 4"] | None
    """Rigid; None where the pose is unknown."""
    name: str = ""
    """Default the file's."""
    size: tuple[int, int] | None = None
    """Width and height for which the intrinsics are; the photo must have them."""
    distortion: Float[np.ndarray, "5"] = field(default_factory=lambda: np.zeros(5))
    """OpenCV's k1, k2, p1, p2, k3."""
    depth: DepthMap | None = None
    upright: bool = False
    """Whether the camera is of the photo as its EXIF orientation turns it; most tools take pixels as stored."""


def posed_scene(
    photos: Sequence[PosedPhoto],
    *,
    image_size: int = WORKING_SIZE,
    metric: bool = False,
    source: str,
    progress: ProgressCallback | None = None,
) -> Scene:
    """Read the photos and their depth maps.

    Working images are whole photos, undistorted, of at most `image_size`; depths are those of the nearest pixels of the
    depth maps, 0 where unknown.

    Args:
        metric: A world unit is a metre.
        source: What was read, for the report.
        progress: Called with ("read", done, total).

    Raises:
        InputError: A photo or a depth map cannot be read or does not fit to its camera.
    """
    register_heif()
    if image_size < 1:
        raise InputError(f"The image size is {image_size} pixels; give at least 1.")
    read = []
    for photo in photos:
        read.append(_read(photo, image_size))
        if progress is not None:
            progress("read", len(read), len(photos))
    lenses = np.array([photo.distortion for photo in photos], np.float64).reshape(-1, 5)
    lost = np.full((4, 4), np.nan)
    poses = [lost if photo.world_from_cam is None else photo.world_from_cam for photo in photos]
    world_from_cam = np.array(poses, np.float64).reshape(-1, 4, 4)
    return Scene(
        names=_unique([photo.name or photo.path.name for photo in photos]),
        paths=tuple(photo.path if entry.original else None for photo, entry in zip(photos, read, strict=True)),
        image_sizes=np.array([entry.size for entry in read], np.int64).reshape(-1, 2),
        intrinsics=np.array([photo.intrinsics for photo in photos], np.float64).reshape(-1, 3, 3),
        world_from_cam=world_from_cam,
        depths=[entry.depth for entry in read],
        confidences=[np.ones(entry.depth.shape, np.float32) for entry in read],
        colors=[entry.image for entry in read],
        working_intrinsics=np.array([entry.intrinsics for entry in read], np.float64).reshape(-1, 3, 3),
        registered=np.array([photo.world_from_cam is not None for photo in photos], bool),
        metric=metric,
        report={
            "read": {
                "source": source,
                "photos": len(photos),
                "posed": sum(photo.world_from_cam is not None for photo in photos),
                "with_depth": sum(photo.depth is not None for photo in photos),
            }
        },
        distortion=lenses if lenses.any() else None,
    )


def read_depth(path: Path, scale: float, *, none: int = 0) -> Float[np.ndarray, "h w"]:
    """A depth map in world units: a 16-bit image or an array (.npy, or `depth` in .npz), times `scale`.

    Args:
        none: What stands for no depth, beside 0.

    Raises:
        InputError: It cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix.lower() in (".npy", ".npz"):
            content = np.load(path, allow_pickle=False)
            values = content if isinstance(content, np.ndarray) else content["depth"]
        else:
            with Image.open(path) as image:
                if image.mode in ("1", "L", "P", "RGB", "RGBA"):
                    raise ValueError(f"an image of mode {image.mode}, not of 16 bits in one channel")
                values = np.asarray(image)
        values = np.squeeze(values)
        if values.ndim != 2:
            raise ValueError(f"its shape is {values.shape}")
    except (OSError, ValueError, KeyError, UnidentifiedImageError) as error:
        raise InputError(
            f"The depth map {str(path)!r} cannot be read: {error}. Expected one number per pixel."
        ) from error
    return (np.where(values == none, 0, values) * np.float64(scale)).astype(np.float32)


def find_photo(folder: Path, name: str, among: Sequence[str] = (".", "images")) -> Path:
    """The file of a photo, by its name in a file of cameras.

    Raises:
        InputError: It is in none of the places.
    """
    tried = [folder / place / name for place in among]
    for path in tried:
        if path.is_file():
            return path
    raise InputError(
        f"The photo {name!r} is missing: there is no {' and no '.join(repr(str(path)) for path in tried)}. "
        "Put the photos there, or read another folder."
    )


def rigid_pose(matrix: object, what: str) -> Float[np.ndarray, "4 4"] | None:
    """A 4x4 pose of numbers; None if some are not finite, as data sets write lost ones.

    Raises:
        InputError: It is no rigid 4x4 (or 3x4) matrix.
    """
    pose = np.array(matrix, np.float64)
    if pose.shape == (3, 4):
        pose = np.concatenate([pose, [[0.0, 0.0, 0.0, 1.0]]])
    if pose.shape != (4, 4):
        raise InputError(f"{what} has shape {pose.shape}; expected a 4x4 matrix.")
    if not np.isfinite(pose).all():
        return None
    rotation = pose[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
        raise InputError(f"{what} is no rigid transform: its upper 3x3 block is no rotation.")
    return pose


@dataclass(frozen=True, eq=False)
class _Read:
    size: tuple[int, int]
    image: np.ndarray
    intrinsics: np.ndarray
    depth: np.ndarray
    original: bool
    """Whether `Scene.photo` may take the file, which it turns by its EXIF orientation."""


def _read(photo: PosedPhoto, image_size: int) -> _Read:
    try:
        with opened(photo.path) as image:
            orientation = exif.orientation(image)
            turned = orientation if photo.upright else 1
            size = image.size if turned <= 4 else image.size[::-1]
            if photo.size is not None and photo.size != size:
                raise InputError(
                    f"The photo {str(photo.path)!r} is {size[0]}x{size[1]} pixels, its camera is for "
                    f"{photo.size[0]}x{photo.size[1]}. Give the photos for which the cameras were computed."
                )
            plan = whole_photo(size, image_size)
            pixels = decode(image, plan, turned, lazy=True)
    except InputError:
        raise
    except Exception as error:  # damaged files raise whatever their decoder stumbles over
        raise InputError(f"The photo {str(photo.path)!r} cannot be read: {type(error).__name__}: {error}") from error
    K = plan.working_from_original @ photo.intrinsics
    if photo.distortion.any():
        import cv2

        pixels = cv2.undistort(pixels, K, photo.distortion)
    shape = pixels.shape[0], pixels.shape[1]
    depth = np.zeros(shape, np.float32)
    if photo.depth is not None:
        values = photo.depth.load()
        if photo.depth.intrinsics is None:
            height, width = values.shape
            whole = resized_intrinsics(photo.intrinsics, size, (width, height))
            depth = on_grid(values, whole, shape, K, photo.distortion)
        else:
            depth = on_grid(values, photo.depth.intrinsics, shape, K)
        depth = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    return _Read(size, pixels, K, depth, original=turned == orientation)


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names as they are; where two photos in different folders share one, with a number."""
    taken: set[str] = set()
    unique = []
    for name in names:
        path = Path(name)
        others = (str(path.with_stem(f"{path.stem}_{number}")) for number in count(2))
        unique.append(next(candidate for candidate in chain([name], others) if candidate not in taken))
        taken.add(unique[-1])
    return tuple(unique)
