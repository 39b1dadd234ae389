"""How good results are: pure functions of estimates and truths, used by the trainer and by benchmarks.

| file | what it compares |
| --- | --- |
| `poses` | relative poses of all pairs of photos: RRA, RTA, AUC, mAA |
| `trajectories` | camera centres and steps: ATE, RPE |
| `depth` | depth maps, after every alignment of `depth_alignment` |
| `points` | clouds: accuracy, completeness, normals, F-score |
| `registration` | how clouds and cameras are brought to the true ones first: ICP, Umeyama with RANSAC |
| `meshes` | surfaces: against a scan, and NeuralRecon's rendered depth |
| `localization` | poses in a given frame |
| `cameras` | focal lengths and fields of view |
| `calibration` | whether confidences rank errors |
"""

from pointmap.metrics.calibration import error_by_confidence, falls, risk_coverage, spearman
from pointmap.metrics.cameras import focal_errors, fov_errors_deg
from pointmap.metrics.depth import DepthErrors, DepthSums, depth_errors, depth_sums
from pointmap.metrics.depth_alignment import DepthAlignment, fit_depth_alignment
from pointmap.metrics.localization import precision_coverage_auc, query_errors, virtual_correspondence_errors
from pointmap.metrics.points import CloudErrors, cloud_errors
from pointmap.metrics.poses import PoseErrors, known_pairs, pose_errors
from pointmap.metrics.registration import icp
from pointmap.metrics.trajectories import absolute_trajectory_error, centre_errors, spread, step_errors

__all__ = [
    "CloudErrors",
    "DepthAlignment",
    "DepthErrors",
    "DepthSums",
    "PoseErrors",
    "absolute_trajectory_error",
    "centre_errors",
    "cloud_errors",
    "depth_errors",
    "depth_sums",
    "error_by_confidence",
    "falls",
    "fit_depth_alignment",
    "focal_errors",
    "fov_errors_deg",
    "icp",
    "known_pairs",
    "pose_errors",
    "precision_coverage_auc",
    "query_errors",
    "risk_coverage",
    "spearman",
    "spread",
    "step_errors",
    "virtual_correspondence_errors",
]
