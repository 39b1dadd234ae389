"""Files for other tools from a kept scene, under names of ours."""

import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pointmap.atomic import atomic_path
from pointmap.errors import InputError
from pointmap.formats import WRITERS, export
from pointmap.scene import Keep, Scene

EVERYTHING = "everything.zip"
_QUICKLY = 1
"""Level of compression: most of what is in these zips is compressed already."""


def write_formats(
    scene: Scene,
    result: Path,
    formats: Sequence[str],
    keep: Keep,
    mesh: Callable[..., Any],
    tell: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """See `jobs.export_job`.

    Args:
        mesh: Makes the surface, or has it already; takes what differs from the one in the page.
    """
    unknown = [name for name in formats if name not in WRITERS]
    if unknown or not formats:
        what = f"There is no format {str(unknown[0])[:60]!r}" if unknown else "No format was chosen"
        raise InputError(f"{what}. Choose among {', '.join(WRITERS)}.")
    formats = list(dict.fromkeys(formats))
    files, making = result / "files", result / "making"
    for folder in (files, making):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    written: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    try:
        for index, name in enumerate(formats):
            tell("write", index, len(formats))
            folder = making / name
            try:
                for path in _write(scene, name, folder, keep, mesh, partial(_still, tell, index, len(formats))):
                    target = _handed_out(path, files)
                    written.append({"name": target.name, "format": name, "bytes": target.stat().st_size})
            except (InputError, ImportError) as error:  # a file too few is no reason to have none
                failed.append({"format": name, "reason": str(error)})
                shutil.rmtree(folder, ignore_errors=True)
        archive = None
        if len(written) > 1:
            archive = EVERYTHING
            _zip(making, files / archive, flat=True)
        tell("write", len(formats), len(formats))
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return {"files": written, "zip": archive, "failed": failed}


def _still(tell: Callable[[str, int, int], None], index: int, count: int, *_: object) -> None:
    """Of the stages of one format nothing is shown; but it can be cancelled in them."""
    tell("write", index, count)


def _write(
    scene: Scene,
    name: str,
    folder: Path,
    keep: Keep,
    mesh: Callable[..., Any],
    progress: Callable[[str, int, int], None],
) -> list[Path]:
    """Write one format; what has to be handed out of it: files, or folders of what belongs together."""
    writer = WRITERS[name]
    settings: dict[str, Any] = {key: value for key, value in keep.items() if key in writer.settings}
    if "progress" in writer.settings:
        settings["progress"] = progress
    target = folder / writer.default_name
    folder.mkdir()
    if name == "glb":  # clouds and surfaces in one file would hide each other
        paths = [export(scene, target, format=name, **settings)]
        surface = _if_any(mesh)
        if surface is not None:
            more = {"cloud": False, "mesh": surface, "cameras": False}
            paths.append(export(scene, folder / "mesh.glb", format=name, **more))
        return paths
    if name == "html":
        return [export(scene, target, format=name, mesh=_if_any(mesh) or False, **settings)]
    if name == "npz":  # where the photos lay here is nobody's business
        return [export(replace(scene, paths=(None,) * len(scene)), target, format=name)]
    if name == "stl":
        settings["mesh"] = mesh(watertight=True)
    elif "mesh" in writer.settings and "texture" in writer.settings and name != "ply":
        settings["mesh"] = mesh()
    export(scene, target, format=name, **settings)
    return [target] if len(list(folder.iterdir())) == 1 else [folder]


def _if_any(mesh: Callable[..., Any]) -> Any:
    """A scene without a surface still has a cloud."""
    try:
        return mesh()
    except InputError:
        return None


def _handed_out(path: Path, files: Path) -> Path:
    """The file, or a zip of the folder."""
    if path.is_dir():
        return _zip(path, files / f"{path.name}.zip")
    return Path(shutil.copy2(path, files / path.name))


def _zip(folder: Path, target: Path, *, flat: bool = False) -> Path:
    """Everything in a folder.

    Args:
        flat: Without the outermost folders, which are called by formats.
    """
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_QUICKLY) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file():
                # What belongs together stays in a folder; single files lie on top.
                alone = flat and len(inside.parts) == 2 and len(list((folder / inside.parts[0]).iterdir())) == 1
                archive.write(path, inside.name if alone else inside)
    return target
