"""The results without a browser; with one: test_results_in_browser.py."""

import asyncio
import re
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="needs the extra demo")
import gradio as gr
from result_fakes import NAMES, RESULTS, ResultLine, finish, give_photos

from pointmap.demo.limits import Limits
from pointmap.demo.page.downloads_tab import choices, links_to
from pointmap.demo.page.matches_tab import drawing_of
from pointmap.demo.page.measure_tab import factor_of, scale_in_words
from pointmap.demo.page.photos_tab import comparison
from pointmap.demo.page.report import report_html
from pointmap.demo.page.result_panel import build_result_panel, cameras_html
from pointmap.demo.page.result_tab import keep_settings
from pointmap.demo.page.scene_tab import viewer_html
from pointmap.demo.visitors.sessions import Sessions
from pointmap.errors import InputError
from pointmap.formats import WRITERS

REQUEST = SimpleNamespace(session_hash="abc")


@pytest.fixture
def session(tmp_path):
    return Sessions(tmp_path / "sessions", Limits()).of("abc")


@pytest.fixture
def panel(tmp_path):
    """(panel, sessions, line, the page's function behind a button)"""
    sessions, line = Sessions(tmp_path / "sessions", Limits()), ResultLine()
    with gr.Blocks(analytics_enabled=False) as page:
        built = build_result_panel(sessions, line)

    def click(elem_id: str):
        (block,) = [block for block in page.blocks.values() if getattr(block, "elem_id", None) == elem_id]
        (found,) = [fn for fn in page.fns.values() if (block._id, "click") in fn.targets]
        return found.fn

    return SimpleNamespace(panel=built, sessions=sessions, line=line, click=click, page=page)


def steps(fn, *values) -> list[list]:
    async def all_of_it() -> list[list]:
        return [step async for step in fn(REQUEST, *values)]

    return asyncio.run(all_of_it())


def test_every_update_has_its_component_with_and_without_a_scene(panel):
    session = panel.sessions.of("abc")

    for updates in (panel.panel.show(session), panel.panel.begin(session)):
        assert len(updates) == len(panel.panel.outputs)
    finish(session)
    updates = dict(
        zip([getattr(block, "elem_id", None) for block in panel.panel.outputs], panel.panel.show(session), strict=True)
    )

    assert "iframe" in updates["pm-viewer"]
    assert "<svg" in updates["pm-cameras"]
    assert "3 of 4 photos" in updates["pm-report"]


def test_a_run_shows_the_viewer_and_hides_the_rest_of_the_scene_before(panel):
    session = panel.sessions.of("abc")
    finish(session)

    updates = panel.panel.begin(session)

    assert f"scenes/{session.token}/" in updates[0]
    assert not any("<svg" in update for update in updates[1:] if isinstance(update, str))


def test_no_event_of_the_panel_is_offered_to_programs(panel):
    assert {fn.api_visibility for fn in panel.page.fns.values()} == {"private"}


def test_the_viewer_does_not_load_again_when_a_run_ends(session):
    begun = viewer_html(session)
    finish(session)
    ended = viewer_html(session)

    assert begun.replace('data-view="0"', 'data-view="1"') == ended


def test_files_are_asked_for_in_the_scale_that_was_set(panel):
    session = panel.sessions.of("abc")
    finish(session)
    session.set_scale(2.5, "m")

    said = steps(panel.click("pm-export"), ["glb", "ply"], 20, True)

    keep = {"confidence_percentile": 20.0, "mask_sky": True}
    assert panel.line.asked == [("export", {"formats": ["glb", "ply"], "keep": keep, "factor": 2.5, "metric": True})]
    assert any("Building the surface" in str(step) for step in said)
    assert f'href="scenes/{session.token}/files/scene.glb"' in said[-1][-1]


@pytest.mark.parametrize("button", ["pm-export", "pm-surface-again", "pm-match"])
def test_without_a_scene_or_photos_buttons_say_what_is_missing(panel, button):
    values = {
        "pm-export": (["glb"], 0, False),
        "pm-surface-again": (0, False, True, 20_000),
        "pm-match": (None, None, "sift"),
    }

    said = steps(panel.click(button), *values[button])

    assert 'role="alert"' in str(said[-1])
    assert re.search("no scene yet|two photos", str(said[-1]))
    assert panel.line.asked == []


def test_an_error_and_a_stop_are_said_and_leave_the_tab_usable(panel):
    finish(panel.sessions.of("abc"))
    panel.line.error = InputError("The line is full <now>.")
    assert "The line is full &lt;now&gt;." in str(steps(panel.click("pm-surface-again"), 0, False, True, 20_000)[-1])

    panel.line.error = None
    panel.click("pm-surface-again-stop")(REQUEST)
    assert "Stopped." in str(steps(panel.click("pm-surface-again"), 0, False, True, 20_000)[-1])


