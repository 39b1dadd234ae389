"""Plots of runs: what errors, time and memory depend on, and whether confidences rank errors.

Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart; every method has its own marker and
dashes as well, for prints in grey. A plot exists only where there is data for it.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.extras import require

from ..results import Run, SceneRecord
from ..statistics import bootstrap
from . import wording
from .table import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = "osD^vPX*"
_DASHES = ("-", "--", "-.", (0, (6, 1, 1, 1, 1, 1)))
"""Dots alone are for orders of the oracle."""
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_PANEL = (4.4, 3.2)
"""Inches."""

_PAIRS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "baseline": ("baseline over the largest of the scene", tuple(np.linspace(0, 1, 7))),
    "angle_deg": ("rotation between the photos [°]", (0, 10, 20, 30, 45, 60, 90, 120, 180)),
    "overlap": ("overlap of the photos", tuple(np.linspace(0, 1, 7))),
}
"""What a pair of photos is like, by its name in `Scores.details`: label and edges of bins."""

_FEWEST = 10
"""Pairs of a bin over all scenes that are worth a point."""


KINDS_OF_PLOTS = ("views", "pairs", "effort", "calibration")
"""Ends of their names."""


@dataclass(frozen=True)
class Plot:
    """A figure in both forms."""

    name: str
    title: str
    """What it shows, in a sentence."""
    svg: bytes
    pdf: bytes
    panels: int
    """Side by side."""


def make_plots(group: Group) -> list[Plot]:
    """All that the records of a group hold data for.

    Raises:
        InputError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", extra="eval", purpose="A report's plots")
    makers = (_score_by_views, _errors_by_pairs, _effort_by_views, _calibration)
    plots = []
    for name, make in zip(KINDS_OF_PLOTS, makers, strict=True):
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"{group.name}-{name}"}):
            if (made := make(group)) is not None:
                title, figure = made
                svg, pdf = _saved(figure, "svg"), _saved(figure, "pdf")
                plots.append(Plot(f"{group.name}-{name}", title, svg, pdf, len(figure.axes)))
    return plots


def _saved(figure: "Figure", form: str) -> bytes:
    """The same bytes of the same data, on any day."""
    file = io.BytesIO()
    stamp = {"Date": None} if form == "svg" else {"CreationDate": None}
    figure.savefig(file, format=form, metadata=stamp, bbox_inches="tight", transparent=True)
    return file.getvalue()


