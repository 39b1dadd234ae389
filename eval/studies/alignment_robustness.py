"""Alignment with some of its pairs replaced by nonsense, beside 300 Adam steps.

    python -m eval.studies.alignment_robustness -o eval-alignment   # robustness.json, tables of docs/alignment.md
    python -m eval.studies.alignment_robustness --shares 0.2 --kinds pose --seeds 1 --adam-seeds 0

Scenes at 112x84: 16 views, complete graph (`alignment_scenes.synthetic`), and 40 views along a closed loop with 10
neighbours each (`alignment_walk`). A share of the pairs of photos, drawn at random, is spoilt in both orders;
confidences stay as they are. Kinds of nonsense:

    pose      the second view's points turned by 30 to 180 degrees about a random axis, and moved by 0.3 to 1 times the
              distance of the first's, in either order otherwise
    twins     the same, but both orders of the pair agree: two places that look alike
    scale     the second view's points 2 to 4 times as far, or as near
    points    all points of both views at random, in front of the camera, where the scene is

Adam (`eval.adam_yardstick`) runs twice: from our start, which knows of groups that contradict the others, and from the
spanning tree of the surest pairs, as DUSt3R does (`eval.adam_tree_start`).

Every seed is another scene with other spoilt pairs; figures are the median over seeds, and the worst seed. "Found" are
groups whose `Alignment.group_weights` is below 0.5: which share of them was spoilt (precision), and which share of the
spoilt ones they are (recall).
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pointmap.alignment import align
from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes
from pointmap.scene import Group

from .adam_tree_start import tree_start
from .adam_unknowns import Unknowns
from .adam_yardstick import STEPS, AdamYardstick
from .alignment_scenes import AlignmentScene, camera_errors, synthetic
from .alignment_walk import Walk
from .rows import markdown, shown

SCENES: dict[str, Callable[[int], AlignmentScene]] = {
    "16 complete": lambda seed: synthetic(16, 112, 84, seed=seed),
    "40 loop": lambda seed: Walk(40, 10, 112, 84, seed=seed).scene(),
}
KINDS = ("pose", "twins", "scale", "points")
SHARES = (0.1, 0.2, 0.3)
_FOUND = 0.5


@dataclass(frozen=True)
class Row:
    """One alignment. Adam's figures are NaN where it was not run."""

    scene: str
    kind: str
    share: float
    seed: int
    relative_rotation: float
    """Degrees, the mean over all pairs; a pair with a missing view counts 180."""
    centres: float
    """Of the mean radius."""
    registered: int
    adam_relative_rotation: float
    """From our start."""
    adam_centres: float
    tree_relative_rotation: float
    """From the spanning tree."""
    tree_centres: float
    precision: float
    """NaN where no group was found."""
    recall: float
    """NaN where none was spoilt."""


def spoil(scene: AlignmentScene, share: float, kind: str, seed: int) -> tuple[AlignmentScene, np.ndarray]:
    """Replace a share of the pairs of photos by nonsense; and which groups those are, (G,) bool."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    pair_of = [tuple(sorted(group.views)) for group in scene.groups]
    pairs = sorted(set(pair_of))
    chosen = random.choice(len(pairs), round(share * len(pairs)), replace=False)
    motions = {pairs[number]: _motion(random) for number in chosen}
    groups = list(scene.groups)
    spoilt = np.array([pair in motions for pair in pair_of])
    for number in spoilt.nonzero()[0]:
        twins = kind == "twins"
        motion = _seen_from_first(scene, groups[number], motions[pair_of[number]]) if twins else _motion(random)
        groups[number] = _spoilt(groups[number], kind, motion, random)
    return replace(scene, groups=groups), spoilt


def _seen_from_first(scene: AlignmentScene, group: Group, motion: np.ndarray) -> np.ndarray:
    """The motion, in the frame of the smaller number of a pair, as a motion in the frame of the group."""
    first, second = group.views
    if first < second:
        return motion
    second_from_first = np.linalg.inv(scene.world_from_cam[second]) @ scene.world_from_cam[first]
    # Translations count the distance of what the group's first view sees, which two views do not share.
    second_from_first[:3, 3] /= _distance(scene, second)
    found = np.linalg.inv(second_from_first) @ np.linalg.inv(motion) @ second_from_first
    found[:3, 3] *= _distance(scene, second) / _distance(scene, first)
    return found


def _distance(scene: AlignmentScene, view: int) -> float:
    """Mean distance of what a view sees, in units of the true world."""
    height, width = scene.depths[view].shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(scene.intrinsics[view]).T
    return float((np.linalg.norm(rays, axis=-1) * scene.depths[view]).mean())


def _motion(random: np.random.Generator) -> np.ndarray:
    """A rigid motion, with a translation in units of the distance to the scene."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(np.radians(random.uniform(30, 180)) * _direction(random)).as_matrix()
    motion[:3, 3] = random.uniform(0.3, 1) * _direction(random)
    return motion


