"""From any feed-forward model to `pointmap.align`: outputs as groups, photos in chunks, groups on disk."""

from pointmap.groups.adapters import group_from_depths, group_from_local_points, group_from_points
from pointmap.groups.chunks import GroupModel, make_chunks, predict_groups
from pointmap.groups.files import load_groups, save_groups

__all__ = [
    "GroupModel",
    "group_from_depths",
    "group_from_local_points",
    "group_from_points",
    "load_groups",
    "make_chunks",
    "predict_groups",
    "save_groups",
]
