"""The files that MVSNet introduced for DTU, BlendedMVS and Tanks and Temples: `cams/*_cam.txt`, `pair.txt`, PFM maps.

Layout: `YoYo000/MVSNet:README.md`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError

from .tree import require_file


@dataclass(frozen=True, eq=False)
class MvsCamera:
    """Of one photo."""

    intrinsics: np.ndarray
    """(3, 3) as written: pixels whose convention (centre of the first pixel 0 or 0.5) the authors do not state."""

    cam_from_world: np.ndarray
    """(4, 4)"""

    depth_range: tuple[float, ...]
    """The last line: smallest depth, interval, and where present their number and the largest depth."""


def read_camera(path: Path) -> MvsCamera:
    """Read `00000000_cam.txt`: the word extrinsic, 4x4, the word intrinsic, 3x3, and a line of depths."""
    words = require_file(path, "a camera").read_text().split()
    try:
        if words[0] != "extrinsic" or words[17] != "intrinsic":
            raise ValueError("no words 'extrinsic' and 'intrinsic' where they should be")
        extrinsic = np.array(words[1:17], np.float64).reshape(4, 4)
        intrinsics = np.array(words[18:27], np.float64).reshape(3, 3)
        return MvsCamera(intrinsics, extrinsic, tuple(float(word) for word in words[27:]))
    except (ValueError, IndexError) as error:
        raise InputError(f"{str(path)!r} is no camera file of MVSNet's layout: {error}") from error


def read_pairs(path: Path) -> dict[int, tuple[int, ...]]:
    """Read `pair.txt`: for each photo its source views, best first."""
    words = require_file(path, "source views").read_text().split()
    try:
        pairs, place = {}, 1
        for _ in range(int(words[0])):
            count = int(words[place + 1])
            pairs[int(words[place])] = tuple(int(word) for word in words[place + 2 : place + 2 + 2 * count : 2])
            if len(pairs[int(words[place])]) != count:
                raise ValueError(f"the sources of photo {words[place]} are cut off")
            place += 2 + 2 * count
    except (ValueError, IndexError) as error:
        raise InputError(f"{str(path)!r} is no list of source views of MVSNet's layout: {error}") from error
    return pairs


def read_pfm(path: Path) -> np.ndarray:
    """Read a portable float map: (h, w) or (h, w, 3) float32, first row on top.

    Format: Paul Debevec's, https://www.pauldebevec.com/Research/HDR/PFM/: rows from the bottom, a negative scale means
    little endian.
    """
    content = require_file(path, "a float map").read_bytes()
    try:
        kind, size, scale, data = content.split(b"\n", 3)
        if kind.strip() not in (b"Pf", b"PF"):
            raise ValueError(f"it begins with {kind[:8]!r}")
        width, height = (int(word) for word in size.split())
        channels = 3 if kind.strip() == b"PF" else 1
        order = "<f4" if float(scale) < 0 else ">f4"
        values = np.frombuffer(data, order, count=width * height * channels).reshape(height, width, channels)
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no PFM file: {error}") from error
    return np.ascontiguousarray(values[::-1].squeeze(-1) if channels == 1 else values[::-1], np.float32)
