import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import open_browser, open_page
from made_up_runs import draw_pictures, run
from PIL import Image

from pointmap.eval.report.cases import cases, picture
from pointmap.eval.report.page import make_page
from pointmap.eval.report.plots import make_plots
from pointmap.eval.report.published import PublishedFigures, parse_published
from pointmap.eval.report.table import grouped

FIGURES = parse_published("""
[[table]]
benchmark = "7scenes"
protocol = "poses"
source = "some/repository:README.md"
kind = "repo"
rows.VGGT = { auc_30 = 0.744 }

[[table]]
benchmark = "7scenes"
protocol = "other: a harness of their own"
source = "some/page"
kind = "page"
rows.Pi3 = { rel = 0.1 }

[[speed]]
system = "DUSt3R"
setting = "16 GB GPU"
value = "out of memory at 29 images"
source = "naver/dust3r#1"
kind = "user"
""")


def page_of(*runs, plots=None) -> str:
    return make_page(grouped(runs), plots or {}, FIGURES).decode()


class Reader(HTMLParser):
    """Checks that tags close in order, and collects what the page refers to."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.addresses, self.ids, self.tags = [], [], [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    """A page with everything on it."""
    pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra `eval`")
    folder = tmp_path_factory.mktemp("results")
    long = "COLMAP+matcher=exhaustive+camera_model=SIMPLE_RADIAL_" + "x" * 60
    runs = [run(folder=folder, views=(2, 9)), run(long, failed=(2,), folder=folder), run("part", finished=2)]
    for one in runs[:2]:
        draw_pictures(one)
    groups = grouped(runs)
    return make_page(groups, {group.name: make_plots(group) for group in groups}, FIGURES).decode()


def test_the_page_is_well_formed_and_refers_to_nothing_outside(whole):
    page = Reader(whole)

    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)
    assert "script" not in page.tags
    assert "default-src 'none'" in whole.replace("&#x27;", "'")


def test_the_page_says_what_failed_and_what_is_not_finished(whole):
    assert "CUDA out of memory while reading &#x27;…/frame-000012.png" in whole
    assert "/home/somebody" not in whole
    assert "2 of 5 scenes are finished" in whole


def test_published_figures_of_the_same_protocol_stand_beneath_and_others_apart(whole):
    same, apart = (
        whole.index("published by others"),
        whole.index("7-Scenes: a harness of their own"),
    )

    assert same < whole.index("VGGT") < apart < whole.index("Pi3")
    assert "out of memory at 29 images" in whole


def test_worst_and_best_scenes_have_their_pictures_and_scores(whole):
    assert whole.count("data:image/jpeg;base64,") == 4 + 4
    assert re.search(r"worst: chess\+seq-00</b>, 2 photos. AUC@30 50.0 %, ATE 0.240 m", whole)
    assert re.search(r"best: stairs\+seq-04</b>, 2 photos. AUC@30 90.0 %", whole)


def test_names_and_errors_cannot_add_markup():
    text = page_of(run("<img src=x>", error='</li><script>alert("1")</script>', failed=(0,)))

    assert "<script" not in text
    assert "<img" not in text
    Reader(text)


def test_worst_and_best_are_different_scenes_and_none_that_failed():
    found = cases(run(auc=(0.5, 0.1, 0.9, 0.3, 0.7), failed=(1,)))

    assert [(case.rank, case.record.scene) for case in found] == [
        ("worst", "office+seq-03"),
        ("second worst", "chess+seq-00"),
        ("best", "heads+seq-02"),
        ("second best", "stairs+seq-04"),
    ]
    assert [case.rank for case in cases(run(scenes=("one", "two", "three")))] == ["worst", "second worst", "best"]
    assert [case.rank for case in cases(run(scenes=("one",)))] == ["worst"]
    assert cases(run(finished=0)) == []


def test_where_less_is_better_the_largest_is_worst():
    about = run(auc=(0.5, 0.1, 0.9, 0.3, 0.7))

    found = cases(replace(about, metrics=about.metrics[1:]))

    assert found[0].record.scene == "fire+seq-01"  # of the lowest AUC, and so of the largest ATE


def test_large_pictures_are_made_smaller_and_damaged_ones_left_out(tmp_path):
    one = run(folder=tmp_path)
    draw_pictures(one)
    worst, *_, best = cases(one)
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(worst.file, quality=90)
    best.file.write_bytes(best.file.read_bytes()[:2000])

    shown = base64.b64decode(picture(worst).removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(shown)).size == (720, 540)
    assert picture(best) == ""


def test_a_record_cannot_name_a_picture_elsewhere(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    one = run(folder=tmp_path)
    (one.folder / "scenes").mkdir(parents=True)
    scenes = tuple(replace(record, picture="../../../../secret.jpg") for record in one.scenes)

    assert [case.file for case in cases(replace(one, scenes=scenes))] == [None] * 4


def test_without_published_figures_the_page_has_ours_alone():
    text = make_page(grouped([run()]), {}, PublishedFigures()).decode()

    assert "published by others" not in text
    assert "Published" not in text


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light")])
def test_a_browser_asks_for_nothing_and_does_not_scroll_sideways(tmp_path, whole, width, scheme):
    file = tmp_path / "index.html"
    file.write_text(whole, "utf-8")

    with (
        open_browser() as browser,
        open_page(browser, file.as_uri(), size=(width, 800), color_scheme=scheme) as page,
    ):
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        sizes = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
        assert len(sizes) == 8
        assert all(complete and natural > 100 for complete, natural in sizes)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelectorAll('.plot svg').length") == 4
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
        assert (lightness[0] > lightness[1]) == (scheme == "dark")
        drawn = page.evaluate("getComputedStyle(document.querySelector('.plot svg text')).fill")
        assert drawn == ink  # the labels of plots are read on either ground
