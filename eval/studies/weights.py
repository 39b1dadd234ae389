"""How good weights are: one table of procedural and real scenes, beside baselines, earlier weights and COLMAP.

    python eval/studies/weights.py ../shared/data -o OUT --model small --previous FOLDER

Everything is at the default settings of `reconstruct`, cameras unknown; photos are used at the sizes they have. Focal
lengths come from EXIF where it has them (column EXIF: on how many photos), for the network as for COLMAP, which is
incremental mapping on SIFT with its default options on the CPU. A photo that a method could not register, and a set on
which it failed, count as wrong in RRA, RTA and AUC. `eval/subsets.py` has the rule of the sparse subsets.

OUT/weights.md and OUT/weights.json hold the table, OUT/results what was computed with these weights and this code: an
interrupted run goes on from there. OUT/scenes holds the procedural scenes; delete it when their generator changed.
"""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from tyro.conf import OmitArgPrefixes, Positional, arg

if not __package__:  # run as a file: python eval/studies/weights.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes
from pointmap.inference import network_fingerprint
from pointmap.models import Network

from ..ground_truth import GroundTruth
from . import procedural
from .colmap_baseline import is_available as has_colmap
from .procedural import PairRow
from .procedural_scenes import procedural_sets, scenes_table
from .real_sets import (
    ALL,
    DEFAULT,
    SetSettings,
    all_photos_table,
    evaluate_colmap,
    evaluate_identity,
    evaluate_network,
    load_sets,
    sparse_table,
)
from .rows import Row
from .store import Store


@dataclass(frozen=True)
class Report:
    """What the table holds."""

    pairs: list[PairRow]
    difficulty: dict[str, list[float]]
    scenes: list[Row]
    """Procedural scenes."""
    sets: list[tuple[str, Row]]
    """Real sets."""

    def markdown(self, groups: tuple[str, ...]) -> str:
        """All parts under one another."""
        parts = []
        if self.pairs:
            parts += [procedural.pairs_table(self.pairs), procedural.calibration_table(self.pairs)]
            parts.append(procedural.difficulty_table(self.difficulty))
        if self.scenes:
            parts.append(scenes_table(self.scenes))
        if self.sets:
            parts += [all_photos_table(self.sets), sparse_table(self.sets, groups)]
        return "\n\n".join(parts) + "\n"


def evaluate_weights(
    data: Positional[Path | None] = None,
    output: Annotated[Path, arg(aliases=["-o"])] = Path("eval-weights"),
    model: str = "small",
    previous: Path | None = None,
    sets: tuple[str, ...] = (),
    settings: OmitArgPrefixes[SetSettings] = DEFAULT,
    pairs: int = 256,
    pair_size: int = 160,
    scenes: int = 8,
    colmap: bool = True,
    previews: bool = False,
    device: str | None = None,
) -> Report:
    """Score weights on procedural and real scenes, and print one table.

    Args:
        data: Folder of sets, each with photos and a cameras.json; without it only procedural ones are scored.
        output: Folder for the table and for what was computed.
        model: What `pointmap reconstruct --model` takes.
        previous: Folder of earlier weights to stand beside them.
        sets: Names of folders in `data`; default all that have a cameras.json.
        pairs: Held-out procedural pairs; 0 leaves them out.
        pair_size: Their long side in pixels.
        scenes: Held-out procedural scenes of 8 photos; 0 leaves them out.
        colmap: Run COLMAP as well; it needs pycolmap.
        previews: Write OUT/previews/SET-WEIGHTS.png for every set.
        device: cpu or cuda; default cuda where there is one.
    """
    import pointmap

    if colmap and not has_colmap():
        raise InputError("The COLMAP baseline needs pycolmap: pip install pycolmap. Or leave it out: --no-colmap.")
    real = load_sets(data, sets, settings) if data is not None else []
    networks = {model: pointmap.load_model(model, device=device)}
    if previous is not None:
        networks["previous"] = pointmap.load_model(previous, device=device)
    store = Store(output / "results")

    pair_rows, difficulty = _procedural_pairs(networks, pairs, pair_size, store) if pairs else ([], {})
    made = procedural_sets(output / "scenes", scenes) if scenes else []
    whole = replace(settings, sizes=())
    scene_rows = [row for truth in made for _, row in _one_set(truth, networks, whole, store, colmap, None)]
    folder = output / "previews" if previews else None
    set_rows = [row for truth in real for row in _one_set(truth, networks, settings, store, colmap, folder)]
    report = Report(pair_rows, difficulty, scene_rows, set_rows)
    text = report.markdown((ALL, *map(str, settings.sizes)))
    print(text)
    content = {
        "benchmark": "weights",
        "pointmap": pointmap.__version__,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "weights": {name: network_fingerprint(network) for name, network in networks.items()},
        "settings": asdict(settings) | {"pairs": pairs, "pair_size": pair_size, "scenes": scenes},
        "pairs": [asdict(row) for row in report.pairs],
        "difficulty": {"quantiles": procedural.QUANTILES, **difficulty},
        "scenes": [asdict(row) for row in report.scenes],
        "sets": [{"group": group, **asdict(row)} for group, row in report.sets],
    }
    write_bytes(output / "weights.md", text.encode())
    print(f"Written: {write_bytes(output / 'weights.json', json_bytes(content))}")
    return report


