"""What this project asks of a reconstruction of photos whose cameras are unknown.

Poses of all pairs, directions not folded, a lost photo counting 180 degrees; AUC as the mean over whole degrees; focal
lengths; depth after one factor for the whole scene; whether confidences rank its errors. No lengths: the sets' units
differ. Depth figures are of the pixels that have an estimate, whose share is the coverage.
"""

from .combined import Combined
from .confidence import Confidence
from .depth import Depth
from .focal import Focal
from .relative_pose import RelativePose

POSES_AND_DEPTH = Combined(
    (RelativePose(auc=(30, 5), accuracy=(15,)), Focal(), Depth(align="median", per="sequence"), Confidence()),
    kept=(
        *("auc_30", "auc_5", "rra_15", "rta_15", "rotation_deg", "direction_deg"),
        *("focal_error", "absrel", "d1", "coverage", "ause"),
    ),
)
