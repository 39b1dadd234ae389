"""scene.html: one file with the scene and a viewer of it, which needs a browser and nothing else; and its parts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.frusta import Frusta, make_frusta
from pointmap.export.html_page import Packer, fill_page, join_block, live_page
from pointmap.export.parts import MeshParts
from pointmap.export.viewpoints import LevelFrame
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Photo, Scene
from pointmap.shapes import Bool, Float

if TYPE_CHECKING:
    import trimesh

__all__ = ["live_page", "pack_scene", "write_html"]

_PHOTO_PIXELS = 8_000_000
"""All photos together, at most."""

_LEAST_SKY = 0.01
"""Of the points; less needs no switch, and may be a mistake."""


def write_html(
    scene: Scene,
    path: str | Path,
    *,
    mesh: "bool | trimesh.Trimesh" = True,
    texture: bool = True,
    watertight: bool = False,
    max_points: int = 400_000,
    target_faces: int = 100_000,
    texture_size: int = 2048,
    photo_size: int = 640,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write a page with cloud, surface, cameras and photos that opens in any browser, without network.

    Args:
        mesh: Also write the surface; or one that is there already (of `Scene.mesh`), which is written as it is.
        texture, watertight, target_faces: Of the surface, see `Scene.mesh`.
        max_points: More points are thinned out evenly.
        texture_size: Longest side of the texture in pixels; of a given surface too.
        photo_size: Longest side of the photos in pixels; less where there are many.
        seed: Of the thinning.
        progress: Called with (stage, done, total) while the surface is made.
        keep: See `Scene.masks`.
    """
    points = scene.point_cloud(max_points=max_points, seed=seed, normals=False, **keep)
    if mesh is True and len(points.vertices):
        mesh = scene.mesh(
            texture=texture,
            watertight=watertight,
            target_faces=target_faces,
            texture_size=texture_size,
            progress=progress,
            **keep,
        )
    surface = None if isinstance(mesh, bool) else mesh
    about, content = _describe(scene, points, surface, texture_size=texture_size, photo_size=photo_size, seed=seed)
    return write_bytes(path, fill_page(about, content))


def pack_scene(
    scene: Scene,
    *,
    surface: "trimesh.Trimesh | None" = None,
    max_points: int = 400_000,
    texture_size: int = 2048,
    photo_size: int = 640,
    seed: int = 0,
    final: bool = True,
    **keep: Unpack[Keep],
) -> bytes:
    """What `live_page` fetches: all that `write_html` puts into a page but the viewer.

    Args:
        surface: Of `Scene.mesh`.
        max_points, texture_size, photo_size, seed, keep: See `write_html`.
        final: False while the scene still grows and more is to come.

    Returns:
        The length of the description as four bytes, the lowest first; the description, JSON in UTF-8 with spaces behind
        it up to a multiple of four bytes; the bytes that its entries point into.
    """
    points = scene.point_cloud(max_points=max_points, seed=seed, normals=False, **keep)
    about, content = _describe(
        scene, points, surface, texture_size=texture_size, photo_size=photo_size, seed=seed, final=final
    )
    return join_block(about, content)


def _describe(
    scene: Scene,
    points: "trimesh.PointCloud",
    mesh: "trimesh.Trimesh | None",
    *,
    texture_size: int,
    photo_size: int,
    seed: int,
    final: bool = True,
) -> tuple[dict[str, Any], bytearray]:
    """The description that the viewer reads, and the bytes that its entries point into."""
    surface = None if mesh is None else MeshParts.of(mesh)
    frame, frusta = LevelFrame.of(scene, np.asarray(points.vertices)), make_frusta(scene)
    everything = [np.asarray(points.vertices), scene.world_from_cam[scene.registered, :3, 3]]
    if surface is not None:
        everything.append(surface.vertices)
    packer = Packer()
    about = {
        "final": final,
        "unit": "m" if scene.metric else "units",
        "viewer_from_world": frame.viewer_from_world,
        "reach": float(max(np.linalg.norm(frame.place(part), axis=-1).max(initial=0) for part in everything)),
        "camera_size": frusta.size,
        "cloud": _cloud(scene, points, frame, packer, seed),
        "surface": _surface(surface, frame, packer, texture_size),
        "photos": _photos(scene, frusta, frame, packer, photo_size),
    }
    return about, packer.content


