"""One place that knows which ending is which format."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointmap.errors import InputError
from pointmap.export.cameras import write_cameras
from pointmap.export.glb import write_glb
from pointmap.export.npz import save_scene
from pointmap.export.obj import write_obj
from pointmap.export.ply import write_ply
from pointmap.scene import Scene

DEFAULT_NAMES = {
    "glb": "scene.glb",
    "json": "cameras.json",
    "npz": "scene.npz",
    "obj": "mesh.obj",
    "ply": "points.ply",
}
"""What a file of a format is called where no name is given."""

WRITERS: dict[str, Callable[..., Path]] = {
    "glb": write_glb,
    "json": write_cameras,
    "npz": save_scene,
    "obj": write_obj,
    "ply": write_ply,
}


def export(scene: Scene, path: str | Path, *, format: str | None = None, **settings: Any) -> Path:
    """See `Scene.export`. A setting that is None is left to the format's default."""
    path = Path(path)
    name = path.suffix.removeprefix(".").lower() if format is None else format
    if name not in WRITERS:
        received = f"the ending {path.suffix!r} of {path.name!r}" if format is None else f"the format {format!r}"
        choices = ", ".join(f".{choice}" for choice in WRITERS)
        raise InputError(f"Cannot export to {received}. Choose one of {choices}.")
    writer = WRITERS[name]
    allowed = list(inspect.signature(writer).parameters)[2:]
    settings = {key: value for key, value in settings.items() if value is not None}
    unknown = sorted(set(settings) - set(allowed))
    if unknown:
        choices = ", ".join(allowed) or "none"
        raise InputError(f"Export to .{name} has no setting {', '.join(unknown)}. Its settings: {choices}.")
    return writer(scene, path, **settings)
