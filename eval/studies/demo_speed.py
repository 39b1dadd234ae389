"""What a visitor of the demo waits for: from the click to the first cloud, and from a slider to a new picture.

    python -m eval.studies.demo_speed [--runs 3] [--photos demo/photos/room/images] [--count 4]

Starts the demo in a process of its own, and a headless Chromium beside it on the same machine; it draws without a GPU
there, and takes its share of the processor. Each run is a visit: a fresh page, photos uploaded, "Make the scene"
clicked. The first cloud is there when the pixels in the middle of the viewer have many colours instead of one.
Needs the extra `demo`, playwright and Chromium.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .rows import markdown

_ROOT = Path(__file__).parents[2]
_FLAGS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--photos", type=Path, default=_ROOT / "demo" / "photos" / "room" / "images")
    parser.add_argument("--count", type=int, default=4)
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.iterdir())[: arguments.count]
    with running_demo() as address, browser() as chromium:
        visits = [visit(chromium, address, photos) for _ in range(arguments.runs)]
    rows = [
        [what, f"{statistics.median(times):.2f}", f"{max(times):.2f}"]
        for what, times in ((what, [seconds[what] for seconds in visits]) for what in visits[0])
    ]
    print(f"{len(photos)} photos, {arguments.runs} visits\n\n{markdown(['seconds from', 'median', 'worst'], rows)}")


@contextmanager
def running_demo(*options: str) -> Iterator[str]:
    """The address of a demo in a process of its own."""
    command = [sys.executable, "-m", "pointmap", "demo", "--no-open", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://\S+", said)
            if found is None:
                raise SystemExit(f"The demo did not start: {said}")
            time.sleep(8)  # until its worker has loaded everything, as it has when a visitor has chosen photos
            yield found[0]
        finally:
            process.terminate()


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium, the one of this machine."""
    from playwright.sync_api import sync_playwright

    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=next(filter(None, found), None), args=_FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


def visit(chromium: Any, address: str, photos: list[Path]) -> dict[str, float]:
    """Seconds that one visitor waits for each thing."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.locator("input[type=file]").first.set_input_files(photos)
    page.get_by_text(f"{len(photos)} photos").first.wait_for()
    page.wait_for_timeout(1000)
    seconds = {}
    click = time.perf_counter()
    page.get_by_role("button", name="Make the scene").click()
    viewer = page.frame_locator("iframe").first
    canvas = viewer.locator("#canvas")
    canvas.wait_for()
    while not _is_drawn(_middle(canvas)):
        _in_time(click, 120)
    seconds["click to the first cloud"] = time.perf_counter() - click
    while not re.match(r"[\d,]+ points", viewer.locator("#summary").inner_text()):  # before, it says "Growing"
        _in_time(click, 120)
        page.wait_for_timeout(50)
    seconds["click to the whole cloud"] = time.perf_counter() - click
    page.get_by_role("button", name="Cancel").wait_for(state="hidden", timeout=180_000)
    seconds["click to the textured surface"] = time.perf_counter() - click
    viewer.get_by_role("button", name="Options").click()
    viewer.get_by_label("Points", exact=True).check()
    viewer.get_by_label("Surface").uncheck()
    page.wait_for_timeout(1000)
    before = _middle(canvas)
    slid = time.perf_counter()
    viewer.locator("#hidden").fill("60")
    while not _differs(_middle(canvas), before):
        _in_time(slid, 20)
    seconds["slider to the new picture"] = time.perf_counter() - slid
    page.close()
    return seconds


def _middle(canvas: Any) -> np.ndarray:
    """What the middle of an element looks like."""
    image = np.asarray(Image.open(BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
    height, width = image.shape[:2]
    return image[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]


def _is_drawn(image: np.ndarray) -> bool:
    """An empty canvas has one colour."""
    return len(np.unique((image // 24).reshape(-1, 3), axis=0)) > 20


def _differs(image: np.ndarray, other: np.ndarray) -> bool:
    return image.shape == other.shape and float((np.abs(image - other).max(-1) > 12).mean()) > 0.01


def _in_time(begin: float, most: float) -> None:
    if time.perf_counter() - begin > most:
        raise SystemExit(f"Nothing new on the screen within {most} seconds.")


if __name__ == "__main__":
    main()
