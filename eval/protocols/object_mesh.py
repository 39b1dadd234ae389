"""A mesh of an object against its scan (YCB, BigBIRD)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pointmap.metrics.meshes import sample_surface, volume_iou
from pointmap.metrics.points import cloud_errors
from pointmap.metrics.registration import icp, transform

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .dtu_official import photo_masks
from .in_true_frame import fused, points_of_surface, posed_depths, true_from_estimate, true_surface


@dataclass(frozen=True)
class ObjectMesh(Protocol):
    """Chamfer distances, F-scores at shares of the scan's diagonal, volume IoU where both are closed; after Sim(3) by
    poses and ICP.

    No publication defines it; all settings are ours. Reads of `Truth`: `mesh`, and `extra["masks"]`: optional, per
    photo a function that returns (H, W) bool, True on the object, covering the whole photo; or None.

    Compared is the estimate's mesh or, where it has none, its depths, fused; of either the faces within the scan's
    bounding box and `margin` around it, for a photo shows more than the object. Points are sampled on both.
    """

    thresholds: tuple[float, ...] = (0.01, 0.02)
    """Of the scan's diagonal; the first one ranks."""

    scale: bool = True
    """Whether the alignment may scale."""

    icp: float | None = 0.05
    """Largest distance of point-to-point ICP after the cameras, as a share of the diagonal; None leaves it out."""

    margin: float = 0.1
    """Around the box, as a share of the diagonal."""

    voxel: float = 1 / 128
    """Of the fusion, as a share of the diagonal; it is cut off at 4 voxels."""

    samples: int = 100_000

    unit: str = "m"
    """Of the truth."""

    needs = frozenset({"poses", "depths"})

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """F-scores, distances, IoU."""
        none = float("nan")
        return (
            *(
                Metric(f"f_{100 * share:g}", f"F@{100 * share:g}%", "higher", 1.0, 0.0, share=True)
                for share in self.thresholds
            ),
            Metric("chamfer", "Chamfer", "lower", 0.0, none, self.unit),
            Metric("accuracy", "Acc.", "lower", 0.0, none, self.unit),
            Metric("completion", "Comp.", "lower", 0.0, none, self.unit),
            Metric("volume_iou", "IoU", "higher", 1.0, none, share=True),
        )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        values = {metric.name: metric.worst for metric in self.metrics}
        vertices, faces = true_surface(task.truth)
        if not len(vertices):
            return Scores(values)
        diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
        mesh = self._mesh(task, estimate, diagonal)
        if mesh is None:
            return Scores(values)
        around = self.margin * diagonal
        mesh = _within(mesh, vertices.min(axis=0) - around, vertices.max(axis=0) + around)
        points = sample_surface(np.asarray(mesh.vertices), np.asarray(mesh.faces), self.samples)
        true_points = points_of_surface(vertices, faces, self.samples)
        if not len(points):
            return Scores(values)
        if self.icp is not None:
            found = icp(points, true_points, self.icp * diagonal, with_scale=self.scale, iterations=50)
            points = transform(found.true_from_estimate, points)
            mesh.vertices = transform(found.true_from_estimate, np.asarray(mesh.vertices))
        errors = cloud_errors(points, true_points)
        values |= {f"f_{100 * share:g}": errors.f_score(share * diagonal) for share in self.thresholds}
        values |= {"accuracy": errors.accuracy, "completion": errors.completeness}
        values["chamfer"] = (errors.accuracy + errors.completeness) / 2
        values["volume_iou"] = _iou(mesh, vertices, faces)
        return Scores(values)

    def _mesh(self, task: Task, estimate: Estimate, diagonal: float) -> Any:
        """trimesh.Trimesh in the true frame; None where no camera tells it."""
        similarity = true_from_estimate(task, estimate, robust=True)
        if similarity is None:
            return None
        if not self.scale:
            similarity = _without_scale(task, estimate, similarity)
        if estimate.mesh is None:
            maps = posed_depths(task, estimate, similarity, where=photo_masks(task.truth))
            return fused(maps, self.voxel * diagonal, 4 * self.voxel * diagonal)
        mesh = estimate.mesh.copy()
        mesh.vertices = transform(similarity, np.asarray(mesh.vertices))
        return mesh


def _without_scale(task: Task, estimate: Estimate, similarity: np.ndarray) -> np.ndarray:
    """The rotation stays the best one; the translation brings the means of the centres together."""
    known = np.isfinite(estimate.world_from_cam).all((1, 2)) & np.isfinite(task.truth.world_from_cam).all((1, 2))
    rigid = similarity.copy()
    rigid[:3, :3] /= np.linalg.norm(similarity[0, :3])
    centre, true_centre = (
        poses[known, :3, 3].mean(axis=0) for poses in (estimate.world_from_cam, task.truth.world_from_cam)
    )
    rigid[:3, 3] = true_centre - rigid[:3, :3] @ centre
    return rigid


def _within(mesh: Any, low: np.ndarray, high: np.ndarray) -> Any:
    """The faces whose corners are all in a box."""
    import trimesh

    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    inside = np.asarray(((vertices >= low) & (vertices <= high)).all(axis=1))
    kept = trimesh.Trimesh(vertices, faces[inside[faces].all(axis=1)] if len(faces) else faces, process=False)
    kept.remove_unreferenced_vertices()
    return kept


def _iou(mesh: Any, vertices: np.ndarray, faces: np.ndarray) -> float:
    """NaN unless both are closed."""
    import trimesh

    if not len(faces):
        return float("nan")
    # Vertices in one place are one: seams of textures do not open a surface.
    mesh, scan = (trimesh.Trimesh(one.vertices, one.faces) for one in (mesh, trimesh.Trimesh(vertices, faces)))
    return volume_iou(mesh, scan) if mesh.is_watertight and scan.is_watertight else float("nan")
