"""A few photos in, without calibration, poses or order; a posed 3D scene out.

    scene = pointmap.reconstruct("photos/")
    scene.export("scene.glb")

The names below are the public face; each is loaded when it is first used, so that importing costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointmap.alignment import Alignment as Alignment
    from pointmap.alignment import align as align
    from pointmap.checkpoints import load_model as load_model
    from pointmap.errors import Cancelled as Cancelled
    from pointmap.errors import InputError as InputError
    from pointmap.fusion.fuse import fuse as fuse
    from pointmap.models import Network as Network
    from pointmap.pipeline import reconstruct as reconstruct
    from pointmap.priors import KnownDistance as KnownDistance
    from pointmap.priors import Soft as Soft
    from pointmap.scene import Group as Group
    from pointmap.scene import LazyGroup as LazyGroup
    from pointmap.scene import PairPrediction as PairPrediction
    from pointmap.scene import Scene as Scene

__version__ = "0.1.0"

_HOME = {
    "Alignment": "pointmap.alignment.result",
    "Cancelled": "pointmap.errors",
    "Group": "pointmap.scene",
    "InputError": "pointmap.errors",
    "KnownDistance": "pointmap.priors",
    "LazyGroup": "pointmap.scene",
    "Network": "pointmap.models",
    "PairPrediction": "pointmap.scene",
    "Scene": "pointmap.scene",
    "Soft": "pointmap.priors",
    "align": "pointmap.alignment",
    "fuse": "pointmap.fusion.fuse",
    "load_model": "pointmap.checkpoints",
    "reconstruct": "pointmap.pipeline",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'pointmap' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
