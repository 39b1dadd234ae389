"""OUT/: all files of a finished scene."""

import logging
import platform
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pointmap
from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.cameras import write_cameras
from pointmap.export.depth import write_depths
from pointmap.export.glb import write_glb
from pointmap.export.html import write_html
from pointmap.export.npz import save_scene
from pointmap.export.plain_json import json_bytes
from pointmap.export.ply import write_ply
from pointmap.export.preview import render_preview
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene

if TYPE_CHECKING:
    import trimesh

_log = logging.getLogger(__name__)
_PACKAGES = ("torch", "numpy", "scipy", "opencv-python-headless", "pillow", "trimesh")


def write_outputs(
    scene: Scene,
    out: str | Path,
    *,
    mesh: bool = False,
    max_points: int | None = None,
    target_faces: int = 100_000,
    texture_size: int = 4096,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> list[Path]:
    """Write scene.npz, cameras.json, points.ply, scene.glb, scene.html, depth/, preview.png and report.json.

    Each file appears whole or not at all. What an earlier run left there is replaced; other files stay. If there can be
    no mesh, the rest is written all the same, and report.json says why.

    Args:
        out: The folder; created where it is missing.
        mesh: Also write mesh.glb, the textured surface, and show it in scene.html; of a scene from object mode, the
            closed one.
        max_points: Of the clouds; default what suits each format.
        target_faces, texture_size: Of the mesh.
        progress: Called with ("write files", done, total).
        keep: See `Scene.masks`; for cloud, mesh, depth images and preview.

    Returns:
        The files, in the order of writing.

    Raises:
        InputError: The folder is a file or cannot be written.
        Cancelled: Raised by the callback.
    """
    out = prepare_folder(out)
    budget: dict[str, Any] = {} if max_points is None else {"max_points": max_points}
    report = {"versions": _versions()} | scene.report
    surface: trimesh.Trimesh | None = None

    def write_mesh(path: Path) -> list[Path]:
        nonlocal surface
        try:
            surface = scene.mesh(
                texture=True,
                watertight="object" in scene.report,
                target_faces=target_faces,
                texture_size=texture_size,
                progress=progress,
                **keep,
            )
        except InputError as error:
            _log.warning("No mesh: %s", error)
            report["not_written"] = {path.name: str(error)}
            path.unlink(missing_ok=True)
            return []
        return [write_glb(scene, path, cloud=False, mesh=surface, cameras=False)]

    # The scene comes first: everything else can be made from it.
    steps: dict[str, Callable[[Path], Path | list[Path]]] = {
        "scene.npz": lambda path: save_scene(scene, path),
        "cameras.json": lambda path: write_cameras(scene, path),
        "points.ply": lambda path: write_ply(scene, path, **budget, **keep),
        "scene.glb": lambda path: write_glb(scene, path, **budget, **keep),
        "depth": lambda path: write_depths(scene, path, **keep),
        "preview.png": lambda path: render_preview(scene, path, **keep),
    }
    if mesh:
        steps["mesh.glb"] = write_mesh
    else:
        (out / "mesh.glb").unlink(missing_ok=True)
    steps["scene.html"] = lambda path: write_html(scene, path, mesh=surface or False, **budget, **keep)
    steps["report.json"] = lambda path: write_bytes(path, json_bytes(report))
    written: list[Path] = []
    for done, (name, write) in enumerate(steps.items()):
        if progress is not None:
            progress("write files", done, len(steps))
        files = write(out / name)
        written += files if isinstance(files, list) else [files]
    if progress is not None:
        progress("write files", len(steps), len(steps))
    return written


def prepare_folder(out: str | Path) -> Path:
    """Create an output folder, and find out before the work whether it can be written.

    Raises:
        InputError: It is a file or cannot be written.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"The output {str(out)!r} is a file. Name a folder; it may exist.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"Cannot write into the output folder {str(out)!r}: {error.strerror or error}. Choose another one."
        ) from error
    return out


def _versions() -> dict[str, Any]:
    versions: dict[str, Any] = {"pointmap": pointmap.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # OpenCV comes under several names
            versions[package] = None
    return versions
