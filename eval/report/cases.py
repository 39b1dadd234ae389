"""Worst and best scenes of a run, with their pictures."""

import base64
import io
import logging
import math
from dataclasses import dataclass
from pathlib import Path

from ..results import Run, SceneRecord
from . import wording

_LARGEST = 160_000
"""Bytes of a picture in the page; larger ones are made smaller, for a page has hundreds of them."""
_WIDTH = 720
_SCORES = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One scene worth looking at."""

    rank: str
    """"worst", "second worst", "best", ..."""
    record: SceneRecord
    scores: tuple[str, ...]
    """The first figures as text."""
    file: Path | None
    """Its picture."""


def cases(run: Run, *, worst: int = 2, best: int = 2) -> list[Case]:
    """By the first metric, of the scenes that did not fail; no scene twice. The worst come first.

    Args:
        worst: How many; the half of all scenes, rounded up, at most.
        best: How many of the rest.
    """
    metric = run.metrics[0]
    scored = [r for r in run.scenes if r.error is None and not math.isnan(r.values.get(metric.name, math.nan))]
    sign = 1 if metric.better == "higher" else -1
    scored.sort(key=lambda record: sign * record.values[metric.name])
    lowest = scored[: min(worst, (len(scored) + 1) // 2)]
    highest = scored[len(lowest) :][::-1][:best]
    return [
        Case(f"{_ORDER[place]}{name}", record, _scores(run, record), _picture_file(run, record))
        for name, records in (("worst", lowest), ("best", highest))
        for place, record in enumerate(records)
    ]


_ORDER = ("", "second ", "third ", "fourth ", "fifth ")


def picture(case: Case) -> str:
    """As a `data:` address; "" where there is none, or none that can be read."""
    if case.file is None:
        return ""
    from PIL import Image

    try:
        content = case.file.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # what is cut off is noticed here
            kind = image.format
            if len(content) > _LARGEST or kind != "JPEG":
                image.thumbnail((_WIDTH, 10_000))
                smaller = io.BytesIO()
                image.convert("RGB").save(smaller, "JPEG", quality=75, optimize=True)
                content = smaller.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        _log.warning("%s is no picture: %s", case.file.name, error)
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _picture_file(run: Run, record: SceneRecord) -> Path | None:
    # A record is data: its picture lies beside it, whatever it says.
    file = run.folder / "scenes" / Path(record.picture).name if record.picture else None
    return file if file is not None and file.is_file() else None


def _scores(run: Run, record: SceneRecord) -> tuple[str, ...]:
    found = []
    for metric in run.metrics[:_SCORES]:
        value = wording.scaled(metric, record.values.get(metric.name, math.nan))
        if not math.isnan(value):
            text = wording.number(value, wording.column_digits(metric, [value]))
            found.append(f"{metric.title} {text} {wording.unit(metric)}".strip())
    return tuple(found)
