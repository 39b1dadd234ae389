"""Numbers, machines and commands as text; nothing here names a folder of the machine that made the results."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..benchmarks import FILES
from ..protocol import Metric
from ..results import Run

_ABSENT = "-"
_FEW = 12
"""Scenes that a command names; whether more of them are the whole list is not known here."""
_FOLDERS = re.compile(r"(?<![\w.:/~-])(?:/|~/|[A-Za-z]:[\\/])(?:[^\s/\\'\":,;()<>]+[\\/])+")
"""The folders of an absolute path; what an address has behind its `://` is none."""


def without_folders(text: str) -> str:
    """Absolute paths shortened to `…/name`: results are published, and folders are nobody's business."""
    return _FOLDERS.sub("…/", text)


def decimals(values: Iterable[float], most: int = 5) -> int:
    """Digits behind the point that show at least three figures of all values but zero, the same for a whole column."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    return min(most, max(0, 2 - math.floor(math.log10(min(sizes))))) if sizes else 3


def number(value: float, digits: int) -> str:
    """With so many digits behind the point."""
    if math.isnan(value):
        return _ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}f}" if abs(value) < 1e7 else f"{value:.2e}"


def scaled(metric: Metric, value: float) -> float:
    """As it is shown: a share in %."""
    return 100 * value if metric.share else value


def column_digits(metric: Metric, values: Iterable[float]) -> int:
    """Of a metric's column, from values as `scaled` gives them."""
    return 1 if metric.share else decimals(values)


def unit(metric: Metric) -> str:
    """ "%", "°", "m", ... or ""."""
    return "%" if metric.share else {"deg": "°"}.get(metric.unit, metric.unit)


def arrow(metric: Metric) -> str:
    """Where better is."""
    return {"lower": "↓", "higher": "↑"}[metric.better]


def heading(metric: Metric) -> str:
    """Title, direction and unit: `ATE ↓ [m]`."""
    return f"{metric.title} {arrow(metric)}" + (f" [{unit(metric)}]" if unit(metric) else "")


def seconds(value: float) -> str:
    """Of one scene."""
    return number(value, 2 if value < 10 else 1 if value < 100 else 0)


def listed(names: Iterable[str], most: int = 6) -> str:
    """The first few of them."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def machine(run: Run) -> str:
    """`16 cores of X, 128 GiB, GPU Y; 1 thread a worker`."""
    about = run.machine
    cores, memory = about.get("cores"), about.get("memory_gib")
    cpu = str(about.get("cpu") or "unknown processor")
    parts = [f"{cores} cores of {cpu}" if cores else cpu]
    if isinstance(memory, (int, float)) and math.isfinite(memory):
        parts.append(f"{memory:.0f} GiB")
    parts.append(f"GPU {about['gpu']}" if about.get("gpu") else "no GPU")
    return f"{', '.join(parts)}; {run.threads} thread{'s' * (run.threads != 1)} a worker"


def pairs(values: Mapping[str, Any]) -> str:
    """`name value, name value`, nested ones in brackets."""
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items())


def command(runs: Iterable[Run], results: str = "results") -> str:
    """What makes these runs of one benchmark and protocol again."""
    runs = list(runs)
    first = runs[0]
    parts = ["pointmap eval", first.benchmark]
    if _needs_root(first.benchmark):
        parts.append("--root DIR")
    parts.append(f"--protocol {first.protocol}")
    if texts := list(dict.fromkeys(filter(None, (_method(run) for run in runs)))):
        parts.append(f"--method {' '.join(texts)}")
    if len(first.expected) <= _FEW:
        parts.append(f"--scenes {' '.join(first.expected)}")
    return " ".join([*parts, f"--seed {first.seed} --threads {first.threads} -o {results}"])


def _method(run: Run) -> str:
    """As after `--method`, from the name `stem+option=value`; "" of results that came from elsewhere."""
    stem, *options = without_folders(run.method).split("+")
    if stem.startswith("pointmap-"):
        options = [f"network={stem.removeprefix('pointmap-')}", *options]
        stem = "pointmap"
    if stem.lower() not in ("pointmap", "colmap", "two-view", "identity"):
        return ""
    return f"{stem.lower()}:{','.join(options)}" if options else stem.lower()


def _needs_root(benchmark: str) -> bool:
    from ..benchmarks import get_benchmark

    if benchmark not in FILES:
        return True
    try:
        return get_benchmark(benchmark).needs_root
    except ImportError:
        return True


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({pairs(value)})"
    if isinstance(value, (list, tuple)):
        return " ".join(_plain(item) for item in value)
    return without_folders(str(value))
