"""Tables of runs: means with their intervals, single scenes, comparisons, and published figures beneath."""

import math
from collections.abc import Callable, Iterable, Sequence

from pointmap.errors import InputError

from ..protocol import Metric
from ..results import Run
from ..statistics import Comparison, Interval, compare
from . import markdown, wording
from .published import KINDS, Published
from .table import Cell, Group, Row, Table, is_complete

_LEAST_P = 0.001
"""As small as p-values are told."""
_INTERVALS = "Intervals: 95 %, bootstrap over scenes."


def summary_table(group: Group, published: Sequence[Published] = (), *, most: int | None = None) -> Table:
    """Methods as rows: means with 95 % intervals, scenes, failures, time and memory; published rows apart from them.

    Bold is the best figure over all scenes: runs that are not finished, and means from which failed scenes are left
    out, do not compete.

    Args:
        most: Metrics to show, of which there are published figures, or else the first ones; default all.
    """
    metrics = _chosen(group.metrics, published, most)
    digits = {metric.name: wording.column_digits(metric, _shown_means(group, metric)) for metric in metrics}
    best = {metric.name: _best(group, metric) for metric in metrics}
    rows = []
    for run in group.runs:
        cells = [_mean_cell(run, metric, digits[metric.name], best[metric.name]) for metric in metrics]
        rows.append(Row(run.method, (*cells, *_effort_cells(run))))
    footnotes = list(dict.fromkeys(_origin(row) for row in published if _common(row, metrics)))
    places = [_published_column(metric, published) for metric in metrics]
    beneath = tuple(
        Row(row.method, (*(place(row) for place in places), *[Cell("")] * 4), (footnotes.index(_origin(row)) + 1,))
        for row in published
        if _common(row, metrics)
    )
    columns = (*(wording.heading(metric) for metric in metrics), "scenes", "failed", "s per scene", "peak GiB")
    return Table(
        group.name,
        group.title,
        "method",
        columns,
        tuple(rows),
        beneath,
        tuple(_notes(group, metrics)),
        tuple(footnotes),
    )


def scene_table(group: Group) -> Table:
    """Scenes as rows, the first metric of every method; failures as such."""
    metric = group.metrics[0]
    found = {run.method: {record.scene: record for record in run.scenes} for run in group.runs}
    values = [wording.scaled(metric, r.values.get(metric.name, math.nan)) for run in group.runs for r in run.scenes]
    digits = wording.column_digits(metric, values)
    rows = []
    for scene in group.expected:
        cells = []
        for run in group.runs:
            record = found[run.method].get(scene)
            if record is None:
                cells.append(Cell("not finished" if scene in run.expected else ""))
            elif record.error is not None:
                cells.append(Cell("failed"))
            else:
                value = wording.scaled(metric, record.values.get(metric.name, math.nan))
                cells.append(Cell(wording.number(value, digits)))
        rows.append(Row(scene, tuple(cells)))
    title = f"{group.title}, {wording.heading(metric)} by scene"
    return Table(f"{group.name}-scenes", title, "scene", tuple(run.method for run in group.runs), tuple(rows))


