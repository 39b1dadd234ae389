"""`pointmap export`: other files from a finished scene."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def export(
    scene: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])],
    min_confidence: float | None = None,
) -> None:
    """Write a finished scene in another format.

    Args:
        scene: The folder that `pointmap reconstruct` wrote, or its scene.npz.
        output: The file to write; its ending chooses the format (.glb, .ply, .obj, .npz).
        min_confidence: Points below it are left out; default by their distribution.
    """
    from pointmap.scene import Scene

    path = Scene.load(scene / "scene.npz" if scene.is_dir() else scene).export(output, min_confidence=min_confidence)
    print(f"Wrote {path}")
