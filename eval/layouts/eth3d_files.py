"""Files of ETH3D's multi-view data: COLMAP calibration, depth of distorted photos, laser scans.

Layout: https://www.eth3d.net/documentation. Depth maps are z-depth (`ETH3D/dataset-pipeline:src/exe/
ground_truth_creator.cc`) at the pixels of the original photos, whose lens is COLMAP's THIN_PRISM_FISHEYE.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.sfm.cameras import rotation_from

from .ply_points import read_ply_points
from .tree import require_file

_PARAMETERS = {"PINHOLE": 4, "THIN_PRISM_FISHEYE": 12}


@dataclass(frozen=True, eq=False)
class LensCamera:
    """A camera of cameras.txt."""

    model: str
    size: tuple[int, int]
    """Width and height."""
    parameters: np.ndarray
    """As in the file: fx, fy, cx, cy and, of THIN_PRISM_FISHEYE, k1, k2, p1, p2, k3, k4, sx1, sy1. Pixels count from
    the corner of the first one."""

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) K, pixels from the centre of the first one; of THIN_PRISM_FISHEYE without its distortion."""
        fx, fy, cx, cy = self.parameters[:4]
        return np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])

    def project(self, rays: np.ndarray) -> np.ndarray:
        """(..., 2) pixels, from the centre of the first one, of rays (x, y, 1) given as (..., 2)."""
        x, y = np.moveaxis(np.asarray(rays, np.float64), -1, 0)
        if self.model == "THIN_PRISM_FISHEYE":
            x, y = _thin_prism_fisheye(x, y, self.parameters[4:])
        K = self.intrinsics
        return np.stack([K[0, 0] * x + K[0, 2], K[1, 1] * y + K[1, 2]], axis=-1)


def _thin_prism_fisheye(x: np.ndarray, y: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """https://www.eth3d.net/documentation#camera_models: an equidistant fisheye, then OpenCV's terms."""
    k1, k2, p1, p2, k3, k4, sx1, sy1 = parameters
    radius = np.hypot(x, y)
    # theta / r, which is 1 on the optical axis.
    shrink = np.where(radius > 1e-12, np.arctan(radius) / np.maximum(radius, 1e-12), 1.0)
    x, y = x * shrink, y * shrink
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
    return (
        x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x) + sx1 * square,
        y * radial + 2 * p2 * x * y + p1 * (square + 2 * y * y) + sy1 * square,
    )


@dataclass(frozen=True, eq=False)
class Eth3dPhoto:
    """A photo of images.txt."""

    name: str
    """Without its folder: `DSC_0286.JPG`."""
    camera: LensCamera
    cam_from_world: np.ndarray
    """(4, 4)"""


def read_calibration(folder: Path) -> dict[str, Eth3dPhoto]:
    """Photos of `dslr_calibration_undistorted` or `dslr_calibration_jpg`, by name and in its order."""
    cameras = {}
    for words in _rows(folder / "cameras.txt"):
        try:
            number, model, width, height, *parameters = words
            if len(parameters) != _PARAMETERS[model]:
                raise ValueError(f"{len(parameters)} parameters")
            cameras[number] = LensCamera(model, (int(width), int(height)), np.array(parameters, np.float64))
        except (ValueError, KeyError) as error:
            raise _damaged(folder / "cameras.txt", "CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS", words) from error
    photos = {}
    # Every other line lists keypoints of the photo before; it may be empty.
    for words in _rows(folder / "images.txt", every=2):
        try:
            _, *pose, camera, name = words
            values = np.array(pose, np.float64)
            if values.shape != (7,) or not np.isfinite(values).all() or not values[:4].any():
                raise ValueError(f"{len(values)} numbers of a pose")
            cam_from_world = np.eye(4)
            cam_from_world[:3, :3], cam_from_world[:3, 3] = rotation_from(values[:4]), values[4:]
            short = name.rsplit("/", 1)[-1]
            photos[short] = Eth3dPhoto(short, cameras[camera], cam_from_world)
        except (ValueError, KeyError) as error:
            expected = "IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME"
            raise _damaged(folder / "images.txt", expected, words) from error
    return photos


