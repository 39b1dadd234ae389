import re

import numpy as np
import pytest

pytest.importorskip("gradio", reason="needs the extra demo")
from browser import keep_screenshot, open_browser, open_page, pixels
from result_fakes import results_page


def the_session(sessions):
    (stay,) = sessions._by_hash.values()
    return stay.session


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def test_a_visitor_goes_through_all_results(tmp_path):
    with results_page(tmp_path / "sessions") as (address, sessions, line), open_browser() as browser:
        with open_page(browser, address, size=(1280, 900), color_scheme="light") as page:
            page.get_by_role("heading", name="Your scene will appear here").wait_for()
            page.click("#begin")
            frame = page.locator("#pm-viewer iframe")
            frame.wait_for()
            session = the_session(sessions)
            assert frame.get_attribute("src") == f"scenes/{session.token}/"
            assert page.get_by_label("Share link").input_value() == f"{address}scenes/{session.link}/"
            inside = frame.element_handle().content_frame()
            inside.wait_for_url(re.compile("/scenes/"))
            inside.evaluate("window.first = true")  # gone if it is loaded again

            # Matches need no scene, only photos.
            tab(page, "Matches")
            page.click("#pm-match")
            page.locator("#pm-matches img").wait_for()
            assert line.asked[-1][1]["photos"][1]["name"] == "b.jpg"

            page.click("#finish")
            compare_by_keyboard(page)
            page.get_by_role("button", name="Previous").click()
            page.get_by_text("far.jpg is not in the scene").wait_for()

            tab(page, "Cameras")
            rows = page.locator(".pm-table tbody tr")
            rows.first.wait_for()
            assert rows.count() == 4
            assert page.locator(".pm-cones polygon").count() == 3
            in_units = rows.nth(1).inner_text()

            # The scale that is set in the viewer reaches the tables; only the viewer may say one.
            message = "{ pointmap: 'scale', factor: %s, unit: '%s' }"
            page.evaluate(f"window.postMessage({message % (9, 'no')}, location.origin)")
            inside.evaluate(f"parent.postMessage({message % (100, 'cm')}, location.origin)")
            page.get_by_text(re.compile("Position.*cm")).wait_for()
            assert rows.nth(1).inner_text() != in_units
            assert (session.factor, session.unit) == (100, "cm")
            inside.evaluate("addEventListener('message', (event) => (window.told = event.data))")
            page.evaluate("document.body.classList.add('dark')")
            inside.wait_for_function("window.told?.theme === 'dark'")
            assert inside.evaluate("window.first") is True
            page.evaluate("document.body.classList.remove('dark')")

            tab(page, "Measure")
            page.locator("#pm-known-length input").fill("12")
            page.locator("#pm-known-unit :is(input, textarea)").fill("ft")
            page.click("#pm-set-scale")
            page.get_by_text("all lengths are in ft").wait_for()
            page.wait_for_timeout(300)
            assert frame.element_handle().content_frame().evaluate("window.first") is None  # it knows by loading again

            tab(page, "Downloads")
            page.click("#pm-export")
            link = page.get_by_role("link", name="scene.glb")
            link.wait_for()
            assert link.get_attribute("href") == f"scenes/{session.token}/files/scene.glb"

        with open_page(browser, address, size=(390, 844), color_scheme="dark") as page:
            page.click("#finish")
            page.locator("#pm-viewer iframe").wait_for()
            for name in ("Photos", "Cameras", "Matches", "Measure", "Downloads", "Report", "3D"):
                tab(page, name)
                page.wait_for_timeout(150)
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            keep_screenshot(page, "results-phone.png", tmp_path)


def compare_by_keyboard(page) -> None:
    """The keys move the divider, and the photo appears where the map was."""
    tab(page, "Photos")
    slider = page.get_by_role("slider", name=re.compile("Divider"))
    slider.wait_for()
    page.wait_for_function("[...document.querySelectorAll('.pm-layers img')].every((image) => image.naturalWidth)")
    layers = page.locator(".pm-layers")
    slider.focus()
    before = pixels(layers).astype(int)
    for _ in range(4):
        page.keyboard.press("PageUp")
    changed = np.abs(before - pixels(layers)).max(axis=2)[20:-20] > 20  # corners are round
    width = before.shape[1]
    assert float(slider.input_value()) > 80
    assert changed[:, int(0.55 * width) : int(0.78 * width)].mean() > 0.5
    assert not changed[:, : int(0.45 * width)].any()
    assert not changed[:, int(0.97 * width) :].any()
