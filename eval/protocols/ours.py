"""What this project asks of a reconstruction of photos whose cameras are unknown.

Poses of all pairs, directions not folded, a lost photo counting 180 degrees; AUC as the mean over whole degrees
(`DESIGN`); focal lengths; depth after one factor for the whole scene; whether confidences rank its errors.
"""

from .combined import Combined
from .confidence import Confidence
from .depth import Depth
from .focal import Focal
from .relative_pose import RelativePose
from .trajectory import Trajectory

POSES_AND_DEPTH = Combined(
    (
        RelativePose(auc=(30, 5), accuracy=(15,)),
        Trajectory(rpe_delta=None),
        Focal(),
        Depth(align="median", per="sequence"),
        Confidence(),
    )
)
