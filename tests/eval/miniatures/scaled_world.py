"""The miniature world in another size: in voxels of protocols that are made for rooms its pixels are too coarse."""

from dataclasses import replace

from miniature_world import World


def scaled(world: World, factor: float) -> World:
    """The same photos of a room that is so many times as large."""
    poses = world.world_from_cam.copy()
    poses[:, :3, 3] *= factor
    return replace(world, depths=(world.depths * factor).astype(world.depths.dtype), world_from_cam=poses)
