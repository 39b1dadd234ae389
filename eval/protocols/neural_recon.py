"""ScanNet by NeuralRecon's scripts: rendered depth in 2D, trimmed mesh in 3D."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class NeuralRecon(Protocol):
    """The two sets of figures of `zju3dv/NeuralRecon:tools/evaluation.py`.

    Reads of `Truth`, in metres: `mesh` (or `cloud`: its vertices), `depths`, `world_from_cam`, and
    `extra["depth_intrinsics"]`: optional (N, 3, 3) pinhole K in pixels of the true depth maps, where the depth camera has its
    own; without it `intrinsics` are scaled to the size of the depth maps.
    """

    threshold: float = 0.05
    down_sample: float = 0.02

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
