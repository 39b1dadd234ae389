"""Estimates in the frame of the truth: their cameras, depth maps, clouds and surfaces."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pointmap.geometry.conventions import centred_intrinsics, corner_intrinsics, resized_intrinsics
from pointmap.metrics.meshes import sample_surface
from pointmap.metrics.points import draw
from pointmap.metrics.registration import robust_umeyama_of_cameras, transform, umeyama_of_cameras

from ..estimate import Estimate, photo_sizes
from ..task import Task, Truth

Where = Callable[[int], np.ndarray | None]
"""Of a photo's index: (H, W) bool that covers the whole photo, True where its pixels count; None where all do."""


@dataclass(frozen=True, eq=False)
class PosedDepth:
    """A depth map with its camera, in the frame and units of the truth."""

    depth: np.ndarray
    """(h, w) float32 z-depth, 0 where unknown."""

    intrinsics: np.ndarray
    """(3, 3) in pixels of this map."""

    world_from_cam: np.ndarray
    """(4, 4) rigid."""


def true_from_estimate(task: Task, estimate: Estimate, *, robust: bool = False) -> np.ndarray | None:
    """(4, 4) similarity over the cameras that both know; None without any.

    Args:
        robust: By RANSAC, see `registration.robust_umeyama_of_cameras`.
    """
    known = np.isfinite(estimate.world_from_cam).all((1, 2)) & np.isfinite(task.truth.world_from_cam).all((1, 2))
    if not known.any():
        return None
    fit = robust_umeyama_of_cameras if robust else umeyama_of_cameras
    return fit(estimate.world_from_cam[known], task.truth.world_from_cam[known])


def posed_depths(
    task: Task,
    estimate: Estimate,
    similarity: np.ndarray,
    *,
    cameras: str = "estimated",
    where: Where | None = None,
) -> list[Callable[[], PosedDepth]]:
    """Estimated depth maps, made when they are called for; photos without a depth, a pose or intrinsics are left out.

    Args:
        similarity: `true_from_estimate`; of it only the scale is used with true cameras.
        cameras: "estimated", or "true": with the poses and intrinsics of the truth.
    """
    scale = float(np.linalg.norm(similarity[0, :3]))
    sizes = photo_sizes(task.inputs.photos)

    def make(index: int) -> PosedDepth:
        depth = np.asarray(estimate.depths[index])
        depth = np.where(np.isfinite(depth) & (depth > 0), depth, 0) * scale
        if where is not None and (mask := where(index)) is not None:
            depth = depth * at_map(mask, estimate, index, (depth.shape[0], depth.shape[1]), sizes[index])
        if cameras == "true":
            K, pose = task.truth.intrinsics[index], task.truth.world_from_cam[index]
        else:
            assert estimate.intrinsics is not None
            K, pose = estimate.intrinsics[index], similarity @ estimate.world_from_cam[index]
            pose[:3, :3] /= scale
        edges = map_edges(estimate, index, sizes[index])
        return PosedDepth(depth.astype(np.float32), _map_intrinsics(K, edges, depth.shape[:2]), pose)

    intrinsics = task.truth.intrinsics if cameras == "true" else estimate.intrinsics
    if intrinsics is None or not estimate.depths:
        return []
    known = np.isfinite(intrinsics).all((1, 2)) & np.isfinite(estimate.world_from_cam).all((1, 2))
    if cameras == "true":
        known &= np.isfinite(task.truth.world_from_cam).all((1, 2))
    return [partial(make, index) for index in np.flatnonzero(known).tolist() if estimate.depths[index] is not None]


def true_depths(task: Task) -> list[Callable[[], PosedDepth]]:
    """The same of the truth."""
    return posed_depths(task, Estimate.of_truth(task), np.eye(4))


def fused(
    maps: Iterable[Callable[[], PosedDepth]], voxel: float, truncation: float, farthest: float = float("inf")
) -> Any:
    """trimesh.Trimesh of `pointmap.fuse`; empty without maps."""
    import trimesh

    from pointmap.fusion.fuse import fuse

    maps = list(maps)
    if not maps:
        return trimesh.Trimesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64), process=False)
    return fuse(
        *_columns(maps),
        voxel_size=voxel,
        truncation=truncation,
        max_depth=farthest if np.isfinite(farthest) else None,
    )