def test_matches_need_two_different_photos_of_the_session(panel):
    session = panel.sessions.of("abc")
    give_photos(session)

    for first, second in (("p1", "p1"), ("p1", "p9"), (None, "p2")):
        assert "two different photos" in str(steps(panel.click("pm-match"), first, second, "sift")[-1])
    said = steps(panel.click("pm-match"), "p3", "p1", "tokens")

    ((job, request),) = panel.line.asked
    assert job == "match"
    assert [entry["name"] for entry in request["photos"]] == [NAMES[2], NAMES[0]]
    assert request["matcher"] == "tokens"
    assert "412 matches, 380 of them" in said[-1][-1]


def test_the_drawing_of_matches_is_in_the_page_and_not_too_wide(session):
    from PIL import Image

    Image.new("RGB", (4000, 1000)).save(session.result / "matches.jpg")

    html = drawing_of(session, {"matches": 3, "agreed": 2})

    assert 'src="data:image/jpeg;base64,' in html
    assert 'width="1600" height="400"' in html
    assert "hardly show the same" in html


def test_photos_are_compared_with_what_the_colours_mean(session):
    finish(session)
    session.set_scale(1.0, "cm")
    html = comparison(session, session.scene(), 0, "depth")

    assert f'src="scenes/{session.token}/pictures/0/depth.jpg?of=1"' in html
    assert "<b>" not in html
    assert re.search(r"[\d.]+ cm</span><span class=\"pm-gradient\"", html)
    assert "not in the scene" in comparison(session, session.scene(), 3, "depth")
    assert "pictures/0/depth.jpg" in comparison(session, session.scene(), 0, "../../secret")
    assert comparison(session, None, 0, "depth").startswith('<p class="pm-later">')


def test_two_cameras_and_their_distance_give_the_scale(session):
    finish(session)
    scene = session.scene()
    apart = float(((scene.world_from_cam[0, :3, 3] - scene.world_from_cam[1, :3, 3]) ** 2).sum() ** 0.5)

    for length in (3.0, 1.5):  # the second time from a scene that is in metres already
        session.set_scale(factor_of(session, 0, 1, length), "m")
        ends = session.scene().world_from_cam[:2, :3, 3]
        assert float(((ends[0] - ends[1]) ** 2).sum() ** 0.5) == pytest.approx(length)
        assert session.factor == pytest.approx(length / apart)
    assert "in m." in scale_in_words(session, session.scene())
    assert "Position <small>m" in cameras_html(session, session.scene())

    session.forget_scale()
    assert session.factor == 1
    assert "not known yet" in scale_in_words(session, session.scene())


@pytest.mark.parametrize(
    ("first", "second", "length", "message"),
    [
        (0, 1, 0, "above 0"),
        (0, 1, None, "above 0"),
        (1, 1, 2.0, "two different"),
        (None, 1, 2.0, "two different"),
        (0, 3, 2.0, "not in the scene"),
        (0, 99, 2.0, "not in the scene"),
    ],
)
def test_what_gives_no_scale_is_refused(session, first, second, length, message):
    with pytest.raises(InputError, match="no scene yet"):
        factor_of(session, 0, 1, 1.0)
    finish(session)

    with pytest.raises(InputError, match=message):
        factor_of(session, first, second, length)


def test_every_format_can_be_chosen_and_failures_are_named(session):
    html = links_to(session, RESULTS["export"])

    assert {name for _, name in choices()} == set(WRITERS)
    assert "12.3 MB" in html
    assert "all.zip" in html
    assert "mesh.usdz: USDZ needs &lt;usd-core&gt;." in html


def test_only_what_is_chosen_is_left_out():
    assert keep_settings(0, False) == {}
    assert keep_settings(30, True) == {"confidence_percentile": 30.0, "mask_sky": True}


def test_the_report_says_what_was_left_out_and_why(session):
    finish(session)

    html = report_html(session.report, session.scene())

    assert "far.jpg: it shows too little" in html
    assert "notes.txt: This is no photo." in html
    assert "&lt;i&gt;Slow&lt;/i&gt;" in html
    assert "1 min 15 s" in html
    assert "Everything was used." not in html
    whole = {"photos": 2, "registered": 2, "seconds": 4.0, "not_registered": [], "skipped": [], "dropped": []}
    assert "All 2 photos are in the scene.</p><p>Everything was used." in report_html(whole)
    assert report_html({}) == ""