def published_table(benchmark: str, title: str, rows: Sequence[Published]) -> Table:
    """Figures of a protocol that is not ours, or of single scenes: never beside ours."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    footnotes = list(dict.fromkeys(_origin(row) for row in rows))
    lines = tuple(
        Row(
            f"{row.method}, {row.scene}" if row.scene else row.method,
            tuple(Cell(f"{row.values[name]:.6g}" if name in row.values else "") for name in names),
            (footnotes.index(_origin(row)) + 1,),
        )
        for row in rows
    )
    label = "".join(letter if letter.isalnum() else "-" for letter in f"{benchmark}-{title}").strip("-").lower()
    notes = ("Shares in [0, 1]; lengths in the unit of the data set.",)
    return Table(label, title, "method", tuple(names), lines, notes=notes, footnotes=tuple(footnotes))


def comparisons(group: Group) -> list[str]:
    """A line for every other run against the first, by the first metric; p-values are of single tests."""
    lines = []
    first, metric = group.runs[0], group.metrics[0]
    for other in group.runs[1:]:
        try:
            found = compare(_by_scene(first, metric), _by_scene(other, metric), better=metric.better)
        except InputError:
            lines.append(f"{other.method} and {first.method} share no scene with a figure.")
            continue
        lines.append(
            f"{other.method} minus {first.method}, {wording.heading(metric)}: {_difference(metric, found)} over "
            f"{_scenes(found.difference.count)}; better on {found.better}, worse on {found.worse}; "
            f"p {'' if found.p_value < _LEAST_P else '= '}{_p_value(found.p_value)}"
        )
    return lines


def comparison_table(first: Run, second: Run) -> str:
    """Markdown: every metric that both have, second minus first, scene by scene.

    Raises:
        InputError: They are of different benchmarks or protocols, or share no scene or no metric.
    """
    if (first.benchmark, first.protocol) != (second.benchmark, second.protocol):
        raise InputError(
            f"These runs cannot be compared: {first.benchmark}/{first.protocol} and {second.benchmark}/"
            f"{second.protocol}. Give two runs of one benchmark and protocol."
        )
    second_has = {metric.name for metric in second.metrics}
    rows, digits_of = [], {metric.name: _digits(first, second, metric) for metric in first.metrics}
    for metric in first.metrics:
        before, after = _by_scene(first, metric), _by_scene(second, metric)
        shared = [name for name in before if name in after and not math.isnan(before[name] + after[name])]
        if metric.name not in second_has or not shared:
            continue
        found = compare(before, after, better=metric.better)
        digits = digits_of[metric.name]
        means = [
            wording.number(wording.scaled(metric, sum(values[name] for name in shared) / len(shared)), digits)
            for values in (before, after)
        ]
        texts = [*means, _difference(metric, found), str(found.better), str(found.worse), str(found.equal)]
        rows.append(Row(wording.heading(metric), (*map(Cell, texts), Cell(_p_value(found.p_value)))))
    if not rows:
        raise InputError(
            f"{first.method} and {second.method} share no scene with a figure: finished are "
            f"{wording.listed(r.scene for r in first.scenes) or 'none'}, and "
            f"{wording.listed(r.scene for r in second.scenes) or 'none'}."
        )
    columns = (first.method, second.method, "difference", "better", "worse", "equal", "p")
    title = f"{first.benchmark_title}: {first.protocol_title}"
    notes = (
        "Means over the scenes that both have, failed ones as each metric counts them. Difference: second minus first "
        "with its paired 95 % bootstrap interval; p: of a two-sided sign-flip test, for each metric by itself.",
    )
    return markdown.table(Table("comparison", title, "metric", columns, tuple(rows), notes=notes))


def _by_scene(run: Run, metric: Metric) -> dict[str, float]:
    return {record.scene: record.values.get(metric.name, math.nan) for record in run.scenes}


def _digits(first: Run, second: Run, metric: Metric) -> int:
    values = [*_by_scene(first, metric).values(), *_by_scene(second, metric).values()]
    return wording.column_digits(metric, values)


def _shown_means(group: Group, metric: Metric) -> list[float]:
    found = [run.summary[metric.name].value for run in group.runs if metric.name in run.summary]
    return [wording.scaled(metric, value) for value in found]


def _best(group: Group, metric: Metric) -> float | None:
    """The best figure; None where there is nothing to compare, or all are the same."""
    counts = {run.method: interval.count for run in group.runs if (interval := _complete(run, metric))}
    if len(counts) < 2:
        return None
    competing = [run for run in group.runs if counts.get(run.method) == max(counts.values())]
    values = {run.summary[metric.name].value for run in competing}
    return (min if metric.better == "lower" else max)(values) if len(values) > 1 else None


def _complete(run: Run, metric: Metric) -> Interval | None:
    interval = run.summary.get(metric.name)
    return interval if interval is not None and interval.count and is_complete(run) else None


def _mean_cell(run: Run, metric: Metric, digits: int, best: float | None) -> Cell:
    interval = run.summary.get(metric.name)
    if interval is None or not interval.count:
        return Cell(wording.number(math.nan, 0))
    value, low, high = (wording.scaled(metric, v) for v in (interval.value, interval.low, interval.high))
    span = f"[{wording.number(low, digits)}, {wording.number(high, digits)}]" if interval.count > 1 else ""
    if interval.count < len(run.scenes):
        span = f"{span} of {interval.count}".strip()
    is_best = best is not None and _complete(run, metric) is not None and interval.value == best
    return Cell(wording.number(value, digits), span, is_best)


def _effort_cells(run: Run) -> list[Cell]:
    done = [record for record in run.scenes if record.error is None]
    times = sorted(record.seconds for record in done if not math.isnan(record.seconds))
    memory = [record.peak_gib for record in done if not math.isnan(record.peak_gib)]
    count = f"{len(run.scenes)}" if is_complete(run) else f"{len(run.scenes)} of {len(run.expected)}"
    middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2 if times else math.nan
    failed = f"{len(run.failed)} of {len(run.scenes)}" if run.failed else "0"
    return [
        Cell(count),
        Cell(failed),
        Cell(wording.seconds(middle)),
        Cell(wording.number(max(memory, default=math.nan), 1)),
    ]


def _notes(group: Group, metrics: Sequence[Metric]) -> Iterable[str]:
    first = group.runs[0]
    yield f"Protocol `{group.protocol}` of `{group.benchmark}`. Source: {first.protocol_source}"
    if first.protocol_note:
        yield first.protocol_note
    if len(metrics) < len(group.metrics):
        yield f"{len(metrics)} of {len(group.metrics)} metrics."
    if any(metric.aggregate != "mean" for metric in metrics):
        words = {"median": "the median", "weighted": "weighted by pixels"}
        others = [f"{m.title} {words[m.aggregate]}" for m in metrics if m.aggregate != "mean"]
        yield f"Means over scenes, but {', '.join(others)}. {_INTERVALS}"
    else:
        yield f"Means over scenes. {_INTERVALS}"
    if any(run.failed for run in group.runs):
        left_out = [metric.title for metric in metrics if math.isnan(metric.worst)]
        counted = [f"{m.title} {_worst(m)}" for m in metrics if not math.isnan(m.worst)]
        yield (
            "A failed scene counts as "
            + (", ".join(counted) if counted else "nothing")
            + (f"; it is left out of {', '.join(left_out)}." if left_out and counted else ".")
        )
    for run in group.runs:
        if not is_complete(run):
            names = {record.scene for record in run.scenes}
            missing = [scene for scene in run.expected if scene not in names]
            yield (
                f"{run.method}: {len(run.scenes)} of {len(run.expected)} scenes are finished; missing: "
                f"{wording.listed(missing)}. Its means are not comparable."
            )
    if len({run.expected for run in group.runs}) > 1:
        yield "These runs are over different lists of scenes: compare them by scene only."
    if len({wording.machine(run) for run in group.runs}) > 1:
        yield "Times and memory are of different machines."


def _worst(metric: Metric) -> str:
    text = wording.number(wording.scaled(metric, metric.worst), 0)
    return f"{text} {wording.unit(metric)}".strip()


def _common(row: Published, metrics: Sequence[Metric]) -> bool:
    return any(metric.name in row.values for metric in metrics)


def _published_column(metric: Metric, rows: Sequence[Published]) -> Callable[[Published], Cell]:
    """Figures with the digits that were published: as many as the one with the most has, for zeros at the end are not
    kept in numbers."""
    values = [wording.scaled(metric, row.values[metric.name]) for row in rows if metric.name in row.values]
    digits = max((len(f"{value:.8g}".partition(".")[2]) for value in values), default=0)

    def cell(row: Published) -> Cell:
        value = row.values.get(metric.name)
        return Cell("" if value is None else f"{wording.scaled(metric, value):.{digits}f}")

    return cell


def _chosen(metrics: tuple[Metric, ...], published: Sequence[Published], most: int | None) -> tuple[Metric, ...]:
    if most is None or len(metrics) <= most:
        return metrics
    shared = [metric for metric in metrics if any(metric.name in row.values for row in published)]
    names = [metric.name for metric in [metrics[0], *shared, *metrics]]
    kept = list(dict.fromkeys(names))[:most]
    return tuple(metric for metric in metrics if metric.name in kept)


def _origin(row: Published) -> str:
    return f"{row.source} ({KINDS[row.kind]})" + (f": {row.note}" if row.note else "")


def _difference(metric: Metric, found: Comparison) -> str:
    value, low, high = (
        wording.scaled(metric, v) for v in (found.difference.value, found.difference.low, found.difference.high)
    )
    digits = wording.column_digits(metric, [value])
    sign = "+" if value > 0 else ""
    span = f" [{wording.number(low, digits)}, {wording.number(high, digits)}]" if found.difference.count > 1 else ""
    return f"{sign}{wording.number(value, digits)}{span}"


def _p_value(value: float) -> str:
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"


def _scenes(count: int) -> str:
    return f"{count} common scene{'s' * (count != 1)}"