def _columns(maps: list[Callable[[], PosedDepth]]) -> tuple[Iterator[Any], Iterator[Any], Iterator[Any]]:
    """Depths, intrinsics and poses as streams that make each map once."""
    made: dict[int, list[Any]] = {}

    def column(place: int) -> Iterator[Any]:
        for number, make in enumerate(maps):
            if number not in made:
                one = make()
                made.clear()
                made[number] = [one.depth, one.intrinsics, one.world_from_cam]
            yield made[number][place]

    return column(0), column(1), column(2)


def cloud_of(
    task: Task, estimate: Estimate, similarity: np.ndarray, *, where: Where | None = None, limit: int = 4_000_000
) -> np.ndarray:
    """(n, 3) float64 points of all photos in the frame of the truth.

    Args:
        limit: About as many are drawn, with a fixed seed, where there are more.
    """
    maps = estimate.pointmaps if estimate.pointmaps else estimate.depths
    total = sum(one.shape[0] * one.shape[1] for one in maps if one is not None)
    sizes = photo_sizes(task.inputs.photos) if where is not None else None
    parts = [np.zeros((0, 3))]
    for index in range(len(task)):
        points = estimate.points(index)
        good = np.isfinite(points).all(axis=-1)
        if where is not None and sizes is not None and (mask := where(index)) is not None and good.size:
            good &= at_map(mask, estimate, index, (good.shape[0], good.shape[1]), sizes[index])
        points = points[good]
        if total > limit:
            points = points[draw(len(points), round(len(points) * limit / total), seed=index)]
        parts.append(transform(similarity, points))
    return np.concatenate(parts)


def map_edges(estimate: Estimate, index: int, photo_size: np.ndarray) -> np.ndarray:
    """(4,) left, top, right, bottom of what the maps of a photo cover, in pixels of the photo from its corner."""
    if estimate.regions is not None and np.isfinite(estimate.regions[index]).all():
        return np.asarray(estimate.regions[index], np.float64)
    return np.array([0.0, 0.0, *photo_size])


def at_map(
    whole: np.ndarray, estimate: Estimate, index: int, map_shape: tuple[int, int], photo_size: np.ndarray
) -> np.ndarray:
    """Values of a picture that covers the whole photo, at the pixels of an estimate's map: the nearest ones."""
    left, top, right, bottom = map_edges(estimate, index, photo_size)
    u = left + (np.arange(map_shape[1]) + 0.5) * (right - left) / map_shape[1]
    v = top + (np.arange(map_shape[0]) + 0.5) * (bottom - top) / map_shape[0]
    rows = np.floor(v * whole.shape[0] / photo_size[1]).astype(int).clip(0, whole.shape[0] - 1)
    columns = np.floor(u * whole.shape[1] / photo_size[0]).astype(int).clip(0, whole.shape[1] - 1)
    return whole[rows[:, None], columns]


def depth_intrinsics(task: Task, index: int, depth_shape: tuple[int, ...], photo_size: np.ndarray) -> np.ndarray:
    """(3, 3) true K in pixels of a map that covers the whole photo."""
    size = (int(photo_size[0]), int(photo_size[1]))
    return resized_intrinsics(task.truth.intrinsics[index], size, (depth_shape[1], depth_shape[0]))


def _map_intrinsics(K: np.ndarray, edges: np.ndarray, map_shape: tuple[int, ...]) -> np.ndarray:
    left, top, right, bottom = edges
    shifted = np.array(K, np.float64)
    shifted[:2, 2] -= [left, top]
    # Not `resized_intrinsics`: the edges may lie within pixels.
    scale = np.diag([map_shape[1] / (right - left), map_shape[0] / (bottom - top), 1.0])
    return centred_intrinsics(scale @ corner_intrinsics(shifted))


def true_surface(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) vertices and (f, 3) faces of the reference surface; no faces where the reference is a cloud.

    Without either there are no vertices.
    """
    import trimesh

    no_faces = np.zeros((0, 3), np.int64)
    if truth.mesh is not None:
        loaded: Any = trimesh.load(truth.mesh, process=False)
        if isinstance(loaded, trimesh.Scene):
            loaded = loaded.to_geometry()
        faces = loaded.faces if isinstance(loaded, trimesh.Trimesh) else no_faces
        return np.asarray(loaded.vertices, np.float64), np.asarray(faces, np.int64)
    if truth.cloud is not None:
        return np.asarray(truth.cloud(), np.float64).reshape(-1, 3), no_faces
    return np.zeros((0, 3)), no_faces


def points_of_surface(vertices: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """(n, 3) points on the faces; without faces the vertices, of which `count` are drawn where there are more."""
    if len(faces):
        return sample_surface(vertices, faces, count)
    return vertices[draw(len(vertices), count)]
