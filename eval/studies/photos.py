"""Camera poses from sets of real photos, scored against the truth beside them.

    python eval/studies/photos.py fox lund_door --data DIR -o OUT

Each set is a folder of DIR with photos and a `cameras.json`. Per set it reconstructs some photos, evenly chosen,
without telling any camera, and prints a row with the scores of `pointmap.metrics` over all pairs of photos, the error
of depth where the truth has depth, time and peak memory, beside the row of a baseline that never moves ("identity").
OUT/photos.json holds the same and more. A set that fails is reported, and the rest goes on; the exit code is then 1.
"""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from tyro.conf import Positional, arg

if not __package__:  # run as a file: python eval/studies/photos.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.atomic import write_bytes
from pointmap.errors import Cancelled, InputError
from pointmap.export.plain_json import json_bytes
from pointmap.scene import Scene

from ..ground_truth import GroundTruth, load_ground_truth
from ..memory import peak_gib, reset_peak
from .rows import Estimate, Row, failure, score, shown

EXAMPLES = Path(__file__).resolve().parents[2] / "demo" / "photos"

COLUMNS = ("set", "method", "photos", "registered", "RRA@15", "RTA@15", "AUC@30", "AbsRel", "seconds", "GiB")

POSE_STAGES = ("keypoints", "align")
"""Of `Scene.report["seconds"]`: those that find cameras, without the network's."""


def evaluate_photos(
    sets: Positional[tuple[str, ...]] = (),
    data: Path = EXAMPLES,
    output: Annotated[Path, arg(aliases=["-o"])] = Path("eval-photos"),
    model: str = "small",
    photos: int = 8,
    image_size: int | None = None,
    shared_focal: bool = False,
    device: str | None = None,
    seed: int = 0,
) -> list[Row]:
    """Reconstruct sets of photos and score the camera poses against the truth.

    Args:
        sets: Names of folders in `data`; default all that have a cameras.json.
        data: Where the sets are; default the example photos that come along.
        output: Folder for photos.json.
        model: What `pointmap reconstruct --model` takes.
        photos: At most so many of each set, evenly chosen.
        image_size: Long side of the working images; default what suits the network.
        shared_focal: Tell the reconstruction that each set was taken with one focal length.
        device: cpu or cuda; default cuda where there is one.
        seed: Of the reconstruction.
    """
    import pointmap

    names = sets or tuple(sorted(path.parent.name for path in data.glob("*/cameras.json")))
    if not names:
        raise InputError(f"No set in {str(data)!r}: no folder there has a cameras.json. Name another with --data.")
    if photos < 2:
        raise InputError(f"--photos is {photos}, but poses are compared between photos: take at least 2.")
    network = pointmap.load_model(model, device=device)

    def reconstruct(files: list[Path]) -> Scene:
        return pointmap.reconstruct(
            files, model=network, image_size=image_size, shared_focal=shared_focal, seed=seed, progress=False
        )

    rows: list[Row] = []
    print(format_row(COLUMNS))
    for name in names:
        for row in evaluate_set(data / name, reconstruct, method=model, count=photos):
            print(format_row(cells(row)), flush=True)
            if row.error:
                print(f"  {row.error}", flush=True)
            rows.append(row)
    settings = {
        "model": model,
        "photos": photos,
        "shared_focal": shared_focal,
        "seed": seed,
        "threads": torch.get_num_threads(),
    }
    version = {"pointmap": pointmap.__version__, "torch": str(torch.__version__)}
    content = {"benchmark": "photos", **settings, **version, "rows": [asdict(row) for row in rows]}
    print(f"Written: {write_bytes(output / 'photos.json', json_bytes(content))}")
    return rows


def evaluate_set(folder: Path, reconstruct: Callable[[list[Path]], Scene], *, method: str, count: int) -> list[Row]:
    """The rows of one set: the method's and the baseline's. Any failure becomes the method's row."""
    try:
        truth = load_ground_truth(folder).spread(count)
    except InputError as error:
        return [Row(folder.name, method, 0, error=f"InputError: {error}")]
    ours, _ = reconstruct_and_score(truth, reconstruct, method=method)
    return [ours, score(truth, Estimate.still(truth), method="identity")]


def reconstruct_and_score(
    truth: GroundTruth, reconstruct: Callable[[list[Path]], Scene], *, method: str
) -> tuple[Row, Scene | None]:
    """One row, with time and memory, and its scene; what fails becomes a row that says why, without a scene."""
    reset_peak()
    start = time.perf_counter()
    try:
        scene = reconstruct(list(truth.files))
        seconds, memory = time.perf_counter() - start, peak_gib()
        stages = scene.report.get("seconds", {})
        pose_seconds = sum(stages.get(stage, 0.0) for stage in POSE_STAGES)
        row = score(
            truth,
            Estimate.of(scene, truth),
            method=method,
            seconds=seconds,
            pose_seconds=pose_seconds,
            peak_gib=memory,
        )
        return row, scene
    except Cancelled:
        raise
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        return failure(truth, method, error), None


def cells(row: Row) -> list[str]:
    """What the table shows of a row; `-` where there is no figure."""
    if row.error:
        return [row.set, row.method, str(row.photos), "failed", *["-"] * 6]
    scores = [shown(value) for value in (row.rra_15, row.rta_15, row.auc_30, row.depth_absrel)]
    resources = [shown(row.seconds, "{:.1f}"), shown(row.peak_gib, "{:.1f}")]
    return [row.set, row.method, str(row.photos), str(row.registered), *scores, *resources]


def format_row(texts: Sequence[str]) -> str:
    """A line of the table: two columns of text, then numbers."""
    return f"{texts[0]:<16} {texts[1]:<12} " + " ".join(f"{text:>10}" for text in texts[2:])


def main() -> int:
    """Command line: 0 if every set went through, 1 if one failed, 2 on a wrong setting."""
    import tyro

    try:
        rows = tyro.cli(evaluate_photos, description=__doc__)
    except InputError as error:
        print(f"photos: {error}", file=sys.stderr)
        return 2
    return int(any(row.error for row in rows))


if __name__ == "__main__":
    sys.exit(main())
