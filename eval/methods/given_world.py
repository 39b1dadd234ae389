"""Poses that a protocol gives, for methods that cannot take them into account."""

import numpy as np

from ..task import Inputs


def in_given_world(world_from_cam: np.ndarray, inputs: Inputs) -> np.ndarray:
    """Move estimated cameras to the world of the poses that were given, where some were.

    Two or more of them tell the similarity (`pointmap.geometry.similarity.align_cameras`), one the rigid motion. The
    given poses stay as they are given.

    Args:
        world_from_cam: (N, 4, 4) estimated poses, NaN where there is none.

    Returns:
        (N, 4, 4) poses.
    """
    given = inputs.world_from_cam
    if given is None:
        return world_from_cam
    import torch

    from pointmap.geometry.similarity import align_cameras, move_cameras

    known = np.isfinite(given).all(axis=(1, 2))
    common = known & np.isfinite(world_from_cam).all(axis=(1, 2))
    if common.any():
        from_, to = (torch.from_numpy(np.asarray(poses[common], np.float64)) for poses in (world_from_cam, given))
        moved = move_cameras(align_cameras(from_, to), torch.from_numpy(np.asarray(world_from_cam, np.float64)))
        world_from_cam = moved.numpy()
    return np.where(known[:, None, None], given, world_from_cam)


def given_matrix(matrices: np.ndarray | None, index: int) -> np.ndarray | None:
    """One photo's K or pose; None where it is not known."""
    if matrices is None or not np.isfinite(matrices[index]).all():
        return None
    return np.asarray(matrices[index], np.float64)
