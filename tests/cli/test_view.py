import os
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from scenes import make_scene, without_registration

from pointmap import InputError, cli, extras, viewing
from pointmap.export.live import serve_live
from pointmap.scene import Scene


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A finished scene, on a machine with a screen."""
    for name in ("SSH_CONNECTION", "SSH_TTY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    make_scene(num_photos=1).save(tmp_path / "scene.npz")
    return tmp_path


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """What the browser was asked to open."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: addresses.append(address) or True)
    return addresses


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pointmap", "view", *map(str, arguments)])
    cli.main()


def interrupted_at_once(monkeypatch):
    def serve_forever(self, poll_interval=0.5):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", serve_forever)


def test_the_page_is_made_once_and_again_when_the_scene_is_newer(folder):
    page = viewing.page_of(folder)
    first = page.stat().st_mtime_ns
    assert page == folder / "scene.html"

    assert viewing.page_of(folder / "scene.npz").stat().st_mtime_ns == first
    os.utime(folder / "scene.npz", (page.stat().st_mtime + 10,) * 2)

    assert viewing.page_of(folder).stat().st_mtime_ns > first


def test_without_a_surface_there_is_a_page_all_the_same(folder, monkeypatch, caplog):
    def no_surface(scene, **settings):
        raise InputError("There is no surface.")

    monkeypatch.setattr(Scene, "mesh", no_surface)

    assert viewing.page_of(folder).is_file()
    assert "There is no surface." in caplog.text


def test_the_browser_opens_the_file(folder, monkeypatch, opened, capsys):
    run(monkeypatch, folder)

    assert opened == [(folder / "scene.html").as_uri()]
    assert "scene.html" in capsys.readouterr().out


@pytest.mark.parametrize("without", ["screen", "wish"])
def test_otherwise_the_place_is_said(folder, monkeypatch, opened, capsys, without):
    monkeypatch.setattr(sys, "platform", "linux")
    if without == "screen":
        monkeypatch.delenv("DISPLAY")
    run(monkeypatch, folder, *(["--no-open"] if without == "wish" else []))

    assert opened == []
    assert f"Open this in a browser: {folder / 'scene.html'}" in capsys.readouterr().out


def test_over_ssh_the_page_is_served_on_localhost_and_the_tunnel_explained(folder, monkeypatch, opened, capsys):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 22 10.0.0.2 22")
    interrupted_at_once(monkeypatch)

    run(monkeypatch, folder)

    shown = capsys.readouterr().out
    assert opened == []
    assert "http://localhost:" in shown
    assert "ssh -N -L" in shown


def test_the_server_gives_the_page_to_this_machine_and_nothing_else(folder):
    page = viewing.page_of(folder)
    server = viewing.serve_file(page, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        for path in ("/", "/scene.html"):
            assert urllib.request.urlopen(root + path).read() == page.read_bytes()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(root + "/scene.npz")
        assert server.server_address[0] == "127.0.0.1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken_is_a_mistake_only_if_it_was_asked_for(folder):
    page = viewing.page_of(folder)
    with viewing.serve_file(page, port=0) as first:
        with pytest.raises(InputError, match=f"port {first.server_port}.*--port"):
            viewing.serve_file(page, port=first.server_port)
        with viewing.serve_file(page, port=first.server_port, search=True) as second:
            assert second.server_port != first.server_port


def test_what_is_no_scene_ends_with_code_2_and_a_message(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path / "nothing")

    assert stop.value.code == 2
    assert "nothing" in capsys.readouterr().err


def test_live_without_viser_says_how_to_get_it(folder, monkeypatch, capsys):
    monkeypatch.setattr(extras, "is_installed", lambda package: False)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, folder, "--live")

    assert stop.value.code == 2
    assert "pip install 'pointmap[view]'" in capsys.readouterr().err


def test_live_shows_cloud_surface_and_cameras():
    pytest.importorskip("viser")
    server = serve_live(make_scene(num_photos=1), port=0)
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{server.get_port()}").read()
        assert b"<html" in page.lower()
    finally:
        server.stop()


def test_live_refuses_an_empty_scene():
    pytest.importorskip("viser")
    with pytest.raises(InputError, match="nothing to see"):
        serve_live(without_registration(make_scene(num_photos=1), 0))
