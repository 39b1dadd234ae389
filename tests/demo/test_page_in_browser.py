"""The left side of the page in a browser, with a line that does as it is told."""

import os
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("gradio", reason="needs the extra demo")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
from browser import keep_screenshot, open_browser, open_page
from page_fakes import FakeLine, finished, served_page
from PIL import Image

from pointmap.demo.limits import Limits
from pointmap.demo.page.runs import CANCELLED
from pointmap.demo.work.line import Working

PHONE = (390, 844)


def names(page) -> list[str]:
    return page.locator(".pm-photo img").evaluate_all("images => images.map((image) => image.alt)")


def test_photos_are_given_ordered_painted_and_removed_and_runs_cancelled(tmp_path):
    files = []
    for index, name in enumerate(("first.jpg", "se\"co'nd.jpg")):
        files.append(tmp_path / name)
        Image.new("RGB", (320, 240), (90 * index, 120, 60)).save(files[-1])
    (tmp_path / "large.mp4").write_bytes(bytes(1_100_000))
    line = FakeLine([Working("Looking for the same points in photos", 1, 2, 0.5, 3.0), None])

    with (
        served_page(tmp_path, line, Limits(file_megabytes=1)) as (address, sessions),
        open_browser() as browser,
        closed_tab_is_noticed(sessions),
        open_page(browser, address, size=PHONE) as page,
    ):
        page.click("#pm-go")
        page.wait_for_selector("text=Add photos first, or try an example.")
        page.set_input_files("#pm-upload input[type=file]", [*files, tmp_path / "large.mp4"])
        page.wait_for_selector("text=2 photos")
        assert "larger than 1 MB: large.mp4" in page.locator("#pm-limits").inner_text()
        first, second = names(page)
        (session,) = {sessions.find(token)[0] for token in tokens(page)}
        assert [first, second] == [photo.name for photo in session.photos]
        assert page.locator("text=Add photos first").count() == 0

        # By keyboard alone; the focus stays with the photo.
        page.focus('.pm-photo:first-child [data-do="right"]')
        page.keyboard.press("Enter")
        page.wait_for_function("name => document.querySelector('.pm-photo img').alt === name", arg=second)
        assert page.evaluate("document.activeElement.closest('.pm-photo').dataset.name") == first
        assert [photo.name for photo in session.photos] == [second, first]
        assert "number 2 of 2" in page.locator("#pm-strip [aria-live]").text_content()

        page.click('.pm-photo:first-child [data-do="brush"]')
        box = page.locator(".pm-paper canvas").bounding_box()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["width"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["width"], steps=4)
        page.mouse.up()
        keep_screenshot(page, "demo-brush-phone.png", tmp_path)
        page.click('[data-part="done"]')
        page.wait_for_selector("text=Parts left out")
        (stroke,) = session.photos[0].strokes
        assert stroke["points"][0] == pytest.approx([0.25, 0.25], abs=0.02)
        assert stroke["points"][-1] == pytest.approx([0.75, 0.25], abs=0.02)

        page.click("#pm-go")
        page.wait_for_selector('[role="progressbar"][aria-valuenow="50"]')
        assert line.requests[0]["photos"] == session.entries()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        keep_screenshot(page, "demo-running-phone.png", tmp_path)
        page.click("#pm-cancel")
        page.wait_for_selector(f"text={CANCELLED}")
        page.wait_for_selector("#pm-go:not(:disabled)")
        assert not page.is_visible("#pm-cancel")

        line.events = [finished(2)]
        page.click("#pm-go")
        page.wait_for_selector("text=2 of 2 photos placed")
        page.click('.pm-photo:first-child [data-do="remove"]')
        page.wait_for_selector("text=1 photo")
        assert [photo.name for photo in session.photos] == [first]


def tokens(page) -> set[str]:
    """Of the session whose photos the page shows."""
    return {
        address.split("/")[1]
        for address in page.locator(".pm-photo").evaluate_all("all => all.map((one) => one.dataset.address)")
    }


@contextmanager
def closed_tab_is_noticed(sessions):
    """Within it a tab is opened and closed."""
    left = []
    sessions.on_leave = left.append
    yield
    end = time.monotonic() + 20
    while not left:
        assert time.monotonic() < end
        time.sleep(0.1)
