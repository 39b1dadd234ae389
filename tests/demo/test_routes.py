import asyncio
import io
import json
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from PIL import Image
from scenes import make_scene
from visitors import given, open_demo, photo_bytes

pytest.importorskip("gradio")

from starlette.applications import Starlette

from pointmap.demo.visitors import routes as routes_module
from pointmap.demo.visitors.intake import take_files
from pointmap.demo.visitors.routes import make_routes


class Demo:
    """Two visitors, and the addresses of a demo; the first has two photos and a scene of them."""

    def __init__(self, folder):
        self.sessions, self.clock = open_demo(folder)
        self.ours, self.theirs = self.sessions.of("ours"), self.sessions.of("theirs")
        uploads = [given(folder / "uploads", f"{index}.jpg", photo_bytes(index)) for index in range(2)]
        take_files(self.ours, uploads, self.sessions.limits)
        make_scene(num_photos=2, scale=4).save(self.ours.scene_file)
        (self.ours.result / "files").mkdir()
        (self.ours.result / "files" / "scene.glb").write_bytes(b"glTF")
        self.app = Starlette(routes=make_routes(self.sessions))

    def ask(self, address: str, method: str = "GET", **settings) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, address, **settings)

        return asyncio.run(ask())

    @asynccontextmanager
    async def client(self):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            yield client

    def draw(self, number: int) -> None:
        """A new view is there."""
        (self.ours.result / f"view-{number}.bin").write_bytes(f"view {number}".encode())
        self.ours.view = number


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.setattr(routes_module, "LONGEST_WAIT", 0.3)
    monkeypatch.setattr(routes_module, "_page", lambda: b"<!DOCTYPE html>")
    return Demo(tmp_path)


def test_the_page_of_a_scene_is_there_for_owner_and_guests(demo):
    for key in (demo.ours.token, demo.ours.link):
        answer = demo.ask(f"/scenes/{key}/")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "x-frame-options" not in answer.headers  # hosted pages are framed


def test_the_newest_view_comes_if_it_is_newer(demo):
    demo.draw(3)

    answer = demo.ask(f"/scenes/{demo.ours.link}/view?after=2")
    assert (answer.status_code, answer.content, answer.headers["x-view"]) == (200, b"view 3", "3")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert "x-scale" not in answer.headers

    begin = time.monotonic()
    assert demo.ask(f"/scenes/{demo.ours.link}/view?after=3").status_code == 204
    assert time.monotonic() - begin >= 0.3
    assert demo.ask(f"/scenes/{demo.ours.link}/view").content == b"view 3"
    assert demo.ask(f"/scenes/{demo.ours.link}/view?after=x").content == b"view 3"


def test_who_waits_gets_a_view_as_soon_as_it_is_drawn(demo, monkeypatch):
    monkeypatch.setattr(routes_module, "LONGEST_WAIT", 20.0)
    demo.ours.settled = False

    async def wait() -> tuple[httpx.Response, float]:
        async with demo.client() as client:
            waiting = asyncio.create_task(client.get(f"/scenes/{demo.ours.token}/view?after=0"))
            await asyncio.sleep(0.2)
            demo.draw(1)
            begin = time.monotonic()
            return await waiting, time.monotonic() - begin

    answer, seconds = asyncio.run(wait())
    assert answer.content == b"view 1"
    assert seconds < 1


def test_who_waits_is_told_when_the_session_goes(demo, monkeypatch):
    monkeypatch.setattr(routes_module, "LONGEST_WAIT", 20.0)

    async def wait() -> httpx.Response:
        async with demo.client() as client:
            waiting = asyncio.create_task(client.get(f"/scenes/{demo.ours.token}/view?after=0"))
            await asyncio.sleep(0.1)
            demo.sessions.close(demo.ours)
            return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(wait()).status_code == 404


def test_a_view_whose_file_is_not_there_yet_is_waited_for(demo):
    demo.ours.view = 7

    assert demo.ask(f"/scenes/{demo.ours.token}/view?after=0").status_code == 204


def test_the_owner_sets_the_scale_and_all_see_it(demo):
    demo.draw(1)

    answer = demo.ask(f"/scenes/{demo.ours.token}/scale", "POST", json={"factor": 2.5, "unit": "µm"})

    assert answer.status_code == 204
    assert (demo.ours.factor, demo.ours.unit) == (2.5, "µm")
    assert demo.ask(f"/scenes/{demo.ours.link}/view").headers["x-scale"] == "2.5 %C2%B5m"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"[1]", 400),
        (b"no json", 400),
        (b"[" * 900, 400),
        (b'{"factor": NaN, "unit": "m"}', 400),
        (b'{"factor": -1, "unit": "m"}', 400),
        (b'{"factor": 1e999, "unit": "m"}', 400),
        (b'{"factor": 1, "unit": "<script>alert(1)</script>"}', 400),
        (json.dumps({"factor": 1, "unit": "m", "more": "x" * 2000}).encode(), 413),
    ],
)
def test_a_scale_that_is_none_is_refused(demo, body, status):
    assert demo.ask(f"/scenes/{demo.ours.token}/scale", "POST", content=body).status_code == status
    assert demo.ours.unit == ""


