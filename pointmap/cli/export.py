"""`pointmap export`: files for other tools from a finished scene."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, arg, configure

if TYPE_CHECKING:
    from pointmap.scene import Scene

_Count = Annotated[int | None, arg(metavar="N")]
_Number = Annotated[float | None, arg(metavar="X")]


@configure(FlagCreatePairsOff)
def export(
    scene: Annotated[Positional[Path], arg(metavar="SCENE")],
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None,
    format: Annotated[tuple[str, ...], arg(aliases=["-f"], metavar="NAME [NAME ...]")] = (),
    cloud: bool = False,
    mesh: bool = False,
    cameras: bool = False,
    watertight: bool = False,
    max_points: _Count = None,
    target_faces: _Count = None,
    texture_size: _Count = None,
    exr: bool = False,
    full_resolution: bool = False,
    max_size: _Count = None,
    text: bool = False,
    image_size: _Count = None,
    min_confidence: _Number = None,
    confidence_percentile: _Number = None,
    visibility_tolerance: _Number = None,
    consistency: _Number = None,
    mask_sky: bool = False,
    overwrite: bool = False,
    quiet: Annotated[bool, arg(aliases=["-q"])] = False,
) -> None:
    """Write a finished scene in the formats of other tools.

    Formats: glb (cloud and cameras, or a mesh), ply (cloud), obj, stl and usdz (meshes), splats (Gaussians), colmap and
    nerfstudio (folders to train from), depth (a folder of maps), tum and json (cameras), html (a viewer), npz (all).

    Args:
        scene: What `pointmap reconstruct` wrote, or a COLMAP model, transforms.json or folder of posed RGB-D photos.
        output: File or folder to write; of several formats, a folder for all. Default: beside the scene.
        format: One or more of the names above; default by the ending of the output.
        cloud: For glb: write the cloud. Cloud and cameras are the default.
        mesh: For glb and ply: write the mesh.
        cameras: For glb: write the cameras.
        watertight: The mesh is the closed surface of one object.
        max_points: Of clouds and Gaussians; more are thinned out evenly.
        target_faces: Meshes are simplified to about so many.
        texture_size: Longest side of a texture, in pixels.
        exr: For depth: write EXR files as well (pip install 'pointmap[exr]').
        full_resolution: For depth: maps as large as the photos.
        max_size: Photos and maps that are larger are shrunk to this long side, in pixels.
        text: For colmap: write text files instead of binary ones.
        image_size: Of data of other tools: long side of the images in which it is read, in pixels; default 640.
        min_confidence: Leave out points that are less sure; default by their distribution.
        confidence_percentile: Instead, leave out so many percent of all points: the least sure.
        visibility_tolerance: Leave out points in front of what a surer photo sees, by this share of its depth.
        consistency: Leave out points that photos deny more than confirm; the share of depth that counts as equal.
        mask_sky: Leave out the sky.
        overwrite: Replace what is there.
        quiet: Show no progress.
    """
    from pointmap.errors import InputError
    from pointmap.formats import WRITERS, read

    given: dict[str, Any] = {
        "watertight": watertight or None,
        "max_points": max_points,
        "target_faces": target_faces,
        "texture_size": texture_size,
        "exr": exr or None,
        "full_resolution": full_resolution or None,
        "max_size": max_size,
        "text": text or None,
        "min_confidence": min_confidence,
        "confidence_percentile": confidence_percentile,
        "visibility_tolerance": visibility_tolerance,
        "consistency": consistency,
        "mask_sky": mask_sky or None,
    }
    if cloud or mesh or cameras:
        given |= {"cloud": cloud, "mesh": mesh, "cameras": cameras}
    given = {name: value for name, value in given.items() if value is not None}
    if not format:
        if output is None:
            raise InputError(
                f"Name what to write: --format with {', '.join(WRITERS)}; or -o with a file like mesh.obj."
            )
        format = (output.suffix.removeprefix(".").lower() or "none",)
    unknown = [name for name in format if name not in WRITERS]
    if unknown:
        raise InputError(f"There is no format {unknown[0]!r}. Choose among {', '.join(WRITERS)}.")
    settings = {name: {key: value for key, value in given.items() if _takes(name, key)} for name in format}
    for key, value in given.items():
        if value is not False and not any(key in chosen for chosen in settings.values()):
            raise InputError(f"--{key.replace('_', '-')} means nothing to {', '.join(format)}. Leave it out.")
    paths = _outputs(scene, output, settings)
    existing = [str(file) for name, path in paths.items() for file in _existing(name, path)]
    if existing and not overwrite:
        raise InputError(f"{', '.join(existing)} exists. Replace it with --overwrite, or choose another -o.")
    _write_all(read(scene, image_size=image_size), paths, settings, quiet=quiet)


def _takes(name: str, setting: str) -> bool:
    """Whether a setting means something to a format; --mesh only to those that could do without."""
    from pointmap.formats import WRITERS

    return setting in WRITERS[name].settings and (setting != "mesh" or name not in ("obj", "stl", "usdz"))


def _outputs(scene: Path, output: Path | None, settings: dict[str, dict[str, Any]]) -> dict[str, Path]:
    """Where each format goes."""
    from pointmap.errors import InputError
    from pointmap.formats import WRITERS

    names = {name: WRITERS[name].default_name for name in settings}
    for name, chosen in settings.items():
        if chosen.get("mesh") and not chosen.get("cloud") and Path(names[name]).suffix:
            names[name] = "mesh" + Path(names[name]).suffix
    if output is not None and len(settings) == 1:
        ((name, default),) = names.items()
        return {name: output / default if Path(default).suffix and output.is_dir() else output}
    folder = output if output is not None else scene if scene.is_dir() else scene.parent
    if output is not None and (output.is_file() or output.suffix.removeprefix(".").lower() in WRITERS):
        raise InputError(f"For {len(settings)} formats, -o names a folder for all of them; {str(output)!r} is a file.")
    return {name: folder / default for name, default in names.items()}


def _existing(name: str, path: Path) -> list[Path]:
    """What the export would replace."""
    if path.is_dir():
        return [path] if any(path.iterdir()) else []
    beside = []
    if name == "obj":
        stem = "_".join(path.stem.split())
        beside = [path.with_name(f"{stem}{ending}") for ending in (".mtl", ".jpg", ".png")]
    return [file for file in (path, *beside) if file.exists()]


def _write_all(scene: "Scene", paths: dict[str, Path], settings: dict[str, dict[str, Any]], *, quiet: bool) -> None:
    """Write one format after the other; one that cannot be written does not stop the rest."""
    from contextlib import nullcontext

    from pointmap.errors import InputError
    from pointmap.formats import WRITERS
    from pointmap.progress import ProgressBar

    failed: list[tuple[str, InputError]] = []
    for name, path in paths.items():
        with nullcontext() if quiet else ProgressBar() as bar:
            more = {"progress": bar} if "progress" in WRITERS[name].settings else {}
            try:
                written = scene.export(path, format=name, **settings[name], **more)
            except InputError as error:
                failed.append((name, error))
                continue
        print(f"Wrote {written}")
    if len(failed) == 1 and len(paths) == 1:
        raise failed[0][1]
    if failed:
        print("\n".join(f"Not written: {name}: {error}" for name, error in failed), file=sys.stderr)
        raise InputError(f"{len(failed)} of {len(paths)} formats could not be written.")
