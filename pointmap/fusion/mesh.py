"""The fast mesh: the pixel grid of every photo, lifted to its depth and cut where depth jumps.

Sheets of different photos overlap instead of being merged, which is quick and true to each photo.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from pointmap.errors import InputError
from pointmap.fusion.photo_atlas import pack_images
from pointmap.scene import Keep, Photo, Scene
from pointmap.shapes import Bool, Int

if TYPE_CHECKING:
    import trimesh


def direct_mesh(
    scene: Scene, *, texture: bool = False, target_faces: int = 500_000, texture_size: int = 8192, **keep: Unpack[Keep]
) -> "trimesh.Trimesh":
    """See `Scene.mesh`. Without a single trusted pixel the mesh is empty.

    Photos keep their whole resolution as far as the texture has room for all of them; it shows them side by side.
    """
    import trimesh

    if target_faces < 1:
        raise InputError(f"target_faces is {target_faces}; give at least 1.")
    masks = scene.masks(**keep)
    step = _grid_step(masks, target_faces)
    photos = _photos(scene, texture_size) if texture else []
    atlas = pack_images([photo.image for photo in photos], max_size=texture_size) if texture else None
    vertices, faces, looks = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], []
    count = 0
    for index, (mask, points) in enumerate(zip(masks, scene.pointmaps, strict=True)):
        pixels, triangles = grid_triangles(mask, step)
        vertices.append(points.reshape(-1, 3)[pixels])
        faces.append(triangles + count)
        count += len(pixels)
        if atlas is None:
            looks.append(scene.colors[index].reshape(-1, 3)[pixels])
        else:
            rows, columns = np.divmod(pixels, mask.shape[1])
            photo_from_working = photos[index].intrinsics @ np.linalg.inv(scene.working_intrinsics[index])
            places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ photo_from_working.T
            looks.append(atlas.texture_coordinates(index, places[:, :2]))
    mesh = trimesh.Trimesh(np.concatenate(vertices), np.concatenate(faces), process=False)
    if atlas is None:
        mesh.visual = trimesh.visual.ColorVisuals(
            mesh, vertex_colors=np.concatenate([np.zeros((0, 3), np.uint8), *looks])
        )
    else:
        from PIL import Image

        material = trimesh.visual.material.PBRMaterial(
            baseColorTexture=Image.fromarray(atlas.image), metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True
        )
        mesh.visual = trimesh.visual.TextureVisuals(uv=np.concatenate([np.zeros((0, 2)), *looks]), material=material)
    return mesh


def grid_triangles(
    mask: Bool[np.ndarray, "h w"], step: int = 1
) -> tuple[Int[np.ndarray, "vertices"], Int[np.ndarray, "faces 3"]]:
    """Triangulate the trusted pixels of an image; the front of every triangle faces the camera.

    Args:
        mask: True where a pixel can be a vertex. A cell with an untrusted pixel anywhere in it is left open.
        step: Use every so many pixels; the last row and column always take part.

    Returns:
        The pixels used (indices into the flattened image), and triangles that index them.
    """
    height, width = mask.shape
    rows, columns = _grid_lines(height, step), _grid_lines(width, step)
    whole = _all_between(_all_between(mask, rows).T, columns).T
    corner = rows[:, None] * width + columns[None, :]
    top_left, top_right = corner[:-1, :-1][whole], corner[:-1, 1:][whole]
    bottom_left, bottom_right = corner[1:, :-1][whole], corner[1:, 1:][whole]
    # With y down and z forward, going down first gives a normal towards the camera.
    faces = np.concatenate(
        [
            np.stack([top_left, bottom_left, top_right], axis=-1),
            np.stack([top_right, bottom_left, bottom_right], axis=-1),
        ]
    )
    used = np.zeros(height * width, bool)
    used[faces] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[faces]


def _photos(scene: Scene, texture_size: int) -> list[Photo]:
    """About as large as there is room for in a square texture; those that are not registered take none."""
    rows = max(1, int(np.ceil(np.sqrt(np.count_nonzero(scene.registered)))))
    nothing = np.zeros((1, 1, 3), np.uint8)
    return [
        scene.photo(index, max_size=max(1, texture_size // rows)) if registered else Photo(nothing, np.eye(3))
        for index, registered in enumerate(scene.registered.tolist())
    ]


def _grid_step(masks: Sequence[np.ndarray], target_faces: int) -> int:
    """The smallest step with at most `target_faces` faces, two to a cell."""
    pixels = sum(int(mask.sum()) for mask in masks)
    return max(1, int(np.ceil(np.sqrt(2 * pixels / target_faces))))


def _grid_lines(length: int, step: int) -> np.ndarray:
    lines = np.arange(0, length, step)
    return lines if length == 0 or lines[-1] == length - 1 else np.append(lines, length - 1)


def _all_between(mask: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Along the first axis: is everything from one grid line to the next, both included, True?"""
    if len(lines) < 2:
        return np.zeros((0, mask.shape[1]), bool)
    inner = np.logical_and.reduceat(mask, lines[:-1], axis=0)
    return inner & mask[lines[1:]]
