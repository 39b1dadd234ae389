"""`pointmap report` and `pointmap compare`: what stored results say."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def report(
    results: Positional[Path] = Path("results"),
    output: Annotated[Path | None, arg(aliases=["-o"])] = None,
    markdown: Path | None = None,
) -> None:
    """Tables (Markdown, LaTeX), plots (SVG, PDF) and a page of stored results, published figures beside them.

    Args:
        results: The folder that `pointmap eval -o` wrote.
        output: Folder to write; default RESULTS/report.
        markdown: Write the tables to this file alone, with nothing else: how `eval/RESULTS.md` is made.
    """
    from pointmap.atomic import write_bytes
    from pointmap.eval.report.report import make_report, results_md
    from pointmap.eval.results import load_runs

    if markdown is not None:
        print(f"Wrote {write_bytes(markdown, results_md(load_runs(results)).encode())}")
        return
    files = make_report(results, output or results / "report")
    print(f"Wrote {files.page}")


def compare(first: Positional[Path], second: Positional[Path]) -> None:
    """Compare two runs scene by scene: differences of means, their intervals, and how likely they are by chance.

    Args:
        first: Folder of a run: RESULTS/BENCHMARK/PROTOCOL/METHOD.
        second: Another one, of the same benchmark and protocol.
    """
    from pointmap.eval.report.tables import comparison_table
    from pointmap.eval.results import load_run

    print(comparison_table(load_run(first), load_run(second)))
