"""ScanNet by NeuralRecon's scripts: rendered depth in 2D, trimmed mesh in 3D."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import tee
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from pointmap.metrics.meshes import RenderedDepthErrors, fused_again, render_depths, rendered_depth_errors
from pointmap.metrics.points import cloud_errors, mean, voxel_down_sample
from pointmap.metrics.registration import transform

from ..estimate import Estimate, photo_sizes
from ..protocol import Metric, Protocol, Scores
from ..task import Task
from .in_true_frame import depth_intrinsics, fused, posed_depths, true_from_estimate, true_surface

_RENDERED = (
    ("abs_rel", "AbsRel", "", False),
    ("abs_diff", "AbsDiff", "m", False),
    ("sq_rel", "SqRel", "", False),
    ("rmse", "RMSE", "m", False),
    ("log_rmse", "logRMSE", "", False),
    ("within_125", "d1.25", "", True),
    ("within_125_2", "d1.25^2", "", True),
    ("within_125_3", "d1.25^3", "", True),
    ("complete", "Complete", "", True),
)
"""Fields of `RenderedDepthErrors`, their titles, units, whether they are shares."""


@dataclass(frozen=True)
class NeuralRecon(Protocol):
    """The two sets of figures of `zju3dv/NeuralRecon:tools/evaluation.py` and `:tools/evaluation_utils.py`.

    Reads of `Truth`, in metres: `mesh` (or `cloud`: its vertices), `depths`, `world_from_cam`, and
    `extra["depth_intrinsics"]`: optional (N, 3, 3) pinhole K in pixels of the true depth maps, where the depth camera
    has its own; without it `intrinsics` are scaled to the size of the depth maps.

    In 2D the estimate's mesh, or where it has none its depths, fused with the settings of the trimming, is rendered
    where the depth camera was, at the size of its maps, and compared frame by frame. In 3D the rendered depths are
    fused, so that what no frame saw does not count, and the vertices compared with those of the reference, both thinned
    out. It differs from the source in this: meshes are rendered from both sides; a frame without a pose is left out
    (there it counts in the divisor), and so is, from all but `complete`, a frame that shows nothing of the mesh (there
    it makes the scene NaN).
    """

    threshold: float = 0.05
    down_sample: float = 0.02

    align: Literal["none", "sim3"] = "none"
    """Poses are given; "sim3" brings an estimate in a frame of its own to the truth by its cameras."""

    voxel: float = 0.04
    truncation: float = 0.12
    fused_to: float = 5.0
    """Of the trimming: depths beyond are not fused."""

    farthest: float = 10.0
    """True depths of this or more take no part in 2D."""

    needs = frozenset({"poses", "depths"})
    metrics = (
        Metric("f_score", "F-score", "higher", 1.0, 0.0, share=True),
        Metric("precision", "Prec.", "higher", 1.0, 0.0, share=True),
        Metric("recall", "Recall", "higher", 1.0, 0.0, share=True),
        Metric("accuracy", "Acc.", "lower", 0.0, float("nan"), "m"),
        Metric("completion", "Comp.", "lower", 0.0, float("nan"), "m"),
        *(
            Metric(name, title, "higher", 1.0, 0.0, share=True)
            if share
            else Metric(name, title, "lower", 0.0, float("nan"), unit)
            for name, title, unit, share in _RENDERED
        ),
    )

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        values = {metric.name: metric.worst for metric in self.metrics}
        mesh = self._mesh(task, estimate)
        if mesh is None or not len(mesh.faces):
            return Scores(values)
        frames: list[RenderedDepthErrors] = []
        trimmed = fused_again(
            *_columns(_rendered(task, mesh, frames, self.farthest)),
            voxel=self.voxel,
            truncation=self.truncation,
            farthest=self.fused_to,
        )
        if task.truth.depths:
            columns = [asdict(frame) for frame in frames]
            for name, *_ in _RENDERED:
                values[name] = mean(np.array([one[name] for one in columns if not np.isnan(one[name])]))
        vertices, _ = true_surface(task.truth)
        if len(trimmed.vertices) and len(vertices):
            points = voxel_down_sample(np.asarray(trimmed.vertices), self.down_sample)
            errors = cloud_errors(points, voxel_down_sample(vertices, self.down_sample))
            values |= {
                "f_score": errors.f_score(self.threshold),
                "precision": errors.precision(self.threshold),
                "recall": errors.recall(self.threshold),
                "accuracy": errors.accuracy,
                "completion": errors.completeness,
            }
        return Scores(values)

    def _mesh(self, task: Task, estimate: Estimate) -> Any:
        """trimesh.Trimesh in the true frame; None without a camera that tells it."""
        similarity = np.eye(4) if self.align == "none" else true_from_estimate(task, estimate)
        if similarity is None:
            return None
        if estimate.mesh is None:
            return fused(posed_depths(task, estimate, similarity), self.voxel, self.truncation, self.fused_to)
        mesh = estimate.mesh.copy()
        mesh.vertices = transform(similarity, np.asarray(mesh.vertices))
        return mesh


def _rendered(
    task: Task, mesh: Any, frames: list[RenderedDepthErrors], farthest: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Depth of the mesh, K and pose, frame by frame; errors are appended to `frames` on the way."""
    sizes = photo_sizes(task.inputs.photos)
    own = task.truth.extra.get("depth_intrinsics")
    for index in range(len(task)):
        pose, true_depth = task.truth.world_from_cam[index], task.truth.depth(index)
        shape = (int(sizes[index][1]), int(sizes[index][0])) if true_depth is None else true_depth.shape
        K = depth_intrinsics(task, index, shape, sizes[index]) if own is None or true_depth is None else own[index]
        if not (np.isfinite(pose).all() and np.isfinite(K).all()):
            continue
        (depth,) = render_depths(mesh, [K], [pose], (shape[1], shape[0]))
        if true_depth is not None:
            frames.append(rendered_depth_errors(depth, true_depth, farthest=farthest))
        yield depth, K, pose


def _columns(rows: Iterator[tuple[np.ndarray, ...]]) -> tuple[Iterator[np.ndarray], ...]:
    """Depths, intrinsics and poses as streams that are read in step."""
    return tuple(map(itemgetter(place), copy) for place, copy in enumerate(tee(rows, 3)))
