"""Runs as a real evaluation would leave them, of invented figures, for tests of reports."""

from pathlib import Path

import numpy as np
from PIL import Image

from pointmap.eval.protocol import Metric
from pointmap.eval.results import Run, SceneRecord, summary

AUC = Metric("auc_30", "AUC@30", "higher", 1.0, 0.0, share=True)
ATE = Metric("ate", "ATE", "lower", 0.0, float("nan"), unit="m")
ROTATION = Metric("median_rotation_deg", "rotation", "lower", 0.0, 180.0, unit="deg", aggregate="median")
METRICS = (AUC, ATE, ROTATION)
_PLACES = ("chess", "fire", "heads", "office", "stairs")
SCENES = tuple(f"{place}+seq-{number:02d}" for number, place in enumerate(_PLACES))


def run(
    method: str = "pointmap-small",
    *,
    auc=(0.5, 0.6, 0.7, 0.8, 0.9),
    scenes: tuple[str, ...] = SCENES,
    finished: int | None = None,
    failed: tuple[int, ...] = (),
    views: tuple[int, ...] = (5,),
    folder: Path = Path("results"),
    error: str = "RuntimeError: CUDA out of memory while reading '/home/somebody/data/7scenes/chess/frame-000012.png'",
    details: bool = True,
    metrics: tuple[Metric, ...] = METRICS,
    seed: int = 0,
    **changes,
) -> Run:
    """One run; `auc` has the first metric of each scene, the others follow from it."""
    records = []
    for index, scene in enumerate(scenes[:finished]):
        broken = index in failed
        score = float(auc[index % len(auc)])
        values = {"auc_30": score, "ate": 0.4 * (1.1 - score), "median_rotation_deg": 30 * (1.05 - score)}
        if broken:
            values = {metric.name: metric.worst for metric in metrics}
        record = SceneRecord(
            "7scenes",
            "poses",
            method,
            scene,
            digest="0",
            views=views[index % len(views)],
            values=values,
            details=_details(score, 100 * seed + index) if details and not broken else {},
            seconds=float("nan") if broken else 0.8 * views[index % len(views)] + 0.1 * index,
            peak_gib=float("nan") if broken else 2.0 + 0.05 * views[index % len(views)],
            error=error if broken else None,
            traceback="Traceback (most recent call last): ..." if broken else None,
            picture=None if broken else f"{scene}.jpg",
        )
        records.append(record)
    about = {
        "folder": folder / "7scenes" / "poses" / method,
        "benchmark": "7scenes",
        "benchmark_title": "7-Scenes",
        "protocol": "poses",
        "protocol_title": "relative poses of 5 frames",
        "protocol_source": "an/imagined-repository:evaluation.py",
        "protocol_note": "Its source leaves the seed open; here 0.",
        "settings": {"kind": "pointmap", "weights": "3f9a", "options": {"poses": "classical"}},
        "seed": 0,
        "threads": 1,
        "versions": {"pointmap": "0.1.0", "torch": "2.13.0"},
        "machine": {"cpu": "A Processor 9000", "cores": 16, "memory_gib": 128.0, "gpu": None},
    }
    return Run(
        **{**about, **changes},
        method=method,
        metrics=metrics,
        expected=scenes,
        scenes=tuple(records),
        summary=summary(metrics, records),
    )


def draw_pictures(run: Run, size: tuple[int, int] = (960, 640)) -> None:
    """A picture beside each finished scene's record."""
    folder = run.folder / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[1], : size[0]]
    for index, record in enumerate(run.scenes):
        if record.picture:
            pixels = np.stack([rows % 256, columns % 256, np.full_like(rows, 40 * index % 256)], axis=-1)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / record.picture, quality=70)


def _details(score: float, seed: int) -> dict:
    random = np.random.default_rng(seed)
    baseline, angle, overlap = random.uniform(size=60), random.uniform(0, 90, size=60), random.uniform(size=60)
    error = (1.05 - score) * (5 + 20 * baseline + 0.2 * angle) * random.uniform(0.5, 1.5, 60)
    coverage = np.linspace(0.05, 1, 20)
    return {
        "pairs": {
            "rotation_deg": list(error),
            "direction_deg": list(1.3 * error),
            "angle_deg": list(angle),
            "baseline": list(baseline),
            "overlap": [None if share < 0.1 else share for share in overlap],
        },
        "calibration": {
            "coverage": list(coverage),
            "risk": list(0.2 * (1.1 - score) * coverage**0.5),
            "oracle": list(0.2 * (1.1 - score) * coverage),
        },
    }
