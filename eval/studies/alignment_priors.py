"""What it is worth to know something: errors of alignment with nothing given, and with what callers may know.

    python -m eval.studies.alignment_priors -o eval-alignment       # priors.json, and the table of docs/alignment.md
    python -m eval.studies.alignment_priors --scene 6x112x84 --seeds 2

Complete graphs of `alignment_scenes.synthetic`, another one per seed; figures are means over seeds. Exact values are
the truth, soft ones are the truth with an error drawn from the sigma that is stated: 2 % of the focal lengths; 0.5
degrees and 0.02 (0.5 % of the distance to the scene) of the poses; 1 % of the depths, smooth like the errors of the
predictions; 1 degree of gravity.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pointmap import KnownDistance, Soft
from pointmap.alignment import align
from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes

from .alignment_scenes import AlignmentScene, camera_errors, golden_inputs, synthetic
from .rows import markdown, shown

_FOCAL_SIGMA, _POSE_SIGMA, _DEPTH_SIGMA, _GRAVITY_SIGMA = 0.02, (0.5, 0.02), 0.01, 1.0

Settings = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One alignment."""

    given: str
    seed: int
    relative_rotation: float
    """Degrees, the mean over all pairs of views."""
    centres: float
    """Of the mean radius, after the best similarity."""
    focals: float
    """Mean relative error."""
    depths: float
    """Median relative error, after one factor for all."""
    scale: float
    """Error of the world's scale, by the same factor; NaN where nothing given tells it."""
    kept: float
    """Largest difference between a pose that is given exactly and the result; NaN without."""


def _intrinsics(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    return {"intrinsics": scene.intrinsics}


def _soft_intrinsics(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    wrong = scene.intrinsics
    wrong[:, [0, 1], [0, 1]] *= np.exp(_FOCAL_SIGMA * random.standard_normal(len(wrong)))[:, None]
    return {"intrinsics": [Soft(K, _FOCAL_SIGMA) for K in wrong]}


def _poses(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    return {"world_from_cam": scene.world_from_cam}


def _half_of_the_poses(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    return {"world_from_cam": [pose if k % 2 == 0 else None for k, pose in enumerate(scene.world_from_cam)]}


def _soft_poses(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    wrong = scene.world_from_cam.copy()
    turns = np.radians(_POSE_SIGMA[0]) * random.standard_normal((len(wrong), 3))
    wrong[:, :3, :3] = wrong[:, :3, :3] @ Rotation.from_rotvec(turns).as_matrix()
    wrong[:, :3, 3] += _POSE_SIGMA[1] * random.standard_normal((len(wrong), 3))
    return {"world_from_cam": [Soft(pose, _POSE_SIGMA) for pose in wrong]}


def _one_depth(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    return {"depths": [scene.depths[0], *[None] * (len(scene.depths) - 1)]}


def _depths(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    return {"depths": scene.depths}


def _soft_depths(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    stream = np.random.RandomState(random.integers(2**31))
    fields = [np.sqrt(8) * golden_inputs.smooth_field(stream, *depth.shape) for depth in scene.depths]  # of variance 1
    wrong = [depth * np.exp(_DEPTH_SIGMA * error) for depth, error in zip(scene.depths, fields, strict=True)]
    return {"depths": [Soft(depth, _DEPTH_SIGMA) for depth in wrong]}


def _distance(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    between = scene.world_from_cam[0, :3, 3] - scene.world_from_cam[-1, :3, 3]
    return {"distances": [KnownDistance(0, len(scene.depths) - 1, float(np.linalg.norm(between)))]}


def _gravity(scene: AlignmentScene, random: np.random.Generator) -> Settings:
    down = scene.world_from_cam[:, 1, :3]  # the y axis of the world that the poses are in
    turns = np.radians(_GRAVITY_SIGMA) * random.standard_normal((len(down), 3))
    return {"gravity": [Soft(v, _GRAVITY_SIGMA) for v in Rotation.from_rotvec(turns).apply(down)]}


CASES: dict[str, tuple[Callable[[AlignmentScene, np.random.Generator], Settings], ...]] = {
    "nothing": (),
    "intrinsics": (_intrinsics,),
    "intrinsics, soft": (_soft_intrinsics,),
    "poses": (_poses,),
    "poses of every second view": (_half_of_the_poses,),
    "poses, soft": (_soft_poses,),
    "intrinsics and poses": (_intrinsics, _poses),
    "depth of one view": (_one_depth,),
    "depths": (_depths,),
    "depths, soft": (_soft_depths,),
    "a distance": (_distance,),
    "gravity, soft": (_gravity,),
    "all, soft": (_soft_intrinsics, _soft_poses, _soft_depths, _gravity),
}
_WITHOUT_SCALE = ("nothing", "intrinsics", "intrinsics, soft", "gravity, soft")


def measure(size: str, given: str, seed: int) -> Row:
    """Align one scene with what is given; see `CASES`."""
    scene = synthetic(*(int(part) for part in size.split("x")), seed=seed)
    random = np.random.default_rng(seed)
    settings = {name: value for give in CASES[given] for name, value in give(scene, random).items()}
    found = align(scene.groups, principal_points=scene.centres, **settings)
    errors = camera_errors(found.world_from_cam, scene.world_from_cam)
    ratio = np.concatenate([(f / d).ravel() for f, d in zip(found.depths, scene.depths, strict=True)])
    factor = float(np.median(ratio))
    kept = [
        float(np.abs(pose - found.world_from_cam[k]).max())
        for k, pose in enumerate(settings.get("world_from_cam", ()))
        if isinstance(pose, np.ndarray)
    ]
    return Row(
        given,
        seed,
        errors.relative_rotation,
        errors.centres,
        float(np.abs(found.intrinsics[:, 0, 0] / scene.focals - 1).mean()),
        float(np.median(np.abs(ratio / factor - 1))),
        np.nan if given in _WITHOUT_SCALE else abs(factor - 1),
        max(kept, default=np.nan),
    )


def table(rows: list[Row]) -> str:
    """Means over seeds."""
    header = "given", "rel. rotation", "centres", "focals", "depths", "scale", "given poses kept to"
    patterns = "{:.3f}°", "{:.2%}", "{:.2%}", "{:.2%}", "{:.2%}", "{:.0e}"
    lines = []
    for given in dict.fromkeys(row.given for row in rows):
        some = [row for row in rows if row.given == given]
        fields = "relative_rotation", "centres", "focals", "depths", "scale", "kept"
        values = [float(np.mean([getattr(row, name) for row in some])) for name in fields]
        values[-1] = max(row.kept for row in some)
        lines.append([given, *(shown(value, pattern) for value, pattern in zip(values, patterns, strict=True))])
    return markdown(header, lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="6x224x168", help="views x width x height")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("eval-alignment"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [measure(arguments.scene, given, seed) for given in CASES for seed in range(arguments.seeds)]
    settings = {"scene": arguments.scene, "seeds": arguments.seeds, "torch": torch.__version__}
    content = {"settings": settings, "rows": [asdict(row) for row in rows]}
    write_bytes(arguments.output / "priors.json", json_bytes(content))
    print(table(rows))


if __name__ == "__main__":
    main()