def test_only_owners_of_a_scene_set_its_scale(demo):
    scale = {"factor": 2, "unit": "m"}

    assert demo.ask(f"/scenes/{demo.ours.link}/scale", "POST", json=scale).status_code == 403
    assert demo.ask(f"/scenes/{demo.theirs.token}/scale", "POST", json=scale).status_code == 409
    assert demo.ask("/scenes/nobody/scale", "POST", json=scale).status_code == 404
    assert demo.ours.unit == ""


def test_thumbnails_are_for_owners(demo):
    photo = "photos/p1.jpg"

    answer = demo.ask(f"/scenes/{demo.ours.token}/{photo}?size=160")
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert demo.ask(f"/scenes/{demo.ours.link}/{photo}").status_code == 403
    for address in (
        f"{demo.theirs.token}/{photo}",
        f"{demo.ours.token}/photos/p9.jpg",
        f"{demo.ours.token}/{photo}?size=7",
    ):
        assert demo.ask(f"/scenes/{address}").status_code == 404


def test_pictures_are_drawn_once(demo, monkeypatch):
    address = f"/scenes/{demo.ours.link}/pictures/1/depth.jpg"
    first = demo.ask(address)
    assert Image.open(io.BytesIO(first.content)).format == "JPEG"
    assert first.headers["cache-control"] == "no-store"

    monkeypatch.setattr(routes_module, "picture", lambda *given: 1 / 0)
    assert demo.ask(address).content == first.content

    monkeypatch.setattr(routes_module, "picture", lambda *given: b"new")
    make_scene(num_photos=2, scale=2).save(demo.ours.scene_file)
    assert demo.ask(address).content == b"new"
    assert len(list((demo.ours.folder / "pictures").iterdir())) == 1


@pytest.mark.parametrize("address", ["pictures/2/depth.jpg", "pictures/-1/depth.jpg", "pictures/0/secret.jpg"])
def test_unknown_pictures_are_not_found(demo, address):
    assert demo.ask(f"/scenes/{demo.ours.token}/{address}").status_code == 404


def test_there_are_no_pictures_before_there_is_a_scene(demo):
    assert demo.ask(f"/scenes/{demo.theirs.token}/pictures/0/depth.jpg").status_code == 404


def test_exported_files_are_attachments(demo):
    answer = demo.ask(f"/scenes/{demo.ours.link}/files/scene.glb")

    assert answer.content == b"glTF"
    assert answer.headers["content-disposition"] == 'attachment; filename="scene.glb"'
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        *("../scene.npz", "..%2fscene.npz", "%2e%2e/scene.npz", "..%5cscene.npz", "..", "%2e%2e", ""),
        *(".hidden", "link.glb", "folder", "no.glb", "/etc/passwd", "%2fetc%2fpasswd", "scene.glb%00.html"),
    ],
)
def test_nothing_else_is_a_file(demo, name):
    files = demo.ours.result / "files"
    (files / ".hidden").write_bytes(b"hidden")
    (files / "link.glb").symlink_to(demo.ours.scene_file)
    (files / "folder").mkdir()

    assert demo.ask(f"/scenes/{demo.ours.token}/files/{name}").status_code == 404


def test_wrong_keys_and_other_peoples_get_the_same_answer(demo):
    def seen(answer: httpx.Response) -> tuple:
        return answer.status_code, answer.content, sorted(answer.headers.items())

    wrong, theirs = (demo.ask(f"/scenes/{key}/files/scene.glb") for key in ("x" * 32, demo.theirs.token))

    assert seen(wrong) == seen(theirs)
    assert wrong.status_code == 404
    for key in ("..", "%2e%2e", "ours", demo.ours.folder.name, "%00", ""):
        assert demo.ask(f"/scenes/{key}/files/scene.glb").status_code == 404


def test_looking_is_a_sign_of_life_and_an_open_page_alone_is_none(demo):
    demo.clock.wait(50 * 60)
    demo.ask(f"/scenes/{demo.ours.token}/")
    demo.clock.wait(20 * 60)
    assert demo.sessions.sweep() == [demo.theirs]
    demo.clock.wait(39 * 60)
    demo.draw(1)
    demo.ask(f"/scenes/{demo.ours.token}/view")
    demo.ask(f"/scenes/{demo.ours.link}/")
    demo.clock.wait(2 * 60)
    assert demo.sessions.sweep() == [demo.ours]
