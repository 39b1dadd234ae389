"""BigBIRD, in small."""

from pathlib import Path

from miniatures.turntable_rig import write_object


def write(root: Path) -> tuple[str, ...]:
    """One object."""
    write_object(root / "red_bull", "textured_meshes/optimized_poisson_texture_mapped_mesh.obj")
    return ("red_bull",)
