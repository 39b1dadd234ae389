"""Surfaces: points on them, what cameras see of them, how much of their volume two of them share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pointmap.fusion.fuse import fuse
from pointmap.geometry.rasterize import rasterize
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.metrics.points import mean
from pointmap.shapes import Bool, Float, Int

if TYPE_CHECKING:
    import trimesh

_CROSSINGS = 1 << 20
"""Pairs of a triangle and a column of a grid that are held at a time."""


def sample_surface(
    vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"], count: int, seed: int = 0
) -> Float[np.ndarray, "count 3"]:
    """Points that are uniformly distributed over a surface; none where it has no area."""
    corners = np.asarray(vertices, np.float64)[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1)
    if len(faces) == 0 or not areas.sum() > 0:
        return np.zeros((0, 3))
    random = np.random.default_rng(seed)
    chosen = corners[np.searchsorted(np.cumsum(areas), random.random(count) * areas.sum(), side="right")]
    a, b = random.random((2, count, 1))
    outside = a + b > 1
    a, b = np.where(outside, 1 - a, a), np.where(outside, 1 - b, b)
    return chosen[:, 0] + a * (chosen[:, 1] - chosen[:, 0]) + b * (chosen[:, 2] - chosen[:, 0])


def render_depths(
    mesh: "trimesh.Trimesh",
    intrinsics: Iterable[Float[np.ndarray, "3 3"]],
    world_from_cam: Iterable[Float[np.ndarray, "4 4"]],
    size: tuple[int, int],
) -> Iterator[Float[np.ndarray, "h w"]]:
    """What pinhole cameras see of a mesh, one after the other: z-depth, 0 where there is nothing.

    Args:
        size: Width and height.
    """
    vertices = torch.from_numpy(np.asarray(mesh.vertices, np.float64))
    faces = torch.from_numpy(np.asarray(mesh.faces, np.int64))
    for K, pose in zip(intrinsics, world_from_cam, strict=True):
        cam_from_world = invert_rigid(torch.from_numpy(np.asarray(pose, np.float64)))
        points = transform_points(cam_from_world, vertices)
        yield rasterize(points, faces, torch.from_numpy(np.asarray(K, np.float64)), size).depth.numpy()


@dataclass(frozen=True)
class RenderedDepthErrors:
    """Of one frame, by NeuralRecon's definitions; all but the last NaN where no pixel has both depths."""

    abs_rel: float
    abs_diff: float
    sq_rel: float
    rmse: float
    log_rmse: float
    within_125: float
    within_125_2: float
    within_125_3: float
    complete: float
    """Share of all pixels, with a true depth or without, that show the mesh."""


def rendered_depth_errors(
    depth: Float[np.ndarray, "h w"], true_depth: Float[np.ndarray, "h w"], *, farthest: float = 10.0
) -> RenderedDepthErrors:
    """Compare the depth of a mesh with a sensor's, without alignment (`zju3dv/NeuralRecon:tools/evaluation_utils.py`).

    Args:
        depth: 0 where there is no surface.
        true_depth: 0 where unknown; pixels of `farthest` or more take no part.
    """
    both = (depth > 0) & (true_depth > 0) & (true_depth < farthest)
    z, true_z = depth[both].astype(np.float64), true_depth[both].astype(np.float64)
    difference, ratio = np.abs(z - true_z), np.maximum(z / true_z, true_z / z)
    return RenderedDepthErrors(
        abs_rel=mean(difference / true_z),
        abs_diff=mean(difference),
        sq_rel=mean(difference**2 / true_z),
        rmse=float(np.sqrt(mean(difference**2))),
        log_rmse=float(np.sqrt(mean((np.log(z) - np.log(true_z)) ** 2))),
        within_125=mean(ratio < 1.25),
        within_125_2=mean(ratio < 1.25**2),
        within_125_3=mean(ratio < 1.25**3),
        complete=float((depth > 0).mean()),
    )


def fused_again(
    depths: Iterable[Float[np.ndarray, "h w"]],
    intrinsics: Iterable[Float[np.ndarray, "3 3"]],
    world_from_cam: Iterable[Float[np.ndarray, "4 4"]],
    *,
    voxel: float = 0.04,
    truncation: float = 0.12,
    farthest: float = 5.0,
) -> "trimesh.Trimesh":
    """The part of a mesh that cameras saw, of its rendered depths, so that filled holes are not punished.

    Settings are NeuralRecon's, in metres.
    """
    return fuse(depths, intrinsics, world_from_cam, voxel_size=voxel, truncation=truncation, max_depth=farthest)


def volume_iou(mesh: "trimesh.Trimesh", true_mesh: "trimesh.Trimesh", resolution: int = 128) -> float:
    """Shared volume over joint volume, by the cells of a grid; both surfaces are closed.

    Args:
        resolution: Cells along the longest side of both together.
    """
    corners = np.stack([mesh.bounds, true_mesh.bounds])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    edge = float((high - low).max()) / resolution
    shape = np.maximum(np.ceil((high - low) / edge), 1).astype(int)
    first = inside_grid(mesh.vertices, mesh.faces, low, edge, shape)
    second = inside_grid(true_mesh.vertices, true_mesh.faces, low, edge, shape)
    joint = int((first | second).sum())
    return int((first & second).sum()) / joint if joint else 0.0


def inside_grid(
    vertices: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"],
    low: Float[np.ndarray, "3"],
    edge: float,
    shape: Int[np.ndarray, "3"],
) -> Bool[np.ndarray, "x y z"]:
    """True at the centres of cells that a closed surface encloses: lines along z cross it an odd number of times.

    Args:
        low: Corner at which the grid begins.
        edge: Of a cell.
        shape: Numbers of cells.
    """
    width, depth, height = (int(count) for count in shape)
    # In cells, centres at whole numbers. The small shift keeps lines off vertices and edges of axis-parallel models.
    corners = ((np.asarray(vertices, np.float64) - low) / edge - 0.5)[faces] + [1.234e-6, 2.468e-6, 0]
    flips = np.zeros((width, depth, height + 1), np.int32)
    start = np.clip(np.ceil(corners[..., :2].min(axis=1)), 0, [width, depth]).astype(int)
    stop = np.clip(np.floor(corners[..., :2].max(axis=1)) + 1, start, [width, depth]).astype(int)
    sides = stop - start
    counts = sides.prod(axis=1)
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _CROSSINGS, side="right")))
        face = np.repeat(np.arange(first, last), counts[first:last])
        place = np.arange(len(face)) + before - np.repeat(ends[first:last] - counts[first:last], counts[first:last])
        x = start[face, 0] + place // np.maximum(sides[face, 1], 1)
        y = start[face, 1] + place % np.maximum(sides[face, 1], 1)
        hit, z = _crossing(corners[face], x, y)
        above = np.clip(np.ceil(z[hit]), 0, height).astype(int)
        np.add.at(flips, (x[hit], y[hit], above), 1)
        first = last
    return np.cumsum(flips, axis=2)[..., :height] % 2 == 1


def _crossing(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the line along z at (x, y) crosses a triangle, and where."""
    moved = corners - np.stack([x, y, np.zeros_like(x)], axis=-1)[:, None]
    u, v = moved[..., 0], moved[..., 1]
    weights = np.stack([u[:, k - 2] * v[:, k - 1] - u[:, k - 1] * v[:, k - 2] for k in range(3)], axis=-1)
    total = weights.sum(axis=1)
    hit = ((weights > 0).all(axis=1) | (weights < 0).all(axis=1)) & (total != 0)
    z = (weights * moved[..., 2]).sum(axis=1) / np.where(total == 0, 1, total)
    return hit, z
