"""The closed surface of one object: what its masks leave of space, hollowed out by depth maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.fusion.disagreement import behind, disagreement
from pointmap.fusion.masks import scene_masks
from pointmap.fusion.vertex_colors import vertex_colors
from pointmap.fusion.visual_hull import hull_bounds, hull_field, signed_distances, voxel_grid
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float, Int, UInt8

if TYPE_CHECKING:
    import trimesh

_CHUNK = 1 << 18
"""Voxels that are looked up together."""
_LEAST_BAND = 4.0
"""Voxels on each side of a surface in which a depth map says how far it is."""
_NOISE_BAND = 2.5
"""The same, in units of how far depth maps typically disagree."""
_HULL_WEIGHT = 0.3
"""Against one depth map; holes that one wrong depth would cut stay closed where others see the surface."""
_LOWEST = 0.002
"""Share of the seen points that may lie below the base of the object: wrong ones."""
_FLAT, _UPRIGHT = 0.3, 0.7
"""Cameras on a ring are so flat, and stand up so well: spread across by spread along it, cosine."""
_FAR = 4.0
"""Voxels."""
_SMOOTH = 0.7
"""Standard deviation in voxels."""


def watertight_mesh(
    scene: Scene,
    masks: Sequence[Bool[np.ndarray, "_ _"]],
    *,
    resolution: int = 128,
    depth: bool = True,
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]] | None = None,
    intrinsics: Float[np.ndarray, "views 3 3"] | None = None,
    device: torch.device | str = "cpu",
) -> "trimesh.Trimesh":
    """A closed mesh of the object that masks show, with a colour per vertex, in the world frame of the scene.

    The visual hull (Laurentini, PAMI 1994) of the masks, from which truncated signed distances to the depth maps
    (Curless & Levoy, SIGGRAPH 1996) take away what photos see past. Below the lowest point that is seen the object
    ends in a plane; what else no photo sees is closed by the hull.

    Args:
        masks: Per photo, True on the object; photos that are not registered take no part.
        resolution: Voxels along the longest side of the object.
        depth: False for the hull alone.
        images: Photos of the masks' size, for colours; default the working images.
        intrinsics: K in pixels of the masks, where they are not of the working images' size.
        device: Where to compute.

    Raises:
        InputError: Masks and scene do not belong together, or there is no object.
    """
    import trimesh

    if resolution < 8:
        raise InputError(f"The resolution is {resolution} voxels; give at least 8.")
    if len(masks) != len(scene):
        raise InputError(f"{len(masks)} masks for a scene of {len(scene)} photos. Give one per photo.")
    views = np.flatnonzero(scene.registered).tolist()
    shown = list(scene.colors if images is None else images)
    matrices = scene.working_intrinsics if intrinsics is None else intrinsics
    for view in views:
        if masks[view].shape != shown[view].shape[:2]:
            raise InputError(
                f"The mask of {scene.names[view]!r} has shape {masks[view].shape}, but its image has "
                f"{shown[view].shape[:2]}. Pass `images` and `intrinsics` for masks of another size."
            )
    K = torch.tensor(matrices[views], dtype=torch.float32, device=device)
    world_from_cam = torch.tensor(scene.world_from_cam[views], dtype=torch.float32, device=device)
    cam_from_world = invert_rigid(world_from_cam)
    seen = [masks[view] for view in views]

    low, high = hull_bounds(seen, K, cam_from_world)
    voxel = float((high - low).max()) / resolution
    a, b, c = (((high - low) / voxel).ceil().long() + 1).tolist()
    shape = (a, b, c)
    points = low + voxel * voxel_grid(shape, low.device)
    distances = signed_distances(seen, low.device)
    field = torch.cat([hull_field(part, distances, K, cam_from_world) for part in points.split(_CHUNK)])
    if depth:
        depths, working_K = _trusted_depths(scene, views, seen, K), torch.tensor(scene.working_intrinsics[views]).to(K)
        band = max(_LEAST_BAND * voxel, _NOISE_BAND * disagreement(depths, working_K, world_from_cam))
        near = (field > -band).nonzero()[:, 0]
        for part in near.split(_CHUNK):
            field[part] = _hollowed(points[part], field[part], depths, working_K, cam_from_world, band)
        up, lowest = _base(depths, working_K, world_from_cam)
        field = torch.minimum(field, points @ up - lowest + voxel / 2)
    vertices, faces = closed_level((field / voxel).reshape(shape).cpu().numpy())
    mesh = trimesh.Trimesh(low.cpu().numpy() + voxel * vertices, faces, process=False)
    colors = vertex_colors(
        torch.tensor(mesh.vertices, dtype=torch.float32, device=device),
        torch.tensor(np.array(mesh.vertex_normals), dtype=torch.float32, device=device),
        [torch.from_numpy(np.ascontiguousarray(shown[view])).to(device) for view in views],
        [torch.from_numpy(mask).to(device) for mask in seen],
        K,
        cam_from_world,
        spacing=voxel,
    )
    mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=colors.cpu().numpy())
    return mesh


def _trusted_depths(
    scene: Scene, views: Sequence[int], masks: Sequence[Bool[np.ndarray, "_ _"]], K: Float[Tensor, "n 3 3"]
) -> list[Float[Tensor, "_ _"]]:
    """Depth maps of registered photos, 0 where they are not to be trusted or do not show the object."""
    trusted = scene_masks(scene)
    depths = []
    for view, mask, matrix in zip(views, masks, K, strict=True):
        depth = np.where(trusted[view], scene.depths[view], 0).astype(np.float32)
        # Where a working pixel is on the mask; both K belong to one ray.
        to_mask = matrix.cpu().numpy() @ np.linalg.inv(scene.working_intrinsics[view])
        rows, columns = (
            np.rint(to_mask[axis, axis] * np.arange(length) + to_mask[axis, 2]).astype(int)
            for axis, length in ((1, depth.shape[0]), (0, depth.shape[1]))
        )
        inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))[None]
        nearest = np.ix_(np.clip(rows, 0, mask.shape[0] - 1), np.clip(columns, 0, mask.shape[1] - 1))
        depths.append(torch.from_numpy(depth * (mask[nearest] & inside)).to(K.device))
    return depths


def _hollowed(
    points: Float[Tensor, "n 3"],
    hull: Float[Tensor, "n"],
    depths: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    cam_from_world: Float[Tensor, "views 4 4"],
    band: float,
) -> Float[Tensor, "n"]:
    """Depth within the hull and behind all surfaces that are seen; in scene units near the border."""
    total = _HULL_WEIGHT * hull.clamp(-band, band)
    weight = torch.full_like(hull, _HULL_WEIGHT)
    seen = torch.zeros_like(hull, dtype=torch.bool)
    for depth, K, camera in zip(depths, intrinsics, cam_from_world, strict=True):
        depth_behind, known = behind(points, depth, K, camera)
        # What is far behind a surface is hidden, and may be anything.
        known &= depth_behind < band
        total += torch.where(known, depth_behind.clamp(min=-band), 0.0)
        weight += known
        seen |= known
    return torch.where(seen, torch.minimum(hull, total / weight), hull)


def _base(
    depths: Sequence[Float[Tensor, "_ _"]], intrinsics: Float[Tensor, "n 3 3"], world_from_cam: Float[Tensor, "n 4 4"]
) -> tuple[Float[Tensor, "3"], float]:
    """The direction upwards, and the least height of points that are seen, but for a few."""
    centres = world_from_cam[:, :3, 3] - world_from_cam[:, :3, 3].mean(dim=0)
    up = torch.nn.functional.normalize(-world_from_cam[:, :3, 1].mean(dim=0), dim=0)
    _, spread, directions = torch.linalg.svd(centres, full_matrices=False)
    if len(spread) == 3 and spread[2] < _FLAT * spread[1]:
        # Cameras at one height, though perhaps on one side only.
        normal = directions[2] * torch.sign(directions[2] @ up)
        up = normal if normal @ up > _UPRIGHT else up
    heights = [
        transform_points(camera, unproject_depth(depth, K)[depth > 0]) @ up
        for depth, K, camera in zip(depths, intrinsics, world_from_cam, strict=True)
    ]
    values = torch.cat(heights)
    if len(values) == 0:
        return up, -torch.inf
    return up, float(values.kthvalue(max(1, int(_LOWEST * len(values)))).values)


def closed_level(
    field: Float[np.ndarray, "a b c"],
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """The zero level of the largest piece without its inner hollows; all in voxels, facing outwards."""
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label
    from skimage.measure import marching_cubes

    # Only signs matter far from the surface; large values would outweigh those beside it.
    field = np.pad(np.clip(field, -_FAR, _FAR), 2, constant_values=-_FAR)
    field = gaussian_filter(field, _SMOOTH)
    pieces, count = label(field > 0)
    if count == 0:
        raise InputError("Nothing is left within the masks: depth maps, poses and masks do not belong together.")
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    inside = binary_fill_holes(pieces == sizes.argmax())
    # A value of exactly zero puts several vertices in one place.
    least = 1e-3
    field = np.where(inside, np.maximum(field, least), np.minimum(field, -least))
    vertices, faces, _, _ = marching_cubes(field.astype(np.float32), 0.0, gradient_direction="ascent")
    return vertices - 2, faces.astype(np.int64)
