"""Methods on the scenes of a benchmark: what was stored before is kept, the rest is computed wherever there is room."""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pointmap
from pointmap.errors import InputError
from pointmap.executor import Executor, LocalExecutor
from pointmap.export.plain_json import to_json

from . import layouts
from .benchmark import Benchmark, Setting
from .benchmarks import get_benchmark
from .choices import missing_abilities, with_protocol
from .code import source_digest
from .environment import machine, versions
from .methods.method import Method, MethodSpec
from .results import (
    Run,
    SceneRecord,
    load_record,
    load_run,
    load_runs,
    record_path,
    summary,
    write_record,
    write_run,
    write_runs_table,
)
from .scene_run import RunSettings, SceneJob, SceneResult, lost_scene, run_scene


def evaluate(
    settings: RunSettings,
    specs: Sequence[MethodSpec],
    executor: Executor | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Run]:
    """Run every method on every scene, and store what comes out.

    Scenes that are stored with the same settings, root, weights and code are not computed again; failed ones are. An
    interruption loses only the scenes under way.

    Args:
        executor: Where scenes are computed; default this process.
        tell: Called with a line per finished scene.

    Raises:
        InputError: An unknown benchmark, protocol or scene; no such tree; a method that cannot give what the protocol
            compares, or cannot be built.
    """
    benchmark = get_benchmark(settings.benchmark)
    settings, setting = with_protocol(settings, benchmark)
    methods = [spec.build(network=settings.network, device=settings.device, threads=settings.threads) for spec in specs]
    for method in methods:
        if missing := missing_abilities(method, setting):
            raise InputError(
                f"{method.name} gives no {' and no '.join(sorted(missing))}, which {settings.protocol!r} of "
                f"{benchmark.title} compares. Choose another method or protocol."
            )
    if len({method.name for method in methods}) < len(methods):
        raise InputError(f"Two methods have one name: {', '.join(method.name for method in methods)}. Leave one out.")
    scenes = benchmark.scenes(settings.root, settings.protocol, settings.only)
    if executor is None:
        executor = LocalExecutor(threads=settings.threads)
    runs = [
        _run_method(settings, benchmark, setting, spec, method, scenes, executor, tell)
        for spec, method in zip(specs, methods, strict=True)
    ]
    write_runs_table(settings.output, load_runs(settings.output))
    return runs


def _run_method(
    settings: RunSettings,
    benchmark: Benchmark,
    setting: Setting,
    spec: MethodSpec,
    method: Method,
    scenes: tuple[str, ...],
    executor: Executor,
    tell: Callable[[str], None],
) -> Run:
    folder = settings.output / settings.benchmark / settings.protocol / method.name
    digest = _run_digest(settings, benchmark, setting, method)
    if settings.only:
        scenes = _with_stored(folder, digest, scenes)
    digests = {scene: _scene_digest(digest, scene) for scene in scenes}
    found = {scene: load_record(record_path(folder, scene), digests[scene]) for scene in scenes}
    records = {scene: record for scene, record in found.items() if record is not None and record.error is None}
    run = Run(
        folder=folder,
        benchmark=settings.benchmark,
        benchmark_title=benchmark.title,
        protocol=settings.protocol,
        protocol_title=setting.title,
        protocol_source=setting.source,
        protocol_note=setting.note,
        method=method.name,
        metrics=tuple(setting.scoring.metrics),
        settings=method.settings(),
        seed=settings.seed,
        threads=settings.threads,
        versions=versions(),
        machine=machine(),
        expected=scenes,
        scenes=(),
        summary={},
    )
    kept = f", {len(records)} of them stored before" if records else ""
    tell(f"{method.name}: {len(scenes)} scenes{kept}")
    jobs = [SceneJob(settings, spec, scene, digests[scene]) for scene in scenes if scene not in records]
    write_run(replace(run, scenes=tuple(records.values())), digests)
    with closing(executor.run(run_scene, jobs)) as outcomes:
        for outcome in outcomes:
            job = jobs[outcome.index]
            result = outcome.value
            if result is None:
                lost = lost_scene(job, method.name, setting.scoring)
                result = SceneResult(replace(lost, error=outcome.error, traceback=outcome.traceback), None)
            write_record(folder, result.record, result.picture, result.submission)
            records[job.scene] = result.record
            tell(f"  {len(records)}/{len(scenes)} {_line(result.record, run)}")
    finished = tuple(records[scene] for scene in scenes)
    run = replace(run, scenes=finished, summary=summary(run.metrics, finished))
    write_run(run, digests)
    return run


def _with_stored(folder: Path, digest: str, scenes: tuple[str, ...]) -> tuple[str, ...]:
    """Chosen scenes, and those of an earlier call that still count: they stay in the run."""
    try:
        stored = [
            record.scene for record in load_run(folder).scenes if record.digest == _scene_digest(digest, record.scene)
        ]
    except InputError:  # there is none, or it is damaged and written anew
        stored = []
    return tuple(dict.fromkeys([*stored, *scenes]))


def _scene_digest(run_digest: str, scene: str) -> str:
    return hashlib.sha256(f"{run_digest} {scene}".encode()).hexdigest()[:16]


def _run_digest(settings: RunSettings, benchmark: Benchmark, setting: Setting, method: Method) -> str:
    """Of all that a scene's result depends on; of the benchmark's files only where they are."""
    here = Path(__file__).parent
    metrics_folder = Path(pointmap.__file__).parent / "metrics"
    files = {here / name for name in ("task.py", "estimate.py", "protocol.py", "benchmark.py", "scene_run.py")}
    files |= set(Path(layouts.__file__).parent.glob("*.py")) | set(metrics_folder.glob("*.py"))
    files |= set((here / "protocols").glob("*.py")) | {Path(inspect.getfile(type(benchmark)))}
    depends_on = {
        "method": method.settings(),
        "name": method.name,
        "scoring": repr(setting.scoring),
        "options": setting.options,
        "benchmark": [settings.benchmark, settings.protocol],
        "root": settings.root.resolve() if benchmark.needs_root else None,
        "seed": settings.seed,
        "threads": settings.threads,
        "code": source_digest(files),
    }
    return hashlib.sha256(to_json(depends_on, indent=None).encode()).hexdigest()


def _line(record: SceneRecord, run: Run) -> str:
    if record.error is not None:
        return f"{record.scene}: {record.error.splitlines()[0][:200]}"
    shown = [f"{metric.title} {metric.text(record.values[metric.name])}" for metric in run.metrics[:4]]
    return f"{record.scene}: {', '.join(shown)}, {record.seconds:.1f} s"
