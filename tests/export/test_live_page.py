"""The page that follows a scene while it grows, in a real browser."""

import json
from dataclasses import replace

import numpy as np
import pytest
from browser import keep_screenshot, open_browser, open_page, pixels, wait_until
from scenes import make_scene, without_registration
from view_server import serve_views

from pointmap.export.html import pack_scene

PAPER = (0xF3, 0xF3, 0xF6)
SCENE = make_scene(scale=3, num_photos=3)

COUNT_MEMORY = """
window.alive = {};
const count = (name, step) => { window.alive[name] = (window.alive[name] ?? 0) + step; };
for (const kind of ["Buffer", "Texture", "VertexArray"]) {
  for (const [verb, step] of [["create", 1], ["delete", -1]]) {
    const before = WebGL2RenderingContext.prototype[verb + kind];
    WebGL2RenderingContext.prototype[verb + kind] = function (...given) {
      count(kind, step);
      return before.apply(this, given);
    };
  }
}
for (const [verb, step] of [["createObjectURL", 1], ["revokeObjectURL", -1]]) {
  const before = URL[verb];
  URL[verb] = (given) => { count("address", step); return before.call(URL, given); };
}
"""


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def views():
    with serve_views() as views:
        yield views


@pytest.fixture(scope="module")
def pair() -> bytes:
    """What is there first: two of three photos, few points."""
    return pack_scene(without_registration(SCENE, 2), max_points=500, photo_size=160, final=False)


@pytest.fixture(scope="module")
def whole() -> bytes:
    return pack_scene(SCENE, max_points=4000, photo_size=160, final=False)


@pytest.fixture(scope="module")
def finished() -> bytes:
    return pack_scene(SCENE, surface=SCENE.mesh(method="grid", texture=True))


def open_live(browser, views, **settings):
    return open_page(browser, views.address, **{"reduced_motion": "reduce", **settings})


def drawn(image: np.ndarray) -> np.ndarray:
    """(h, w): where there is something in front of the background."""
    return np.abs(image.astype(int) - PAPER).max(axis=-1) > 8


def shown(page, number: int) -> np.ndarray:
    """The canvas with this view in it, standing still."""
    page.wait_for_selector(f"html[data-view='{number}']", state="attached")
    return still(page)


def still(page) -> np.ndarray:
    last = [pixels(page.locator("#canvas"))]

    def same(image: np.ndarray) -> bool:
        before, last[0] = last[0], image
        return np.array_equal(image, before)

    page.wait_for_timeout(100)
    return wait_until(page, same, of="#canvas")


def test_a_growing_scene_is_shown_in_place_and_keeps_what_the_visitor_chose(
    browser, views, pair, whole, finished, tmp_path
):
    with open_live(browser, views) as page:
        page.wait_for_selector("#message", state="visible")
        assert page.inner_text("#message") == "The first points appear here in a moment."
        assert page.is_hidden("#options")
        keep_screenshot(page, "live-waiting.png", tmp_path)

        few = shown(page, views.give(pair))
        assert page.is_hidden("#message")
        assert page.inner_text("#summary") == "Growing: 500 points"
        assert page.get_attribute("#strip button:last-child", "title") == "photo 2.jpg (not placed yet)"
        page.uncheck("#cameras")
        page.locator("#hidden").fill("30")
        page.locator("#size").fill("0.5")

        more = shown(page, views.give(whole))
        assert page.inner_text("#summary") == "Growing: 4,000 points"
        assert (more != few).any()
        assert page.locator("#strip button").count() == 3

        end = shown(page, views.give(finished))
        keep_screenshot(page, "live-finished.png", tmp_path)
        assert "Growing" not in page.inner_text("#summary")
        assert page.is_checked("#surface")
        assert not page.is_checked("#points")  # untouched: the surface shows more
        assert not page.is_checked("#cameras")
        page.check("#points")
        assert page.input_value("#hidden") == "30"
        assert page.input_value("#size") == "0.5"
        assert drawn(end).mean() > drawn(more).mean() > 0.1

        # Another run begins: without a surface, there must be something to see.
        page.uncheck("#points")
        again = shown(page, views.give(pair))
        assert page.is_checked("#points")
        assert page.is_hidden("#surface")
        assert drawn(again).mean() > 0.01


def test_the_slider_and_the_switch_of_the_texture_change_the_picture(browser, views, finished, tmp_path):
    views.give(finished)
    with open_live(browser, views) as page:
        photos = shown(page, 1)
        page.uncheck("#cameras")
        photos = still(page)

        page.uncheck("#texture")

        clay = still(page)
        keep_screenshot(page, "live-clay.png", tmp_path)
        seen = clay[drawn(clay)].astype(int)
        assert np.ptp(seen, axis=-1).max() < 12 < np.ptp(photos[drawn(photos)].astype(int), axis=-1).mean()
        assert seen.std() > 10  # the ball is round
        np.testing.assert_array_equal(drawn(clay), drawn(photos))
        page.check("#texture")
        np.testing.assert_array_equal(still(page), photos)

        page.uncheck("#surface")
        assert page.is_disabled("#texture")
        page.check("#points")
        everything = still(page)
        page.locator("#hidden").fill("90")
        assert drawn(still(page)).sum() < 0.8 * drawn(everything).sum()


