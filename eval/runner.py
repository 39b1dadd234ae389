"""Methods on the scenes of a benchmark: what was stored before is kept, the rest is computed wherever there is room."""

import hashlib
import inspect
import os
import platform
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import pointmap
from pointmap.errors import InputError
from pointmap.executor import Executor, LocalExecutor
from pointmap.export.plain_json import to_json

from . import layouts
from .benchmark import Benchmark, Setting
from .benchmarks import get_benchmark
from .code import source_digest
from .estimate import Estimate
from .memory import peak_gib, reset_peak
from .methods.method import Method, MethodSpec
from .pictures import scene_picture
from .protocol import Protocol
from .results import (
    Run,
    SceneRecord,
    load_record,
    load_runs,
    record_path,
    summary,
    write_record,
    write_run,
    write_runs_table,
)
from .task import Task

_LIBRARIES = ("numpy", "torch", "opencv-python-headless", "scipy", "pycolmap", "poselib")


@dataclass(frozen=True)
class RunSettings:
    """What all methods of one call share."""

    benchmark: str
    protocol: str
    """"" takes the benchmark's first."""
    root: Path
    """Of the benchmark's files; of no meaning where it needs none."""
    output: Path
    """Folder of results."""
    only: tuple[str, ...] = ()
    """Names of scenes; () takes all."""
    network: str = "small"
    device: str | None = None
    seed: int = 0
    threads: int = 1
    """Of each worker."""


@dataclass(frozen=True)
class SceneJob:
    """One scene for one method, as it travels to a worker."""

    settings: RunSettings
    spec: MethodSpec
    scene: str
    digest: str


@dataclass(frozen=True, eq=False)
class SceneResult:
    """What comes back."""

    record: SceneRecord
    picture: bytes | None
    submission: str | None = None


def evaluate(
    settings: RunSettings,
    specs: Sequence[MethodSpec],
    executor: Executor | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Run]:
    """Run every method on every scene, and store what comes out.

    Scenes that are stored with the same settings, weights, code and truth are not computed again; failed ones are. An
    interruption loses only the scenes under way.

    Args:
        executor: Where scenes are computed; default this process.
        tell: Called with a line per finished scene.

    Raises:
        InputError: An unknown benchmark, protocol or scene; no such tree; a method that cannot give what the protocol
            compares, or cannot be built.
    """
    benchmark = get_benchmark(settings.benchmark)
    settings, setting = _with_protocol(settings, benchmark)
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


DEFAULT_METHODS = ("pointmap", "colmap", "two-view", "identity")


def choose_methods(
    settings: RunSettings, texts: Sequence[str], networks: Sequence[str], tell: Callable[[str], None]
) -> list[MethodSpec]:
    """What the command line names: every method, ours once per network.

    Without names it is all of `DEFAULT_METHODS` that can run here and give what the protocol compares; `tell` hears of
    the others.

    Raises:
        InputError: A text that names no method.
    """
    specs = []
    for spec in (MethodSpec.parse(text) for text in texts or DEFAULT_METHODS):
        if spec.kind == "pointmap" and "network" not in spec.options:
            specs += [MethodSpec(spec.kind, {"network": network, **spec.options}) for network in networks]
        else:
            specs.append(spec)
    if texts:
        return specs
    benchmark = get_benchmark(settings.benchmark)
    _, setting = _with_protocol(settings, benchmark)
    able = []
    for spec in specs:
        try:
            method = spec.build(network=settings.network, device=settings.device, threads=settings.threads)
        except InputError as error:
            if "pip install" not in str(error):
                raise
            tell(f"{spec.kind} is left out: {error}")
            continue
        if missing := missing_abilities(method, setting):
            tell(f"{method.name} is left out: it gives no {' and no '.join(sorted(missing))}")
        else:
            able.append(spec)
    return able