def _panels(count: int) -> "tuple[Figure, list[Axes]]":
    """Made without pyplot: nothing global is touched, and no display is looked for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL[0] * count, _PANEL[1]), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _legend(figure: "Figure", panels: "Sequence[Axes]") -> None:
    """Of all panels, beneath them, where it hides nothing."""
    found: dict[Any, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    columns = 2 * len(panels) if len(panels) > 1 else 1
    figure.legend(list(found.values()), list(found), loc="outside lower left", ncols=columns, handlelength=3)


def _score_by_views(group: Group) -> "tuple[str, Figure] | None":
    """The first metric against the number of photos, where scenes differ in it."""
    metric = group.metrics[0]
    lines: list[tuple[int, Run, np.ndarray]] = []
    for place, run in enumerate(group.runs):
        values = [wording.scaled(metric, record.values.get(metric.name, math.nan)) for record in run.scenes]
        lines.append((place, run, _by_group([float(record.views) for record in run.scenes], values)))
    if max((len(line) for _, _, line in lines), default=0) < 2:
        return None
    figure, (axes,) = _panels(1)
    for place, run, line in lines:
        _band(axes, place, run.method, line)
    axes.set(xlabel="photos of a scene", ylabel=wording.heading(metric))
    _log_if_wide(axes, "x", np.concatenate([line[:, 0] for _, _, line in lines]))
    _legend(figure, [axes])
    return f"{metric.title} against the number of photos, mean over scenes with 95 % intervals", figure


def _errors_by_pairs(group: Group) -> "tuple[str, Figure] | None":
    """Errors of relative poses against what makes pairs hard."""
    lines = {
        kind: [_binned(run, kind, np.asarray(edges, dtype=np.float64)) for run in group.runs]
        for kind, (_, edges) in _PAIRS.items()
    }
    kinds = [kind for kind in _PAIRS if any(len(line) for line in lines[kind])]
    if not kinds:
        return None
    figure, panels = _panels(len(kinds))
    for axes, kind in zip(panels, kinds, strict=True):
        for place, (run, line) in enumerate(zip(group.runs, lines[kind], strict=True)):
            _band(axes, place, run.method, line)
        axes.set(xlabel=_PAIRS[kind][0], ylabel="error of relative pose [°]", ylim=(0, None))
    _legend(figure, panels)
    return (
        "Larger of the errors of rotation and direction against what a pair of photos is like: mean over scenes of "
        "each scene's median, with 95 % intervals",
        figure,
    )


def _binned(run: Run, kind: str, edges: np.ndarray) -> np.ndarray:
    """(bins, 4) middle, mean over scenes of the median in a bin, low, high."""
    found = [_pairs(record, kind) for record in run.scenes]
    points = []
    for low, high in pairwise(edges):
        inside = [errors[(low <= values) & ((values < high) | (high == edges[-1]))] for values, errors in found]
        if sum(map(len, inside)) >= _FEWEST:
            interval = bootstrap([float(np.median(errors)) for errors in inside if len(errors)])
            points.append(((low + high) / 2, interval.value, interval.low, interval.high))
    return np.array(points).reshape(-1, 4)


def _pairs(record: SceneRecord, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Of a scene's pairs: what they are like, and the larger of both errors in degrees."""
    pairs = record.details.get("pairs") or {}
    values, rotation, direction = (_numbers(pairs.get(name)) for name in (kind, "rotation_deg", "direction_deg"))
    if not len(values) == len(rotation) == len(direction):
        return np.zeros(0), np.zeros(0)
    errors = np.fmax(rotation, direction)
    known = np.isfinite(values) & np.isfinite(errors)
    return values[known], errors[known]


def _effort_by_views(group: Group) -> "tuple[str, Figure] | None":
    """Seconds and memory of single scenes."""
    views_seen = [float(record.views) for run in group.runs for record in run.scenes if record.error is None]
    if len(set(views_seen)) < 2:
        return None
    figure, panels = _panels(2)
    drawn = 0
    kinds = (("seconds", "seconds per scene"), ("peak_gib", "peak memory [GiB]"))
    for axes, (name, label) in zip(panels, kinds, strict=True):
        seen: list[float] = []
        for place, run in enumerate(group.runs):
            done = [record for record in run.scenes if record.error is None and math.isfinite(getattr(record, name))]
            views, values = [float(record.views) for record in done], [getattr(record, name) for record in done]
            if done:
                line = _by_group(views, values, statistic="median")
                _dots(axes, place, views, values)
                _band(axes, place, run.method, line[:, :2])
                seen += values
        axes.set(xlabel="photos of a scene", ylabel=label)
        _log_if_wide(axes, "x", np.array(views_seen))
        _log_if_wide(axes, "y", np.array(seen))
        if axes.get_yscale() == "linear":
            axes.set_ylim(0, None)
        drawn += len(seen)
    if not drawn:
        return None
    _legend(figure, panels)
    return "Time and memory against the number of photos: scenes (dots) and their medians", figure


