"""What a table is, and which runs may stand in one. `markdown.py`, `latex.py` and `page.py` say how it looks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..protocol import Metric
from ..results import Run


@dataclass(frozen=True)
class Cell:
    """A figure as text."""

    text: str
    interval: str = ""
    """`[0.1, 0.3]`, or "" where there is none."""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A method, a scene or a metric."""

    name: str
    cells: tuple[Cell, ...]
    footnotes: tuple[int, ...] = ()
    """Numbers into `Table.footnotes`, from 1."""


@dataclass(frozen=True)
class Table:
    """Of one benchmark and protocol, or of published figures that share one."""

    name: str
    """For labels: letters, digits and hyphens."""
    title: str
    first: str
    """Heading of the rows' names."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    published: tuple[Row, ...] = ()
    """Beneath, apart from ours."""
    notes: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Runs that may stand in one table, the best by the first metric first."""

    benchmark: str
    benchmark_title: str
    protocol: str
    protocol_title: str
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """For labels and file names."""
        return f"{self.benchmark}-{self.protocol}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.benchmark_title}: {self.protocol_title}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of all runs, in order."""
        return tuple({metric.name: metric for run in self.runs for metric in run.metrics}.values())

    @property
    def expected(self) -> tuple[str, ...]:
        """Names of all scenes that a run of the group was to look at."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.expected))


def grouped(runs: Iterable[Run]) -> list[Group]:
    """By benchmark and protocol, in the order in which they come."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.benchmark, run.protocol), []).append(run)
    return [
        Group(first.benchmark, first.benchmark_title, first.protocol, first.protocol_title, _ranked(together))
        for together in found.values()
        for first in together[:1]
    ]


def is_complete(run: Run) -> bool:
    """All of its scenes are finished, failed ones included."""
    return len(run.scenes) == len(run.expected)


def _ranked(runs: list[Run]) -> tuple[Run, ...]:
    def place(run: Run) -> tuple[bool, bool, float, str]:
        metric = run.metrics[0] if run.metrics else None
        interval = run.summary.get(metric.name) if metric else None
        value = math.nan if interval is None else interval.value
        sign = -1 if metric is not None and metric.better == "higher" else 1
        return not is_complete(run), math.isnan(value), 0.0 if math.isnan(value) else sign * value, run.method

    return tuple(sorted(runs, key=place))
