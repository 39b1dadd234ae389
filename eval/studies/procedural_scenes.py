"""Held-out procedural scenes, written as sets of photos with their truth, so that they are scored like real ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pointmap.train.random import Random
from pointmap.train.textures import make_textures
from pointmap.train.views import make_views

from ..ground_truth import GroundTruth, load_ground_truth, write_set
from .procedural import SEED, TEXTURE_SEED, TEXTURES
from .rows import Row, markdown, shown

VIEWS = 8
LONG_SIDE = 640


def procedural_sets(folder: Path, count: int, *, views: int = VIEWS, long_side: int = LONG_SIDE) -> list[GroundTruth]:
    """The first `count` scenes, rendered into `folder` unless they are there; every other one is in portrait format."""
    texels = None
    truths = []
    for number in range(count):
        place = folder / f"scene-{number}"
        if not (place / "cameras.json").is_file():
            texels = make_textures(TEXTURES, TEXTURE_SEED) if texels is None else texels
            short_side = round(long_side * 0.75)
            size = (short_side, long_side) if number % 2 == 0 else (long_side, short_side)
            write_set(make_views(views, size, Random(SEED + 1000 + number), texels, TEXTURES), place)
        truths.append(load_ground_truth(place))
    return truths


def scenes_table(rows: Sequence[Row]) -> str:
    """Means over the scenes, one line per method."""
    header = ("held-out scenes", "scenes", "photos", "registered", "RRA@15", "RTA@15", "AUC@30", "rot. med.")
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        counts = [len(own), sum(row.photos for row in own), sum(row.registered for row in own)]
        percent = [shown(100 * _mean([getattr(row, name) for row in own]), "{:.1f}") for name in _SHARES]
        degrees = [shown(_mean([getattr(row, name) for row in own]), "{:.1f}") for name in _ANGLES]
        ratios = [shown(_mean([getattr(row, name) for row in own])) for name in _RATIOS]
        lines.append([method, *map(str, counts), *percent, *degrees, *ratios])
    return markdown((*header, "dir. med.", "focal", "AbsRel", "d1.25"), lines)


_SHARES = ("rra_15", "rta_15", "auc_30")
_ANGLES = ("rotation_deg", "direction_deg")
_RATIOS = ("focal_error", "depth_absrel", "depth_within_125")


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
