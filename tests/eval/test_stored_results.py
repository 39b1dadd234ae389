"""The results that the repository stores, and the tables made of them."""

from pathlib import Path

import pytest

from pointmap.eval.benchmarks import get_benchmark
from pointmap.eval.report.report import results_md
from pointmap.eval.results import load_runs

EVAL = Path(__file__).parents[2] / "eval"


def test_the_tables_are_what_the_command_makes_of_the_stored_results():
    # Mended by: pointmap report eval/stored --markdown eval/RESULTS.md
    assert (EVAL / "RESULTS.md").read_text() == results_md(load_runs(EVAL / "stored"))


def test_stored_results_are_whole_and_of_protocols_that_exist():
    for run in load_runs(EVAL / "stored"):
        assert len(run.scenes) == len(run.expected)
        assert {metric.name for metric in run.metrics} == {
            metric.name for metric in get_benchmark(run.benchmark).settings[run.protocol].scoring.metrics
        }
        for metric in run.metrics:
            values = [record.values[metric.name] for record in run.scenes]
            known = [value for value in values if value == value]
            if known:
                assert min(known) <= run.summary[metric.name].value <= max(known)
                assert run.summary[metric.name].value == pytest.approx(sum(known) / len(known))