def _calibration(group: Group) -> "tuple[str, Figure] | None":
    """Risk of the surest part of the pixels, and that of the best possible order."""
    grid = np.linspace(0.05, 1, 20)
    lines = []
    for place, run in enumerate(group.runs):
        curves = [_curve(record, grid) for record in run.scenes]
        if known := [curve for curve in curves if curve is not None]:
            lines.append((place, run.method, np.stack(known)))
    if not lines:
        return None
    figure, (axes,) = _panels(1)
    for place, method, stacked in lines:
        intervals = [bootstrap(values.tolist()) for values in stacked[:, 0].T]
        rows = [(x, i.value, i.low, i.high) for x, i in zip(grid, intervals, strict=True)]
        _band(axes, place, method, 100 * np.array(rows), marked=False)
        oracle = 100 * stacked[:, 1].mean(axis=0)
        axes.plot(100 * grid, oracle, color=_colour(place), linestyle=(0, (1, 2)), linewidth=1.2)
    axes.plot([], [], color="0.4", linestyle=(0, (1, 2)), linewidth=1.2, label="best order (dotted)")
    axes.set(xlabel="surest share of the pixels [%]", ylabel="mean relative error of depth [%]", ylim=(0, None))
    _legend(figure, [axes])
    return (
        "Risk against coverage, mean over scenes with 95 % intervals; dotted: pixels in the order of their errors",
        figure,
    )


def _curve(record: SceneRecord, grid: np.ndarray) -> np.ndarray | None:
    """(2, n) risk and oracle at these coverages; None where the scene has none."""
    about = record.details.get("calibration") or {}
    coverage, risk, oracle = (_numbers(about.get(name)) for name in ("coverage", "risk", "oracle"))
    if not len(coverage) == len(risk) == len(oracle) or not len(coverage):
        return None
    known = np.isfinite(coverage) & np.isfinite(risk) & np.isfinite(oracle)
    if not known.any():
        return None
    order = np.argsort(coverage[known])
    return np.stack([np.interp(grid, coverage[known][order], line[known][order]) for line in (risk, oracle)])


def _numbers(values: Any) -> np.ndarray:
    """As a record's JSON has them; null is NaN."""
    if not isinstance(values, (list, tuple)):
        return np.zeros(0)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _by_group(keys: Sequence[float], values: Sequence[float], *, statistic: str = "mean", most: int = 8) -> np.ndarray:
    """(groups, 4) key, statistic, low, high; many different keys are put together by their quantiles."""
    x, y = np.array(keys, dtype=np.float64), np.array(values, dtype=np.float64)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if len(np.unique(x)) > most:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, most + 1)))
        bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        x = np.array([x[bins == place].mean() for place in range(len(edges) - 1)])[bins]
    points = []
    for key in np.unique(x):
        interval = bootstrap(list(y[x == key]), statistic=statistic, resamples=2000)
        points.append((key, interval.value, interval.low, interval.high))
    return np.array(points).reshape(-1, 4)


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _band(axes: "Axes", place: int, label: str, line: np.ndarray, *, marked: bool = True) -> None:
    """A line through x, y; with low and high also the band between them."""
    if not len(line):
        return
    axes.plot(
        line[:, 0],
        line[:, 1],
        label=_short(label),
        color=_colour(place),
        linestyle=_DASHES[place % len(_DASHES)],
        marker=_MARKERS[place % len(_MARKERS)] if marked else "",
    )
    if line.shape[1] == 4 and len(line) > 1:
        axes.fill_between(line[:, 0], line[:, 2], line[:, 3], color=_colour(place), alpha=0.15, linewidth=0)
    elif line.shape[1] == 4:
        spread = np.maximum(0, np.abs(line[:, 2:].T - line[:, 1]))
        axes.errorbar(line[:, 0], line[:, 1], yerr=spread, color=_colour(place), capsize=3)


def _dots(axes: "Axes", place: int, x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(x, y, linestyle="", marker=".", markersize=4, color=_colour(place), alpha=0.4)


def _log_if_wide(axes: "Axes", which: str, values: np.ndarray) -> None:
    """A logarithmic axis for what spans more than a factor of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    positive = values[np.isfinite(values) & (values > 0)]
    if which == "x":  # numbers of photos
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(positive) and positive.max() > 10 * positive.min():
        axes.set(**{f"{which}scale": "log"})
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())


def _short(name: str, most: int = 34) -> str:
    # matplotlib reads text between two dollar signs as a formula, and hides labels that begin with an underscore.
    name = name.replace("$", r"\$").lstrip("_")
    return name if len(name) <= most else f"{name[: most - 13]}…{name[-12:]}"