def test_an_eye_that_was_moved_stays_where_it_is_and_another_scale_keeps_its_direction(browser, views, whole):
    views.give(whole)
    with open_live(browser, views) as page:
        home = shown(page, 1)
        page.locator("#canvas").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "+", "+"):
            page.keyboard.press(key)
        page.evaluate("document.activeElement.blur()")
        moved = still(page)
        assert (moved != home).any()

        np.testing.assert_array_equal(shown(page, views.give(whole)), moved)

        poses = SCENE.world_from_cam.copy()
        poses[:, :3, 3] *= 5
        larger = replace(SCENE, world_from_cam=poses, depths=[5 * depth for depth in SCENE.depths])
        refitted = shown(page, views.give(pack_scene(larger, max_points=4000, photo_size=160)))
        page.click("#reset")
        at_home = still(page)
        # At home, the picture of a scene does not depend on its scale; from the side, it is neither of the two.
        assert (np.abs(at_home.astype(int) - home).max(axis=-1) > 20).mean() < 0.02
        for other in (moved, at_home):
            assert (np.abs(refitted.astype(int) - other).max(axis=-1) > 20).mean() > 0.05


def test_memory_of_old_views_is_given_back(browser, views, whole, finished):
    with open_page(browser, "about:blank") as page:
        page.add_init_script(COUNT_MEMORY)
        page.goto(views.address)
        alive = []
        for view in (finished, whole, finished, whole, finished):
            shown(page, views.give(view))
            alive.append(page.evaluate("window.alive"))

    assert alive[0] == alive[2] == alive[4]
    assert alive[1] == alive[3]
    assert alive[0]["Buffer"] > 0
    assert alive[0]["address"] == 4  # three photos, one texture


def test_a_scene_that_is_gone_is_not_asked_for_again(browser, views, pair):
    views.give(pair)
    with open_live(browser, views, expected=("Failed to load resource",)) as page:
        before = shown(page, 1)
        views.status = 404

        page.wait_for_selector("#message", state="visible")

        assert page.inner_text("#message") == "This scene is no longer there."
        asked = len(views.asked)
        page.wait_for_timeout(1200)
        assert len(views.asked) == asked
        assert drawn(before).any()  # and what was there can still be looked at
        assert page.is_visible("#strip button")


def test_a_lost_connection_is_mentioned_and_tried_again(browser, views, pair):
    views.status = 503
    with open_live(browser, views, expected=("Failed to load resource",)) as page:
        page.wait_for_selector("#status", state="visible")
        assert "Trying again" in page.inner_text("#status")
        views.status = None

        shown(page, views.give(pair))

        assert page.is_hidden("#status")


@pytest.mark.parametrize("post_status", [200, 403])
def test_the_scale_that_was_set_is_used_and_a_new_one_is_sent(browser, views, post_status):
    views.scale, views.post_status = "2 sm%C3%B8r", post_status
    views.give(pack_scene(SCENE, photo_size=160))
    with open_live(browser, views, expected=("403",)) as page:
        shown(page, 1)
        page.locator("#strip button").first.click()
        page.click("#photo-look")
        page.click("#photo-close")
        page.uncheck("#cameras")
        still(page)
        page.click("#measure")
        box = page.locator("#canvas").bounding_box()
        for x in (-100, 100):
            page.mouse.click(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2)
        amount, unit = page.inner_text("#reading").removeprefix("Distance: ").split()
        assert unit == "smør"

        page.fill("#known", "7")
        page.fill("#unit", "ft")
        page.click("#calibration button")

        assert page.inner_text("#reading") == "Distance: 7 ft"
        page.wait_for_timeout(200)
        (sent,) = (json.loads(body) for body in views.posted)
        assert sent == {"factor": pytest.approx(7 / (float(amount) / 2), rel=1e-3), "unit": "ft"}
        # The same scene once more: the line and the visitor's own scale stay.
        shown(page, views.give(views.view))
        assert page.inner_text("#reading") == "Distance: 7 ft"
        # Somebody else sets it: no new view is needed.
        views.scale = "4 sm%C3%B8r"
        page.wait_for_selector("#reading:has-text('smør')")
        assert float(page.inner_text("#reading").split()[1]) == pytest.approx(2 * float(amount), rel=1e-3)


def test_inside_our_own_page_it_says_what_it_shows_and_takes_over_the_theme(browser, views, pair, finished, tmp_path):
    with open_page(browser, views.address.removesuffix("scene/"), size=(700, 520)) as page:
        frame = page.frame_locator("iframe")
        views.give(pair)
        page.wait_for_function("window.heard.length === 1")
        number = views.give(finished)
        page.wait_for_function("window.heard.length === 2")

        first, last = page.evaluate("window.heard")
        assert first == {"pointmap": "view", "view": 1, "points": 500, "final": False}
        assert (last["view"], last["final"]) == (number, True)
        html = frame.locator("html")
        assert html.get_attribute("data-theme") == "dark"  # asked for by its address
        assert frame.locator("#options").is_hidden()
        assert frame.locator("#canvas").bounding_box()["height"] > 380
        keep_screenshot(page, "live-embedded.png", tmp_path)
        frame.locator("#fold").click()
        keep_screenshot(page, "live-embedded-options.png", tmp_path)
        assert frame.locator("#canvas").bounding_box()["height"] > 200

        page.evaluate("frames[0].postMessage({ theme: 'light' }, location.origin)")

        wait_until(page, lambda image: (image[500, 690] > 200).all())
        assert html.get_attribute("data-theme") == "light"
