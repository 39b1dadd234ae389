"""The page without workers: its handlers with a line that does as it is told. In a browser: test_page_in_browser.py."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="needs the extra demo")
import gradio as gr
from page_fakes import FakeLine, FakeResults, finished, make_page
from PIL import Image

from pointmap.demo.limits import Limits
from pointmap.demo.page.input_panel import PhotoEvents
from pointmap.demo.page.photo_strip import strip_as_html
from pointmap.demo.page.photo_tools import EXAMPLES, _examples_as_html
from pointmap.demo.page.runs import CANCELLED, NO_PHOTOS, STAYS, Runs, newest, summary
from pointmap.demo.page.settings_panel import settings_from_values
from pointmap.demo.page.theme import css, head, make_theme
from pointmap.demo.visitors.sessions import Sessions
from pointmap.demo.work.line import Drawn, Waiting, Working
from pointmap.demo.work.settings import checked_settings
from pointmap.errors import Cancelled, InputError

DEFAULTS = ("small", "scene", True, False, "auto", "auto", "auto", "auto", "auto", "unknown", None)


def visitor(tmp_path: Path, *names: str, token: str = "abc"):
    """(sessions, session) of a visitor who gave photos of these names."""
    sessions = Sessions(tmp_path / "sessions", Limits())
    events = PhotoEvents(sessions, Limits())
    files = []
    for index, name in enumerate(names):
        folder = tmp_path / f"upload-{index}"
        folder.mkdir()
        Image.new("RGB", (64, 48), (40 * index, 90, 30)).save(folder / name, "JPEG")
        files.append(str(folder / name))
    if files:
        list(events.take(files, 2.0, request(token)))
    return sessions, sessions.of(token)


def request(token: str = "abc") -> SimpleNamespace:
    return SimpleNamespace(session_hash=token)


def said(**data) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def steps(sessions, line, settings=None) -> list[list]:
    """What a click on the button shows, step by step."""

    async def click() -> list[list]:
        runs = Runs(sessions, line, FakeResults([None]))
        return [step async for step in runs.run("abc", settings or settings_from_values(*DEFAULTS))]

    return asyncio.run(click())


def is_running(step: list) -> bool:
    _, go, cancel, *_ = step
    assert go["interactive"] != cancel["visible"]  # one of the two buttons can be clicked
    return bool(cancel["visible"])


# --- the button


def test_a_run_shows_how_it_stands_then_the_scene(tmp_path):
    sessions, session = visitor(tmp_path, "a.jpg", "b.jpg")
    line = FakeLine([Waiting(2, 5.0), Drawn(1), Working("Looking", 1, 2, 0.5, 3.0), finished(2)], seconds=0.25)

    shown = steps(sessions, line)

    assert [is_running(step) for step in shown] == [True, True, True, False]
    assert "number 2 in line" in shown[1][0]
    assert shown[1][3] == "begun"
    assert "50 %" in shown[2][0]
    assert shown[2][3] != "begun"
    assert "2 of 2 photos placed" in shown[3][0]
    assert shown[3][3] == "shown"
    assert line.requests[0]["photos"] == session.entries()
    assert line.requests[0]["settings"]["model"] == "small"


def test_without_photos_the_button_says_what_to_do(tmp_path):
    sessions, _ = visitor(tmp_path)

    (step,) = steps(sessions, FakeLine([finished()]))

    assert NO_PHOTOS in step[0]
    assert 'role="alert"' in step[0]
    assert not is_running(step)


@pytest.mark.parametrize(
    ("error", "words"),
    [(InputError("Two photos or more."), "Two photos or more."), (RuntimeError("secret"), "Try again")],
)
def test_after_a_failure_the_button_can_be_clicked_again(tmp_path, error, words):
    sessions, _ = visitor(tmp_path, "a.jpg")

    last = steps(sessions, FakeLine([Working("Looking", 1, 2, 0.5, None)], error=error))[-1]

    assert words in last[0]
    assert "secret" not in last[0]
    assert 'role="alert"' in last[0]
    assert not is_running(last)


def test_a_setting_that_is_not_offered_never_reaches_the_line(tmp_path):
    sessions, _ = visitor(tmp_path, "a.jpg")
    line = FakeLine([finished()])

    (*_, last) = steps(sessions, line, {"model": "/etc/passwd"})

    assert line.requests == []
    assert 'role="alert"' in last[0]
    assert not is_running(last)


def test_cancel_is_shown_at_once_and_by_the_run_itself(tmp_path):
    sessions, _ = visitor(tmp_path, "a.jpg")
    line = FakeLine([Working("Looking", 1, 2, 0.5, None), None])
    runs = Runs(sessions, line, FakeResults([None]))

    async def click() -> list:
        async for step in runs.run("abc", settings_from_values(*DEFAULTS)):
            if "50 %" in step[0]:
                at_once = runs.cancel("abc")
        return [at_once, step]

    at_once, last = asyncio.run(click())
    assert CANCELLED in at_once[0]
    assert at_once[1] == gr.skip()  # a click would be lost until the run has ended
    assert at_once[2]["visible"] is False
    assert CANCELLED in last[0]
    assert not is_running(last)
    assert line.closed == 1


def test_cancel_without_a_run_leaves_the_button_to_be_clicked(tmp_path):
    sessions, _ = visitor(tmp_path, "a.jpg")

    assert not is_running(Runs(sessions, FakeLine([]), FakeResults([None])).cancel("abc"))


@pytest.mark.parametrize("drawn", [0, 2])
def test_what_was_drawn_before_the_end_stays_and_otherwise_the_viewer_does_not_wait_for_ever(tmp_path, drawn):
    sessions, session = visitor(tmp_path, "a.jpg")
    line = FakeLine([Working("Looking", 1, 2, 0.5, None)], error=Cancelled())
    line.on_end = lambda: setattr(session, "view", drawn)

    last = steps(sessions, line)[-1]

    assert (STAYS in last[0]) == (drawn > 0)
    assert (last[3] == "shown") == (drawn == 0)


def test_a_page_that_is_left_closes_its_run(tmp_path):
    sessions, _ = visitor(tmp_path, "a.jpg")
    line = FakeLine([Working("Looking", 1, 2, 0.5, None), None])

    async def leave() -> None:
        run = Runs(sessions, line, FakeResults([None])).run("abc", settings_from_values(*DEFAULTS))
        async for step in run:
            if "50 %" in step[0]:
                break
        await run.aclose()

    asyncio.run(leave())

    assert line.closed == 1


def test_of_fast_news_only_the_newest_is_shown_and_the_end_at_once():
    news = [Working("Looking", done, 50, done / 50, None) for done in range(1, 51)]

    async def shown() -> list:
        line = FakeLine([*news, finished()], seconds=0.005)
        return [event async for event in newest(line.run(None, "reconstruct", {}), 0.1)]

    events = asyncio.run(shown())

    assert events[0] == news[0]
    assert events[-1] == finished()
    assert 3 <= len(events) < 20


def test_the_summary_names_what_is_missing():
    report = finished(
        6,
        registered=4,
        not_registered=["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
        skipped=[{"name": "x.gif", "reason": "broken"}],
        no_surface="too few points.",
        notes=["Memory ran out."],
    ).result

    words = summary(report)

    assert words.startswith("4 of 6 photos placed, in 12 s.")
    assert "a.jpg, b.jpg, c.jpg and 2 more" in words
    assert "x.gif" in words
    assert "too few points." in words
    assert words.endswith("Memory ran out.")


# --- the photos


def test_uploads_become_the_strip_and_the_drop_zone_is_free_again(tmp_path):
    sessions, session = visitor(tmp_path)
    files = []
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (64, 48), (len(files), 9, 9)).save(tmp_path / name)
        files.append(str(tmp_path / name))

    begin, (zone, strip, examples, notice, status) = PhotoEvents(sessions, Limits()).take(files, 2.0, request())

    assert "Looking at 2 files" in begin[3]
    assert zone is None
    assert notice == status == ""
    assert examples["visible"] is False
    assert "2 photos" in strip
    assert strip.count('class="pm-photo"') == 2
    assert [photo.name for photo in session.photos] == ["a.jpg", "b.jpg"]


def test_what_is_no_photo_is_said(tmp_path):
    sessions, session = visitor(tmp_path)
    (tmp_path / "a.jpg").write_text("not a photo")

    *_, (_, strip, examples, notice, _) = PhotoEvents(sessions, Limits()).take(
        [str(tmp_path / "a.jpg")], 2.0, request()
    )

    assert strip == ""
    assert examples["visible"] is True
    assert "a.jpg" in notice
    assert 'role="alert"' in notice
    assert session.photos == []


def test_photos_are_moved_removed_and_cleared(tmp_path):
    sessions, session = visitor(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    events = PhotoEvents(sessions, Limits())
    first = session.photos[0].key

    events.change(said(what="move", key=first, to=2), request())
    assert [photo.name for photo in session.photos] == ["b.jpg", "c.jpg", "a.jpg"]
    strip, *_ = events.change(said(what="remove", key=first), request())
    assert [photo.name for photo in session.photos] == ["b.jpg", "c.jpg"]
    assert "a.jpg" not in strip
    strip, examples, *_ = events.change(said(what="clear"), request())
    assert session.photos == []
    assert strip == ""
    assert examples["visible"] is True


@pytest.mark.parametrize(
    "what", [said(what="remove", key="p99"), said(what="move", key="p1", to="x"), said(), said(what=[])]
)
def test_what_a_page_may_say_wrongly_changes_nothing(tmp_path, what):
    sessions, session = visitor(tmp_path, "a.jpg", "b.jpg")

    PhotoEvents(sessions, Limits()).change(what, request())

    assert [photo.name for photo in session.photos] == ["a.jpg", "b.jpg"]


def test_strokes_reach_the_photo_and_it_is_marked(tmp_path):
    sessions, session = visitor(tmp_path, "a.jpg")
    strokes = [{"radius": 0.04, "points": [[0.1, 0.2], [0.5, 0.3]]}]

    strip, *_ = PhotoEvents(sessions, Limits()).paint(said(key=session.photos[0].key, strokes=strokes), request())

    assert session.photos[0].strokes == strokes
    assert "Parts left out" in strip


def test_an_example_fills_the_strip(tmp_path):
    sessions, session = visitor(tmp_path, "own.jpg")

    strip, examples, notice, _ = PhotoEvents(sessions, Limits()).take_example(said(name="room"), request())

    assert len(session.photos) >= 4
    assert "room_01.jpg" in strip
    assert "own.jpg" not in strip
    assert examples["visible"] is False
    assert notice == ""


def test_a_visitor_sees_the_own_photos_alone(tmp_path):
    sessions, session = visitor(tmp_path, "mine.jpg")

    strip, *_ = PhotoEvents(sessions, Limits()).change(
        said(what="move", key=session.photos[0].key, to=0), request("other")
    )

    assert strip == ""
    assert [photo.name for photo in session.photos] == ["mine.jpg"]


def test_names_are_text_in_the_strip_and_never_page(tmp_path):
    _, session = visitor(tmp_path, "a.jpg")
    session.photos[0].name = "\"><script>alert(1)</script>${alert(2)}'.jpg"

    strip = strip_as_html(session)

    assert "<script" not in strip
    assert "&quot;&gt;&lt;script&gt;" in strip
    assert f'src="scenes/{session.token}/photos/{session.photos[0].key}.jpg?size=320"' in strip  # relative


def test_every_button_of_the_strip_says_what_it_does(tmp_path):
    _, session = visitor(tmp_path, "a.jpg", "b.jpg")

    strip = strip_as_html(session)

    for label in ("Move a.jpg back", "Move b.jpg forward", "Leave out parts of a.jpg", "Remove b.jpg"):
        assert f'aria-label="{label}"' in strip
    assert strip.count(" disabled>") == 2  # the first cannot move forward, the last cannot move back
    assert strip.count('alt="a.jpg"') == 1


# --- settings, looks


def test_settings_that_are_left_open_are_left_to_the_engine():
    assert settings_from_values(*DEFAULTS) == {"model": "small", "surface": True, "mask_sky": False, "subject": "scene"}


def test_settings_that_are_chosen_are_those_of_the_job():
    values = ("classical", "object", False, True, "window-3", "320", "sfm", "stereo", "no", "focal_35mm", 28)

    settings = settings_from_values(*values)

    assert (
        checked_settings(settings)
        == settings
        == {
            "model": "classical",
            "subject": "object",
            "surface": False,
            "mask_sky": True,
            "pairs": "window-3",
            "image_size": 320,
            "poses": "sfm",
            "depth": "stereo",
            "shared_focal": False,
            "focal_35mm": 28.0,
        }
    )


def test_every_choice_of_the_page_is_one_that_the_server_takes(tmp_path):
    page, _ = make_page(tmp_path, FakeLine())
    labels = {block.label: block for block in page.blocks.values() if getattr(block, "choices", None)}
    names = ["Network", "What the photos show", None, None, "Which photos are compared", "Size the network works at"]
    names += ["Where the cameras come from", "Where the depth comes from", "Zoom", "Focal length"]

    for place, name in enumerate(names):
        for _, value in labels[name].choices if name else ():
            values = [*DEFAULTS[:place], value, *DEFAULTS[place + 1 : -1], 30]
            checked_settings(settings_from_values(*values))


def test_programs_are_offered_the_functions_of_the_api_and_none_of_the_page(tmp_path):
    page, _ = make_page(tmp_path, FakeLine())

    offered = [function.api_name for function in page.fns.values() if function.api_visibility != "private"]
    assert offered[:4] == ["reconstruct", "status", "cancel", "export"]
    assert offered[4:] == ["cameras", "picture", "matches", "set_scale", "close"]


def test_nothing_of_the_page_comes_from_another_host():
    theme = make_theme()
    looks = theme._get_theme_css() + css() + head() + _examples_as_html()

    assert theme._stylesheets == []
    assert theme._font_css == []
    assert "@import" not in looks
    assert all(f'data-example="{name}"' in looks for name in EXAMPLES)
    for scheme in ("http://", "https://"):
        assert set(looks.split(scheme)[1:]) == {
            part for part in looks.split(scheme)[1:] if part.startswith("www.w3.org/")
        }


def test_texts_can_be_read_in_both_themes():
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        return sum(
            weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
            for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
        )

    def contrast(one: str, other: str) -> float:
        dark, light = sorted((luminance(one), luminance(other)))
        return (light + 0.05) / (dark + 0.05)

    from pointmap.demo.page import theme

    for colours, danger in ((theme.LIGHT, "#b3261e"), (theme.DARK, "#f2a49d")):
        for ground in (colours[theme.GROUND], colours[theme.PAPER]):
            for ink in (colours[theme.INK], colours[theme.QUIET], colours[theme.ACCENT], danger):
                assert contrast(ink, ground) >= 4.5
        assert contrast(colours[theme.ON_ACCENT], colours[theme.ACCENT]) >= 4.5
        assert danger in css()
