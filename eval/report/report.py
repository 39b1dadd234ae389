"""Everything about stored results: tables, plots, a page; and the text of `eval/RESULTS.md`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pointmap.atomic import write_bytes

from ..benchmarks import FILES
from ..results import Run, load_runs
from . import latex, markdown, wording
from .page import make_page
from .plots import KINDS_OF_PLOTS, Plot, make_plots
from .published import KINDS, PublishedFigures, published
from .table import Group, grouped, is_complete
from .tables import comparisons, published_table, scene_table, summary_table

_FITS = 6
"""Metrics side by side on a page of a paper."""


@dataclass(frozen=True)
class ReportFiles:
    """What was written."""

    page: Path
    markdown: Path
    latex: Path
    plots: tuple[Path, ...]
    """SVG and PDF."""


def make_report(results: Path, output: Path) -> ReportFiles:
    """Write report.md, tables.tex, plots/*.svg and *.pdf, and index.html, from stored results alone.

    Plots of an earlier report in the same folder go away; other files there stay.

    Raises:
        InputError: There are no results, a file of them is damaged, matplotlib is not installed, or OUTPUT cannot be
            written.
    """
    runs = load_runs(results)
    groups = grouped(runs)
    figures = published()
    plots: dict[str, list[Plot]] = {group.name: make_plots(group) for group in groups}
    folder = output / "plots"
    _forget(folder)
    files = []
    for plot in (plot for made in plots.values() for plot in made):
        files.append(write_bytes(folder / f"{plot.name}.svg", plot.svg))
        files.append(write_bytes(folder / f"{plot.name}.pdf", plot.pdf))
    tables = [summary_table(group, figures.of(group.benchmark, group.protocol), most=_FITS) for group in groups]
    tables += [scene_table(group) for group in groups]
    return ReportFiles(
        write_bytes(output / "index.html", make_page(groups, plots, figures)),
        write_bytes(output / "report.md", report_md(groups, plots, figures).encode()),
        write_bytes(output / "tables.tex", latex.document(tables).encode()),
        tuple(files),
    )


def _forget(folder: Path) -> None:
    """Plots of benchmarks that have no results any more would be taken for results."""
    for name in FILES:
        for kind in KINDS_OF_PLOTS:
            for path in (*folder.glob(f"{name}-*-{kind}.svg"), *folder.glob(f"{name}-*-{kind}.pdf")):
                path.unlink()


def results_md(runs: Sequence[Run], figures: PublishedFigures | None = None) -> str:
    """Text of `eval/RESULTS.md`: a section per benchmark and protocol, with published figures beneath ours.

    Args:
        figures: Default those of `published.toml`.
    """
    figures = published() if figures is None else figures
    head = [
        "# Results",
        "Generated from stored results by `pointmap report RESULTS --markdown eval/RESULTS.md`; changes by hand are "
        "lost. What each column means: `pointmap benchmarks`. Rows of others are published figures of the same "
        "protocol, never measured here; their sources are beneath each table. p-values are of two-sided sign-flip "
        "tests over scenes, each for itself.",
        _contents(grouped(runs)),
    ]
    sections = [_section(group, figures) for group in grouped(runs)]
    return "\n\n".join([*head, *sections]) + "\n"


def report_md(groups: Sequence[Group], plots: dict[str, list[Plot]], figures: PublishedFigures) -> str:
    """Text of report.md: as `results_md`, with plots, every scene, failures, and figures of other protocols."""
    parts = ["# Report", "Made by `pointmap report` from stored results alone.", _contents(groups)]
    for group in groups:
        parts.append(_section(group, figures))
        parts += [f"![{markdown.escaped(p.title)}](plots/{p.name}.svg)" for p in plots.get(group.name, ())]
        parts.append("### Every scene")
        parts.append(markdown.table(scene_table(group)))
        failures = [f"- {run.method}, {r.scene}: {r.error}" for run in group.runs for r in run.failed]
        if failures:
            lines = [markdown.escaped(wording.without_folders(line.removeprefix("- "))) for line in failures]
            parts += ["### Failures", "\n".join(f"- {line}" for line in lines)]
    parts.append("## Published by other protocols: not comparable with ours")
    for benchmark, name in {group.benchmark: group.benchmark_title for group in groups}.items():
        for title, rows in figures.apart(benchmark).items():
            parts.append(f"### {markdown.escaped(f'{name}: {title}')}")
            parts.append(markdown.table(published_table(benchmark, title, rows)))
    if figures.speeds:
        lines = ["| system | setting | value | source |", "| --- | --- | --- | --- |"]
        for row in figures.speeds:
            texts = (row.system, row.setting, row.value, f"{row.source} ({KINDS[row.kind]})")
            lines.append("| " + " | ".join(map(markdown.escaped, texts)) + " |")
        parts += ["### Time and memory, on other machines", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _contents(groups: Sequence[Group]) -> str:
    lines = []
    for group in groups:
        finished = sum(len(run.scenes) for run in group.runs)
        expected = sum(len(run.expected) for run in group.runs)
        failed = sum(len(run.failed) for run in group.runs)
        complete = all(map(is_complete, group.runs))
        state = f"{finished} results" if complete else f"{finished} of {expected} results finished"
        lost = f", {failed} failed" if failed else ""
        methods = f"{len(group.runs)} method{'s' * (len(group.runs) != 1)}"
        names = f"`{group.benchmark}`, `{group.protocol}`"
        lines.append(f"- {markdown.escaped(group.title)} ({names}): {methods}, {state}{lost}")
    return "\n".join(lines)


def _section(group: Group, figures: PublishedFigures) -> str:
    table = summary_table(group, figures.of(group.benchmark, group.protocol))
    parts = [f"## {markdown.escaped(group.title)}", markdown.table(table)]
    if lines := comparisons(group):
        parts.append("\n".join(f"- {markdown.escaped(line)}" for line in lines))
    machines: dict[str, list[str]] = {}
    for run in group.runs:
        about = f"{wording.machine(run)}; {wording.pairs(run.versions)}; seed {run.seed}"
        machines.setdefault(about, []).append(run.method)
    for about, methods in machines.items():
        whose = f"{', '.join(methods)}: " if len(machines) > 1 else ""
        parts.append(markdown.escaped(f"{whose}{about}."))
    parts.append(f"    {wording.command(group.runs)}")
    return "\n\n".join(parts)
