"""Files of weights -> a network: bundled, downloaded from the hub, local, ours and the official layouts.

Names are loaded on first use, so that the table of what can be loaded comes without importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointmap.checkpoints.loading import load_model as load_model
    from pointmap.checkpoints.loading import load_pretraining as load_pretraining
    from pointmap.checkpoints.saving import save_model as save_model

_HOME = {"load_model": "loading", "load_pretraining": "loading", "save_model": "saving"}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
