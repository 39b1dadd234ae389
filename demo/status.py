"""How a run stands, as a small piece of page."""

from pointmap.demo.line import Event


def as_html(event: Event | None, message: str = "", *, failed: bool = False) -> str:
    """A bar with the stage, the share and the time left; the place in line; or a message (plain text, escaped)."""
    raise NotImplementedError
