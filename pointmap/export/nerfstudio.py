"""transforms.json: photos, cameras, depth maps and points for nerfstudio, instant-ngp and what reads the same.

The format is described in nerfstudio's "Data conventions". Cameras are OpenGL's, pixels begin at the corner of the
first one. World axes are those of the scene: nerfstudio finds up by itself, and its versions disagree on whether points
follow an `applied_transform`. Depth maps are 16-bit PNG, which nerfstudio takes for thousandths of the world's unit;
where the scene's own unit would not fit into them, the whole world is scaled, by a power of two, and `scale_from_scene`
says so.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.photos import PhotoFile, write_photos
from pointmap.export.plain_json import json_bytes
from pointmap.export.ply import write_ply
from pointmap.geometry.conventions import OPENGL_FROM_OPENCV, corner_intrinsics, resized_intrinsics
from pointmap.images.same_view import on_grid
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene

DEPTH_UNIT = 0.001
"""World units per step of the depth maps: what nerfstudio assumes."""
_MOST_DEPTH = 65535 * DEPTH_UNIT
_LENS = ("k1", "k2", "p1", "p2")


def write_nerfstudio(
    scene: Scene,
    path: str | Path,
    *,
    max_points: int = 100_000,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write a folder with transforms.json, images/, depths/ and sparse_pc.ply.

    Each file appears whole or not at all, transforms.json last.

    Args:
        path: The folder; created where it is missing.
        max_points: Of the cloud from which splats start, drawn at random.
        progress: Called with ("photos", done, total).
        keep: Which pixels have depths and points; see `Scene.masks`.

    Raises:
        InputError: The folder cannot be written.
    """
    folder = Path(path)
    masks = scene.masks(**keep)
    scale = depth_fitting_scale([depth[mask] for depth, mask in zip(scene.depths, masks, strict=True)], scene.metric)
    scene = _scaled(scene, scale)
    photos = write_photos(scene, folder / "images", progress=progress)
    frames = [_frame(scene, photo, masks[photo.view], folder) for photo in photos]
    write_ply(scene, folder / "sparse_pc.ply", max_points=max_points, **keep)
    cameras = [_camera(photo) for photo in photos]
    shared = bool(cameras) and all(camera == cameras[0] for camera in cameras)
    if not shared:
        frames = [frame | camera for frame, camera in zip(frames, cameras, strict=True)]
    content = {
        "camera_model": "OPENCV",
        **(cameras[0] if shared else {}),
        **dict.fromkeys(_LENS, 0.0),
        "ply_file_path": "sparse_pc.ply",
        "depth_unit_scale_factor": DEPTH_UNIT,
        "world_unit": "metre" if scene.metric and scale == 1 else "arbitrary",
        "scale_from_scene": scale,
        "frames": frames,
    }
    write_bytes(folder / "transforms.json", json_bytes(content))
    return folder


def depth_fitting_scale(depths: list[np.ndarray], metric: bool) -> float:
    """By how much the world must be larger for its depths to fit into 16 bits and use them: a power of two.

    Metric worlds keep their unit where it fits, whether or not the depths use all bits.
    """
    largest = max((float(values.max()) for values in depths if values.size), default=0.0)
    if largest == 0 or (metric and largest <= _MOST_DEPTH):
        return 1.0
    return float(2.0 ** np.floor(np.log2(_MOST_DEPTH / largest)))


def _scaled(scene: Scene, scale: float) -> Scene:
    if scale == 1:
        return scene
    world_from_cam = scene.world_from_cam.copy()
    world_from_cam[:, :3, 3] *= scale
    return replace(scene, world_from_cam=world_from_cam, depths=[depth * np.float32(scale) for depth in scene.depths])


def _camera(photo: PhotoFile) -> dict[str, Any]:
    K = corner_intrinsics(photo.intrinsics)
    (width, height), (fx, fy) = photo.size, np.diag(K)[:2].tolist()
    return {"w": width, "h": height, "fl_x": fx, "fl_y": fy, "cx": float(K[0, 2]), "cy": float(K[1, 2])}


def _frame(scene: Scene, photo: PhotoFile, mask: np.ndarray, folder: Path) -> dict[str, Any]:
    """One entry, and its depth map, which covers the whole photo, at about the working image's resolution."""
    import cv2

    view, size = photo.view, photo.size
    depth = np.where(mask, scene.depths[view], 0)
    shrink = min(1.0, max(depth.shape) / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    K = resized_intrinsics(photo.intrinsics, size, (width, height))
    depth = on_grid(depth, scene.working_intrinsics[view], (height, width), K)
    # A trusted depth never becomes 0, which stands for none.
    levels = np.where(depth > 0, np.clip(np.round(depth / DEPTH_UNIT), 1, 65535), 0).astype(np.uint16)
    ok, encoded = cv2.imencode(".png", levels)
    assert ok, "OpenCV encodes any 16-bit array"
    name = f"depths/{Path(photo.name).stem}.png"
    write_bytes(folder / name, encoded.tobytes())
    world_from_cam = np.asarray(scene.world_from_cam[view], np.float64) @ OPENGL_FROM_OPENCV
    return {"file_path": f"images/{photo.name}", "depth_file_path": name, "transform_matrix": world_from_cam.tolist()}
