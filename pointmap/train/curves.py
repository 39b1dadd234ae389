"""Learning curves of a run, as numbers and as a picture, made of its log and its validations."""

import json
import logging
import math
from functools import cache
from pathlib import Path
from typing import Any

from pointmap.atomic import atomic_path, write_bytes
from pointmap.train.log import read_log
from pointmap.train.state import FACTS

CURVES, PICTURE = "curves.json", "curves.png"
_COLUMNS = 4
_LOGARITHMIC_RANGE = 3.0
"""A curve whose values are positive and span more than this factor is drawn on a logarithmic axis."""


def read_curves(output: Path) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """Curves of a run's folder, by set and name.

    Returns:
        {"training": {"total": {"pairs": [...], "values": [...]}, ...}, "worlds": {"rotation_deg": ...}, <folder of
        photos>: ...}. None where a value is not finite, or a loss is left out all along.
    """
    history = json.loads((output / FACTS).read_text())["history"] if (output / FACTS).is_file() else []
    rows: dict[str, list[tuple[float, dict[str, float]]]] = {}
    for line in read_log(output):
        rows.setdefault("training", []).append((line["pairs"], _without(line, "step", "pairs")))
    for entry in history:
        photos = {name: scores for name, scores in entry.items() if isinstance(scores, dict)}
        rows.setdefault("worlds", []).append((entry["pairs"], _without(entry, "step", "pairs", *photos)))
        for name, scores in photos.items():
            rows.setdefault(name, []).append((entry["pairs"], scores))
    curves: dict[str, dict[str, Any]] = {}
    for where, points in rows.items():
        for pairs, values in points:
            for name, value in values.items():
                curve = curves.setdefault(where, {}).setdefault(name, {"pairs": [], "values": []})
                curve["pairs"].append(pairs)
                curve["values"].append(value if math.isfinite(value) else None)
    return curves


def write_curves(output: Path) -> None:
    """Write `curves.json`, and `curves.png` where matplotlib is installed, into the folder of a run."""
    curves = read_curves(output)
    write_bytes(output / CURVES, json.dumps(curves).encode())
    if curves:
        _draw(curves, output / PICTURE)


def _draw(curves: dict[str, dict[str, Any]], path: Path) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        _say_once("No learning curves as a picture: that needs matplotlib. The numbers are in curves.json.")
        return
    panels: dict[str, list[tuple[str, Any]]] = {}
    for where, named in curves.items():
        for name, curve in named.items():
            if any(curve["values"]):  # a part of the loss that is left out is 0 all along
                title = name if where == "training" else f"validation: {name}"
                panels.setdefault(title, []).append((where, curve))
    rows = max(1, -(-len(panels) // _COLUMNS))
    figure = Figure(figsize=(4 * _COLUMNS, 2.8 * rows))
    # A layout engine would draw everything twice.
    figure.subplots_adjust(0.04, 0.3 / rows, 0.99, 1 - 0.15 / rows, hspace=0.45, wspace=0.25)
    FigureCanvasAgg(figure)
    for index, (title, drawn) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, _COLUMNS, index + 1, title=title, xlabel="pairs")
        values = [value for _, curve in drawn for value in curve["values"] if value is not None]
        for where, curve in drawn:
            marker = "." if len(curve["values"]) < 50 else None
            points = [math.nan if value is None else value for value in curve["values"]]
            axes.plot(curve["pairs"], points, marker=marker, linewidth=1, label=where)
        if min(values) > 0 and max(values) > _LOGARITHMIC_RANGE * min(values):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        if len(drawn) > 1:
            axes.legend(fontsize="x-small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)


@cache
def _say_once(text: str) -> None:
    logging.getLogger("pointmap").warning(text)


def _without(entry: dict[str, float], *names: str) -> dict[str, float]:
    return {name: value for name, value in entry.items() if name not in names}
