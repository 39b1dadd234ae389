"""What is stored of a run, and how it is read again.

OUT/runs.csv                                        one row per run, made anew from what is there
OUT/BENCHMARK/PROTOCOL/METHOD/run.json              the run: settings, versions, means with their intervals
OUT/BENCHMARK/PROTOCOL/METHOD/scenes/SCENE.json     a scene's record
OUT/BENCHMARK/PROTOCOL/METHOD/scenes/SCENE.jpg      its picture
OUT/BENCHMARK/PROTOCOL/METHOD/scenes/SCENE.txt      what the benchmark's server takes, where truth is not public
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes

from .benchmarks import FILES
from .protocol import Metric
from .statistics import Interval, bootstrap

FORMAT = 1


@dataclass(frozen=True)
class SceneRecord:
    """One method on one scene, as plain values; the fields of SCENE.json."""

    benchmark: str
    protocol: str
    method: str
    scene: str
    digest: str
    """Of all that the result depends on; another one means that it must be computed again."""
    views: int
    values: Mapping[str, float]
    """By names of metrics; NaN where there is no figure. For a failed scene each metric's `worst`."""
    weight: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)
    """See `protocol.Scores.details`."""
    seconds: float = float("nan")
    """Wall time of the method alone, its network loaded."""
    peak_gib: float = float("nan")
    """Peak memory of the worker while the method ran, its libraries included."""
    error: str | None = None
    """Why the scene failed."""
    traceback: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    picture: str | None = None
    """File name beside the JSON."""


@dataclass(frozen=True)
class Run:
    """One method on one benchmark by one protocol: run.json and the scenes beside it."""

    folder: Path
    benchmark: str
    benchmark_title: str
    protocol: str
    protocol_title: str
    protocol_source: str
    protocol_note: str
    method: str
    metrics: tuple[Metric, ...]
    settings: Mapping[str, Any]
    """Of the method."""
    seed: int
    threads: int
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    """cpu, cores, memory_gib, gpu."""
    expected: tuple[str, ...]
    """Names of all scenes of the run, finished or not."""
    scenes: tuple[SceneRecord, ...]
    """Those that are finished, in the order of `expected`."""
    summary: Mapping[str, Interval]
    """By names of metrics, over finished scenes; failed ones count as `Metric.worst` says."""

    @property
    def failed(self) -> tuple[SceneRecord, ...]:
        """Scenes without a result."""
        return tuple(scene for scene in self.scenes if scene.error is not None)


def load_runs(folder: Path) -> list[Run]:
    """All runs under a folder of results, by benchmark, protocol and method.

    Raises:
        InputError: There is none, or a file is damaged: names it.
    """
    if not folder.is_dir():
        raise InputError(f"No folder {str(folder)!r}. Give the one that `pointmap eval -o` wrote.")
    found = [load_run(path.parent) for path in sorted(folder.glob("**/run.json"))]
    if not found:
        raise InputError(
            f"No results in {str(folder)!r}: nothing below it has a run.json, as `pointmap eval -o` writes."
        )
    return sorted(found, key=lambda run: (list(FILES).index(run.benchmark), run.protocol, run.method))


def load_run(folder: Path) -> Run:
    """One run, by the folder of its run.json.

    Raises:
        InputError: There is none, or a file is damaged: names it.
    """
    path = folder / "run.json"
    values = _read(path)
    try:
        metrics = tuple(Metric(**{**metric, **_unpacked(metric, ("perfect", "worst"))}) for metric in values["metrics"])
        expected = tuple(values["expected"])
        scenes = tuple(
            record for name in expected if (record := load_record(record_path(folder, name), values["digests"][name]))
        )
        names = {name: values[name] for name in _TEXTS}
        settings = {name: values[name] for name in ("settings", "seed", "threads", "versions", "machine")}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} is damaged: {type(error).__name__}: {error}. Delete it and run again."
        ) from error
    return Run(
        folder, **names, **settings, metrics=metrics, expected=expected, scenes=scenes, summary=summary(metrics, scenes)
    )


