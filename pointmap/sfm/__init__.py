"""Structure from motion by COLMAP (pycolmap): its database, its mappers, its bundle adjustment, its models.

Names are loaded when they are first used: the process in which COLMAP runs starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointmap.sfm.bundle import Adjusted as Adjusted
    from pointmap.sfm.bundle import adjust as adjust
    from pointmap.sfm.bundle import triangulate as triangulate
    from pointmap.sfm.database import read_database as read_database
    from pointmap.sfm.database import write_database as write_database
    from pointmap.sfm.features import colmap_features as colmap_features
    from pointmap.sfm.mapping import map_photos as map_photos
    from pointmap.sfm.matched import MatchedPhotos as MatchedPhotos
    from pointmap.sfm.matched import collect_matches as collect_matches
    from pointmap.sfm.model import SfmModel as SfmModel
    from pointmap.sfm.models import read_model as read_model
    from pointmap.sfm.models import write_model as write_model
    from pointmap.sfm.process import SfmFailed as SfmFailed

_HOME = {
    "Adjusted": "pointmap.sfm.bundle",
    "MatchedPhotos": "pointmap.sfm.matched",
    "SfmFailed": "pointmap.sfm.process",
    "SfmModel": "pointmap.sfm.model",
    "adjust": "pointmap.sfm.bundle",
    "collect_matches": "pointmap.sfm.matched",
    "colmap_features": "pointmap.sfm.features",
    "map_photos": "pointmap.sfm.mapping",
    "read_database": "pointmap.sfm.database",
    "read_model": "pointmap.sfm.models",
    "triangulate": "pointmap.sfm.bundle",
    "write_database": "pointmap.sfm.database",
    "write_model": "pointmap.sfm.models",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'pointmap.sfm' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