def _rows(path: Path, every: int = 1) -> list[list[str]]:
    text = require_file(path, "ETH3D's calibration").read_text(errors="replace")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line.split() for line in lines[::every] if line.strip()]


def _damaged(path: Path, expected: str, words: list[str]) -> InputError:
    return InputError(
        f"{str(path)!r} is no text file of COLMAP's: expected {expected}, found {' '.join(words)[:80]!r}."
    )


def raw_depth_reader(path: Path, camera: LensCamera, width: int) -> Callable[[], np.ndarray]:
    """Reader of the depth of an original, distorted photo, at so many columns: each has its nearest pixel."""

    def read() -> np.ndarray:
        depth = _raw_depth(path, camera)
        size = _shrunk(camera.size, width)
        columns, rows = _centres(size, camera.size)
        return depth[np.rint(rows).astype(int)[:, None], np.rint(columns).astype(int)]

    return read


def undistorted_reader(
    path: Path, original: LensCamera, undistorted: LensCamera, width: int
) -> Callable[[], np.ndarray]:
    """Reader of the same depth at the pixels of the undistorted photo, at so many columns.

    Each pixel's ray goes through the lens of the original photo, and the nearest pixel there is read; z-depth stays as
    it is, for both photos have one centre and one optical axis. The map covers the whole undistorted photo.
    """

    def read() -> np.ndarray:
        depth = _raw_depth(path, original)
        size = _shrunk(undistorted.size, width)
        columns, rows = _centres(size, undistorted.size)
        result = np.zeros((size[1], size[0]), np.float32)
        K = undistorted.intrinsics
        x = (columns - K[0, 2]) / K[0, 0]
        for row, v in enumerate(rows):
            y = np.full_like(x, (v - K[1, 2]) / K[1, 1])
            pixels = np.rint(original.project(np.stack([x, y], axis=-1))).astype(np.int64)
            inside = ((pixels >= 0) & (pixels < original.size)).all(axis=-1)
            result[row, inside] = depth[pixels[inside, 1], pixels[inside, 0]]
        return result

    return read


def _raw_depth(path: Path, camera: LensCamera) -> np.ndarray:
    """(H, W) float32, 0 where unknown (infinity in the file)."""
    width, height = camera.size
    values = np.fromfile(require_file(path, "true depth"), "<f4")
    if values.size != width * height:
        raise InputError(f"{str(path)!r} holds {values.size} depths, expected {width} x {height} four-byte floats.")
    depth = values.reshape(height, width)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def _shrunk(size: tuple[int, int], width: int) -> tuple[int, int]:
    """Never enlarged."""
    width = min(width, size[0])
    return width, max(1, round(size[1] * width / size[0]))


def _centres(size: tuple[int, int], full: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the columns and rows of a smaller map are in the photo, in its pixels."""
    columns = (np.arange(size[0]) + 0.5) * full[0] / size[0] - 0.5
    rows = (np.arange(size[1]) + 0.5) * full[1] / size[1] - 0.5
    return columns, rows


def read_scans(project: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each scan of `scan_alignment.mlp` the scanner's position (3,) and its points (n, 3), in the frame of the
    calibration. The files beside it have points in the scanner's frame, and the project's matrices move them."""
    text = require_file(project, "the alignment of the scans").read_text(errors="replace")
    found = re.findall(r"<MLMesh\b[^>]*?\bfilename=\"([^\"]+)\"[^>]*>\s*<MLMatrix44>([^<]*)</MLMatrix44>", text)
    if not found:
        raise InputError(f"{str(project)!r} is no MeshLab project with MLMesh and MLMatrix44.")
    scans = []
    for name, words in found:
        try:
            world_from_scan = np.array(words.split(), np.float64).reshape(4, 4)
        except ValueError as error:
            raise InputError(f"The matrix of {name} in {str(project)!r} has no 16 numbers.") from error
        points = read_ply_points(project.parent / Path(name).name)
        moved = points @ world_from_scan[:3, :3].T + world_from_scan[:3, 3]
        scans.append((world_from_scan[:3, 3], moved))
    return scans