def make_executor(
    kind: str, workers: int | None, threads: int, ray_address: str | None = None, device: str | None = None
) -> Executor:
    """Where scenes are computed.

    Args:
        kind: "local" or "ray".
        workers: Scenes side by side; default one per `threads` cores of this machine, 1 where a GPU is used, and on a
            running cluster as many as it has room for.

    Raises:
        InputError: Fewer than one worker or thread, or no Ray.
    """
    if threads < 1 or (workers is not None and workers < 1):
        raise InputError(f"{workers} workers of {threads} threads: take at least 1 of each.")
    on_gpu = torch.cuda.is_available() if device is None else device.startswith("cuda")
    if workers is None and ray_address is None:
        workers = 1 if on_gpu else max(1, (os.cpu_count() or 1) // threads)
    if kind == "ray":
        from pointmap.ray_executor import RayExecutor

        return RayExecutor(address=ray_address, workers=workers, threads=threads, gpus=1.0 if on_gpu else 0.0)
    if ray_address is not None:
        raise InputError("--ray-address is for --executor ray.")
    return LocalExecutor(workers=workers or 1, threads=threads)


def missing_abilities(method: Method, setting: Setting) -> frozenset[str]:
    """What a protocol needs and a method does not give."""
    return setting.scoring.needs - method.gives


def run_scene(job: SceneJob) -> SceneResult:
    """Load, estimate, score and picture one scene; a failure becomes a record that says why.

    Raises:
        InputError: The scene cannot be read, or the method not be built.
    """
    settings = job.settings
    benchmark = get_benchmark(settings.benchmark)
    scoring = benchmark.settings[settings.protocol].scoring
    scratch = settings.output / settings.benchmark / "scratch"
    task = benchmark.load(settings.root, job.scene, settings.protocol, scratch)
    task = replace(task, inputs=replace(task.inputs, name=task.name))
    spec_text = (job.spec.kind, tuple(sorted(job.spec.options.items())))
    method = _built(spec_text, settings.network, settings.device, settings.threads)

    torch.manual_seed(settings.seed)
    reset_peak()
    start = time.perf_counter()
    error, trace, estimate = None, None, None
    try:
        estimate = method.estimate(task.inputs, settings.seed)
        _check(estimate, task)
    except Exception as reason:  # whatever a method does, the other scenes go on
        error, trace = f"{type(reason).__name__}: {reason}", traceback.format_exc()
    seconds, memory = time.perf_counter() - start, peak_gib()

    record = replace(_lost(job, method.name, scoring), views=len(task), seconds=seconds, peak_gib=memory)
    if estimate is None or error is not None:
        return SceneResult(replace(record, error=error, traceback=trace), scene_picture(task, None))
    scores = scoring.score(task, estimate)
    values = {metric.name: float(scores.values[metric.name]) for metric in scoring.metrics}
    record = replace(
        record,
        values=values,
        weight=float(scores.weight),
        details=scores.details,
        peak_gib=float(estimate.notes.get("peak_gib", memory)),
        notes=estimate.notes,
        picture=f"{job.scene}.jpg",
    )
    return SceneResult(record, scene_picture(task, estimate), benchmark.submission(task, estimate))


def _lost(job: SceneJob, method: str, scoring: Protocol) -> SceneRecord:
    """A scene without a result: every metric's worst."""
    values = {metric.name: metric.worst for metric in scoring.metrics}
    settings = job.settings
    return SceneRecord(settings.benchmark, settings.protocol, method, job.scene, job.digest, 0, values)


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
    digests = {scene: hashlib.sha256(f"{digest} {scene}".encode()).hexdigest()[:16] for scene in scenes}
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
    with _closing(executor.run(run_scene, jobs)) as outcomes:
        for outcome in outcomes:
            job = jobs[outcome.index]
            result = outcome.value
            if result is None:
                lost = _lost(job, method.name, setting.scoring)
                result = SceneResult(replace(lost, error=outcome.error, traceback=outcome.traceback), None)
            write_record(folder, result.record, result.picture, result.submission)
            records[job.scene] = result.record
            tell(f"  {len(records)}/{len(scenes)} {_line(result.record, run)}")
    finished = tuple(records[scene] for scene in scenes)
    run = replace(run, scenes=finished, summary=summary(run.metrics, finished))
    write_run(run, digests)
    return run


def versions() -> dict[str, str]:
    """Of everything that results may depend on."""
    found = {"pointmap": pointmap.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """On which times were measured."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, StopIteration, ValueError, AttributeError):  # not Linux
        memory = float("nan")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "gpu": gpu}


def _with_protocol(settings: RunSettings, benchmark: Benchmark) -> tuple[RunSettings, Setting]:
    protocol = settings.protocol or next(iter(benchmark.settings))
    if protocol not in benchmark.settings:
        choices = ", ".join(benchmark.settings)
        raise InputError(f"{benchmark.title} has no protocol {protocol!r}. It has: {choices}.")
    return replace(settings, protocol=protocol), benchmark.settings[protocol]


@lru_cache(maxsize=2)
def _built(spec: tuple[str, tuple[tuple[str, str], ...]], network: str, device: str | None, threads: int) -> Method:
    kind, options = spec
    return MethodSpec(kind, dict(options)).build(network=network, device=device, threads=threads)


def _run_digest(settings: RunSettings, benchmark: Benchmark, setting: Setting, method: Method) -> str:
    """Of all that a scene's result depends on, but for the files of the benchmark."""
    here = Path(__file__).parent
    metrics_folder = Path(pointmap.__file__).parent / "metrics"
    files = {here / name for name in ("task.py", "estimate.py", "protocol.py", "benchmark.py", "runner.py")}
    files |= set(Path(layouts.__file__).parent.glob("*.py")) | set(metrics_folder.glob("*.py"))
    files |= set((here / "protocols").glob("*.py")) | {Path(inspect.getfile(type(benchmark)))}
    depends_on = {
        "method": method.settings(),
        "name": method.name,
        "scoring": repr(setting.scoring),
        "options": setting.options,
        "benchmark": [settings.benchmark, settings.protocol],
        "seed": settings.seed,
        "threads": settings.threads,
        "code": source_digest(files),
    }
    return hashlib.sha256(to_json(depends_on, indent=None).encode()).hexdigest()


def _check(estimate: Estimate, task: Task) -> None:
    """A method that says something about other photos than it was asked for has failed."""
    count = len(task)
    if estimate.world_from_cam.shape != (count, 4, 4):
        raise ValueError(
            f"{count} photos, but poses of shape {estimate.world_from_cam.shape}: expected ({count}, 4, 4)"
        )
    if estimate.intrinsics is not None and estimate.intrinsics.shape != (count, 3, 3):
        raise ValueError(f"{count} photos, but intrinsics of shape {estimate.intrinsics.shape}")
    for name in ("depths", "confidences", "pointmaps"):
        maps = getattr(estimate, name)
        if maps and len(maps) != count:
            raise ValueError(f"{count} photos, but {len(maps)} {name}")


def _line(record: SceneRecord, run: Run) -> str:
    if record.error is not None:
        return f"{record.scene}: {record.error.splitlines()[0][:200]}"
    shown = [f"{metric.title} {metric.text(record.values[metric.name])}" for metric in run.metrics[:4]]
    return f"{record.scene}: {', '.join(shown)}, {record.seconds:.1f} s"


@contextmanager
def _closing(outcomes: Iterator[Any]) -> Iterator[Iterator[Any]]:
    try:
        yield outcomes
    finally:
        close = getattr(outcomes, "close", None)
        if close is not None:
            close()
