"""What methods are given, as a file: for programs in environments of their own, where this package is not."""

from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes

from .benchmarks import get_benchmark
from .choices import with_protocol
from .scene_run import RunSettings
from .task import Inputs


def write_inputs(settings: RunSettings, path: Path) -> Path:
    """Write JSON with the photos of every scene, and with what the protocol gives besides; nothing of the truth.

    `scenes` holds by name: `photos` (absolute paths), `kind` ("views", "video" or "single"), `intrinsics` and
    `world_from_cam` (matrices per photo, null where not given), `queries` and `neighbours` (see `task.Inputs`).

    Raises:
        InputError: As `runner.evaluate`, and where `path` cannot be written.
    """
    benchmark = get_benchmark(settings.benchmark)
    settings, _ = with_protocol(settings, benchmark)
    scratch = settings.output / settings.benchmark / "scratch"
    scenes = {}
    for name in benchmark.scenes(settings.root, settings.protocol, settings.only):
        scenes[name] = _plain(benchmark.load(settings.root, name, settings.protocol, scratch).inputs)
    return write_bytes(
        path, json_bytes({"benchmark": settings.benchmark, "protocol": settings.protocol, "scenes": scenes})
    )


def _plain(inputs: Inputs) -> dict[str, Any]:
    return {
        "photos": [photo.resolve() for photo in inputs.photos],
        "kind": inputs.kind,
        "intrinsics": _known(inputs.intrinsics),
        "world_from_cam": _known(inputs.world_from_cam),
        "queries": inputs.queries,
        "neighbours": inputs.neighbours,
    }


def _known(matrices: np.ndarray | None) -> list[np.ndarray | None] | None:
    if matrices is None:
        return None
    return [matrix if np.isfinite(matrix).all() else None for matrix in matrices]
