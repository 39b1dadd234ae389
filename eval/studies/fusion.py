"""How near the fused surface comes to the truth, over voxel sizes and noise of the depth maps.

    python eval/studies/fusion.py ../shared/data --sets hololens_sofa --procedural 2

True depth maps with true poses, with normal noise of 0, 1 and 2 % of the depth on every pixel, are fused with voxels of
1/64 to 1/512 of the scene's size, the longest side of what is seen. Points drawn evenly on the mesh are compared with
true points: those of the same depth maps without noise for procedural scenes, those of every fourth depth map, which
then takes no part, for real ones. Accuracy is the mean distance from the mesh's points to the nearest true one,
completeness the other way round, F the harmonic mean of the shares below a threshold; in percent of the scene's size.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/fusion.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.geometry.cameras import unproject_depth

from ..ground_truth import GroundTruth, load_ground_truth
from .procedural_scenes import procedural_sets
from .rows import markdown

if TYPE_CHECKING:
    import trimesh

FRACTIONS = (64, 128, 256, 512)
NOISES = (0.0, 0.01, 0.02)
THRESHOLDS = (0.25, 1.0)
"""Of the F-score, in percent of the scene's size."""
_TRUE_POINTS = 1_000_000
_MESH_POINTS = 400_000
_ASKED = 100_000
"""Points whose nearest one is looked for."""
_HELD_OUT = 4


@dataclass(frozen=True, eq=False)
class PosedDepths:
    """Depth maps with true cameras."""

    name: str
    depths: list[np.ndarray]
    intrinsics: np.ndarray
    world_from_cam: np.ndarray
    true_points: np.ndarray
    """(n, 3) on surfaces, to compare with."""

    @property
    def size(self) -> float:
        """Longest side of what is seen, but for the outermost hundredths."""
        low, high = np.quantile(self.true_points, [0.01, 0.99], axis=0)
        return float((high - low).max())

    @staticmethod
    def of(truth: GroundTruth, *, hold_out: bool) -> "PosedDepths":
        """Of all posed photos with depth, those held out only as points to compare with."""
        there = [i for i in np.flatnonzero(truth.posed).tolist() if truth.depth_files[i] is not None]
        fused = [i for place, i in enumerate(there) if not hold_out or place % _HELD_OUT]
        compared = [i for i in there if i not in fused] if hold_out else there
        maps = {i: truth.depth(i) for i in there}
        points = [points_of(maps[i], truth.intrinsics[i], truth.world_from_cam[i]) for i in compared]
        return PosedDepths(
            truth.name,
            [maps[i].astype(np.float32) for i in fused],
            truth.intrinsics[fused],
            truth.world_from_cam[fused],
            _drawn(np.concatenate(points), _TRUE_POINTS),
        )


@dataclass(frozen=True)
class SurfaceScore:
    """A mesh against true points; lengths in the units of both."""

    accuracy: float
    completeness: float
    f_scores: tuple[float, ...]
    """One per threshold, from 0 to 1."""

    @staticmethod
    def of(mesh: "trimesh.Trimesh", true_points: np.ndarray, thresholds: Sequence[float]) -> "SurfaceScore":
        """The empty mesh scores 0, at infinite distances."""
        from scipy.spatial import KDTree

        if len(mesh.faces) == 0:
            return SurfaceScore(np.inf, np.inf, (0.0,) * len(thresholds))
        found, _ = mesh.sample(_MESH_POINTS, return_index=True, seed=0)
        to_true, _ = KDTree(true_points).query(_drawn(found, _ASKED))
        to_mesh, _ = KDTree(found).query(_drawn(true_points, _ASKED))
        f_scores = []
        for threshold in thresholds:
            precision, recall = float((to_true < threshold).mean()), float((to_mesh < threshold).mean())
            f_scores.append(2 * precision * recall / max(precision + recall, 1e-9))
        return SurfaceScore(float(to_true.mean()), float(to_mesh.mean()), tuple(f_scores))


def points_of(depth: np.ndarray, intrinsics: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """(n, 3) world points of the pixels with a depth."""
    local = unproject_depth(torch.from_numpy(depth.astype(np.float64)), torch.from_numpy(intrinsics)).numpy()
    return local[depth > 0] @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]


def with_noise(depths: Sequence[np.ndarray], share: float, seed: int = 0) -> list[np.ndarray]:
    """Normal noise on every pixel, with this share of its depth as standard deviation."""
    rng = np.random.default_rng(seed)
    return [(depth * (1 + share * rng.standard_normal(depth.shape))).astype(np.float32) for depth in depths]


def measure(data: PosedDepths, fraction: int, noise: float, **settings: object) -> list[str]:
    """One line of the table."""
    start = time.perf_counter()
    voxel_size = data.size / fraction
    depths = with_noise(data.depths, noise)
    mesh = pointmap.fuse(depths, data.intrinsics, data.world_from_cam, voxel_size=voxel_size, **settings)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    score = SurfaceScore.of(mesh, data.true_points, [data.size * share / 100 for share in THRESHOLDS])
    lengths = [f"{100 * length / data.size:.3f}" for length in (score.accuracy, score.completeness)]
    line = [data.name, f"1/{fraction}", f"{noise:.0%}", *lengths, *(f"{100 * f:.1f}" for f in score.f_scores)]
    return [*line, f"{len(mesh.faces) / 1e3:.0f}", f"{seconds:.1f}"]


def table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    names = [f"F at {threshold} %" for threshold in THRESHOLDS]
    return markdown(("set", "voxel", "noise", "accuracy %", "completeness %", *names, "1000 faces", "seconds"), lines)


def _drawn(points: np.ndarray, count: int) -> np.ndarray:
    """So many, spread evenly over the list, or all."""
    return points[np.linspace(0, len(points) - 1, count).astype(int)] if len(points) > count else points


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of sets with cameras.json and depth")
    parser.add_argument("--sets", nargs="*", default=["hololens_sofa"])
    parser.add_argument("--procedural", type=int, default=0, help="number of procedural scenes")
    parser.add_argument("--folder", type=Path, help="where procedural scenes are kept; default a temporary one")
    parser.add_argument("--fractions", type=int, nargs="*", default=FRACTIONS)
    parser.add_argument("--noises", type=float, nargs="*", default=NOISES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        found = [PosedDepths.of(truth, hold_out=False) for truth in procedural_sets(folder, arguments.procedural)]
        for name in arguments.sets if arguments.data is not None else ():
            found.append(PosedDepths.of(load_ground_truth(arguments.data / name), hold_out=True))
    lines = []
    for data in found:
        for noise in arguments.noises:
            for fraction in arguments.fractions:
                lines.append(measure(data, fraction, noise))
                print("  ".join(lines[-1]), file=sys.stderr)
    print(table(lines))


if __name__ == "__main__":
    main()
