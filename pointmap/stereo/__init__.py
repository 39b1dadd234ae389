"""Multi-view stereo with known cameras: depth from photos alone, and the refinement of a depth that is there."""

from pointmap.stereo.refine import StereoResult, refine_depths
from pointmap.stereo.search import SWEEP, StereoSettings
from pointmap.stereo.sweep import sweep_depths

__all__ = ["SWEEP", "StereoResult", "StereoSettings", "refine_depths", "sweep_depths"]
