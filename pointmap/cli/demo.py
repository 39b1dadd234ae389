"""`pointmap demo`: the page on which photos become a scene."""

from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg, configure


@configure(FlagCreatePairsOff)
def demo(
    host: str = "127.0.0.1",
    port: Annotated[int | None, arg(metavar="N")] = None,
    no_open: bool = False,
    model: str = "small",
    workers: int = 1,
    max_photos: int = 100,
    max_file_megabytes: int = 200,
    idle_minutes: float = 60,
    mcp: bool = False,
) -> None:
    """Open the demo: drop photos on a page, watch the scene grow, take it away in any format.

    Everything runs on this machine; photos are kept in a temporary folder until their tab is closed. Ctrl-C ends it.

    Args:
        host: Who may visit: 127.0.0.1 this machine alone, 0.0.0.0 everybody who can reach it.
        port: Default: the first free one from 7860 on.
        no_open: Only say where the page is.
        model: The network that is ready at once; others can be chosen on the page.
        workers: Reconstructions at the same time; other visitors wait in line.
        max_photos: Photos of one visitor.
        max_file_megabytes: Of one uploaded file.
        idle_minutes: After so long without a sign of life, a visitor's files are removed.
        mcp: Offer the API to language models as well (pip install 'gradio[mcp]').
    """
    from pointmap.extras import require
    from pointmap.viewing import is_remote, show_in_browser

    require("gradio", extra="demo", purpose="The demo")
    from pointmap.demo.limits import Limits
    from pointmap.demo.server import Demo, serve

    limits = Limits(photos=max_photos, file_megabytes=max_file_megabytes, idle_minutes=idle_minutes)
    with Demo(limits=limits, workers=workers, model=model) as running:
        address = running.launch(host=host, port=port, mcp=mcp)
        opened = not no_open and not is_remote() and show_in_browser(address)
        print(f"{'Opened' if opened else 'Open this in a browser:'} {address}\nCtrl-C ends it.", flush=True)
        serve(running)
