import math
import re
import shutil
import subprocess

import pytest
from made_up_runs import ATE, AUC, METRICS, run

from pointmap.errors import InputError
from pointmap.eval.report import latex, markdown, wording
from pointmap.eval.report.published import Published
from pointmap.eval.report.table import Cell, Row, Table, grouped
from pointmap.eval.report.tables import (
    comparison_table,
    comparisons,
    published_table,
    scene_table,
    summary_table,
)


def table_of(*runs, published=()) -> Table:
    (group,) = grouped(runs)
    return summary_table(group, published)


def row_of(table: Table, name: str) -> Row:
    return next(row for row in (*table.rows, *table.published) if row.name == name)


def texts(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]


def published(method: str = "VGGT", values=None, note: str = "") -> Published:
    return Published("7scenes", "poses", method, values or {"auc_30": 0.744}, "some/repository:README.md", "repo", note)


def test_a_row_has_means_scenes_failures_seconds_and_memory():
    row = row_of(table_of(run(auc=(0.5, 0.6, 0.7, 0.8, 0.9), views=(5,))), "pointmap-small")

    assert texts(row) == ["70.0", "0.160", "10.5", "5", "0", "4.20", "2.2"]  # median of 4.0, 4.1, ... seconds
    assert re.fullmatch(r"\[5\d\.\d, 8\d\.\d\]", row.cells[0].interval)


def test_columns_say_direction_and_unit():
    assert table_of(run()).columns[:3] == ("AUC@30 ↑ [%]", "ATE ↓ [m]", "rotation ↓ [°]")


def test_the_best_of_each_column_is_bold_and_ours_alone_compete():
    table = table_of(run("good", auc=(0.9,)), run("bad", auc=(0.4,)), published=[published(values={"auc_30": 0.99})])

    assert [cell.best for cell in row_of(table, "good").cells[:3]] == [True, True, True]
    assert not any(cell.best for row in (row_of(table, "bad"), row_of(table, "VGGT")) for cell in row.cells)


def test_nothing_is_bold_where_all_are_the_same():
    table = table_of(run("one"), run("other"))

    assert not any(cell.best for row in table.rows for cell in row.cells)


def test_the_best_method_comes_first_and_an_unfinished_one_last():
    table = table_of(run("middle", auc=(0.5,)), run("unfinished", auc=(0.9,), finished=2), run("best", auc=(0.6,)))

    assert [row.name for row in table.rows] == ["best", "middle", "unfinished"]


def test_an_unfinished_run_is_shown_as_such_and_is_never_bold():
    table = table_of(run("whole", auc=(0.5,)), run("part", auc=(0.9,), finished=2))

    assert texts(row_of(table, "part"))[3] == "2 of 5"
    assert not any(cell.best for cell in row_of(table, "part").cells)
    assert any("2 of 5 scenes are finished; missing: heads+seq-02" in note for note in table.notes)


def test_a_mean_without_failed_scenes_says_so_and_is_never_bold():
    table = table_of(run("steady", auc=(0.5,)), run("daring", auc=(0.9,), failed=(0, 1)))

    ate = row_of(table, "daring").cells[1]
    assert ate.interval.endswith("of 3")
    assert not ate.best
    assert texts(row_of(table, "daring"))[4] == "2 of 5"
    assert any("it is left out of ATE" in note for note in table.notes)


def test_a_run_without_any_scene_is_a_row_of_nothing():
    row = row_of(table_of(run(finished=0)), "pointmap-small")

    assert texts(row) == ["-", "-", "-", "0 of 5", "0", "-", "-"]


def test_one_scene_has_no_interval():
    assert row_of(table_of(run(scenes=("alone",))), "pointmap-small").cells[0].interval == ""


def test_published_rows_stand_beneath_with_their_source():
    table = table_of(run(), published=[published(note="512 px"), published("Pi3", {"absrel": 0.1})])

    assert [row.name for row in table.published] == ["VGGT"]  # the other has no figure of these columns
    assert texts(table.published[0])[:3] == ["74.4", "", ""]
    assert table.footnotes == ("some/repository:README.md (authors' repository): 512 px",)


def test_scenes_show_failures_and_what_is_not_finished():
    (group,) = grouped([run("a", failed=(1,)), run("b", finished=2)])

    table = scene_table(group)

    assert table.columns == ("a", "b")
    assert texts(row_of(table, "fire+seq-01")) == ["failed", "60.0"]
    assert texts(row_of(table, "stairs+seq-04")) == ["90.0", "not finished"]


def test_every_run_is_compared_with_the_best():
    (group,) = grouped([run("best", auc=(0.9,)), run("other", auc=(0.7,))])

    (line,) = comparisons(group)

    assert line.startswith("other minus best, AUC@30 ↑ [%]: -20.0 [-20.0, -20.0] over 5 common scenes")
    assert line.endswith("better on 0, worse on 5; p = 0.062")  # 2 / 32


