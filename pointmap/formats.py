"""One place that knows the formats of files and folders: what writes each, and what reads it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.scene import Scene


@dataclass(frozen=True)
class Format:
    """How a scene is written for other tools."""

    home: str
    """Module and function: `write(scene, path, **settings) -> Path`."""

    default_name: str
    """What the file or folder is called where no name is given."""

    about: str
    """In a few words, for people."""

    @property
    def write(self) -> Callable[..., Path]:
        """The function, loaded when it is first needed."""
        module, function = self.home.split(":")
        return getattr(import_module(module), function)

    @property
    def settings(self) -> list[str]:
        """Names of what it can be told."""
        names = []
        for parameter in list(inspect.signature(self.write).parameters.values())[2:]:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                (more,) = get_args(parameter.annotation)  # Unpack[Keep], or another TypedDict
                names += more.__annotations__
            else:
                names.append(parameter.name)
        return names


WRITERS = {
    "glb": Format("pointmap.export.glb:write_glb", "scene.glb", "cloud, mesh and cameras, for viewers and engines"),
    "ply": Format("pointmap.export.ply:write_ply", "points.ply", "cloud"),
    "obj": Format("pointmap.export.obj:write_obj", "mesh.obj", "textured mesh"),
    "stl": Format("pointmap.export.stl:write_stl", "mesh.stl", "closed mesh, for printers"),
    "splats": Format("pointmap.export.gaussians:write_splats", "splats.ply", "Gaussians, to train or to look at"),
    "usdz": Format("pointmap.export.usdz:write_usdz", "mesh.usdz", "textured mesh, for iPhones and iPads"),
    "tum": Format("pointmap.export.tum:write_tum", "trajectory.txt", "poses as a TUM trajectory"),
    "depth": Format("pointmap.export.depth:write_depth_folder", "depth", "depth maps: PNG, NPZ and EXR"),
    "json": Format("pointmap.export.cameras:write_cameras", "cameras.json", "cameras"),
    "colmap": Format("pointmap.colmap_scene:write_colmap", "colmap", "folder: COLMAP model with tracks, and photos"),
    "nerfstudio": Format(
        "pointmap.export.nerfstudio:write_nerfstudio",
        "nerfstudio",
        "folder: transforms.json, photos, depth maps, points",
    ),
    "html": Format("pointmap.export.html:write_html", "scene.html", "a viewer that needs nothing but a browser"),
    "npz": Format("pointmap.export.npz:save_scene", "scene.npz", "everything, for Scene.load"),
}
"""By the names that `Scene.export` and `pointmap export --format` take; endings of files are names too."""


def export(scene: Scene, path: str | Path, *, format: str | None = None, **settings: Any) -> Path:
    """See `Scene.export`. A setting that is None is left to the format's default."""
    path = Path(path)
    name = path.suffix.removeprefix(".").lower() if format is None else format
    if name not in WRITERS:
        received = f"the ending {path.suffix!r} of {path.name!r}" if format is None else f"the format {format!r}"
        raise InputError(f"Cannot export to {received}. Choose one of {', '.join(WRITERS)}.")
    settings = {key: value for key, value in settings.items() if value is not None}
    allowed = WRITERS[name].settings
    unknown = sorted(set(settings) - set(allowed))
    if unknown:
        choices = ", ".join(allowed) or "none"
        raise InputError(f"Export to {name} has no setting {', '.join(unknown)}. Its settings: {choices}.")
    return WRITERS[name].write(scene, path, **settings)


def read(path: str | Path, *, image_size: int | None = None, progress: ProgressCallback | None = None) -> Scene:
    """See `Scene.read`.

    Args:
        image_size: Long side in pixels of the images and depth maps of what is not our own; default 640.
        progress: Called with ("read", done, total).
    """
    path = Path(path)
    file = path / "scene.npz" if path.is_dir() else path
    if file.suffix == ".npz" and file.is_file():
        return Scene.load(file)
    from pointmap.readers import WORKING_SIZE, read_posed

    return read_posed(path, image_size=image_size or WORKING_SIZE, progress=progress)