def load_record(path: Path, digest: str | None = None) -> SceneRecord | None:
    """A scene's record; None where there is none yet, or one of another digest.

    Raises:
        InputError: It is damaged.
    """
    if not path.is_file():
        return None
    values = _read(path)
    try:
        if values.pop("format") != FORMAT or (digest is not None and values["digest"] != digest):
            return None
        values["values"] = {name: _number(value) for name, value in values["values"].items()}
        return SceneRecord(**{**values, **_unpacked(values, ("weight", "seconds", "peak_gib"))})
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} is damaged: {type(error).__name__}: {error}. Delete it and run again."
        ) from error


def record_path(folder: Path, scene: str) -> Path:
    """Where a run's scene is kept."""
    return folder / "scenes" / f"{scene}.json"


def write_record(folder: Path, record: SceneRecord, picture: bytes | None, submission: str | None = None) -> None:
    """A scene's files; its JSON comes last."""
    path = record_path(folder, record.scene)
    if submission is not None:
        write_bytes(path.with_suffix(".txt"), submission.encode())
    if picture is not None:
        write_bytes(path.with_suffix(".jpg"), picture)
    values = {**asdict(record), "values": {name: _text(value) for name, value in record.values.items()}}
    write_bytes(path, json_bytes({"format": FORMAT, **values}))


def write_run(run: Run, digests: Mapping[str, str]) -> None:
    """The run's run.json.

    Args:
        digests: Of every expected scene; records of another digest do not count.
    """
    values = asdict(replace(run, scenes=(), summary={}))
    metrics = [
        {**metric, "perfect": _text(metric["perfect"]), "worst": _text(metric["worst"])}
        for metric in values.pop("metrics")
    ]
    for name in ("folder", "scenes", "summary"):
        del values[name]
    content = {
        "format": FORMAT,
        **values,
        "metrics": metrics,
        "digests": dict(digests),
        "finished": len(run.scenes),
        "failed": [record.scene for record in run.failed],
        "summary": {name: asdict(interval) for name, interval in run.summary.items()},
    }
    write_bytes(run.folder / "run.json", json_bytes(content))


def summary(metrics: Sequence[Metric], scenes: Sequence[SceneRecord]) -> dict[str, Interval]:
    """Every metric over scenes, with its interval."""
    weights = [record.weight for record in scenes]
    return {
        metric.name: bootstrap([record.values[metric.name] for record in scenes], weights, statistic=metric.aggregate)
        for metric in metrics
    }


def write_runs_table(folder: Path, runs: Sequence[Run]) -> Path:
    """OUT/runs.csv: one row per run.

    Columns: benchmark, protocol, method, scenes, failed, expected, then every metric's mean, low and high, median
    seconds and largest peak_gib of a scene, seed, threads, versions. A metric that a run does not have is empty.
    """
    names = list(dict.fromkeys(metric.name for run in runs for metric in run.metrics))
    versions = sorted({name for run in runs for name in run.versions})
    header = ["benchmark", "protocol", "method", "scenes", "failed", "expected"]
    header += [f"{name}{ending}" for name in names for ending in ("", "_low", "_high")]
    header += ["seconds", "peak_gib", "seed", "threads", *versions]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for run in runs:
        row: list[Any] = [run.benchmark, run.protocol, run.method, len(run.scenes), len(run.failed), len(run.expected)]
        for name in names:
            interval = run.summary.get(name)
            row += ["", "", ""] if interval is None else [interval.value, interval.low, interval.high]
        seconds = [record.seconds for record in run.scenes if record.error is None]
        memory = [record.peak_gib for record in run.scenes if record.error is None]
        row += [float(np.median(seconds)) if seconds else "", max(memory, default="")]
        writer.writerow([*row, run.seed, run.threads, *(run.versions.get(name, "") for name in versions)])
    return write_bytes(folder / "runs.csv", text.getvalue().encode())


_TEXTS = ("benchmark", "benchmark_title", "protocol", "protocol_title", "protocol_source", "protocol_note", "method")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"No {str(path)!r}: it is no folder of a run.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {str(path)!r}: {error}. Delete it and run again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{str(path)!r} is damaged: expected an object. Delete it and run again.")
    return values


def _text(value: float) -> float | str:
    """JSON has no infinity, which is the distance of a query that was not found."""
    return "inf" if value == math.inf else value


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _unpacked(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: _number(values[name]) for name in names}
