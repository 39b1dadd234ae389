"""Real photos, all of a set and sparse subsets of it, by every method: the second part of `eval/studies/weights.py`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pointmap
from pointmap.export.preview import render_preview
from pointmap.inference import network_fingerprint
from pointmap.models import Network
from pointmap.scene import Scene

from ..code import code_digest
from ..ground_truth import GroundTruth, load_ground_truth
from ..subsets import sparse_subsets
from .colmap_baseline import run_colmap
from .photos import reconstruct_and_score
from .rows import Estimate, Row, markdown, score, shown
from .store import Store

ALL = "all"
IDENTITY = "identity"


@dataclass(frozen=True)
class SetSettings:
    """Which photos, and what one method may use."""

    photos: int = 24
    """At most so many of each set, evenly chosen."""
    sizes: tuple[int, ...] = (3, 4, 6)
    """Of the sparse subsets."""
    subsets: int = 3
    """Of each set and size."""
    seed: int = 0
    colmap_threads: int = 1
    colmap_seconds: float = 1200.0
    """Until COLMAP is stopped, per set."""


DEFAULT = SetSettings()


@dataclass(frozen=True, eq=False)
class Task:
    """Photos of one set that are reconstructed together."""

    group: str
    """ALL, or the number of photos."""
    index: np.ndarray
    """Of the photos in the set."""


def choose_tasks(truth: GroundTruth, settings: SetSettings) -> list[Task]:
    """All photos of a set, and its sparse subsets."""
    tasks = [Task(ALL, np.arange(len(truth.files)))]
    for size in settings.sizes:
        if size < len(truth.files):
            tasks += [Task(str(size), part) for part in sparse_subsets(truth, size, settings.subsets, settings.seed)]
    return tasks


def evaluate_network(
    truth: GroundTruth,
    network: Network,
    method: str,
    settings: SetSettings,
    store: Store,
    *,
    preview: Path | None = None,
    reconstruct: Callable[..., Scene] = pointmap.reconstruct,
    **options: Any,
) -> list[tuple[str, Row]]:
    """Rows of one network at the default settings, with their groups; other `options` of `reconstruct` may be given."""
    fingerprint, code = network_fingerprint(network), code_digest()
    rows = []
    for task in choose_tasks(truth, settings):
        part = truth.select(task.index)
        wanted = preview if task.group == ALL else None

        def compute(part: GroundTruth = part, wanted: Path | None = wanted) -> dict:
            row, scene = reconstruct_and_score(
                part,
                lambda files: reconstruct(files, model=network, seed=settings.seed, progress=False, **options),
                method=method,
            )
            if wanted is not None and scene is not None:
                render_preview(scene, wanted)
            return asdict(row)

        depends_on = [fingerprint, code, settings.seed, options, [file.name for file in part.files]]
        again = wanted is not None and not wanted.exists()
        found = store.get(f"{truth.name}-{task.group}-network", depends_on, compute, keep=_worked, again=again)
        rows.append((task.group, _row(found | {"method": method})))
    return rows


def evaluate_colmap(truth: GroundTruth, settings: SetSettings, store: Store) -> list[tuple[str, Row]]:
    """COLMAP's rows, with their groups."""
    tasks = choose_tasks(truth, settings)
    depends_on = [[truth.files[index].name for index in task.index] for task in tasks]

    def compute() -> list[dict]:
        rows = run_colmap(
            truth,
            [task.index for task in tasks[1:]],
            threads=settings.colmap_threads,
            time_limit=settings.colmap_seconds,
            seed=settings.seed,
        )
        return [asdict(row) for row in rows]

    found = store.get(f"{truth.name}-colmap", [depends_on, settings.seed, settings.colmap_seconds], compute)
    return [(task.group, _row(row)) for task, row in zip(tasks, found, strict=True)]


def evaluate_identity(truth: GroundTruth, settings: SetSettings) -> list[tuple[str, Row]]:
    """The rows of cameras that never move, with their groups."""
    parts = [(task.group, truth.select(task.index)) for task in choose_tasks(truth, settings)]
    return [(group, score(part, Estimate.still(part), method=IDENTITY)) for group, part in parts]


def load_sets(data: Path, names: Sequence[str], settings: SetSettings) -> list[GroundTruth]:
    """The photos that take part, of the named sets or of all folders with a cameras.json."""
    names = names or sorted(path.parent.name for path in data.glob("*/cameras.json"))
    return [load_ground_truth(data / name).spread(settings.photos) for name in names]


def all_photos_table(rows: Sequence[tuple[str, Row]]) -> str:
    """Every method on all photos of every set."""
    header = ("set", "method", "photos", "registered", "RRA@15", "RTA@15", "AUC@30", "rot. med.", "dir. med.")
    header += ("focal", "AbsRel", "d1.25", "EXIF", "s", "GiB")
    lines = []
    for group, row in sorted(rows, key=lambda item: item[1].set):
        if group == ALL:
            percent = [shown(100 * value, "{:.1f}") for value in (row.rra_15, row.rta_15, row.auc_30)]
            degrees = [shown(value, "{:.1f}") for value in (row.rotation_deg, row.direction_deg)]
            ratios = [shown(value) for value in (row.focal_error, row.depth_absrel, row.depth_within_125)]
            rest = [str(row.exif) if row.exif else "-", shown(row.seconds, "{:.0f}"), shown(row.peak_gib, "{:.1f}")]
            lines.append(
                [row.set, row.method, str(row.photos), str(row.registered), *percent, *degrees, *ratios, *rest]
            )
    return markdown(header, lines)


def sparse_table(rows: Sequence[tuple[str, Row]], groups: Sequence[str]) -> str:
    """AUC@30 of every method: per set the mean over its subsets of a size, and at the end the mean over the sets."""
    means: dict[tuple[str, str, str], float] = {}
    for group in groups:
        for name, method in {(row.set, row.method) for _, row in rows}:
            values = [row.auc_30 for g, row in rows if (g, row.set, row.method) == (group, name, method)]
            if values:
                means[group, name, method] = float(np.mean(values))
    methods = list(dict.fromkeys(row.method for _, row in rows))
    names = sorted({name for _, name, _ in means})
    lines = []
    for name in names:
        for method in methods:
            values = [means.get((group, name, method), np.nan) for group in groups]
            lines.append([name, method, *(shown(100 * value, "{:.1f}") for value in values)])
    for method in methods:
        columns = [[means[group, name, method] for name in names if (group, name, method) in means] for group in groups]
        lines.append(
            ["mean of sets", method, *(shown(100 * float(np.mean(c)) if c else np.nan, "{:.1f}") for c in columns)]
        )
    titles = ["all photos" if group == ALL else f"{group} photos" for group in groups]
    return markdown(("AUC@30", "method", *titles), lines)


def _worked(row: dict) -> bool:
    return row["error"] is None


def _row(values: dict) -> Row:
    return Row(**{name: np.nan if value is None and name != "error" else value for name, value in values.items()})
