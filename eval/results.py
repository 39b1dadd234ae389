"""What is stored of a run, and how it is read again.

OUT/runs.csv                                        one row per run, made anew from what is there
OUT/BENCHMARK/PROTOCOL/METHOD/run.json              the run: settings, versions, means with their intervals
OUT/BENCHMARK/PROTOCOL/METHOD/scenes/SCENE.json     a scene's record
OUT/BENCHMARK/PROTOCOL/METHOD/scenes/SCENE.jpg      its picture
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .protocol import Metric
from .statistics import Interval


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
    raise NotImplementedError


def load_run(folder: Path) -> Run:
    """One run, by the folder of its run.json."""
    raise NotImplementedError


def write_runs_table(folder: Path, runs: Sequence[Run]) -> Path:
    """OUT/runs.csv: benchmark, protocol, method, scenes, failed, every metric's mean, low and high, seconds, peak_gib,
    seed, versions."""
    raise NotImplementedError
