"""YCB objects, in small."""

from pathlib import Path

from miniatures.turntable_rig import write_object


def write(root: Path) -> tuple[str, ...]:
    """One object."""
    write_object(root / "024_bowl", "poisson/nontextured.ply")
    return ("024_bowl",)
