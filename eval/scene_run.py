"""One method on one scene: what a worker does."""

import time
import traceback
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from .benchmarks import get_benchmark
from .estimate import Estimate
from .memory import peak_gib, reset_peak
from .methods.method import Method, MethodSpec
from .pictures import scene_picture
from .protocol import Protocol
from .results import SceneRecord
from .task import Task


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

    record = replace(lost_scene(job, method.name, scoring), views=len(task), seconds=seconds, peak_gib=memory)
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


def lost_scene(job: SceneJob, method: str, scoring: Protocol) -> SceneRecord:
    """A scene without a result: every metric's worst."""
    values = {metric.name: metric.worst for metric in scoring.metrics}
    settings = job.settings
    return SceneRecord(settings.benchmark, settings.protocol, method, job.scene, job.digest, 0, values)


@lru_cache(maxsize=2)
def _built(spec: tuple[str, tuple[tuple[str, str], ...]], network: str, device: str | None, threads: int) -> Method:
    kind, options = spec
    return MethodSpec(kind, dict(options)).build(network=network, device=device, threads=threads)


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
