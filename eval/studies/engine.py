"""The engine's two sources of geometry, together and alone, beside COLMAP.

    python eval/studies/engine.py ../shared/data -o OUT

On all photos of every set, on sparse subsets of 3, 4 and 6 of them, and on held-out procedural scenes: incremental
COLMAP alone, `poses="network"`, and `poses="auto"`, which may use both. The last table names every case in which
"auto" falls short of the better of the two. What was computed is kept in OUT/results.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from tyro.conf import Positional, arg

if not __package__:  # run as a file: python eval/studies/engine.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes

from .colmap_baseline import METHOD as COLMAP
from .procedural_scenes import procedural_sets
from .real_sets import ALL, DEFAULT, SetSettings, evaluate_colmap, evaluate_network, load_sets
from .rows import Row, markdown, shown
from .store import Store

AUTO, NETWORK = "auto", "network"
TOLERANCE = 0.02
"""Of AUC; less is noise."""
SLOWER = 1.2
"""By how much "auto" may take longer to find poses than COLMAP; the network's part is left out, and stereo."""


@dataclass(frozen=True)
class Shortfall:
    """A case in which "auto" is worse than a method alone."""

    set: str
    group: str
    what: str
    auto: float
    other: float
    method: str


def evaluate_engine(
    data: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("eval-engine"),
    sets: tuple[str, ...] = (),
    model: str = "small",
    scenes: int = 8,
    settings: SetSettings = DEFAULT,
    device: str | None = None,
) -> list[tuple[str, Row]]:
    """Score COLMAP, the network's poses and both together.

    Args:
        data: Folder of sets, each with photos and a cameras.json.
        output: Folder for the tables and for what was computed.
        sets: Names of folders in `data`; default all that have a cameras.json.
        model: What `pointmap reconstruct --model` takes.
        scenes: Held-out procedural scenes of 8 photos; 0 leaves them out.
        settings: Which photos take part.
        device: cpu or cuda; default cuda where there is one.

    Returns:
        All rows, with the group that each belongs to: "all", or the number of photos of a subset.
    """
    import pointmap

    network = pointmap.load_model(model, device=device)
    store = Store(output / "results")
    rows: list[tuple[str, Row]] = []
    tasks = [(truth, settings) for truth in load_sets(data, sets, settings)]
    if scenes:
        tasks += [(truth, replace(settings, sizes=())) for truth in procedural_sets(output / "scenes", scenes)]
    for truth, chosen in tasks:
        found = evaluate_colmap(truth, chosen, store)
        for poses in (NETWORK, AUTO):
            found += evaluate_network(truth, network, poses, chosen, store, poses=poses)
        for group, row in found:
            print(f"{row.set}, {row.method}, {group}: {row.error or _line(row)}", file=sys.stderr, flush=True)
        rows += found
    groups = (ALL, *map(str, settings.sizes))
    text = "\n\n".join([all_photos_table(rows), *_subset_tables(rows, groups[1:]), shortfall_table(shortfalls(rows))])
    print(text)
    content = {
        "benchmark": "engine",
        "pointmap": pointmap.__version__,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "model": model,
        "settings": asdict(settings) | {"scenes": scenes},
        "rows": [{"group": group, **asdict(row)} for group, row in rows],
    }
    write_bytes(output / "engine.md", text.encode())
    print(f"Written: {write_bytes(output / 'engine.json', json_bytes(content))}")
    return rows


def all_photos_table(rows: Sequence[tuple[str, Row]]) -> str:
    """Every method on all photos of every set."""
    header = ("set", "method", "photos", "registered", "RRA@15", "RTA@15", "AUC@5", "AUC@30", "AbsRel")
    header += ("s", "poses s", "GiB")
    lines = []
    for group, row in rows:
        if group == ALL:
            percent = [shown(100 * value, "{:.1f}") for value in (row.rra_15, row.rta_15, row.auc_5, row.auc_30)]
            rest = [shown(row.depth_absrel), shown(row.seconds, "{:.0f}"), shown(_pose_seconds(row), "{:.0f}")]
            counts = [str(row.photos), str(row.registered)]
            lines.append([row.set, row.method, *counts, *percent, *rest, shown(row.peak_gib, "{:.1f}")])
    return markdown(header, lines)


