"""ETH3D in small: undistorted photos of 48 x 36, depth of originals of 44 x 34 through a fisheye, two scans."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from miniatures.lens_camera import depth_along
from miniatures.scaled_world import scaled

NAMES = tuple(f"DSC_{number:04d}.JPG" for number in range(286, 292))
LENS = (40.0, 41.0, 22.5, 16.75, 0.1, -0.02, 0.004, -0.003, 0.01, 0.005, 0.002, -0.001)
"""fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, sx1, sy1; the centre of the first pixel is (0.5, 0.5)."""
SIZE = (44, 34)
"""Width and height of the originals."""
SCALE = 0.1
"""Of the room: as large as a shoe box, so that pixels are closer than the tolerances of protocols."""

TOLERANCE = {
    **dict.fromkeys(("accuracy", "completion"), 0.04),  # of the fused surface, metres: a voxel
    **dict.fromkeys(("f1_2cm", "accuracy_2cm", "completeness_2cm"), 0.03),
    **dict.fromkeys(("f1_5cm", "accuracy_5cm", "completeness_5cm"), 0.03),
}
"""Depth is the nearest pixel of the original's, and at the ball's edge that of another surface."""
SCANNERS = ((0.05, -0.02, -0.1), (-0.06, 0.01, -0.08))
"""Where they stood."""


@lru_cache
def world() -> World:
    """Of the undistorted photos, in order of their names."""
    return scaled(_room(), SCALE)


@lru_cache
def _room() -> World:
    return photograph(len(NAMES), (36, 48), square=False, step_deg=5.0)


@lru_cache
def original_depths() -> np.ndarray:
    """(6, 34, 44) z-depth of the originals."""
    return np.stack([depth_along(_rays(), pose) for pose in _room().world_from_cam]) * np.float32(SCALE)


def write(root: Path) -> tuple[str, ...]:
    """courtyard."""
    scene(root / "courtyard")
    return ("courtyard",)


def scene(folder: Path, names: Sequence[str] = NAMES) -> None:
    """A scene whose photos have these names."""
    for kind in ("images/dslr_images_undistorted", "images/dslr_images", "ground_truth_depth/dslr_images"):
        (folder / kind).mkdir(parents=True)
    K = world().intrinsics[0]
    pinhole = (K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5)
    _calibration(folder / "dslr_calibration_undistorted", names, "dslr_images_undistorted", "PINHOLE 48 36", pinhole)
    lens = f"THIN_PRISM_FISHEYE {SIZE[0]} {SIZE[1]}"
    _calibration(folder / "dslr_calibration_jpg", names, "dslr_images", lens, LENS)
    for name, image, depth in zip(names, world().images, original_depths(), strict=False):
        Image.fromarray(image).save(folder / "images/dslr_images_undistorted" / name, quality=95)
        Image.fromarray(image).resize(SIZE).save(folder / "images/dslr_images" / name, quality=95)
        values = depth.astype("<f4")
        values[0, :2] = np.inf
        values.tofile(folder / "ground_truth_depth/dslr_images" / name)
    _scans(folder / "dslr_scan_eval")


def _calibration(folder: Path, names: Sequence[str], photos: str, camera: str, parameters: tuple[float, ...]) -> None:
    from scipy.spatial.transform import Rotation

    folder.mkdir(parents=True)
    numbers = " ".join(f"{value:.12g}" for value in parameters)
    (folder / "cameras.txt").write_text(f"# Camera list\n# Number of cameras: 1\n7 {camera} {numbers}\n")
    lines = ["# Image list with two lines of data per image:", "# Number of images"]
    for index in reversed(range(len(names))):
        pose = world().cam_from_world[index]
        quaternion = np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1)
        words = " ".join(f"{value:.12g}" for value in [*quaternion, *pose[:3, 3]])
        lines += [f"{index + 1} {words} 7 {photos}/{names[index]}", "" if index % 2 else "12.5 13.5 -1 20.0 5.0 44"]
    (folder / "images.txt").write_text("\n".join([*lines, ""]))


def _scans(folder: Path) -> None:
    """Every other point in the frame of each of two scanners."""
    import trimesh

    folder.mkdir()
    points = world().points().reshape(-1, 3)
    entries = []
    for number, (turn, position) in enumerate(zip((30.0, -70.0), SCANNERS, strict=True), start=1):
        angle = np.radians(turn)
        world_from_scan = np.eye(4)
        world_from_scan[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        world_from_scan[:3, 3] = position
        seen = (points[number - 1 :: 2] - world_from_scan[:3, 3]) @ world_from_scan[:3, :3]
        trimesh.PointCloud(seen).export(folder / f"scan{number}.ply")
        matrix = "\n".join(" ".join(f"{value:.12g}" for value in row) + " " for row in world_from_scan)
        name = f'label="scan{number}.ply" filename="scan{number}.ply"'
        entries.append(f"  <MLMesh {name}>\n   <MLMatrix44>\n{matrix}\n</MLMatrix44>\n  </MLMesh>")
    content = ["<!DOCTYPE MeshLabDocument>", "<MeshLabProject>", " <MeshGroup>", *entries, " </MeshGroup>"]
    (folder / "scan_alignment.mlp").write_text("\n".join([*content, "</MeshLabProject>", ""]))


def _rays() -> np.ndarray:
    """(34, 44, 2) rays of the originals' pixels, by turning the lens around step by step."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    fx, fy, cx, cy = LENS[:4]
    seen = np.stack([(columns - cx) / fx, (rows - cy) / fy], axis=-1)
    # Of the distorted plane to the equidistant one, by fixed points; and from angles to the plane z = 1.
    flat = seen.copy()
    for _ in range(60):
        flat = flat + seen - _distorted(flat)
    theta = np.linalg.norm(flat, axis=-1, keepdims=True)
    return flat * np.tan(theta) / theta


def _distorted(flat: np.ndarray) -> np.ndarray:
    k1, k2, p1, p2, k3, k4, sx1, sy1 = LENS[4:]
    u, v = flat[..., 0], flat[..., 1]
    r2 = u**2 + v**2
    radial = k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
    du = u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u**2) + sx1 * r2
    dv = v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v**2) + sy1 * r2
    return np.stack([u + du, v + dv], axis=-1)
