"""The surface of a scene: depth maps fused or laid side by side, cleaned, simplified and textured."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack, get_args

import numpy as np
import torch

from pointmap.errors import InputError
from pointmap.fusion.closing import closed
from pointmap.fusion.disagreement import disagreement
from pointmap.fusion.fuse import Entry, fuse_scene, voxel_size_for
from pointmap.fusion.holes import fill_holes
from pointmap.fusion.mesh import direct_mesh
from pointmap.fusion.repair import large_pieces, repaired
from pointmap.fusion.simplify import simplified
from pointmap.fusion.sky import sky_masks
from pointmap.fusion.smoothing import smoothed
from pointmap.fusion.texture import TexturePhoto, texture_mesh
from pointmap.fusion.triangles import Triangles
from pointmap.images.originals import seen_through_lens
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene
from pointmap.shapes import Bool, Float
from pointmap.turntable import ObjectPhotos, object_mesh, object_photos

if TYPE_CHECKING:
    import trimesh

Method = Literal["auto", "tsdf", "grid"]

CONSISTENCY = 0.05
"""Of the depth: how far photos may disagree in a fused surface, unless `Scene.masks` is told otherwise. Without it,
wrong strips of one photo stay as shreds before what others see (by looking at three real and procedural sets)."""
_PER_NOISE, _MOST_SPACINGS = 1.5, 2.0
"""A voxel is as large as pixels are apart on the surface; or as so many times what depth maps disagree by, for what is
smaller is noise: on the bundled network's room half of the faces are as near to the truth, and look the same."""
_SMOOTHING, _MOST_SMOOTHING = 20.0, 20
"""Rounds for a disagreement of one voxel, and in all; none for depth maps that agree."""
_TRUNCATION = 3.0
"""In voxels, and in units of how far depth maps typically disagree: the larger of both. Sheets further apart than that
are not merged."""
_MOST_TRUNCATION = 8.0
_SMALLEST_PIECE = 0.01
"""Of the area of the largest piece."""
_HOLE = 32.0
"""Voxels around a hole that is filled."""


def scene_mesh(
    scene: Scene,
    *,
    method: Method = "auto",
    texture: bool = False,
    watertight: bool = False,
    voxel_size: float | None = None,
    max_hole: float | None = None,
    target_faces: int = 200_000,
    texture_size: int = 4096,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> "trimesh.Trimesh":
    """See `Scene.mesh`."""
    _check(method, voxel_size, max_hole, target_faces, texture_size)
    if method == "auto":
        # A single photo's grid is its surface; there is nothing to fuse.
        method = "grid" if np.count_nonzero(scene.registered) < 2 else "tsdf"
    if method == "grid" and not watertight:
        return direct_mesh(scene, texture=texture, target_faces=target_faces, texture_size=texture_size, **keep)
    photos = None
    if watertight and "object" in scene.report:
        photos = object_photos(scene)
        surface = Triangles.of(object_mesh(scene, photos=photos))
    else:
        keep = {"consistency": CONSISTENCY, **keep}
        surface = _fused(scene, voxel_size, max_hole, keep, progress)
        if watertight:
            surface = closed(surface, voxel_size=voxel_size)
    mesh = simplified(surface, target_faces).to_mesh()
    if not texture:
        return mesh
    sources = texture_photos(scene, photos, mask_sky=bool(keep.get("mask_sky")))
    return texture_mesh(mesh, sources, texture_size=texture_size, progress=progress) if sources else _grey(mesh)


def texture_photos(
    scene: Scene, object_photos: ObjectPhotos | None = None, *, mask_sky: bool = False
) -> list[TexturePhoto]:
    """The registered photos as sources of colour, read when they are needed.

    Args:
        object_photos: Only the object of these gives colours.
        mask_sky: Sky gives none.
    """
    masks: list[np.ndarray] | None = None
    intrinsics = scene.working_intrinsics
    if object_photos is not None:
        masks, intrinsics = object_photos.masks, object_photos.intrinsics
    elif mask_sky:
        masks = [~sky for sky in sky_masks(scene)]
    photos = []
    for index in np.flatnonzero(scene.registered).tolist():
        size = (int(scene.image_sizes[index, 0]), int(scene.image_sizes[index, 1]))
        mask = None
        if masks is not None:
            mask_from_photo = intrinsics[index] @ np.linalg.inv(scene.intrinsics[index])
            mask = _over_photo(masks[index], mask_from_photo, size)
        seen = seen_through_lens(scene, index)
        if seen is not None:
            mask = seen if mask is None else mask & _stretched(seen, mask.shape)
        photos.append(
            TexturePhoto(
                load=partial(scene.photo, index),
                size=size,
                intrinsics=scene.intrinsics[index],
                world_from_cam=scene.world_from_cam[index],
                mask=mask,
            )
        )
    return photos


def _fused(
    scene: Scene, voxel_size: float | None, max_hole: float | None, keep: Keep, progress: ProgressCallback | None
) -> Triangles:
    """One surface of all depth maps, in large pieces and without small holes."""
    masks = scene.masks(**keep)
    views = [view for view in np.flatnonzero(scene.registered).tolist() if masks[view].any()]
    depths = [np.where(masks[view], scene.depths[view], 0).astype(np.float32) for view in views]
    cameras = scene.working_intrinsics[views], scene.world_from_cam[views]
    spacing = voxel_size_for(Entry(*parts, None, None) for parts in zip(depths, *cameras, strict=True))
    if spacing is None:
        return Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3)))
    noise = disagreement(
        [torch.from_numpy(depth) for depth in depths], *(torch.tensor(part).float() for part in cameras)
    )
    if voxel_size is None:
        voxel_size = float(np.clip(_PER_NOISE * noise, spacing, _MOST_SPACINGS * spacing))
    rough = noise / voxel_size
    truncation = voxel_size * float(np.clip(_TRUNCATION * rough, _TRUNCATION, _MOST_TRUNCATION))
    surface = Triangles.of(
        fuse_scene(scene, masks=masks, voxel_size=voxel_size, truncation=truncation, progress=progress)
    )
    max_hole = _HOLE * voxel_size if max_hole is None else float(max_hole)
    steps: list[Callable[[Triangles], Triangles]] = [
        repaired,
        partial(large_pieces, least_share=_SMALLEST_PIECE),
        partial(smoothed, rounds=min(round(_SMOOTHING * rough), _MOST_SMOOTHING)),
        partial(fill_holes, max_length=max_hole),
    ]
    for index, step in enumerate(steps, start=1):
        surface = step(surface)
        if progress is not None:
            progress("clean the surface", index, len(steps))
    return surface


