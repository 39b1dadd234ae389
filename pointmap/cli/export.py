"""`pointmap export`: other files from a finished scene."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


def export(
    scene: Positional[Path],
    output: Annotated[Path | None, arg(aliases=["-o"])] = None,
    format: Literal["glb", "ply", "obj", "json", "npz"] | None = None,
    mesh: bool = False,
    min_confidence: float | None = None,
) -> None:
    """Write a finished scene in another format.

    Args:
        scene: The folder that `pointmap reconstruct` wrote, or its scene.npz.
        output: The file to write; default a file named after the format, beside the scene.
        format: glb (cloud and cameras), ply (cloud), obj (textured mesh), json (cameras) or npz (everything); default
            by the ending of the output.
        mesh: For glb, the textured mesh instead of cloud and cameras.
        min_confidence: Points below it are left out; default by their distribution.
    """
    from pointmap.errors import InputError
    from pointmap.formats import WRITERS
    from pointmap.scene import Scene

    file = scene / "scene.npz" if scene.is_dir() else scene
    if output is None:
        if format is None:
            raise InputError("Name what to write: --format obj, or -o with a file such as mesh.obj.")
        output = file.with_name("mesh.glb" if mesh else WRITERS[format].default_name)
    what = {"mesh": True, "cloud": False, "cameras": False} if mesh else {}
    path = Scene.load(file).export(output, format=format, min_confidence=min_confidence, **what)
    print(f"Wrote {path}")
