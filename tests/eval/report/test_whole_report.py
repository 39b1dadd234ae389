import re

import pytest
from made_up_runs import draw_pictures, run

from pointmap.errors import InputError
from pointmap.eval.report.published import PublishedFigures
from pointmap.eval.report.report import make_report, results_md
from pointmap.eval.results import write_record, write_run

pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra `eval`")


def stored(folder, *runs):
    """Results as `pointmap eval` leaves them."""
    for one in runs:
        write_run(one, dict.fromkeys(one.expected, "0"))
        for record in one.scenes:
            write_record(one.folder, record, None)
        draw_pictures(one, (120, 80))
    return folder


def test_a_report_is_made_from_stored_results_alone(tmp_path):
    results = tmp_path / "results"
    stored(results, run(folder=results), run("COLMAP", failed=(1,), finished=4, folder=results))

    files = make_report(results, tmp_path / "out")

    assert files.page == tmp_path / "out" / "index.html"
    page, text, latex = (file.read_text("utf-8") for file in (files.page, files.markdown, files.latex))
    assert {path.suffix for path in files.plots} == {".svg", ".pdf"}
    assert all(path.stat().st_size > 1000 for path in files.plots)
    for content in (page, text, latex):
        assert "COLMAP" in content
        assert "4 of 5" in content
        assert "/home/" not in content
        assert str(tmp_path) not in content
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert pictures
    assert all((tmp_path / "out" / picture).is_file() for picture in pictures)


def test_plots_of_an_earlier_report_go_away_and_nothing_else(tmp_path):
    results = tmp_path / "results"
    stored(results, run(folder=results))
    old = tmp_path / "out" / "plots" / "dtu-points-views.svg"
    mine = tmp_path / "out" / "plots" / "figure-1-views.svg"
    old.parent.mkdir(parents=True)
    for file in (old, mine):
        file.write_text("<svg/>")

    make_report(results, tmp_path / "out")

    assert not old.exists()
    assert mine.exists()


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="results"):
        make_report(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_text_of_results_names_source_machine_versions_and_command():
    text = results_md([run(), run("COLMAP", failed=(1,))], PublishedFigures())

    assert text.startswith("# Results\n\nGenerated from stored results by `pointmap report RESULTS --markdown")
    assert "- 7-Scenes: relative poses of 5 frames (`7scenes`, `poses`): 2 methods, 10 results, 1 failed" in text
    assert "an/imagined-repository:evaluation.py" in text
    assert "Its source leaves the seed open; here 0." in text
    assert "16 cores of A Processor 9000, 128 GiB, no GPU; 1 thread a worker; pointmap 0.1.0, torch 2.13.0" in text
    assert "\n    pointmap eval 7scenes --root DIR --protocol poses --method pointmap:network=small colmap" in text
    assert "/home/" not in text


def test_runs_of_two_machines_say_which_is_whose():
    other = {"cpu": "Another", "cores": 2, "memory_gib": None, "gpu": "H200"}

    text = results_md([run("here"), run("there", machine=other)], PublishedFigures())

    assert "Times and memory are of different machines." in text
    assert "there: 2 cores of Another, GPU H200; 1 thread" in text
    assert "here: 16 cores" in text


def test_protocols_have_sections_of_their_own():
    runs = [
        run(),
        run(protocol="dense", protocol_title="every second frame"),
        run(benchmark="dtu", benchmark_title="DTU"),
    ]

    text = results_md(runs, PublishedFigures())

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "7-Scenes: relative poses of 5 frames",
        "7-Scenes: every second frame",
        "DTU: relative poses of 5 frames",
    ]
