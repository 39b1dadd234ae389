"""Our .glb in `gr.Model3D`, the viewer of Gradio's pages."""

import numpy as np
import pytest
from browser import keep_screenshot, open_browser, open_page, wait_until
from scenes import make_scene

HUES = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
"""The walls of the room, by the channel that is strongest in them."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A cloud with cameras, and a textured mesh."""
    folder = tmp_path_factory.mktemp("models")
    scene = make_scene(scale=4, num_photos=4)
    return {
        "cloud": scene.export(folder / "scene.glb"),
        "mesh": scene.export(
            folder / "mesh.glb", cloud=False, mesh=scene.mesh(method="grid", texture=True), cameras=False
        ),
    }


@pytest.fixture(scope="module")
def page(files):
    """A page with both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        gradio = pytest.importorskip("gradio", reason="needs the extra demo")
        with gradio.Blocks() as blocks, gradio.Row():
            for name, file in files.items():
                gradio.Model3D(str(file), label=name, elem_id=name, height=400)
        with open_browser() as browser:
            _, address, _ = blocks.launch(
                server_name="127.0.0.1",
                prevent_thread_lock=True,
                quiet=True,
                allowed_paths=[str(files["cloud"].parent)],
            )
            try:
                with open_page(browser, address, size=(1100, 560)) as page:
                    yield page
            finally:
                blocks.close(verbose=False)


@pytest.mark.parametrize("name", ["cloud", "mesh"])
def test_gradio_draws_all_walls_in_their_colours(page, name, tmp_path):
    def share(image: np.ndarray, hue: tuple[int, int, int]) -> float:
        mine = np.array(hue, bool)
        strongest = image[..., mine].min(axis=-1).astype(int) - image[..., ~mine].max(axis=-1)
        return (strongest > 50).mean()

    wait_until(page, lambda image: all(share(image, hue) > 0.003 for hue in HUES.values()), of=f"#{name} canvas")
    keep_screenshot(page, f"model3d-{name}.png", tmp_path)
