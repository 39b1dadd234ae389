"""Time and memory of fusion beside a dense volume: 100 frames of 640x480, voxels of 1/256 of the scene's size.

    python eval/studies/fusion_speed.py [--frames 100] [--fraction 256]

The frames are of a room with balls in it, known in closed form, from a camera with the focal length of a Kinect that
goes around and looks everywhere. Each method runs in a process of its own, one after the other, reads the frames from
the disk one by one, fuses depth and colour, and extracts the mesh. The dense yardstick in plain NumPy
(`dense_tsdf.py`) has exactly the box of the room, and visits all its voxels at once, as one writes it first, or slab
by slab, which needs less memory. Times are of the fusion alone: by the clock, and of the processor ("CPU"), which
other work on the machine disturbs less. Memory is the peak above what the process had before, when a small volume had
been fused and meshed to load all code: of the fusion, and with the mesh.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/fusion_speed.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.fusion.tsdf import TRUNCATION, TsdfVolume

from ..memory import peak_gib, reset_peak
from .dense_tsdf import DenseTsdf
from .rows import markdown

METHODS = ("dense, whole", "dense, slabs", "ours")
_SLAB = 1 << 16


LOW, HIGH = np.array([-2.5, -1.3, -2.0]), np.array([2.5, 1.3, 2.0])
"""Corners of the room, in metres; y is down."""
BALLS = ((-1.7, 0.7, -1.2, 0.6), (1.6, 0.8, 1.1, 0.5), (1.9, -0.2, -1.4, 0.4), (-1.8, 0.0, 1.4, 0.45))
"""Centre and radius."""
FOCAL = 525.0


def frame(index: int, count: int, size: tuple[int, int] = (480, 640)) -> tuple[np.ndarray, ...]:
    """z-depth, K, pose and RGB of one of `count` frames; size is height and width."""
    height, width = size
    focal = FOCAL * width / 640
    K = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1]])
    turn, pitch = 2 * np.pi * 3 * index / count, 0.5 * np.sin(2 * np.pi * 7 * index / count)
    pose = np.eye(4)
    z = np.array([np.sin(turn) * np.cos(pitch), np.sin(pitch), np.cos(turn) * np.cos(pitch)])
    x = np.array([np.cos(turn), 0, -np.sin(turn)])
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = [0.7 * np.sin(2 * np.pi * index / count), -0.2, 0.5 * np.cos(2 * np.pi * index / count)]
    v, u = np.indices(size)
    rays = np.stack([(u - K[0, 2]) / focal, (v - K[1, 2]) / focal, np.ones(size)], axis=-1) @ pose[:3, :3].T
    origin = pose[:3, 3]
    with np.errstate(divide="ignore"):
        depth = np.where(rays > 0, (HIGH - origin) / rays, (LOW - origin) / rays).min(axis=-1)
    for *centre, radius in BALLS:
        a, b = (rays**2).sum(axis=-1), rays @ (origin - centre)
        root = b**2 - a * (((origin - centre) ** 2).sum() - radius**2)
        hit = (-b - np.sqrt(np.maximum(root, 0))) / a
        depth = np.where((root > 0) & (hit > 0) & (hit < depth), hit, depth)
    points = origin + depth[..., None] * rays
    color = 128 + 90 * np.sin(points * [7.0, 9.0, 8.0] + points[..., [1, 2, 0]] * 5)
    return depth.astype(np.float32), K, pose, color.astype(np.uint8)


@dataclass(frozen=True)
class Cost:
    """Of one method."""

    seconds: float
    cpu_seconds: float
    fusion_mib: float
    total_mib: float
    """With the mesh."""
    vertices: int


def cost(method: str, folder: Path, fraction: int) -> Cost:
    """Fuse and mesh all frames of a folder in this process."""
    files = sorted(folder.glob("*.npz"))
    run(method, files[:1], 0.25)[0].mesh()  # loads all code
    reset_peak()
    before = peak_gib()
    volume, wall, cpu = run(method, files, float((HIGH - LOW).max()) / fraction)
    fusion = peak_gib()
    mesh = volume.mesh()
    return Cost(wall, cpu, 1024 * (fusion - before), 1024 * (peak_gib() - before), len(mesh.vertices))


def run(method: str, files: Sequence[Path], voxel_size: float) -> tuple[DenseTsdf | TsdfVolume, float, float]:
    """The volume of all frames, seconds by the clock and of the processor, without those of reading."""
    if method == "ours":
        volume: DenseTsdf | TsdfVolume = TsdfVolume(voxel_size)
    else:
        slab = _SLAB if method == "dense, slabs" else 1 << 62
        margin = TRUNCATION * voxel_size
        volume = DenseTsdf(LOW - margin, HIGH + margin, voxel_size, margin, slab_voxels=slab)
    wall = cpu = 0.0
    for file in files:
        with np.load(file) as content:
            arrays = [content[name] for name in ("depth", "intrinsics", "world_from_cam", "color")]
        start = time.perf_counter(), time.process_time()
        volume.integrate(*arrays)
        wall, cpu = wall + time.perf_counter() - start[0], cpu + time.process_time() - start[1]
    return volume, wall, cpu


def table(costs: dict[str, Cost]) -> str:
    """Markdown; the last columns are how many times as much as ours the others take."""
    ours = costs["ours"]
    lines = []
    for method, own in costs.items():
        line = [method, f"{own.seconds:.1f}", f"{own.cpu_seconds:.1f}", f"{own.fusion_mib:.0f}", f"{own.total_mib:.0f}"]
        ratios = [
            getattr(own, name) / getattr(ours, name) for name in ("seconds", "cpu_seconds", "fusion_mib", "total_mib")
        ]
        lines.append([*line, str(own.vertices), *(f"{ratio:.1f}" for ratio in ratios)])
    header = ("fusion", "seconds", "CPU s", "MiB", "MiB with mesh", "vertices", "time ratio", "CPU ratio")
    return markdown((*header, "memory ratio", "with mesh"), lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--fraction", type=int, default=256, help="voxels along the scene's longest side")
    parser.add_argument("--folder", type=Path, help="of frames; with --method")
    parser.add_argument("--threads", type=int, default=2, help="of ours; NumPy's loops have one")
    parser.add_argument("--method", choices=METHODS, help="measure only this one, here, and print it as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.method is not None:
        torch.set_num_threads(chosen.threads)
        print(json.dumps(asdict(cost(chosen.method, chosen.folder, chosen.fraction))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for index in range(chosen.frames):
            depth, K, pose, color = frame(index, chosen.frames)
            place = Path(folder) / f"{index:04d}.npz"
            np.savez(place, depth=depth, intrinsics=K, world_from_cam=pose, color=color)
        costs = {}
        for method in METHODS:
            command = [sys.executable, __file__, "--method", method, "--folder", folder]
            command += ["--fraction", str(chosen.fraction), "--threads", str(chosen.threads)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            costs[method] = Cost(**json.loads(output.splitlines()[-1]))
    print(table(costs))


if __name__ == "__main__":
    main()