def _over_photo(
    mask: Bool[np.ndarray, "h w"], mask_from_photo: Float[np.ndarray, "3 3"], size: tuple[int, int]
) -> Bool[np.ndarray, "_ _"]:
    """A mask of a part of a photo continued over all of it, in pixels as large as its own."""
    index = []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        count = max(1, round(size[axis] * mask_from_photo[axis, axis]))
        pixels = (np.arange(count) + 0.5) * (size[axis] / count) - 0.5
        own = np.rint(mask_from_photo[axis, axis] * pixels + mask_from_photo[axis, 2])
        index.append(own.clip(0, length - 1).astype(int))
    return mask[np.ix_(*index)]


def _stretched(mask: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "_ _"]:
    """A mask of a whole photo in another resolution."""
    rows, columns = (
        ((np.arange(to) + 0.5) * (own / to)).astype(int) for own, to in zip(mask.shape, shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def _check(method: str, voxel_size: float | None, max_hole: float | None, target_faces: int, texture_size: int) -> None:
    if method not in get_args(Method):
        raise InputError(f"Cannot make a mesh by {method!r}. Choose one of {', '.join(get_args(Method))}.")
    if voxel_size is not None and not voxel_size > 0:
        raise InputError(f"voxel_size is {voxel_size}; give a length above 0, or None to choose it by the photos.")
    if max_hole is not None and not max_hole >= 0:
        raise InputError(f"max_hole is {max_hole}; give a length, 0 to fill no holes, or None for {_HOLE:g} voxels.")
    if target_faces < 1:
        raise InputError(f"target_faces is {target_faces}; give at least 1.")
    if texture_size < 16:
        raise InputError(f"texture_size is {texture_size}; give at least 16, such as 2048 or 4096.")


def _grey(mesh: "trimesh.Trimesh") -> "trimesh.Trimesh":
    """A mesh that no photo shows has nothing on its texture."""
    from PIL import Image
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    mesh.visual = TextureVisuals(
        uv=np.zeros((len(mesh.vertices), 2)),
        material=PBRMaterial(baseColorTexture=Image.new("RGB", (1, 1), (128,) * 3)),
    )
    return mesh
