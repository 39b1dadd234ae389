"""A headless browser for tests of pages: skips where there is none, and allows local requests only."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
_HARMLESS = ("WebGPU", "No available adapters", "GPU stall", "Software WebGL", "swiftshader", "GroupMarkerNotSet")
_HARMLESS += ("Method not implemented.",)  # Gradio's own, whenever an upload has arrived
_LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost", "ws://127.0.0.1", "ws://localhost")


@contextmanager
def open_browser() -> Iterator:
    """A Playwright browser, for `open_page`."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    executable = next(filter(None, found), None)
    if executable is None:
        pytest.skip("needs Chromium, which is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser, address: str, *, size: tuple[int, int] = (1000, 700), expected: tuple[str, ...] = (), **context
) -> Iterator:
    """A page at this address. In the end: no request left the machine, and the console showed no error.

    Args:
        size: Of the window, in pixels.
        expected: Parts of errors that may be shown all the same.
        context: Of Playwright's `new_context`: color_scheme, has_touch, device_scale_factor.
    """
    settings = browser.new_context(viewport={"width": size[0], "height": size[1]}, **context)
    page = settings.new_page()
    page.set_default_timeout(20_000)
    outside, errors = [], []
    page.on("request", lambda request: request.url.startswith(_LOCAL) or outside.append(request.url))
    page.on("websocket", lambda socket: socket.url.startswith(_LOCAL) or outside.append(socket.url))
    page.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(address)
        yield page
        assert outside == []
        loud = [error for error in errors if not any(text in error for text in (*_HARMLESS, *expected))]
        assert loud == [], loud
    finally:
        settings.close()


def pixels(place) -> np.ndarray:
    """(h, w, 3) uint8: what a page, or an element of one, looks like."""
    return np.asarray(Image.open(BytesIO(place.screenshot())).convert("RGB"))


def wait_until(page, true: Callable[[np.ndarray], bool], *, of: str = "html", seconds: float = 30) -> np.ndarray:
    """The first screenshot of an element of which something is true."""
    end = time.monotonic() + seconds
    while True:
        image = pixels(page.locator(of))
        if true(image):
            return image
        assert time.monotonic() < end, f"not within {seconds} seconds"
        page.wait_for_timeout(100)


def keep_screenshot(page, name: str, tmp_path: Path) -> None:
    """As an artefact for people, in the folder that POINTMAP_ARTIFACTS names."""
    folder = Path(os.environ.get("POINTMAP_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / name)
