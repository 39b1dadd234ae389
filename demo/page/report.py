"""What a run did, in plain sentences: what was left out and why, and how long everything took."""

from html import escape
from typing import Any

from pointmap.demo.work.progress import LABELS
from pointmap.scene import Scene

_STAGES = {
    "load network": "Loading the network",
    "load photos": "Opening the photos",
    "pairs": "Choosing which photos to compare",
    **LABELS,
}


def report_html(report: dict[str, Any], scene: Scene | None = None) -> str:
    """Of the result of `jobs.reconstruct_job`, and the time of every stage of the scene; empty for none."""
    if not report:
        return ""
    missing = [
        f"{name}: it shows too little of what the other photos show." for name in report.get("not_registered", [])
    ]
    skipped = [f"{entry['name']}: {entry['reason']}" for entry in report.get("skipped", [])]
    dropped = list(report.get("dropped", []))
    parts = [f"<p>{_summary(report)}</p>"]
    if missing or skipped or dropped:
        parts += _section("Photos that could not be placed", missing)
        parts += _section("Photos that were skipped", skipped)
        parts += _section("What counted less or was left out", dropped)
    else:
        parts.append("<p>Everything was used.</p>")
    if report.get("no_surface"):
        parts += _section("No surface", [report["no_surface"]])
    parts += _section("Notes", report.get("notes", []))
    parts.append(_times(report.get("seconds"), {} if scene is None else scene.report.get("seconds", {})))
    return f'<div class="pm-report">{"".join(parts)}</div>'


def _summary(report: dict[str, Any]) -> str:
    photos, registered = int(report.get("photos", 0)), int(report.get("registered", 0))
    if registered == photos:
        return "The photo is in the scene." if photos == 1 else f"All {photos} photos are in the scene."
    return f"{registered} of {photos} photos are in the scene."


def _section(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return [f"<h3>{title}</h3>", "<ul>", *(f"<li>{escape(str(line))}</li>" for line in lines), "</ul>"]


def _times(total: float | None, stages: dict[str, float]) -> str:
    """A table of what took a moment at least; several stages may share their words."""
    rows: dict[str, float] = {}
    for stage, seconds in stages.items():
        words = _STAGES.get(stage, stage[:1].upper() + stage[1:])
        rows[words] = rows.get(words, 0.0) + float(seconds)
    rows = {words: seconds for words, seconds in rows.items() if seconds >= 0.05}
    if total is not None:
        rows |= {"Surface, drawing and the rest": rest} if (rest := total - sum(rows.values())) >= 0.05 else {}
        rows["Together"] = total
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(words)}</th><td>{_time(value)}</td></tr>' for words, value in rows.items()
    )
    return f'<h3>Time</h3><table class="pm-table"><tbody>{lines}</tbody></table>'


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {round(seconds) % 60} s"
