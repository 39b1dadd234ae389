"""Miniatures of other people's folders: photos of the test room on disk, in the layouts that readers know."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scenes import make_scene, render

from pointmap.scene import Scene

K_SHARED = np.array([[30.0, 0.0, 17.5], [0.0, 31.0, 10.3], [0.0, 0.0, 1.0]])
WIDTH, HEIGHT = 40, 24


def posed_scene_of_files(folder: Path, count: int = 4) -> Scene:
    """Photos of mixed formats and cameras, written to the folder; working images are the photos themselves."""
    scene = make_scene(num_photos=count)
    names = tuple(f"{view}.png" for view in range(count))
    folder.mkdir(parents=True, exist_ok=True)
    for name, color in zip(names, scene.colors, strict=True):
        Image.fromarray(color).save(folder / name)
    return replace(
        scene,
        names=names,
        paths=tuple(folder / name for name in names),
        image_sizes=np.array([color.shape[1::-1] for color in scene.colors]),
        intrinsics=scene.working_intrinsics,
    )


def one_camera_scene(count: int = 3) -> Scene:
    """Photos of one camera, in memory; depths in whole millimetres, some unknown."""
    scene = make_scene(num_photos=count)
    depths, colors = [], []
    for pose in scene.world_from_cam:
        depth, color = render(K_SHARED, pose, WIDTH, HEIGHT)
        depth = (np.round(depth * 1000) / 1000).astype(np.float32)
        depth[:3, 5:9] = 0
        depths.append(depth)
        colors.append(color)
    return replace(
        scene,
        image_sizes=np.tile((WIDTH, HEIGHT), (count, 1)),
        intrinsics=np.tile(K_SHARED, (count, 1, 1)),
        working_intrinsics=np.tile(K_SHARED, (count, 1, 1)),
        depths=depths,
        colors=colors,
        confidences=[np.ones_like(depth) for depth in depths],
    )


def save_photo(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def save_depth(path: Path, depth: np.ndarray, unit: float = 0.001, invalid: int = 0) -> Path:
    """16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.where(depth > 0, np.round(depth / unit), invalid).astype(np.uint16)
    Image.fromarray(levels).save(path)
    return path


def assert_same_scene(found: Scene, expected: Scene, *, depth_atol: float = 1e-6) -> None:
    """Cameras within 1e-6, in the same world frame; depths and photos too."""
    np.testing.assert_allclose(found.world_from_cam, expected.world_from_cam, atol=1e-6)
    np.testing.assert_allclose(found.intrinsics, expected.intrinsics, atol=1e-6)
    np.testing.assert_array_equal(found.image_sizes, expected.image_sizes)
    np.testing.assert_array_equal(found.registered, expected.registered)
    np.testing.assert_allclose(found.working_intrinsics, expected.working_intrinsics, atol=1e-6)
    for a, b in zip(found.depths, expected.depths, strict=True):
        np.testing.assert_allclose(a, b, atol=depth_atol)
    for a, b in zip(found.colors, expected.colors, strict=True):
        np.testing.assert_array_equal(a, b)