def _cloud(scene: Scene, points: "trimesh.PointCloud", frame: LevelFrame, packer: Packer, seed: int) -> dict[str, Any]:
    """Points in the order of their confidence, the surest first; those of the sky after all others.

    Then the viewer hides the least sure ones by drawing fewer.
    """
    metadata, count = points.metadata, len(points.vertices)
    sky = _shows_sky(scene, metadata)
    if count == 0 or sky.mean() < _LEAST_SKY:
        sky[:] = False
    # Among equals chance decides: the order of the photos would take them away one by one.
    shuffled = np.random.default_rng(seed).permutation(count)
    falling = shuffled[np.argsort(-metadata["confidence"][shuffled], kind="stable")]
    order = np.concatenate([falling[~sky[falling]], falling[sky[falling]]])
    shown = [falling[: count - count * percent // 100] for percent in range(100)]
    positions = frame.place(np.asarray(points.vertices))
    widths = metadata["spacing"] * _covering_factor(positions, metadata["spacing"], seed)
    return {
        "count": count,
        "sky": int(sky.sum()),
        "shown": [[int((~sky[part]).sum()), int(sky[part].sum())] for part in shown],
        "positions": packer.positions(positions[order], frame.unit),
        "colors": packer.array(np.asarray(points.colors)[order, :3]),
        "widths": packer.widths(widths[order]),
        "photos": packer.array(metadata["photo"][order].astype(np.uint32)),
    }


def _covering_factor(positions: Float[np.ndarray, "n 3"], spacing: Float[np.ndarray, "n"], seed: int) -> float:
    """By how much dots have to be wider than their pixels to close the surface: more after thinning, less where photos
    overlap. On a square grid the fourth neighbour is one step away; half as much again closes what is less regular.
    """
    from scipy.spatial import KDTree

    if len(positions) < 5:
        return 1.0
    sample = np.random.default_rng(seed).choice(len(positions), min(1000, len(positions)), replace=False)
    tree = KDTree(positions, leafsize=32, balanced_tree=False, compact_nodes=False)  # built in half the time
    distances, _ = tree.query(positions[sample], k=5)  # the first is the point itself
    return 1.5 * float(np.median(distances[:, 4] / spacing[sample]))


def _shows_sky(scene: Scene, metadata: dict[str, np.ndarray]) -> Bool[np.ndarray, "n"]:
    """Which points of a cloud `Scene.masks` would leave out as sky."""
    sky = np.zeros(len(metadata["photo"]), bool)
    # The points were kept already; so what is left out now is sky.
    for photo, ground in enumerate(scene.masks(min_confidence=0.0, mask_sky=True)):
        of_photo = metadata["photo"] == photo
        sky[of_photo] = ~ground.reshape(-1)[metadata["pixel"][of_photo]]
    return sky


def _surface(parts: MeshParts | None, frame: LevelFrame, packer: Packer, texture_size: int) -> dict[str, Any] | None:
    if parts is None or len(parts.faces) == 0:
        return None
    packed = {
        "positions": packer.positions(frame.place(parts.vertices), frame.unit),
        "faces": packer.array(parts.faces.astype(np.uint32)),
    }
    if parts.texture is None:
        assert parts.colors is not None
        return packed | {"colors": packer.array(parts.colors)}
    assert parts.texture_coordinates is not None
    from PIL import Image

    image = Image.fromarray(parts.texture)
    image.thumbnail((texture_size, texture_size))
    # The viewer's textures begin at the top left.
    coordinates = np.clip(parts.texture_coordinates * [1, -1] + [0, 1], 0, 1)
    return packed | {
        "coordinates": packer.array(np.round(coordinates * 65535).astype(np.uint16)),
        "texture": packer.jpeg(np.asarray(image)),
    }


def _photos(scene: Scene, frusta: Frusta, frame: LevelFrame, packer: Packer, photo_size: int) -> list[dict[str, Any]]:
    colors = dict(zip(frusta.photos.tolist(), frusta.colors, strict=True))
    size = max(64, min(photo_size, int(np.sqrt(_PHOTO_PIXELS / max(len(scene), 1)))))
    entries = []
    for index, name in enumerate(scene.names):
        photo = scene.photo(index, max_size=size)
        entry = {
            "name": name,
            "size": scene.image_sizes[index],
            "image": packer.jpeg(photo.image, quality=80),
            "registered": bool(scene.registered[index]),
        }
        if scene.registered[index]:
            entry["camera"] = {"color": colors[index], **_camera(scene, index, photo, frame)}
        entries.append(entry)
    return entries


def _camera(scene: Scene, index: int, photo: Photo, frame: LevelFrame) -> dict[str, Any]:
    """Where the photo's eye is, and the window at distance 1 before it through which it sees: see `view.js`."""
    right, down, ahead, position = (frame.viewer_from_world @ scene.world_from_cam[index])[:3].T
    (fx, cx), (fy, cy) = photo.intrinsics[0, [0, 2]], photo.intrinsics[1, [1, 2]]
    height, width = photo.image.shape[:2]
    middle = [((width - 1) / 2 - cx) / fx, -((height - 1) / 2 - cy) / fy]
    depth = scene.depths[index][np.isfinite(scene.depths[index]) & (scene.depths[index] > 0)]
    return {
        "position": position,
        "right": right,
        "up": -down,
        "back": -ahead,
        "frame": [*middle, width / 2 / fx, height / 2 / fy],
        "depth": float(np.median(depth)) if depth.size else frame.unit,
    }
