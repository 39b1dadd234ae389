"""Alignment of many photos: time and peak memory against the number of edges.

    python -m eval.studies.alignment_scale -o eval-alignment      # scale.json, scale.png, tables for docs/
    python -m eval.studies.alignment_scale --cases 50x10 100x10 --size 112x84 --threads 1

Photos of 224x168 along a closed loop above a wavy ground (`eval.alignment_walk`: noise as in tests/golden_inputs.py),
each paired with its nearest ones in both orders: VIEWSxNEIGHBOURS, so that 1000x20 has 20,000 directed edges. Pairs are
lazy: a callable makes a pair's noisy prediction when it is asked for, in about a millisecond, and what that takes is
also shown apart; with an "m" behind the case all are in memory from the start, as a network leaves them. A process per
case; peak memory is that of the whole process, "before" what it held when the alignment began.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from pointmap.alignment import align
from pointmap.atomic import atomic_path, write_bytes
from pointmap.export.plain_json import json_bytes

from ..memory import peak_gib, reset_peak
from .alignment_scenes import camera_errors
from .alignment_walk import TimedLoader, Walk
from .rows import markdown

CASES = ("100x10m", "100x10", "125x20", "250x20", "500x20", "1000x20")


@dataclass(frozen=True)
class Row:
    """One alignment."""

    case: str
    views: int
    edges: int
    wall_seconds: float
    """Everything between groups and result, loading included."""
    cpu_seconds: float
    load_wall_seconds: float
    """Of that: spent in the callable that gives the pairs."""
    load_cpu_seconds: float
    loads_per_edge: float
    passes: int
    before_gib: float
    peak_gib: float
    loss: float
    relative_rotation: float
    """Degrees, the mean over all pairs of views."""
    centres: float
    """Of the mean distance from the loop's middle, after a similarity."""
    focals: float
    """Mean relative error."""
    registered: int


def measure(case: str, size: str) -> Row:
    """Run one case in this process."""
    views, neighbours = (int(part) for part in case.rstrip("m").split("x"))
    width, height = (int(part) for part in size.split("x"))
    small = Walk(8, 4, 56, 42).scene()
    align(small.groups, principal_points=small.centres)  # warm up
    walk = Walk(views, neighbours, width, height)
    loader = TimedLoader(walk)
    scene = walk.scene(None if case.endswith("m") else loader)
    reset_peak()
    before = peak_gib()
    wall, cpu = time.perf_counter(), time.process_time()
    found = align(scene.groups, principal_points=scene.centres)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_gib()
    errors = camera_errors(found.world_from_cam, scene.world_from_cam)
    return Row(
        case,
        views,
        len(scene.groups),
        wall,
        cpu,
        loader.wall_seconds,
        loader.cpu_seconds,
        loader.loads / len(scene.groups),
        len(found.history),
        before,
        peak,
        found.loss,
        errors.relative_rotation,
        errors.centres,
        float(np.abs(found.intrinsics[:, 0, 0] / scene.focals - 1).mean()),
        errors.registered,
    )


def table(rows: list[Row]) -> str:
    """What each case takes and reaches."""
    header = "case", "edges", "wall s", "CPU s", "loading s", "loads", "passes", "before GiB", "peak GiB", "loss"
    header = (*header, "rel. rotation", "centres", "focals", "registered")
    return markdown(
        header,
        [
            (
                row.case,
                f"{row.edges}",
                f"{row.wall_seconds:.1f}",
                f"{row.cpu_seconds:.1f}",
                f"{row.load_wall_seconds:.1f}",
                f"{row.loads_per_edge:.1f}",
                f"{row.passes}",
                f"{row.before_gib:.2f}",
                f"{row.peak_gib:.2f}",
                f"{row.loss:.5f}",
                f"{row.relative_rotation:.3f}°",
                f"{row.centres:.2%}",
                f"{row.focals:.2%}",
                f"{row.registered}/{row.views}",
            )
            for row in rows
        ],
    )


def slope(rows: list[Row], values: list[float]) -> float:
    """Of a line through log(edges) and log(values): 1 where a value is proportional to the number of edges."""
    return float(np.polyfit(np.log([row.edges for row in rows]), np.log(values), 1)[0])


def growth(rows: list[Row]) -> dict[str, list[float]]:
    """What should be proportional to the number of edges."""
    return {
        "CPU seconds without loading": [row.cpu_seconds - row.load_cpu_seconds for row in rows],
        "wall seconds": [row.wall_seconds for row in rows],
        "added peak memory, GiB": [row.peak_gib - row.before_gib for row in rows],
    }


def plot(rows: list[Row], path: Path) -> None:
    """Time and memory against the number of edges, with their slopes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    edges = np.array([row.edges for row in rows])
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for panel, (title, values) in zip(panels, growth(rows).items(), strict=True):
        panel.loglog(edges, values, "o-")
        panel.loglog(edges, values[0] * edges / edges[0], "k:", label="proportional")
        panel.set(title=f"{title}: slope {slope(rows, values):.2f}", xlabel="directed edges")
        panel.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Measure, print, plot and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=CASES, help="VIEWSxNEIGHBOURS, with m: in memory")
    parser.add_argument("--size", default="224x168", help="width x height")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("eval-alignment"))
    parser.add_argument("--only", action="store_true", help="the first case, in this process, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only:
        print(json.dumps(asdict(measure(arguments.cases[0], arguments.size))))
        return
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(arguments.threads)}
    rows = []
    for case in arguments.cases:
        command = [
            sys.executable,
            "-m",
            "eval.studies.alignment_scale",
            "--cases",
            case,
            "--size",
            arguments.size,
            "--only",
        ]
        command += ["--threads", str(arguments.threads)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        rows.append(Row(**json.loads(output.splitlines()[-1])))
        print(rows[-1], file=sys.stderr, flush=True)
    settings = {"size": arguments.size, "threads": arguments.threads, "torch": torch.__version__}
    content = {"settings": settings, "rows": [asdict(row) for row in rows]}
    write_bytes(arguments.output / "scale.json", json_bytes(content))
    print(f"{arguments.size}, {arguments.threads} threads, torch {torch.__version__}\n\n{table(rows)}")
    lazy = [row for row in rows if not row.case.endswith("m")]
    if len(lazy) > 1:
        try:
            plot(lazy, arguments.output / "scale.png")
        except ImportError:
            print("No picture: that needs matplotlib. The numbers are in scale.json.")
        for title, values in growth(lazy).items():
            print(f"{title}: slope {slope(lazy, values):.2f}")


if __name__ == "__main__":
    main()
