"""DTU with its official metric: accuracy and completeness in mm within observation masks."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class DtuOfficial(Protocol):
    """The evaluation that comes with DTU (Jensen et al. 2014; Aanaes et al. 2016), on clouds of consistent depths.

    Reads of `Truth`, all in mm and in the frame of the official cameras and of `stlXXX_total.ply`:

    - `cloud`: the points of the structured light scan
    - `extra["observation_mask"]`: a function without arguments that returns (mask, box, resolution): (X, Y, Z) bool, True
      where something was observed (`ObsMask`); (2, 3) lower and upper corner (`BB`); edge of a cell in mm (`Res`). The cell
      of a point is round((point - box[0]) / resolution). Left out, every point counts.
    - `extra["plane"]`: (4,) array, or a function that returns it (`P` of `PlaneXXX.mat`): scan points with
      plane . (x, y, z, 1) > 0 are above the table and take part in completeness. Left out, all do.
    - `extra["masks"]`: optional, per photo a function that returns (H, W) bool, True where depths are fused, covering the
      whole photo; or None
    """

    down_sample: float = 0.2
    patch: float = 60.0
    farthest: float = 20.0
    consistency: float = 0.2
    min_views: int = 4
    """Of the fusion of depth maps into a cloud, as in Depth Anything 3's bench."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
