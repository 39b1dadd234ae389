"""One HTML page of stored results: nothing but this file is needed to read it, and it asks nobody for anything."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from ..results import Run
from . import wording
from .cases import Case, cases, picture
from .plots import Plot
from .published import KINDS, PublishedFigures
from .table import Cell, Group, Row, Table, is_complete
from .tables import comparisons, published_table, scene_table, summary_table

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Of the page's content: it may load nothing, and runs no script."""


def make_page(groups: Sequence[Group], plots: Mapping[str, Sequence[Plot]], figures: PublishedFigures) -> bytes:
    """The page as UTF-8.

    Args:
        groups: Of runs.
        plots: By names of groups.
        figures: Published ones.
    """
    style = files("pointmap.eval.report").joinpath("page.css").read_text("utf-8")
    sections = [_overview(groups), *(_section(group, plots.get(group.name, ()), figures) for group in groups)]
    sections += [_elsewhere(groups, figures), _machines(groups)]
    runs = sum(len(group.runs) for group in groups)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_text(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Benchmarks: {runs} runs</title>
<style>
{style}</style>
</head>
<body>
<header><h1>Benchmarks</h1>
<p>Made by <code>pointmap report</code> from stored results alone.</p></header>
<main>
{"".join(sections)}
</main>
</body>
</html>
"""
    return page.encode("utf-8", "replace")


def _overview(groups: Sequence[Group]) -> str:
    """Every run in a line, by its first metric."""
    lines = []
    for group in groups:
        table = summary_table(group)
        for run, row in zip(group.runs, table.rows, strict=True):
            state = f"{len(run.scenes)} of {len(run.expected)}" if not is_complete(run) else str(len(run.scenes))
            column = table.columns[0] if table.columns else ""
            figure = _cell(row.cells[0]) if row.cells else "<td></td>"
            failed = f'<td class="bad">{len(run.failed)}</td>' if run.failed else "<td>0</td>"
            lines.append(
                f'<tr><th scope="row"><a href="#{_anchor(group.name)}">{_text(group.title)}</a></th>'
                f"<th>{_name(run.method)}</th>{figure}<td class=words>{_text(column)}</td><td>{state}</td>{failed}</tr>"
            )
    head = (
        "<tr><th>benchmark</th><th>method</th><td></td><td class=words>metric</td><td>scenes</td><td>failed</td></tr>"
    )
    return f"<section><h2>Summary</h2>{_scrolling(head, lines)}</section>\n"


def _section(group: Group, plots: Sequence[Plot], figures: PublishedFigures) -> str:
    parts = [_html_table(summary_table(group, figures.of(group.benchmark, group.protocol)))]
    if lines := comparisons(group):
        parts.append("<h3>Scene by scene against the first</h3>" + _items(lines))
        parts.append("<p class=note>p-values of sign-flip tests, each for itself: not corrected for their number.</p>")
    parts += [_plot(plot) for plot in plots]
    parts += [_cases(run) for run in group.runs]
    parts.append(_failures(group.runs))
    parts.append(_folded("Every scene", _html_table(scene_table(group))))
    parts.append(f"<h3>Again</h3><pre>{_text(wording.command(group.runs))}</pre>")
    return f'<section id="{_anchor(group.name)}"><h2>{_text(group.title)}</h2>{"".join(parts)}</section>\n'


def _html_table(table: Table) -> str:
    head = _tr([f"<th>{_text(table.first)}</th>", *(f"<td>{_text(column)}</td>" for column in table.columns)])
    lines = [_row(row) for row in table.rows]
    if table.published:
        lines.append(f'<tr class="rule"><th colspan="{len(table.columns) + 1}">published by others</th></tr>')
        lines += [_row(row, "published") for row in table.published]
    sources = "".join(f"<li>{_note(text)}</li>" for text in table.footnotes)
    return (
        _scrolling(head, lines)
        + "".join(f"<p class=note>{_note(note)}</p>" for note in table.notes)
        + (f'<ol class="note">{sources}</ol>' if sources else "")
    )


def _row(row: Row, kind: str = "") -> str:
    marks = "".join(f"<sup>{number}</sup>" for number in row.footnotes)
    name = f'<th scope="row">{_name(row.name)}{marks}</th>'
    return f'<tr class="{kind}">{name}{"".join(map(_cell, row.cells))}</tr>'


def _cell(cell: Cell) -> str:
    text = f"<b>{_text(cell.text)}</b>" if cell.best else _text(cell.text)
    interval = f"<br><small>{_text(cell.interval)}</small>" if cell.interval else ""
    kind = ' class="bad"' if cell.text in ("failed", "not finished") else ""
    return f"<td{kind}>{text}{interval}</td>"


def _plot(plot: Plot) -> str:
    many = " many" if plot.panels > 1 else ""
    drawing = f'<div class="plot{many}" tabindex="0">{_inline(plot)}</div>'
    return f"<figure>{drawing}<figcaption>{_text(plot.title)}</figcaption></figure>"


def _inline(plot: Plot) -> str:
    """The drawing as a part of the page: names of its own, black as the colour of the page's text."""
    svg = plot.svg.decode("utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{plot.name}-\1"', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{plot.name}-", svg)
    svg = re.sub(r"((?:stroke|fill): ?)#000000", r"\1currentColor", svg)
    svg = re.sub(r"(<text )(?![^>]*fill:)", r'\1fill="currentColor" ', svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_text(plot.title)}" ', 1)


def _cases(run: Run) -> str:
    chosen = cases(run)
    if not chosen:
        return ""
    return f"<h3>{_text(run.method)}: worst and best scenes</h3><div class=cases>{''.join(map(_case, chosen))}</div>"


def _case(case: Case) -> str:
    image = picture(case)
    shown = f'<img src="{image}" alt="{_text(case.record.scene)}: photos, depths, errors, cameras">' if image else ""
    scores = ", ".join(_text(score) for score in case.scores)
    about = f"<b>{_text(case.rank)}: {_text(case.record.scene)}</b>, {case.record.views} photos. {scores}"
    return f"<figure>{shown}<figcaption>{about}</figcaption></figure>"


def _failures(runs: Iterable[Run]) -> str:
    lines = []
    for run in runs:
        for record in run.failed:
            error = wording.without_folders(record.error or "")
            trace = wording.without_folders(record.traceback or "")
            more = f"<details><summary>traceback</summary><pre>{_text(trace)}</pre></details>" if trace else ""
            lines.append(f"<li><b>{_text(run.method)}</b> on {_text(record.scene)}: {_text(error)}{more}</li>")
    return f"<h3>Failures</h3><ul>{''.join(lines)}</ul>" if lines else ""


def _elsewhere(groups: Sequence[Group], figures: PublishedFigures) -> str:
    """What is published by other protocols, and of time and memory on other machines."""
    if not groups:
        return ""
    parts = [
        _folded(f"{name}: {title}", _html_table(published_table(benchmark, title, rows)))
        for benchmark, name in {group.benchmark: group.benchmark_title for group in groups}.items()
        for title, rows in figures.apart(benchmark).items()
    ]
    lines = [
        _tr(
            [f"<th>{_text(row.system)}</th>", *(f"<td class=words>{_text(t)}</td>" for t in (row.setting, row.value))]
        ).removesuffix("</tr>")
        + f"<td class=words>{_text(row.source)} ({KINDS[row.kind]})</td></tr>"
        for row in figures.speeds
    ]
    head = "<tr><th>system</th><td class=words>setting</td><td class=words>value</td><td class=words>source</td></tr>"
    if lines:
        parts.append(_folded("Time and memory, on other machines", _scrolling(head, lines)))
    title = "<h2>Published by other protocols: not comparable with ours</h2>"
    return f"<section>{title}{''.join(parts)}</section>\n" if parts else ""


def _machines(groups: Sequence[Group]) -> str:
    lines = []
    for group in groups:
        for run in group.runs:
            texts = [
                f"{group.benchmark} {group.protocol}",
                f"{wording.machine(run)}; seed {run.seed}",
                wording.pairs(run.versions),
                wording.pairs(run.settings),
            ]
            cells = "".join(f"<td class=words>{_text(text)}</td>" for text in texts)
            lines.append(f'<tr><th scope="row">{_name(run.method)}</th>{cells}</tr>')
    names = ("run", "machine", "versions", "settings")
    head = "<tr><th>method</th>" + "".join(f"<td class=words>{name}</td>" for name in names) + "</tr>"
    return f"<section><h2>Settings, versions, machines</h2>{_scrolling(head, lines)}</section>\n"


def _scrolling(head: str, lines: Iterable[str]) -> str:
    """A table that scrolls in its own frame where it is wider than the page; the keyboard reaches it, too."""
    table = f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="table">{table}</div>'


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{_text(title)}</summary>{content}</details>"


def _items(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>"


def _tr(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", name)


def _name(text: str) -> str:
    """Text that may be broken where options of a method begin."""
    return re.sub(r"(\+)(?=\w)", r"<wbr>\1", _text(text))


def _note(text: str) -> str:
    """Text in which `code` is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return html.escape(text, quote=True)
