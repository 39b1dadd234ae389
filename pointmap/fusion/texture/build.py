"""Texturing from start to end: look, level, choose, lay flat, colour."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from pointmap.errors import InputError
from pointmap.fusion.texture.bake import Canvas, filled_points
from pointmap.fusion.texture.blend import photo_share
from pointmap.fusion.texture.charts import Charts, make_charts
from pointmap.fusion.texture.choice import choose, find_candidates
from pointmap.fusion.texture.levels import level_photos, level_seams, seam_differences
from pointmap.fusion.texture.sights import TexturePhoto, look
from pointmap.fusion.texture.surface import make_surface
from pointmap.progress import ProgressCallback
from pointmap.shapes import UInt8

if TYPE_CHECKING:
    import trimesh


def texture_mesh(
    mesh: "trimesh.Trimesh",
    photos: Sequence[TexturePhoto],
    *,
    texture_size: int = 4096,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> "trimesh.Trimesh":
    """Colour a mesh from photos of it.

    Every face takes one photo (the nearest and sharpest that sees it whole and agrees with the others; neighbours
    prefer the same one), and photos fade into each other where their parts meet. Before that they are brought to one
    exposure and white balance. Faces that no photo sees get the colours around them.

    Args:
        mesh: Faces count from their front: their corners run counter-clockwise as seen from outside. Faces keep their
            order; vertices are split where charts meet.
        photos: Read one at a time, two times each. Their cameras are in the mesh's frame.
        texture_size: Longest side of the texture, in pixels; it is smaller where the photos have no more to give.
        device: Where texels are computed.
        progress: Called with ("look at photos" or "paint", photos done, photos).

    Returns:
        A mesh with `TextureVisuals` of an unlit look: one `PBRMaterial` with an RGB image in sRGB, whose texture
        coordinates have their origin at the bottom left.

    Raises:
        InputError: There are no photos, or the texture is too small for the mesh.
    """
    if not photos:
        raise InputError("No photos to colour the mesh from: got an empty list. Give at least one TexturePhoto.")
    if texture_size < 16:
        raise InputError(f"texture_size is {texture_size}; give at least 16, such as 2048 or 4096.")
    if len(mesh.faces) == 0:
        return _textured(mesh, np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros((0, 2)), _GREY)
    surface = make_surface(mesh, device)
    sights, used = [], []
    for index, photo in enumerate(photos):
        sight = look(surface, photo, device)
        if sight is not None:
            sights.append(sight)
            used.append(photo)
        if progress is not None:
            progress("look at photos", index + 1, len(photos))

    count = len(surface.faces)
    if sights:
        gains, sharpness = level_photos(sights, len(surface.spread))
    else:
        gains, sharpness = torch.ones(0, 3, device=device), torch.ones(0, device=device)
    found = find_candidates(sights, gains, sharpness, count)
    labels, chosen = choose(found, surface)
    whole = (labels >= 0) & (found.share[torch.arange(count, device=device), chosen] >= 1)
    offsets = level_seams(surface, labels, *seam_differences(surface, labels, sights, gains))
    charts = make_charts(surface, labels, sights, texture_size)

    canvas = Canvas(surface, charts, device)
    partly = (labels >= 0) & ~whole
    for index, (photo, sight) in enumerate(zip(used, sights, strict=True)):
        canvas.add(photo, sight, photo_share(surface, labels, partly, offsets, sight, index), gains[index], device)
        if progress is not None:
            progress("paint", index + 1, len(used))
    colors = found.colors[torch.arange(count, device=device), chosen] + offsets
    texture = canvas.finish(filled_points(surface, colors, whole))
    return _textured(mesh, charts.vertices, charts.faces, _coordinates(charts), texture)


_GREY = np.full((1, 1, 3), 128, np.uint8)


def _coordinates(charts: Charts) -> np.ndarray:
    """From 0 to 1, the origin at the bottom left."""
    uv = charts.texels / charts.size
    return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1).clip(0, 1)


def _textured(
    mesh: "trimesh.Trimesh",
    vertices: np.ndarray,
    faces: np.ndarray,
    coordinates: np.ndarray,
    texture: UInt8[np.ndarray, "height width 3"],
) -> "trimesh.Trimesh":
    import trimesh
    from PIL import Image

    textured = trimesh.Trimesh(np.asarray(mesh.vertices)[vertices], faces, process=False)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(texture), metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True
    )
    textured.visual = trimesh.visual.TextureVisuals(uv=coordinates, material=material)
    return textured
