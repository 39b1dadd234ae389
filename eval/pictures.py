"""A scene at one glance, for the worst and best cases of the report."""

from .estimate import Estimate
from .task import Task


def scene_picture(task: Task, estimate: Estimate | None, *, width: int = 960) -> bytes:
    """JPEG: rows of up to six photos, their true depths, the estimated ones (same colours, after a median factor), their
    relative errors, and a map from above of true and estimated cameras after a similarity. Parts without data are left
    out; None shows the photos alone. Never raises for a strange estimate.
    """
    raise NotImplementedError
