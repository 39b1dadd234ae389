"""What the words of the command line stand for: methods, protocols, executors."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pointmap.errors import InputError
from pointmap.executor import Executor, LocalExecutor

from .benchmark import Benchmark, Setting
from .benchmarks import get_benchmark
from .methods.method import Method, MethodSpec
from .scene_run import RunSettings

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
    _, setting = with_protocol(settings, benchmark)
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


def with_protocol(settings: RunSettings, benchmark: Benchmark) -> tuple[RunSettings, Setting]:
    """The settings with the protocol's name, the benchmark's first where none was named; and the protocol.

    Raises:
        InputError: The benchmark has none of this name.
    """
    protocol = settings.protocol or next(iter(benchmark.settings))
    if protocol not in benchmark.settings:
        choices = ", ".join(benchmark.settings)
        raise InputError(f"{benchmark.title} has no protocol {protocol!r}. It has: {choices}.")
    return replace(settings, protocol=protocol), benchmark.settings[protocol]


def require_root(benchmark: Benchmark, root: Path | None) -> Path:
    """The folder of the benchmark's files; where it needs none, any.

    Raises:
        InputError: It needs files, and no folder was named.
    """
    if root is None and benchmark.needs_root:
        raise InputError(
            f"{benchmark.title} needs its files: --root is where they lie, as\n{benchmark.about.layout}\n"
            f"Get them from {benchmark.about.homepage} (licence: {benchmark.about.licence})"
        )
    return root or Path()