def _procedural_pairs(
    networks: dict[str, Network], count: int, size: int, store: Store
) -> tuple[list[PairRow], dict[str, list[float]]]:
    rendered: dict[bool, list] = {}

    def batches(held_out: bool = True) -> list:
        if held_out not in rendered:
            print(f"Rendering {count} {'held-out' if held_out else 'other'} pairs", file=sys.stderr, flush=True)
            rendered[held_out] = procedural.held_out_pairs(count, size, held_out=held_out)
        return rendered[held_out]

    recipe = [count, size, procedural.SEED, procedural.TEXTURES, procedural.TEXTURE_SEED]
    rows = []
    for name, network in networks.items():

        def compute(network: Network = network) -> dict:
            return asdict(procedural.score_network(network, batches(), ""))

        rows.append(store.get("pairs-network", [*recipe, network_fingerprint(network)], compute) | {"method": name})
    rows += store.get(
        "pairs-baselines",
        recipe,
        lambda: [asdict(row) for row in procedural.score_baselines(batches(), batches(held_out=False))],
    )
    difficulty = store.get("pairs-difficulty", recipe, lambda: procedural.difficulty(batches()))
    return [procedural.pair_row(row) for row in rows], difficulty


def _one_set(
    truth: GroundTruth,
    networks: dict[str, Network],
    settings: SetSettings,
    store: Store,
    colmap: bool,
    previews: Path | None,
) -> list[tuple[str, Row]]:
    rows: list[tuple[str, Row]] = []
    for number, (name, network) in enumerate(networks.items()):
        own = f"{truth.name}-{network_fingerprint(network)[:8]}.png"
        preview = previews / own if previews is not None and number == 0 else None
        rows += _told(evaluate_network(truth, network, name, settings, store, preview=preview))
    if colmap:
        rows += _told(evaluate_colmap(truth, settings, store))
    return rows + evaluate_identity(truth, settings)


def _told(rows: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """The same, with a word about each on the way."""
    for group, row in rows:
        result = row.error or f"{row.registered} registered, AUC@30 {100 * row.auc_30:.1f}"
        print(f"{row.set}, {row.method}, {group} of {row.photos} photos: {result}", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Command line: 0 if every set went through, 1 if one failed, 2 on a wrong setting."""
    import tyro

    try:
        report = tyro.cli(evaluate_weights, description=__doc__)
    except InputError as error:
        print(f"weights: {error}", file=sys.stderr)
        return 2
    return int(any(row.error for row in [*report.scenes, *(row for _, row in report.sets)]))


if __name__ == "__main__":
    sys.exit(main())
