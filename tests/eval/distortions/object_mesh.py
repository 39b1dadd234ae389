"""Half of the scan, and the frame is another one."""

from dataclasses import replace

import numpy as np
import trimesh
from distortions.another_frame import distances, in_another_frame

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.object_mesh import ObjectMesh
from pointmap.eval.task import Task


def distort(scoring: ObjectMesh, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    if task.truth.mesh is None:
        return None
    scan = trimesh.load_mesh(task.truth.mesh, process=False)
    half = scan.copy()
    half.update_faces(scan.triangles_center[:, 0] < np.median(scan.triangles_center[:, 0]))
    there, everything = (
        np.asarray(trimesh.sample.sample_surface(one, scoring.samples, seed=2)[0]) for one in (half, scan)
    )
    gaps, diagonal = distances(everything, there), np.linalg.norm(np.ptp(scan.vertices, axis=0))
    expected = {"completion": (float(gaps.mean()), 0.01 * diagonal), "accuracy": (0.0, 0.01 * diagonal)}
    for share in scoring.thresholds:
        recall = float((gaps < share * diagonal).mean())
        expected[f"f_{100 * share:g}"] = (2 * recall / (1 + recall), 0.02)
    estimate = replace(Estimate.of_truth(task), mesh=half)
    return in_another_frame(estimate) if scoring.scale else estimate, expected