def _subset_tables(rows: Sequence[tuple[str, Row]], groups: Sequence[str]) -> list[str]:
    """Per size of the subsets, the means over those of each set."""
    tables = []
    for group in groups:
        lines = []
        for name, method in dict.fromkeys((row.set, row.method) for g, row in rows if g == group):
            own = [row for g, row in rows if (g, row.set, row.method) == (group, name, method)]
            scores = [
                shown(100 * sum(values) / len(own), "{:.1f}")
                for values in ([row.auc_5 for row in own], [row.auc_30 for row in own])
            ]
            lines.append(
                [name, method, f"{sum(row.registered for row in own)}/{sum(row.photos for row in own)}", *scores]
            )
        if lines:
            tables.append(markdown((f"{group} photos", "method", "registered", "AUC@5", "AUC@30"), lines))
    return tables


def shortfalls(rows: Sequence[tuple[str, Row]]) -> list[Shortfall]:
    """Every claim of "auto" that one of the others refutes, over the mean of a set's subsets of a size."""
    found = []
    for group, name in dict.fromkeys((group, row.set) for group, row in rows):
        means = {
            method: _mean([row for g, row in rows if (g, row.set, row.method) == (group, name, method)])
            for method in (AUTO, NETWORK, COLMAP)
        }
        auto = means[AUTO]
        for method in (NETWORK, COLMAP):
            other = means[method]
            if auto["AUC@30"] < other["AUC@30"] - TOLERANCE:
                found.append(Shortfall(name, group, "AUC@30", auto["AUC@30"], other["AUC@30"], method))
            if auto["registered"] < other["registered"]:
                found.append(Shortfall(name, group, "registered", auto["registered"], other["registered"], method))
        colmap = means[COLMAP]
        if group == ALL and colmap["registered"] == 1:
            if auto["AUC@5"] < colmap["AUC@5"] - TOLERANCE:
                found.append(Shortfall(name, group, "AUC@5", auto["AUC@5"], colmap["AUC@5"], COLMAP))
            if auto["seconds"] > SLOWER * colmap["seconds"]:
                found.append(Shortfall(name, group, "seconds", auto["seconds"], colmap["seconds"], COLMAP))
    return found


def shortfall_table(found: Sequence[Shortfall]) -> str:
    """The refuted claims; one line that says so where there are none."""
    if not found:
        return "auto is at least as good as the better of the two everywhere."
    lines = [[f.set, f.group, f.what, f"{f.auto:.3f}", f"{f.other:.3f}", f.method] for f in found]
    return markdown(("auto falls short on", "photos", "in", "auto", "other", "of"), lines)


def _mean(rows: Sequence[Row]) -> dict[str, float]:
    """Over rows, of what is claimed."""
    count = len(rows)
    return {
        "AUC@5": sum(row.auc_5 for row in rows) / count,
        "AUC@30": sum(row.auc_30 for row in rows) / count,
        "registered": sum(row.registered for row in rows) / sum(row.photos for row in rows),
        "seconds": sum(map(_pose_seconds, rows)) / count,
    }


def _pose_seconds(row: Row) -> float:
    """COLMAP does nothing but poses."""
    return row.seconds if row.method == COLMAP else row.pose_seconds


def _line(row: Row) -> str:
    return f"{row.registered} of {row.photos} registered, AUC@30 {100 * row.auc_30:.1f}, AUC@5 {100 * row.auc_5:.1f}"


def main() -> int:
    """Command line: 0 if everything went through, 1 if one set failed, 2 on a wrong setting."""
    import tyro

    try:
        rows = tyro.cli(evaluate_engine, description=__doc__)
    except InputError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 2
    return int(any(row.error for _, row in rows))


if __name__ == "__main__":
    sys.exit(main())
