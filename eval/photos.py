"""Camera poses from sets of real photos, scored against the truth beside them.

    python -m pointmap.eval.photos fox lund_door --data DIR -o OUT    # in the repository: python eval/photos.py

Each set is a folder of DIR with photos and a `cameras.json`. Per set it reconstructs some photos, evenly chosen,
without telling any camera, and prints a row with the scores of `pointmap.metrics` over all pairs of photos beside the
row of a baseline that never moves ("identity"). OUT/photos.json holds the same and more. A set that fails is reported,
and the rest goes on; the exit code is then 1.
"""

import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from tyro.conf import Positional, arg

if not __package__:  # run as a file: python eval/photos.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "eval"

from pointmap.atomic import write_bytes
from pointmap.errors import Cancelled, InputError
from pointmap.export.plain_json import json_bytes
from pointmap.metrics import absolute_trajectory_error, pose_errors
from pointmap.scene import Scene

from .ground_truth import GroundTruth, load_ground_truth

EXAMPLES = Path(__file__).resolve().parents[1] / "demo" / "photos"

COLUMNS = ("set", "method", "photos", "registered", "RRA@15", "RTA@15", "AUC@30", "seconds")


@dataclass(frozen=True)
class Row:
    """One method on one set. Scores are shares in [0, 1] over all pairs of photos; NaN where there is no truth."""

    set: str
    method: str
    photos: int
    registered: int
    rra_15: float
    rta_15: float
    auc_30: float
    ate: float
    """Root mean square error of the registered centres after a similarity, in units of the true world."""
    focal_error: float
    """Median relative error of the focal length of the registered photos."""
    seconds: float
    """Wall time from photos to scene, with the network loaded; NaN for a baseline."""
    error: str | None = None
    """Why there is no result."""


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
        return [_failure(folder.name, method, 0, error)]
    start = time.perf_counter()
    try:
        scene = reconstruct(list(truth.files))
        seconds = time.perf_counter() - start
        ours = score(
            truth, truth.poses_of(scene), method=method, seconds=seconds, focal_error=_focal_error(truth, scene)
        )
    except Cancelled:
        raise
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        ours = _failure(truth.name, method, len(truth.files), error)
    still = np.tile(np.eye(4), (len(truth.files), 1, 1))
    return [ours, score(truth, still, method="identity")]


def score(
    truth: GroundTruth,
    world_from_cam: np.ndarray,
    *,
    method: str,
    seconds: float = math.nan,
    focal_error: float = math.nan,
) -> Row:
    """Compare poses (N, 4, 4), NaN where missing, with the truth."""
    estimated, true = torch.from_numpy(world_from_cam).double(), torch.from_numpy(truth.world_from_cam)
    errors = pose_errors(estimated, true)
    return Row(
        set=truth.name,
        method=method,
        photos=len(truth.files),
        registered=int(estimated.isfinite().all(-1).all(-1).sum()),
        rra_15=errors.rra(15),
        rta_15=errors.rta(15),
        auc_30=errors.auc(30),
        ate=absolute_trajectory_error(estimated, true),
        focal_error=focal_error,
        seconds=seconds,
    )


def cells(row: Row) -> list[str]:
    """What the table shows of a row; `-` where there is no figure."""
    numbers = [_shown(value, "{:.3f}") for value in (row.rra_15, row.rta_15, row.auc_30)]
    registered = "failed" if row.error else str(row.registered)
    return [row.set, row.method, str(row.photos), registered, *numbers, _shown(row.seconds, "{:.1f}")]


def format_row(texts: Sequence[str]) -> str:
    """A line of the table: two columns of text, then numbers."""
    return f"{texts[0]:<16} {texts[1]:<12} " + " ".join(f"{text:>10}" for text in texts[2:])


def _shown(value: float, pattern: str) -> str:
    return "-" if math.isnan(value) else pattern.format(value)


def _focal_error(truth: GroundTruth, scene: Scene) -> float:
    true = dict(zip((file.name for file in truth.files), truth.intrinsics[:, 0, 0], strict=True))
    ratios = [scene.intrinsics[i, 0, 0] / true[name] for i, name in enumerate(scene.names) if scene.registered[i]]
    return float(np.median(np.abs(np.array(ratios) - 1))) if ratios else math.nan


def _failure(name: str, method: str, photos: int, error: Exception) -> Row:
    nan = math.nan
    return Row(name, method, photos, 0, nan, nan, nan, nan, nan, nan, error=f"{type(error).__name__}: {error}")


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
