"""A sphere around all cameras instead of the scene: what they see of it is a formula."""

from dataclasses import replace

import numpy as np
import trimesh
from distortions.another_frame import in_another_frame

from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.neural_recon import NeuralRecon
from pointmap.eval.task import Task
from pointmap.geometry.conventions import resized_intrinsics


def distort(scoring: NeuralRecon, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    known = np.isfinite(task.truth.world_from_cam).all((1, 2))
    depths = [task.truth.depth(index) if known[index] else None for index in range(len(task))]
    if all(depth is None for depth in depths):
        return None
    centres = task.truth.world_from_cam[known, :3, 3]
    middle = centres.mean(axis=0)
    radius = 1.0 + 1.5 * np.linalg.norm(centres - middle, axis=1).max()
    sphere = trimesh.creation.icosphere(5, radius)
    sphere.invert()
    sphere.apply_translation(middle)
    sizes, own, frames = photo_sizes(task.inputs.photos), task.truth.extra.get("depth_intrinsics"), []
    for index, depth in enumerate(depths):
        if depth is None:
            continue
        K = task.truth.intrinsics[index]
        K = resized_intrinsics(K, tuple(sizes[index].tolist()), depth.shape[::-1]) if own is None else own[index]
        seen = _distance_to_sphere(K, task.truth.world_from_cam[index], depth.shape, middle, radius)
        used = (depth > 0) & (depth < scoring.farthest)
        z, true = seen[used], depth[used].astype(np.float64)
        off, ratio = np.abs(z - true), np.maximum(z / true, true / z)
        row = [np.mean(off / true), np.mean(off), np.sqrt(np.mean(off**2)), np.mean(ratio < 1.25)]
        frames.append([*row, np.sqrt(np.mean(np.log(z / true) ** 2))])
    names = ("abs_rel", "abs_diff", "rmse", "within_125", "log_rmse")
    expected = {name: (float(value), 5e-3) for name, value in zip(names, np.mean(frames, axis=0), strict=True)}
    estimate = replace(Estimate.of_truth(task), mesh=sphere)
    return estimate if scoring.align == "none" else in_another_frame(estimate), {**expected, "complete": (1.0, 1e-6)}


def _distance_to_sphere(
    K: np.ndarray, world_from_cam: np.ndarray, shape: tuple[int, int], middle: np.ndarray, radius: float
) -> np.ndarray:
    """(h, w) z-depth of a sphere from inside."""
    rows, columns = np.indices(shape)
    rays = np.stack([columns, rows, np.ones(shape)], axis=-1) @ np.linalg.inv(K).T @ world_from_cam[:3, :3].T
    offset = world_from_cam[:3, 3] - middle
    a, b, c = (rays**2).sum(-1), rays @ offset, offset @ offset - radius**2
    return (np.sqrt(b**2 - a * c) - b) / a
