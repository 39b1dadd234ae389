"""`pointmap eval`: methods on the scenes of a benchmark."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


def evaluate(
    benchmark: Positional[str] = "procedural",
    method: tuple[str, ...] = (),
    network: tuple[str, ...] = ("small",),
    root: Path | None = None,
    output: Annotated[Path, arg(aliases=["-o"])] = Path("results"),
    protocol: str = "",
    scenes: tuple[str, ...] = (),
    executor: Literal["local", "ray"] = "local",
    workers: int | None = None,
    threads: int = 1,
    ray_address: str | None = None,
    device: str | None = None,
    seed: int = 0,
    quiet: Annotated[bool, arg(aliases=["-q"])] = False,
) -> None:
    """Score methods on a benchmark, and print one table.

    OUTPUT/runs.csv has one row per run, OUTPUT/BENCHMARK/PROTOCOL/METHOD a file per scene. What is stored there is not
    computed again: the same command goes on after an interruption, and tries failed scenes once more. `pointmap report`
    makes tables, plots and a page of it. The exit code is 1 if a scene failed.

    Args:
        benchmark: `pointmap benchmarks` lists them, and says what each needs.
        method: `pointmap`, `colmap`, `two-view`, `identity`, `saved`, each with options as `pointmap:poses=network` or
            `saved:folder=DIR,name=VGGT`; default all of the first four that give what the protocol compares and are
            installed.
        network: Of the method `pointmap`: what `pointmap reconstruct --model` takes. Several stand side by side.
        root: Where the benchmark's files are, in its official layout.
        output: Folder of results.
        protocol: Default the benchmark's first.
        scenes: Names of scenes; default all of the frozen list.
        executor: Where scenes are computed: on this machine, or on a Ray cluster.
        workers: Scenes side by side; default one per `threads` cores, or 1 where a GPU is used.
        threads: Of each worker. Results of different numbers may differ in their last digits.
        ray_address: Of a running cluster, `auto` or host:port; default starts one here.
        device: cpu or cuda; default cuda where there is one.
        seed: Of everything random.
        quiet: Print the table alone.
    """
    import sys

    from pointmap.eval.benchmarks import get_benchmark
    from pointmap.eval.choices import choose_methods, make_executor, require_root
    from pointmap.eval.report.plain import tables
    from pointmap.eval.runner import evaluate as run
    from pointmap.eval.scene_run import RunSettings

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    place = require_root(get_benchmark(benchmark), root)
    settings = RunSettings(
        benchmark, protocol, place, output, scenes, network[0], device=device, seed=seed, threads=threads
    )
    specs = choose_methods(settings, method, network, tell)
    runs = run(settings, specs, make_executor(executor, workers, threads, ray_address, device), tell)
    print(tables(runs))
    tell(f"Stored in {output}. Tables, plots and a page: pointmap report {output}")
    if any(run.failed for run in runs):
        sys.exit(1)
