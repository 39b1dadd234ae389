"""TUM-dynamics, in small."""

from pathlib import Path

from miniature_world import World

from miniatures.known_camera import photograph_through
from miniatures.tum_rgbd import SIZE, write_recording
from pointmap.eval.benchmarks.tum_rgbd import tum_camera


def world() -> World:
    """Seven photos by the calibration of freiburg3."""
    return photograph_through(tum_camera("freiburg3_walking_xyz", SIZE[::-1])[0], SIZE, 7, step_deg=5.0)


def write(root: Path) -> tuple[str, ...]:
    """One sequence: of seven photos three are taken."""
    write_recording(root / "rgbd_dataset_freiburg3_walking_xyz", world())
    return ("freiburg3_walking_xyz",)
