import pytest

from pointmap.errors import InputError
from pointmap.eval.benchmarks import FILES, get_benchmark
from pointmap.eval.report.published import OTHER, parse_published, published

TABLE = """
[[table]]
benchmark = "7scenes"
protocol = "poses"
source = "some/repository:README.md"
kind = "repo"
note = "512 px"
rows.VGGT = { auc_30 = 0.744, ate = 1 }
rows."DUSt3R, PnP" = { auc_30 = 0.5 }
notes.VGGT = "by its users"
"""

SHARES = ("auc", "rra", "rta", "d1", "within", "inlier", "f_score", "precision", "recall", "complete", "vcre")


def test_a_row_has_its_values_source_kind_and_both_notes():
    row, other = parse_published(TABLE).of("7scenes", "poses")

    assert row.method == "VGGT"
    assert row.values == {"auc_30": 0.744, "ate": 1.0}
    assert (row.source, row.kind, row.note) == ("some/repository:README.md", "repo", "512 px; by its users")
    assert other.note == "512 px"


def test_figures_of_other_protocols_and_single_scenes_stay_apart():
    text = TABLE + TABLE.replace('"poses"', '"other: theirs"') + TABLE.replace("source", 'scene = "chess"\nsource')

    figures = parse_published(text)

    assert len(figures.of("7scenes", "poses")) == 2
    assert {title: len(rows) for title, rows in figures.apart("7scenes").items()} == {"theirs": 2, "poses by scene": 2}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"repo"', '"rumour"', "table 1: 'kind' was 'rumour'"),
        ('source = "some/repository:README.md"', "", "table 1: 'source' was None"),
        ("0.744", '"0.744"', "the row 'VGGT'"),
        ("notes.VGGT", "notes.Pi3", "without a row: Pi3"),
        ("[[table]]", "[[table", "no TOML"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(old, new, message):
    with pytest.raises(InputError, match=message):
        parse_published(TABLE.replace(old, new))


def test_every_published_share_is_a_share_and_every_source_is_named():
    for row in published().rows:
        assert row.source
        for name, value in row.values.items():
            assert value >= 0, row
            if name.startswith(SHARES) and not name.endswith("_as_printed"):
                assert value <= 1, (row, name)


def test_no_row_is_there_twice():
    keys = [(row.benchmark, row.protocol, row.scene, row.method, row.source) for row in published().rows]

    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("benchmark", sorted({row.benchmark for row in published().rows if row.is_ours}))
def test_rows_beside_ours_are_of_settings_metrics_and_scenes_that_we_have(benchmark):
    assert benchmark in FILES
    settings = get_benchmark(benchmark).settings
    for row in published().rows:
        if row.benchmark == benchmark and row.is_ours:
            assert row.protocol in settings, row
            metrics = {metric.name: metric for metric in settings[row.protocol].scoring.metrics}
            assert set(row.values) <= set(metrics), row
            assert all(value <= 1 for name, value in row.values.items() if metrics[name].share)


def test_names_of_other_protocols_say_what_they_are():
    for row in published().rows:
        assert row.is_ours or len(row.protocol) > len(OTHER) + 5


def test_time_and_memory_have_their_setting_and_source():
    speeds = published().speeds

    assert len(speeds) > 20
    assert all(row.system and row.setting and row.value and row.source for row in speeds)
