"""Videos: which of their frames to take as photos."""

from pointmap.video.choose import choose_frames
from pointmap.video.containers import is_video

__all__ = ["choose_frames", "is_video"]
