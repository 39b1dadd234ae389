"""How a run stands, as a small piece of page."""

from html import escape

from pointmap.demo.work.line import Event, Waiting, Working


def as_html(event: Event | None, message: str = "", *, failed: bool = False) -> str:
    """A bar with the stage, the share and the time left; the place in line; or a message (plain text, escaped).

    Args:
        event: How the run stands; None, and views and ends, show the message alone.
        message: Lines become paragraphs. With a run: said below its bar.
        failed: The message says what went wrong, so that it is read out at once.
    """
    if isinstance(event, Working):
        share = round(100 * min(max(event.share, 0.0), 1.0))
        count = f"{event.done} of {event.total}" if event.total > 1 else ""
        below = " · ".join(filter(None, [count, _time_left(event.seconds)]))
        return _bar(event.stage, f"{share} %", below, message, share)
    if isinstance(event, Waiting):
        place = "You are next in line" if event.place <= 1 else f"You are number {event.place} in line"
        until = "" if event.seconds is None else f"{_duration(event.seconds)} until it begins"
        return _bar(place, "", until, message, None)
    return _message(message, failed)


def _bar(stage: str, right: str, below: str, message: str, share: int | None) -> str:
    """`share` in percent; None while nobody can tell."""
    stage = escape(stage)
    value = "" if share is None else f' aria-valuenow="{share}"'
    width = "" if share is None else f' style="width: {share}%"'
    spoken = " ".join(filter(None, [stage, right, escape(below)]))
    lines = [escape(line) for line in [below, *message.splitlines()] if line]
    return (
        f'<div class="pm-run{" pm-waits" if share is None else ""}">'
        f'<p class="pm-stage"><span>{stage}</span> <span>{right}</span></p>'
        f'<div class="pm-bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100"{value}'
        f' aria-valuetext="{spoken}"><div{width}></div></div>'
        + "".join(f'<p class="pm-quiet">{line}</p>' for line in lines)
        + "</div>"
    )


def _message(message: str, failed: bool) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in message.splitlines() if line.strip())
    if not lines:
        return ""
    kind, role = ("pm-failed", "alert") if failed else ("pm-said", "status")
    return f'<div class="{kind}" role="{role}">{lines}</div>'


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "almost done" if seconds < 1.5 else f"{_duration(seconds)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"
