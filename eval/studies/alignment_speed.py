"""Our aligner beside 300 Adam steps on the same objective from the same start, in one run on one machine.

    python -m eval.studies.alignment_speed -o eval-alignment       # speed.json, and the tables of docs/alignment.md
    python -m eval.studies.alignment_speed --scenes n4 4x112x84

Scenes: n4, n3mixed and n5swin are tests/golden/post/alignment_*; the others, views x width x height, are complete
graphs around a wavy surface with the noise of tests/golden_inputs.py: per pair a scale exp(0.3 n); per pointmap a
smooth warp of 1 % of the depth; per point Gaussian noise of 0.6 % of the mean depth times the square of the relative
depth; confidences of 1.7 to 10 that are smooth and fall with depth and baseline.

Methods: "ours"; "Adam", `eval.adam_yardstick` from our start with gradients by hand, which we made as cheap as we
could; "Adam, public start", where tests/golden has one. What Adam costs through autograd, which is how the public
implementation does it, is measured over a few steps. Each method runs in a process of its own, after a warm-up, with
one thread unless --threads says otherwise. Times: ours with everything between groups and result, the median of several
runs; Adam's are those of its steps alone. Losses are evaluated by the yardstick for both. Peak memory is that of the
whole process, which holds the predictions, too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from pointmap.alignment import align
from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes

from ..memory import peak_gib, reset_peak
from .adam_unknowns import Unknowns
from .adam_yardstick import STEPS, AdamYardstick, autograd_adam
from .alignment_scenes import GOLDEN, AlignmentScene, camera_errors, load_scene
from .rows import markdown

SCENES = (*GOLDEN, "4x224x168", "8x224x168", "16x224x168", "4x512x384")
METHODS = ("ours", "Adam", "Adam, public start", "autograd")
PUBLIC_SECONDS_PER_STEP = {"4x224x168": 0.076, "8x224x168": 0.231, "16x224x168": 0.941, "4x512x384": 0.434}
"""CPU time of the public implementation, measured once on two cores of a Zen 5."""
_AUTOGRAD_STEPS = 10


@dataclass(frozen=True)
class Row:
    """One method on one scene."""

    scene: str
    method: str
    cpu_seconds: float
    """Of the steps alone for Adam, of 300 such steps for autograd; over all threads."""
    wall_seconds: float
    peak_gib: float
    loss: float
    """NaN for autograd, like all below."""
    relative_rotation: float
    """Degrees, the mean over pairs."""
    rotation: float
    """Degrees, the mean after the similarity that brings the centres together."""
    centres: float
    """Of the mean radius, the mean after that similarity."""
    focals: float
    """Mean relative error."""


def measure(name: str, method: str, repeats: int) -> Row | None:
    """Run one method in this process; None where the scene has no public start."""
    scene = load_scene(name)
    start = scene.public_start
    if method in ("Adam", "autograd"):
        found = align(scene.groups, refine="none", principal_points=scene.centres)
        start = Unknowns.start(found, scene.first_views)
    if method == "ours":
        return _measure_ours(scene, repeats)
    if start is None:
        return None
    if method == "autograd":
        autograd_adam(scene.groups, scene.centres, start, 2)
        reset_peak()
        outcome = autograd_adam(scene.groups, scene.centres, start, _AUTOGRAD_STEPS)
        longer = STEPS / _AUTOGRAD_STEPS
        seconds = longer * outcome.cpu_seconds, longer * outcome.wall_seconds
        return Row(scene.name, method, *seconds, peak_gib(), *[np.nan] * 5)
    AdamYardstick(scene.groups, scene.centres).run(start, 2)
    reset_peak()
    outcome = AdamYardstick(scene.groups, scene.centres).run(start)
    seconds = outcome.cpu_seconds, outcome.wall_seconds
    return _row(scene, method, *seconds, outcome.losses[-1], outcome.world_from_cam, outcome.focals)


def _measure_ours(scene: AlignmentScene, repeats: int) -> Row:
    align(scene.groups, principal_points=scene.centres)
    reset_peak()
    times = []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        found = align(scene.groups, principal_points=scene.centres)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = (statistics.median(column) for column in zip(*times, strict=True))
    peak = peak_gib()
    at = Unknowns.start(found, scene.first_views).trainable()
    loss = AdamYardstick(scene.groups, scene.centres).loss_and_gradients(at)
    return _row(scene, "ours", cpu, wall, loss, found.world_from_cam, found.intrinsics[:, 0, 0], peak)


def _row(
    scene: AlignmentScene,
    method: str,
    cpu: float,
    wall: float,
    loss: float,
    world_from_cam: np.ndarray,
    focals: np.ndarray,
    peak: float | None = None,
) -> Row:
    peak = peak_gib() if peak is None else peak
    errors = camera_errors(world_from_cam, scene.world_from_cam)
    focal_error = float(np.abs(focals / scene.focals - 1).mean())
    cameras = errors.relative_rotation, errors.rotation, errors.centres, focal_error
    return Row(scene.name, method, cpu, wall, peak, loss, *cameras)


def result_table(rows: list[Row]) -> str:
    """What each method reaches, at what cost."""
    header = "scene", "method", "CPU s", "wall s", "peak GiB", "loss", "rel. rotation", "rotation", "centres", "focals"
    shown = [
        (
            row.scene,
            row.method,
            f"{row.cpu_seconds:.3g}",
            f"{row.wall_seconds:.3g}",
            f"{row.peak_gib:.2f}",
            f"{row.loss:.5f}",
            f"{row.relative_rotation:.3f}°",
            f"{row.rotation:.3f}°",
            f"{row.centres:.2%}",
            f"{row.focals:.2%}",
        )
        for row in rows
        if row.method != "autograd"
    ]
    return markdown(header, shown)


def ratio_table(rows: list[Row]) -> str:
    """How many times as long 300 Adam steps take, and what they lose in comparison."""
    by_name = {(row.scene, row.method): row for row in rows}
    header = "scene", "Adam ms", "autograd ms", "public ms", "Adam CPU", "wall", "autograd CPU", "public CPU", "loss"
    shown = []
    for name in dict.fromkeys(row.scene for row in rows):
        ours, adam, autograd = (by_name[name, method] for method in ("ours", "Adam", "autograd"))
        public = STEPS * PUBLIC_SECONDS_PER_STEP.get(name, np.nan)
        steps = [f"{1e3 * seconds / STEPS:.1f}" for seconds in (adam.cpu_seconds, autograd.cpu_seconds, public)]
        ratios = [
            f"{ratio:.1f}"
            for ratio in (
                adam.cpu_seconds / ours.cpu_seconds,
                adam.wall_seconds / ours.wall_seconds,
                autograd.cpu_seconds / ours.cpu_seconds,
                public / ours.cpu_seconds,
            )
        ]
        shown.append([name, *steps, *ratios, f"{adam.loss / ours.loss:.5f}"])
    return markdown(header, [[cell.replace("nan", "-") for cell in row] for row in shown])


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=SCENES, help="golden names, or views x width x height")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours, whose median counts")
    parser.add_argument("-o", "--output", type=Path, default=Path("eval-alignment"))
    parser.add_argument("--only", choices=METHODS, help="one method on one scene, in this process, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only:
        row = measure(arguments.scenes[0], arguments.only, arguments.repeats)
        print(json.dumps(row and asdict(row)))
        return
    # Threads that spin would be counted as work. Memory that is given back must be cleared anew by the system, which is
    # 40 % of what autograd costs: all methods keep theirs.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(arguments.threads)}
    environment |= {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
    rows = []
    for name in arguments.scenes:
        for method in METHODS:
            command = [sys.executable, "-m", "eval.studies.alignment_speed", "--scenes", name, "--only", method]
            command += ["--threads", str(arguments.threads), "--repeats", str(arguments.repeats)]
            output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
            row = json.loads(output.splitlines()[-1])
            if row is not None:
                rows.append(Row(**row))
                print(rows[-1], file=sys.stderr, flush=True)
    settings = {"threads": arguments.threads, "repeats": arguments.repeats, "torch": torch.__version__}
    write_bytes(
        arguments.output / "speed.json", json_bytes({"settings": settings, "rows": [asdict(row) for row in rows]})
    )
    print(f"{arguments.threads} threads, torch {torch.__version__}\n\n{result_table(rows)}\n\n{ratio_table(rows)}")


if __name__ == "__main__":
    main()
