"""`pointmap view`: a finished scene in the browser."""

import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tyro.conf import Positional


def view(scene: Positional[Path], port: int | None = None, open: bool = True, live: bool = False) -> None:
    """Look at a finished scene in the browser.

    Opens the folder's scene.html, which is made first where it is missing or older than the scene. On a machine that
    one works on from afar (SSH), or with a port, the page is served on localhost until Ctrl-C.

    Args:
        scene: The folder that `pointmap reconstruct` wrote, its scene.npz or scene.html, or anything else that
            pointmap reads: a COLMAP model with its photos, transforms.json, a folder of posed RGB-D photos.
        port: Serve the page at this port of localhost.
        open: Open the browser; otherwise only say where the page is.
        live: Use viser instead of the page, for millions of points (needs the extra "view").
    """
    from pointmap.viewing import is_remote, page_of, serve_file, show_in_browser

    if live:
        from pointmap.export.live import serve_live
        from pointmap.scene import Scene

        server = serve_live(Scene.read(scene), port=8080 if port is None else port)
        _serve(server.sleep_forever, server.get_port(), "", open=open)
        return
    page = page_of(scene)
    if port is None and not is_remote():
        _say(str(page), opened=open and show_in_browser(page.resolve().as_uri()))
        return
    with serve_file(page, port=8080 if port is None else port, search=port is None) as server:
        _serve(server.serve_forever, server.server_port, page.name, open=open)


def _serve(forever: Callable[[], None], port: int, name: str, *, open: bool) -> None:
    from pointmap.viewing import is_remote, show_in_browser

    address = f"http://localhost:{port}/{name}"
    _say(address, opened=open and not is_remote() and show_in_browser(address))
    if is_remote():
        print(f"To see it from your own machine: ssh -N -L {port}:localhost:{port} {platform.node()}")
    print("Ctrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        forever()


def _say(place: str, *, opened: bool) -> None:
    print(f"Opened {place}" if opened else f"Open this in a browser: {place}", flush=True)
