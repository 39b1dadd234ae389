import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import SCENES, run

from pointmap.errors import InputError
from pointmap.eval.report import plots
from pointmap.eval.report.plots import make_plots
from pointmap.eval.report.table import grouped

pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra `eval`")


def made(*runs) -> dict[str, plots.Plot]:
    (group,) = grouped(runs)
    return {plot.name.removeprefix(f"{group.name}-"): plot for plot in make_plots(group)}


def test_every_kind_of_data_has_its_plot_in_both_forms():
    found = made(run(views=(2, 5, 20)), run("COLMAP", failed=(1,), views=(2, 5, 20)))

    assert list(found) == ["views", "pairs", "effort", "calibration"]
    for plot in found.values():
        assert b"<svg" in plot.svg
        assert plot.pdf.startswith(b"%PDF")
        assert b"COLMAP" in plot.svg
        assert b"[" in plot.svg  # axes name their units


def test_there_is_no_plot_without_data():
    assert made(run(details=False, views=(5,))) == {}
    assert made(run(finished=0)) == {}


def test_scenes_of_one_size_are_not_plotted_against_their_size():
    assert "views" not in made(run(views=(5,)))
    assert "effort" not in made(run(views=(5,)))


def test_the_same_data_gives_the_same_bytes():
    first, second = made(run()), made(run())

    assert first["pairs"].svg == second["pairs"].svg
    assert first["pairs"].pdf == second["pairs"].pdf


def test_methods_differ_in_colour_and_dashes():
    svg = made(run(), run("COLMAP"), run("identity"))["pairs"].svg.decode()

    assert all(colour.lower() in svg.lower() for colour in plots._COLOURS[:3])
    assert len(set(re.findall(r"stroke-dasharray: ([\d., ]+)", svg))) >= 2


def test_a_strange_name_is_shown_as_it_is():
    svg = made(run("_a$b$<c>" + 40 * "x"))["pairs"].svg.decode()

    assert "a$b$&lt;c&gt;xxx" in svg
    assert 40 * "x" not in svg


def test_bins_have_the_mean_over_scenes_of_their_medians():
    pairs = {"rotation_deg": 30 * [4.0], "direction_deg": 30 * [2.0], "baseline": 30 * [0.1], "angle_deg": 30 * [95.0]}
    others = {**pairs, "rotation_deg": 30 * [None], "direction_deg": 30 * [10.0]}
    made_up = run(details=False)
    scenes = tuple(
        replace(record, details={"pairs": values})
        for record, values in zip(made_up.scenes, [pairs, others], strict=False)
    )

    line = plots._binned(replace(made_up, scenes=scenes), "baseline", np.linspace(0, 1, 7))

    assert line.tolist() == [[pytest.approx(1 / 12), 7.0, 4.0, 10.0]]


def test_lists_of_different_lengths_are_no_data():
    record = replace(
        run().scenes[0], details={"pairs": {"rotation_deg": [1.0], "direction_deg": [], "baseline": [1.0]}}
    )

    assert len(plots._pairs(record, "baseline")[0]) == 0


def test_many_sizes_are_put_together():
    sizes = [float(size) for size in range(2, 60)]

    line = plots._by_group(sizes, [2 * size for size in sizes])

    assert len(line) == 8
    np.testing.assert_allclose(line[:, 1], 2 * line[:, 0])


def test_calibration_is_read_at_the_same_coverages_in_every_scene():
    record = replace(
        run().scenes[0], details={"calibration": {"coverage": [1.0, 0.5], "risk": [0.4, 0.2], "oracle": [0.4, 0.0]}}
    )

    curve = plots._curve(record, np.array([0.5, 0.75, 1.0]))

    np.testing.assert_allclose(curve, [[0.2, 0.3, 0.4], [0.0, 0.2, 0.4]])


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("pointmap.extras.is_installed", lambda package: False)

    with pytest.raises(InputError, match=r"pip install 'pointmap\[eval\]'"):
        made(run())


def test_few_pairs_make_no_plot():
    few = {"rotation_deg": [1.0], "direction_deg": [2.0], "baseline": [0.5], "angle_deg": [3.0], "overlap": [None]}
    about = run(details=False, views=(5,))
    scenes = tuple(replace(record, details={"pairs": few}) for record in about.scenes)

    assert made(replace(about, scenes=scenes)) == {}


def test_one_scene_of_many_pairs_has_a_line_of_its_own():
    assert "pairs" in made(run(scenes=SCENES[:1]))
