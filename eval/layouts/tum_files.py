"""Recordings in the layout of TUM RGB-D, which Bonn shares: lists of files by time, and a trajectory.

Every line is a time in seconds and what belongs to it: a file relative to the folder (`rgb.txt`, `depth.txt`), or
`tx ty tz qx qy qz qw` (`groundtruth.txt`), the pose of the colour camera in the frame of the motion capture system:
https://vision.in.tum.de/data/datasets/rgbd-dataset/file_formats. The three clocks tick at different moments.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.sfm.cameras import rotation_from

from .tree import require_file


@dataclass(frozen=True, eq=False)
class TimedFiles:
    """A list of files, by time."""

    times: np.ndarray
    """(n,) seconds, ascending."""

    files: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class TimedPoses:
    """A trajectory."""

    times: np.ndarray
    """(n,) seconds, ascending."""

    world_from_cam: np.ndarray
    """(n, 4, 4); NaN where the file says so."""


def read_files(path: Path) -> TimedFiles:
    """Read `rgb.txt` or `depth.txt`. Whether the files are there is seen when they are opened.

    Raises:
        InputError: It is missing, empty, or has lines of another form.
    """
    times, rows = _read_rows(path, "a time and the name of a file", 1)
    return TimedFiles(times, tuple(path.parent / words[0] for words in rows))


def read_trajectory(path: Path) -> TimedPoses:
    """Read `groundtruth.txt`.

    Raises:
        InputError: It is missing, empty, or has lines of another form.
    """
    times, rows = _read_rows(path, "a time and tx ty tz qx qy qz qw", 7)
    world_from_cam = np.tile(np.eye(4), (len(rows), 1, 1))
    try:
        values = np.array(rows, np.float64)
        for pose, (x, y, z, qx, qy, qz, qw) in zip(world_from_cam, values, strict=True):
            pose[:3, :3] = rotation_from(np.array([qw, qx, qy, qz]))
            pose[:3, 3] = x, y, z
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no trajectory: {error}. Expected numbers only.") from error
    world_from_cam[~np.isfinite(values).all(axis=1)] = np.nan
    return TimedPoses(times, world_from_cam)


def nearest_in_time(times: np.ndarray, wanted: np.ndarray, most_apart: float) -> np.ndarray:
    """(len(wanted),) int: for each of the wanted times the place of the nearest one; -1 if it is farther away.

    Args:
        times: (n,) ascending.
        most_apart: Seconds.
    """
    if not len(times):
        return np.full(len(wanted), -1)
    after = np.searchsorted(times, wanted).clip(1, max(len(times) - 1, 1))
    choices = np.stack([after - 1, np.minimum(after, len(times) - 1)])
    apart = np.abs(times[choices] - wanted)
    best = apart.argmin(axis=0)
    columns = np.arange(len(wanted))
    return np.where(apart[best, columns] <= most_apart, choices[best, columns], -1)


def associate(first: np.ndarray, second: np.ndarray, most_apart: float) -> list[tuple[int, int]]:
    """Pairs of places of times less than `most_apart` seconds apart, closest pairs first, each time in one pair only.

    This is what the data set's `associate.py` does. In ascending order of `first`.
    """
    begins = np.searchsorted(second, first - most_apart, side="left")
    ends = np.searchsorted(second, first + most_apart, side="right")
    candidates = sorted(
        (abs(first[i] - second[j]), i, j)
        for i in range(len(first))
        for j in range(begins[i], ends[i])
        if abs(first[i] - second[j]) < most_apart
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in candidates:
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return sorted(pairs.items())


def poses_at(trajectory: TimedPoses, times: np.ndarray, most_apart: float) -> np.ndarray:
    """(len(times), 4, 4) the nearest pose of each time, NaN where none is as near as `most_apart` seconds."""
    places = nearest_in_time(trajectory.times, times, most_apart)
    found = trajectory.world_from_cam[places].copy()
    found[places < 0] = np.nan
    return found


def _read_rows(path: Path, form: str, words: int) -> tuple[np.ndarray, list[list[str]]]:
    """Times in ascending order, and the words after them."""
    require_file(path, f"lines of {form}")
    try:
        # Some copies are separated by commas or tabs; the data set's own tools read these as well.
        lines = [line.replace(",", " ").split() for line in path.read_text().splitlines()]
        rows = sorted((float(line[0]), line[1:]) for line in lines if line and not line[0].startswith("#"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}. Expected {form} in every line.") from error
    for time, row in rows:
        if len(row) < words:
            raise InputError(f"{str(path)!r} has {len(row)} words after the time {time}; expected {form}.")
    if not rows:
        raise InputError(f"{str(path)!r} has no lines; expected {form} in every line.")
    return np.array([time for time, _ in rows]), [row[:words] for _, row in rows]
