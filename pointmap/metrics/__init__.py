"""How good results are: pure functions of estimates and truths, used by the trainer and by benchmarks.

| file | what it compares |
| --- | --- |
| `poses` | relative poses of all pairs of photos: RRA, RTA, AUC, mAA |
| `trajectories` | camera centres and steps: ATE, RPE |
| `depth` | depth maps, by every alignment that benchmarks allow |
| `points` | clouds: accuracy, completeness, normals, F-score |
| `meshes` | surfaces: against a scan, and NeuralRecon's rendered depth |
| `localization` | poses in a given frame |
| `cameras` | focal lengths and fields of view |
| `calibration` | whether confidences rank errors |
"""

from pointmap.metrics.calibration import error_by_confidence, falls
from pointmap.metrics.depth import DepthErrors, depth_errors
from pointmap.metrics.poses import PoseErrors, pose_errors
from pointmap.metrics.trajectories import absolute_trajectory_error

__all__ = [
    "DepthErrors",
    "PoseErrors",
    "absolute_trajectory_error",
    "depth_errors",
    "error_by_confidence",
    "falls",
    "pose_errors",
]
