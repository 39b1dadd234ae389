"""Visits to the real demo in a browser: photos in, the scene grows, is looked at, changed and taken away."""

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from browser import keep_screenshot, open_browser, open_page, pixels
from export.gltf_validator import assert_valid_gltf
from PIL import Image
from ports import free_port

pytest.importorskip("gradio", reason="needs the extra demo")
from pointmap.demo.limits import Limits
from pointmap.demo.server import Demo

PHOTOS = sorted((Path(__file__).parents[2] / "demo" / "photos" / "room" / "images").iterdir())[:4]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo(limits=Limits(linger_seconds=1)) as running:
        running.address = running.launch(port=free_port())
        yield running


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@contextmanager
def visit(browser, demo: Demo, **context) -> Iterator:
    """The page, opened by a visitor."""
    with open_page(browser, demo.address, **context) as page:
        page.set_default_timeout(90_000)
        page.get_by_role("button", name="Make the scene").wait_for()
        yield page


def give(page, files: list[Path], expected: str) -> None:
    """Upload files, until the page says this of them."""
    page.locator("#pm-upload input[type=file]").set_input_files(files)
    page.get_by_text(expected).first.wait_for()


def make_scene(page) -> None:
    """Press the button, until something moves."""
    page.get_by_role("button", name="Make the scene").click()
    page.get_by_role("progressbar").wait_for()


def wait_for_end(page) -> str:
    """What the page says when the run has ended."""
    page.get_by_role("progressbar").wait_for(state="hidden")
    return page.locator("#pm-status").inner_text()


def viewer(page):
    return page.frame_locator("#pm-viewer iframe")


def middle(page) -> np.ndarray:
    """What is in the middle of the viewer."""
    image = pixels(viewer(page).locator("#canvas")).astype(int)
    height, width = image.shape[:2]
    return image[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]


def wait_for_change(page, before: np.ndarray, least: float = 0.01, seconds: int = 20) -> np.ndarray:
    """The middle of the viewer, when at least this share of its pixels is another than before."""
    for _ in range(seconds * 5):
        now = middle(page)
        if now.shape != before.shape or (np.abs(now - before).max(-1) > 12).mean() > least:
            return now
        page.wait_for_timeout(200)
    raise AssertionError(f"the viewer shows the same for {seconds} seconds")


def colours(image: np.ndarray) -> int:
    """How many there are, coarsely: one on an empty canvas."""
    return len(np.unique((image // 24).reshape(-1, 3), axis=0))


def test_photos_become_a_scene_that_is_looked_at_changed_and_taken_away(browser, demo, tmp_path):
    with visit(browser, demo, size=(1280, 900)) as page:
        give(page, PHOTOS, "4 photos")
        make_scene(page)
        viewer(page).locator("html[data-view]").wait_for()
        assert "4 of 4 photos placed" in wait_for_end(page)
        viewer(page).locator("html[data-ready=true]").wait_for()
        textured = middle(page)
        assert colours(textured) > 20
        keep_screenshot(page, "demo_surface.png", tmp_path)

        # Switches and sliders act on the scene that is there: the line is not asked for anything.
        asked = []
        page.on("request", lambda request: "queue/join" in request.url and asked.append(request.url))
        viewer(page).get_by_role("button", name="Options").click()
        viewer(page).get_by_label("Texture").uncheck()
        bare = wait_for_change(page, textured)
        assert bare.std(-1).mean() < textured.std(-1).mean() / 2  # grey instead of the photos' colours
        viewer(page).get_by_label("Surface").uncheck()
        viewer(page).get_by_label("Points", exact=True).check()
        cloud = wait_for_change(page, bare)
        viewer(page).locator("#hidden").fill("70")
        wait_for_change(page, cloud)
        assert asked == []
        keep_screenshot(page, "demo_cloud.png", tmp_path)

        page.get_by_role("tab", name="Downloads").click()
        page.get_by_role("button", name="Prepare files").click()
        with page.expect_download() as download:
            page.locator("#pm-files a", has_text="mesh.glb").click()
        download.value.save_as(tmp_path / "mesh.glb")
        with page.expect_download() as download:
            page.locator("#pm-files a", has_text=".zip").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            assert {"scene.glb", "mesh.glb", "scene.html"} <= {Path(name).name for name in archive.namelist()}

        for tab in ("Photos", "Cameras", "Report"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(1500)
            keep_screenshot(page, f"demo_{tab.lower()}.png", tmp_path)
    assert_valid_gltf(tmp_path / "mesh.glb", infos=("IMAGE_NPOT_DIMENSIONS",))


def test_a_run_is_cancelled_at_once_and_the_next_one_works(browser, demo):
    with visit(browser, demo) as page:
        give(page, PHOTOS[:3], "3 photos")
        make_scene(page)
        page.get_by_role("button", name="Cancel").click()

        page.get_by_text("Cancelled.").wait_for(timeout=2000)
        make_scene(page)  # as soon as the button can be pressed
        assert "3 of 3 photos placed" in wait_for_end(page)


def test_a_closed_tab_stops_its_run_and_takes_its_files_with_it(browser, demo):
    with visit(browser, demo) as page:
        give(page, PHOTOS[:3], "3 photos")
        make_scene(page)
        session = demo.sessions.find(page.locator("#pm-strip img").first.get_attribute("src").split("/")[1])[0]
        assert demo.line.busy(session)
        page.close()

    end = time.monotonic() + 60  # beside other tests a run takes its time until it looks whether it should go on
    while demo.line.busy(session) or session.folder.exists():
        assert time.monotonic() < end, "the visitor is gone, but not everything of theirs"
        time.sleep(0.2)


def test_what_is_no_photo_is_named_and_the_rest_is_taken(browser, demo, tmp_path):
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7 nothing to see")
    with visit(browser, demo) as page:
        give(page, [tmp_path / "notes.pdf", *PHOTOS[:2]], "2 photos")

        assert "notes.pdf" in page.locator("#pm-notice").inner_text()


def test_a_video_gives_photos(browser, demo, tmp_path):
    av = pytest.importorskip("av")
    clip = tmp_path / "clip.mp4"
    photos = [Image.open(photo).convert("RGB").resize((320, 240)) for photo in PHOTOS]
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for photo in photos:
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_image(photo)))
        container.mux(stream.encode())
    with visit(browser, demo) as page:
        page.locator("#pm-upload input[type=file]").set_input_files([clip])
        page.locator("#pm-strip img").nth(1).wait_for()

        shown = page.locator("#pm-strip img").count()
        assert 2 <= shown <= 5


def test_everything_fits_on_a_phone(browser, demo, tmp_path):
    with visit(browser, demo, size=(390, 844), has_touch=True, device_scale_factor=2) as page:
        page.get_by_text("A room").click()
        page.get_by_text("8 photos").first.wait_for()
        make_scene(page)
        assert "8 of 8 photos placed" in wait_for_end(page)
        viewer(page).locator("html[data-ready=true]").wait_for()

        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        keep_screenshot(page, "demo_phone.png", tmp_path)
        viewer(page).locator("#canvas").scroll_into_view_if_needed()
        assert colours(middle(page)) > 20
        image = Image.open(io.BytesIO(page.screenshot()))
        assert image.size == (780, 1688)
