"""Addresses beside Gradio's: the page of a scene, its pictures and its files, each under a key that nobody can guess.

    /scenes/KEY/                          the viewer, which follows the scene as it grows
    /scenes/KEY/view?after=N              the newest view when it is newer than N; waits for one
    /scenes/KEY/scale                     POST {"factor", "unit"}: sets the scale (token only)
    /scenes/KEY/photos/PHOTO.jpg?size=    a given photo, small (token only)
    /scenes/KEY/pictures/INDEX/KIND.jpg   what the scene knows of a photo (`pictures.py`)
    /scenes/KEY/files/NAME                what was exported (attachments)

KEY is a session's token or its link. Uploads can never be read back through Gradio's own addresses.
"""

from starlette.routing import BaseRoute

from pointmap.demo.sessions import Sessions


def make_routes(sessions: Sessions) -> list[BaseRoute]:
    """To be placed before Gradio's (`launch(app_kwargs={"routes": ...})`)."""
    raise NotImplementedError
