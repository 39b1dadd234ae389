"""Tanks and Temples: precision, recall, F-score at each scene's threshold."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class TanksOfficial(Protocol):
    """The training-set evaluation of Knapitsch et al. 2017: alignment by poses, cropped, thinned out, ICP.

    Reads of `Truth`, in metres:

    - `cloud`: the laser scan, SCENE.ply
    - `extra["threshold"]`: float, tau of the scene
    - `extra["crop"]`: optional, a mapping, or a function that returns it, with the keys of SCENE.json: `orthogonal_axis`
      ("X", "Y" or "Z"), `axis_min`, `axis_max`, `bounding_polygon` (n rows of 3 numbers); in the frame of the cloud
    - `extra["alignment"]`: optional (4, 4) array `cloud_from_world`, a similarity (SCENE_trans.txt), where the true poses are
      in another frame than the cloud
    """

    icp: bool = True

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
