"""Only the first photo has a depth, and the frame is another one."""

from dataclasses import replace

import numpy as np
import trimesh
from distortions.another_frame import distances, in_another_frame

import pointmap
from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.fused_surface import FusedSurface
from pointmap.eval.task import Task
from pointmap.geometry.conventions import resized_intrinsics
from pointmap.metrics.points import voxel_down_sample


def distort(scoring: FusedSurface, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance.

    Precision and recall are those of the surface that this photo shows.
    """
    truth = Estimate.of_truth(task)
    first = next((index for index, depth in enumerate(truth.depths) if depth is not None and (depth > 0).any()), None)
    if first is None:
        return None
    alone = tuple(depth if index == first else None for index, depth in enumerate(truth.depths))
    reference = _reference(scoring, task, truth)
    points = _sampled(_surface(scoring, task, truth, [first]), scoring.samples)
    if scoring.box_margin is not None:
        low, high = reference.min(axis=0) - scoring.box_margin, reference.max(axis=0) + scoring.box_margin
        points = points[((points >= low) & (points <= high)).all(axis=1)]
    voxel = scoring.down_sample or scoring.voxel
    points, reference = voxel_down_sample(points, voxel), voxel_down_sample(reference, voxel)
    precision = float((distances(points, reference) < scoring.threshold).mean())
    recall = float((distances(reference, points) < scoring.threshold).mean())
    estimate = in_another_frame(replace(truth, depths=alone, mesh=None))
    return estimate, {
        "precision": (precision, 0.01),
        "recall": (recall, 0.01),
        "f_score": (2 * precision * recall / max(precision + recall, 1e-9), 0.01),
    }


def _reference(scoring: FusedSurface, task: Task, truth: Estimate) -> np.ndarray:
    if task.truth.mesh is not None:
        return _sampled(trimesh.load(task.truth.mesh, process=False), scoring.samples)
    if task.truth.cloud is not None:
        return task.truth.cloud()
    photos = [index for index, depth in enumerate(truth.depths) if depth is not None]
    return _sampled(_surface(scoring, task, truth, photos), scoring.samples)


def _surface(scoring: FusedSurface, task: Task, truth: Estimate, photos: list[int]) -> trimesh.Trimesh:
    sizes = photo_sizes(task.inputs.photos)
    shapes = [truth.depths[index].shape[::-1] for index in photos]
    intrinsics = [
        resized_intrinsics(task.truth.intrinsics[index], tuple(sizes[index].tolist()), shape)
        for index, shape in zip(photos, shapes, strict=True)
    ]
    return pointmap.fuse(
        [truth.depths[index] for index in photos],
        intrinsics,
        task.truth.world_from_cam[photos],
        voxel_size=scoring.voxel,
        truncation=scoring.truncation,
        max_depth=scoring.farthest if np.isfinite(scoring.farthest) else None,
    )


def _sampled(surface: trimesh.Trimesh | trimesh.PointCloud, count: int) -> np.ndarray:
    if isinstance(surface, trimesh.PointCloud) or not len(surface.faces):
        return np.asarray(surface.vertices)
    return np.asarray(trimesh.sample.sample_surface(surface, count, seed=1)[0])
