"""scene.html in a real browser: what it shows, and what its controls do."""

from dataclasses import replace

import numpy as np
import pytest
from browser import keep_screenshot, open_browser, open_page, pixels, wait_until
from scenes import make_scene, without_registration

from pointmap.scene import Scene

LIGHT, DARK = (0xF3, 0xF3, 0xF6), (0x17, 0x18, 0x1B)


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The page of a room seen from four cameras, the third of which is upright, with a textured surface."""
    folder = tmp_path_factory.mktemp("room")
    scene = make_scene(scale=4, num_photos=4)
    return scene.export(folder / "scene.html", mesh=scene.mesh(method="grid", texture=True)).as_uri()


def grey_wall(**changes) -> Scene:
    """One photo, its principal point off the centre, of a wall two units away: the left half grey, the right orange."""
    height, width = 90, 120
    K = np.array([[100.0, 0, 50.0], [0, 110.0, 48.0], [0, 0, 1]])
    color = np.full((height, width, 3), 128, np.uint8)
    color[:, width // 2 :] = (220, 120, 40)
    scene = Scene(
        names=("wall.png",),
        paths=(None,),
        image_sizes=np.array([[width, height]]),
        intrinsics=K[None],
        world_from_cam=np.eye(4)[None],
        depths=[np.full((height, width), 2.0, np.float32)],
        confidences=[np.linspace(2, 9, height * width, dtype=np.float32).reshape(height, width)],
        colors=[color],
        working_intrinsics=K[None],
        registered=np.ones(1, bool),
    )
    return replace(scene, **changes)


def open_scene(browser, address: str, **settings):
    """Flights from view to view end at once, unless asked for."""
    return open_page(browser, address, **{"reduced_motion": "reduce", **settings})


def drawn(image: np.ndarray, background=LIGHT) -> np.ndarray:
    """(h, w): where there is something in front of the background."""
    return np.abs(image.astype(int) - background).max(axis=-1) > 8


def ready(page, *, as_it_opens: bool = False) -> np.ndarray:
    """The canvas, once all is loaded and drawn; with points instead of the surface, unless it is left as it opens."""
    page.wait_for_selector("html[data-ready]", state="attached")
    if not as_it_opens:
        page.evaluate(
            """() => { for (const [id, on] of [["points", true], ["surface", false]]) {
                const box = document.getElementById(id);
                if (!box.parentElement.hidden && box.checked !== on) box.click();
            } }"""
        )
    return wait_until(page, lambda image: drawn(image).mean() > 0.02, of="#canvas")


def changed(page, before: np.ndarray) -> np.ndarray:
    return wait_until(page, lambda image: (np.abs(image.astype(int) - before) > 20).mean() > 0.002, of="#canvas")


def settled(page) -> np.ndarray:
    """The canvas, once it stands still."""
    last = [pixels(page.locator("#canvas"))]

    def still(image: np.ndarray) -> bool:
        same = np.array_equal(image, last[0])
        last[0] = image
        return same

    page.wait_for_timeout(50)
    return wait_until(page, still, of="#canvas")


def canvas_from_photo(page, scene: Scene, photo: int, u, v) -> tuple:
    """Where a pixel of a photo is on the screen when one looks from its camera: all of it fits the canvas."""
    box = page.locator("#canvas").bounding_box()
    height, width = scene.colors[photo].shape[:2]
    fx, fy = scene.working_intrinsics[photo].diagonal()[:2]
    scale = min(box["width"] * fx / width, box["height"] * fy / height)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return middle[0] + (u - (width - 1) / 2) / fx * scale, middle[1] + (v - (height - 1) / 2) / fy * scale


def look_from(page, photo: int) -> None:
    page.locator("#strip button").nth(photo).click()
    page.click("#photo-look")
    page.click("#photo-close")
    page.uncheck("#cameras")


def test_cloud_cameras_and_photos_are_there_at_once(browser, room, tmp_path):
    with open_scene(browser, room) as page:
        image = ready(page)
        keep_screenshot(page, "scene-html.png", tmp_path)

        colors = image[drawn(image)].reshape(-1, 3).astype(int)
        for wall in ([220, 110, 100], [110, 210, 110], [110, 130, 230], [235, 200, 80]):  # three walls, the ball
            assert (np.abs(colors - wall).max(axis=-1) < 4).mean() > 0.002, wall
        assert page.inner_text("#title") == "Scene of 4 photos"
        assert page.locator("#strip img").count() == 4


@pytest.mark.parametrize("name", ["points", "surface", "cameras", "dark"])
def test_each_switch_changes_the_picture_and_back(browser, room, name):
    with open_scene(browser, room) as page:
        before = ready(page)

        page.locator(f"#{name}").click()
        changed(page, before)
        page.locator(f"#{name}").click()

        wait_until(page, lambda image: np.array_equal(image, before), of="#canvas")


def test_walls_seen_from_behind_are_left_out_on_request(browser, room):
    with open_scene(browser, room) as page:
        ready(page)
        page.uncheck("#cameras")
        page.locator("#canvas").focus()
        for _ in range(20):  # half around, behind the blue wall
            page.keyboard.press("ArrowRight")
        inside = settled(page)

        page.uncheck("#through")

        blue = [90, 110, 210]
        assert share_of(changed(page, inside), blue) > 3 * share_of(inside, blue)


def share_of(image: np.ndarray, color: list[int]) -> float:
    """Of the pixels in one of the two shades that a wall of this colour has."""
    return (np.abs(np.abs(image.astype(int) - color) - 20).max(axis=-1) < 6).mean()


def test_the_textured_surface_alone_looks_like_the_cloud(browser, room, tmp_path):
    with open_scene(browser, room) as page:
        ready(page)
        page.uncheck("#cameras")
        cloud = settled(page)
        page.check("#surface")
        page.uncheck("#points")
        surface = changed(page, cloud)
        keep_screenshot(page, "scene-html-surface.png", tmp_path)

        both = drawn(cloud) & drawn(surface)
        assert both.mean() > 0.5 * drawn(cloud).mean()
        assert np.median(np.abs(cloud[both].astype(int) - surface[both])) < 6


def test_the_slider_hides_the_least_sure_points_first(browser, tmp_path):
    page_file = grey_wall().export(tmp_path / "scene.html", mesh=False)
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        look_from(page, 0)
        everything = drawn(settled(page))

        page.locator("#hidden").fill("50")
        half = drawn(settled(page))

        assert page.inner_text("#hidden-value") == "50 %"
        assert 0.45 < half.sum() / everything.sum() < 0.55
        top = everything.shape[0] // 2
        assert half[:top].sum() < 0.02 * half[top:].sum()  # confidence grows from top to bottom
        page.locator("#size").fill("0.25")
        assert drawn(settled(page)).sum() < half.sum()


def test_looking_from_a_camera_shows_what_its_photo_shows(browser, room):
    scene = make_scene(scale=4, num_photos=4)
    with open_scene(browser, room) as page:
        ready(page)
        for photo in (1, 2):
            look_from(page, photo)
            seen = settled(page).astype(int)
            left, top = (page.locator("#canvas").bounding_box()[side] for side in ("x", "y"))
            height, width = scene.colors[photo].shape[:2]
            v, u = np.mgrid[4 : height - 4 : 7, 4 : width - 4 : 7]
            x, y = canvas_from_photo(page, scene, photo, u, v)
            difference = seen[(y - top).astype(int), (x - left).astype(int)] - scene.colors[photo][v, u]
            assert np.median(np.abs(difference)) < 4
            page.check("#cameras")


@pytest.mark.parametrize("surface", [False, True])
def test_a_grey_of_128_is_128_on_the_screen(browser, tmp_path, surface):
    page_file = grey_wall().export(tmp_path / "scene.html")
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        look_from(page, 0)
        page.set_checked("#surface", surface)
        page.set_checked("#points", not surface)
        image = settled(page)

        left, top = (page.locator("#canvas").bounding_box()[side] for side in ("x", "y"))
        x, y = canvas_from_photo(page, grey_wall(), 0, 30, 45)
        patch = image[int(y - top) - 40 : int(y - top) + 40, int(x - left) - 40 : int(x - left) + 40]
        assert np.abs(patch.astype(int) - 128).max() <= 3


@pytest.mark.parametrize("metric", [False, True])
def test_two_clicks_measure_a_distance_and_a_known_length_sets_the_scale(browser, tmp_path, metric):
    page_file = grey_wall(metric=metric).export(tmp_path / "scene.html", mesh=False)
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        look_from(page, 0)
        settled(page)
        page.click("#measure")
        assert page.inner_text("#reading") == "Click the first point."
        for pixel in ((20, 30), (95, 30)):
            page.mouse.click(*canvas_from_photo(page, grey_wall(), 0, *pixel))
        keep_screenshot(page, "scene-html-measure.png", tmp_path)

        # 75 pixels at a focal length of 100 pixels, two units away.
        assert page.inner_text("#reading") == f"Distance: 1.5 {'m' if metric else 'units'}"
        page.fill("#known", "3.75")
        page.fill("#unit", "ft")
        page.click("#calibration button")
        assert page.inner_text("#reading") == "Distance: 3.75 ft"
        for pixel in ((20, 10), (20, 65)):
            page.mouse.click(*canvas_from_photo(page, grey_wall(), 0, *pixel))
        assert page.inner_text("#reading") == "Distance: 2.5 ft"  # 55 / 110 * 2 units


def test_clicking_a_camera_shows_its_photo(browser, tmp_path):
    page_file = grey_wall().export(tmp_path / "scene.html", mesh=False)
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        page.uncheck("#points")
        camera = drawn(settled(page))
        rows, columns = np.nonzero(camera)
        box = page.locator("#canvas").bounding_box()
        assert page.is_hidden("#photo")

        page.mouse.click(box["x"] + np.median(columns), box["y"] + np.median(rows))

        page.wait_for_selector("#photo", state="visible")
        assert page.inner_text("#photo-name") == "wall.png"
        assert page.get_attribute("#photo-image", "alt") == "Photo wall.png"
        shown = pixels(page.locator("#photo-image"))
        assert np.abs(shown[shown.shape[0] // 2, 20].astype(int) - 128).max() <= 3
        keep_screenshot(page, "scene-html-photo.png", tmp_path)
        page.keyboard.press("Escape")
        page.wait_for_selector("#photo", state="hidden")


def test_mouse_wheel_and_keys_move_the_eye_and_a_button_flies_back(browser, room):
    with open_scene(browser, room, reduced_motion="no-preference") as page:
        home = ready(page)
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 300)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 330, steps=3)
        page.mouse.up()
        turned = changed(page, home)
        page.mouse.wheel(0, -400)
        zoomed = changed(page, turned)
        page.keyboard.press("ArrowLeft")
        moved = changed(page, zoomed)
        page.keyboard.press("Shift+ArrowUp")
        changed(page, moved)

        page.click("#reset")

        wait_until(page, lambda image: np.array_equal(image, home), of="#canvas")


def test_on_a_phone_the_options_fold_away_and_nothing_sticks_out(browser, room, tmp_path):
    phone = {"size": (390, 780), "has_touch": True, "is_mobile": True, "device_scale_factor": 2, "color_scheme": "dark"}
    with open_scene(browser, room, **phone) as page:
        page.wait_for_selector("html[data-ready]", state="attached")
        wait_until(page, lambda image: drawn(image, DARK).mean() > 0.05, of="#canvas")
        keep_screenshot(page, "scene-html-phone.png", tmp_path)
        assert page.is_hidden("#options")
        assert page.locator("#canvas").bounding_box()["height"] > 500

        page.tap("#fold")

        page.wait_for_selector("#options", state="visible")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        keep_screenshot(page, "scene-html-phone-options.png", tmp_path)


def test_two_fingers_zoom_and_one_turns(browser, room):
    with open_scene(browser, room, size=(390, 780), has_touch=True) as page:
        before = ready(page)
        middle, top = 195, page.locator("#canvas").bounding_box()["y"] + 250
        screen = page.context.new_cdp_session(page)

        def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", (middle - 30, top), (middle + 30, top))
        for reach in (60, 90, 120):
            touch("touchMove", (middle - reach, top), (middle + reach, top))
        touch("touchEnd")
        zoomed = changed(page, before)
        assert drawn(zoomed).mean() > 1.2 * drawn(before).mean()

        touch("touchStart", (middle, top))
        for step in (20, 60, 100):
            touch("touchMove", (middle + step, top))
        touch("touchEnd")
        changed(page, zoomed)


def test_names_are_text_whatever_they_hold(browser, tmp_path):
    name = "</script><img src=x onerror=\"document.title='broken'\">&amp; 写真 \U0001f3e0.jpg"
    scene = without_registration(make_scene(num_photos=3), 2)
    page_file = replace(scene, names=("a.jpg", name, "surrogate \udcff.jpg")).export(tmp_path / "scene.html")
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        page.locator("#strip button").nth(1).click()

        assert page.locator("#photo-name").text_content() == name
        assert page.title() == "Scene of 3 photos"
        assert page.locator("img[src=x]").count() == 0
        assert "1 of the photos not registered" in page.inner_text("#summary")


def test_a_scene_without_registered_photos_says_so_and_shows_them(browser, tmp_path):
    page_file = without_registration(make_scene(num_photos=2), 0, 1).export(tmp_path / "scene.html")
    with open_scene(browser, page_file.as_uri()) as page:
        page.wait_for_selector("#message", state="visible")
        keep_screenshot(page, "scene-html-empty.png", tmp_path)

        assert "no photo could be registered" in page.inner_text("#message")
        page.locator("#strip button").first.click()
        assert page.is_hidden("#photo-look")


def test_the_sky_can_be_switched_off(browser, tmp_path):
    sky = np.zeros((90, 120), np.float32)
    sky[:30] = 1.0
    page_file = grey_wall(sky=[sky]).export(tmp_path / "scene.html", mesh=False)
    with open_scene(browser, page_file.as_uri()) as page:
        ready(page)
        look_from(page, 0)
        whole = drawn(settled(page))

        page.uncheck("#sky")

        assert drawn(settled(page)).sum() / whole.sum() == pytest.approx(2 / 3, abs=0.05)