def test_two_runs_are_compared_metric_by_metric():
    text = comparison_table(run("first", auc=(0.5,)), run("second", auc=(0.7,)))

    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n")[2:5]]
    rows = {line[0]: line[1:] for line in lines}
    assert rows["AUC@30 ↑ [%]"] == ["50.0", "70.0", "+20.0 [20.0, 20.0]", "5", "0", "0", "0.062"]
    assert rows["ATE ↓ [m]"] == ["0.240", "0.160", "-0.0800 [-0.0800, -0.0800]", "5", "0", "0", "0.062"]


def test_runs_of_different_protocols_are_not_compared():
    with pytest.raises(InputError, match=r"7scenes/poses and 7scenes/dense"):
        comparison_table(run(), run(protocol="dense"))
    with pytest.raises(InputError, match="share no scene"):
        comparison_table(run(), run(finished=0))


def test_markdown_has_one_cell_per_column_whatever_names_hold():
    text = markdown.table(table_of(run("a|b_c*d<script>\n"), run("$x_$")))

    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {9}
    assert "<script>" not in text.replace("\\<script>", "")


def test_published_figures_of_other_protocols_have_a_table_of_their_own():
    rows = [published(), Published("7scenes", "poses", "DUSt3R", {"ate": 0.03}, "a:b", "survey", scene="chess")]

    table = published_table("7scenes", "another harness", rows)

    assert table.columns == ("auc_30", "ate")
    assert [row.name for row in table.rows] == ["VGGT", "DUSt3R, chess"]
    assert table.rows[1].footnotes == (2,)
    assert "copied by a survey" in table.footnotes[1]


def test_latex_is_balanced_and_every_line_has_all_columns():
    table = table_of(run("a_b&c%d#{e}~^\\"), run("other", failed=(2,)), published=[published()])

    text = latex.table(table)

    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.split("\n") if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {7}
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert r"a\_b\&c\%d\#\{e\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    text.encode("ascii")


def test_latex_compiles(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex, which is not installed")
    table = table_of(run('a_b&c%d#{e}~^\\ <>|"[x]'), run("other", failed=(2,)), published=[published()])
    whole = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + latex.document([table, table])
    (tmp_path / "t.tex").write_text(whole + "\\end{document}\n")

    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_a_negative_figure_has_a_minus_in_latex():
    table = Table("t", "t", "x", ("d",), (Row("r", (Cell("-0.5"), Cell("-"))),))

    assert "$-$0.5 & - " in latex.table(table)


@pytest.mark.parametrize(
    ("values", "digits"), [([0.0123, 4.0], 4), ([0.5], 3), ([42.0, 7.0], 2), ([1234.0], 0), ([0.0], 3), ([math.inf], 3)]
)
def test_columns_show_three_figures_of_their_smallest_value(values, digits):
    assert wording.decimals(values) == digits


def test_no_folder_of_the_machine_is_shown():
    text = wording.without_folders("no '/home/me/a b.png', C:\\Users\\me\\x.txt, ~/secret/y; https://a.org/b/c m/s")

    assert text == "no '…/a b.png', …/x.txt, …/y; https://a.org/b/c m/s"


def test_the_command_makes_the_runs_again():
    runs = [run("pointmap-small+poses=network"), run("COLMAP"), run("VGGT of others")]

    assert wording.command(runs) == (
        "pointmap eval 7scenes --root DIR --protocol poses --method pointmap:network=small,poses=network colmap "
        "--scenes chess+seq-00 fire+seq-01 heads+seq-02 office+seq-03 stairs+seq-04 --seed 0 --threads 1 -o results"
    )


def test_metrics_of_made_up_runs_are_those_that_the_tests_name():
    assert METRICS[:2] == (AUC, ATE)
    assert markdown.escaped("a|b") == "a\\|b"


def test_a_table_for_paper_shows_the_first_metrics_and_says_so():
    (group,) = grouped([run()])

    table = summary_table(group, most=1)

    assert table.columns == ("AUC@30 ↑ [%]", "scenes", "failed", "s per scene", "peak GiB")
    assert len(table.rows[0].cells) == 5
    assert "1 of 3 metrics." in table.notes


def test_metrics_with_published_figures_are_chosen_before_others():
    (group,) = grouped([run()])

    table = summary_table(group, [published(values={"median_rotation_deg": 1.5})], most=2)

    assert table.columns[:2] == ("AUC@30 ↑ [%]", "rotation ↓ [°]")
    assert [row.name for row in table.published] == ["VGGT"]


def test_published_figures_keep_zeros_at_their_end():
    (group,) = grouped([run()])

    table = summary_table(group, [published("VGGT", {"auc_30": 0.7}), published("Pi3", {"auc_30": 0.742})])

    assert [row.cells[0].text for row in table.published] == ["70.0", "74.2"]