def _direction(random: np.random.Generator) -> np.ndarray:
    vector = random.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _spoilt(group: Group, kind: str, motion: np.ndarray, random: np.random.Generator) -> Group:
    first, second = (np.asarray(points) for points in group.points)
    distance = float(np.linalg.norm(first, axis=-1).mean())
    if kind == "scale":
        second = second * np.exp(random.choice([-1, 1]) * random.uniform(np.log(2), np.log(4)))
    elif kind == "points":
        low, high = np.percentile(first, [5, 95], axis=(0, 1))
        first, second = (random.uniform(low, high, points.shape) for points in (first, second))
    else:
        second = second @ motion[:3, :3].T + distance * motion[:3, 3]
    return Group(group.views, [first.astype(np.float32), second.astype(np.float32)], group.confidences)


def measure(scene_name: str, kind: str, share: float, seed: int, *, adam_steps: int = 0) -> Row:
    """Align one spoilt scene.

    Args:
        adam_steps: Of the yardstick; 0 leaves it out.
    """
    scene, spoilt = spoil(SCENES[scene_name](seed), share, kind, seed)
    found = align(scene.groups, principal_points=scene.centres)
    errors = camera_errors(found.world_from_cam, scene.world_from_cam)
    suspect = found.group_weights < _FOUND
    hits = int((suspect & spoilt).sum())
    adam: list[float] = []
    if adam_steps:
        yardstick = AdamYardstick(scene.groups, scene.centres)
        our_start = align(scene.groups, refine="none", principal_points=scene.centres)
        for start in (Unknowns.start(our_start, scene.first_views), tree_start(scene.groups, scene.centres)):
            of_adam = camera_errors(yardstick.run(start, adam_steps).world_from_cam, scene.world_from_cam)
            adam += of_adam.relative_rotation, of_adam.centres
    return Row(
        scene_name,
        kind,
        share,
        seed,
        errors.relative_rotation,
        errors.centres,
        errors.registered,
        *(adam or [np.nan] * 4),
        precision=float(hits / suspect.sum()) if suspect.any() else np.nan,
        recall=float(hits / spoilt.sum()) if spoilt.any() else np.nan,
    )


def table(rows: list[Row]) -> str:
    """Median over seeds (worst seed), errors also as a multiple of those of the same scenes without nonsense."""
    header = "scene", "nonsense", "rel. rotation", "of clean", "centres", "of clean", "Adam, our start", "Adam, tree"
    header = (*header, "precision", "recall")
    clean = {(row.scene, row.seed): row for row in rows if row.share == 0}
    cases = dict.fromkeys((row.scene, row.kind if row.share else "none", row.share) for row in rows)
    lines = []
    for scene, kind, share in cases:
        some = [row for row in rows if row.scene == scene and row.share == share and (not share or row.kind == kind)]
        rotation, centres = ([getattr(row, name) for row in some] for name in ("relative_rotation", "centres"))
        by_rotation = [row.relative_rotation / clean[scene, row.seed].relative_rotation for row in some]
        by_centres = [row.centres / clean[scene, row.seed].centres for row in some]
        lines.append(
            [
                scene,
                f"{kind} {share:.0%}" if share else "none",
                _spread(rotation, "{:.3f}°"),
                _spread(by_rotation, "{:.2f}"),
                _spread(centres, "{:.2%}"),
                _spread(by_centres, "{:.2f}"),
                _of_adam(some, "adam"),
                _of_adam(some, "tree"),
                _mean([row.precision for row in some]),
                _mean([row.recall for row in some]),
            ]
        )
    return markdown(header, lines)


def _spread(values: list[float], pattern: str) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"{pattern.format(np.median(known))} ({pattern.format(max(known))})" if known else "-"


def _of_adam(rows: list[Row], start: str) -> str:
    """Medians of rotation and centres."""
    rotation, centres = (
        np.median([value for row in rows if not np.isnan(value := getattr(row, f"{start}_{name}"))] or [np.nan])
        for name in ("relative_rotation", "centres")
    )
    return "-" if np.isnan(rotation) else f"{rotation:.2f}°, {centres:.1%}"


def _mean(values: list[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    return shown(float(np.mean(known)) if known else np.nan, "{:.0%}")


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=tuple(SCENES), choices=tuple(SCENES))
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="0 is always measured")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--adam-seeds", type=int, default=1, help="of these seeds, how many Adam gets, too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("eval-alignment"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cases = [(KINDS[0], 0.0), *((kind, share) for kind in arguments.kinds for share in arguments.shares)]
    rows = []
    for scene in arguments.scenes:
        for kind, share in cases:
            for seed in range(arguments.seeds):
                steps = STEPS if seed < arguments.adam_seeds else 0
                rows.append(measure(scene, kind, share, seed, adam_steps=steps))
                print(rows[-1], file=sys.stderr, flush=True)
    settings = {"seeds": arguments.seeds, "torch": torch.__version__}
    content = {"settings": settings, "rows": [asdict(row) for row in rows]}
    write_bytes(arguments.output / "robustness.json", json_bytes(content))
    print(table(rows))


if __name__ == "__main__":
    main()
