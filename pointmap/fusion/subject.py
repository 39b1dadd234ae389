"""Which pixels of a finished scene show what all cameras look at: masks of an object by its place in space."""

from dataclasses import dataclass

import numpy as np

from pointmap.geometry.orbit import axes_meet
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float

_REACH = 0.45
"""Of the usual distance of the cameras from where they look: how far from there the object may reach."""
_CELLS = (12, 64)
"""Least and most along the side of the grid whose filled cells hang together in the object."""
_PLANE = 0.12
"""Share of the points nearby that lie on what the object stands on, at least."""
_THICK = 0.02
"""Of the reach: how far points may be from that plane."""
_MOST_TILT_DEG = 50.0
_TRIES = 400


@dataclass(frozen=True)
class SubjectMasks:
    """Masks of the object, and how sure they are."""

    masks: list[Bool[np.ndarray, "_ _"]]
    """Per photo in working pixels; nothing in photos that are not registered."""
    found: bool
    """False: all is kept."""
    reason: str


def subject_masks(scene: Scene, *, seed: int = 0) -> SubjectMasks:
    """What is near the point that all cameras look at, stands on a plane or hangs free, and is in one piece."""
    views = np.flatnonzero(scene.registered)
    everything = [np.full(depth.shape, ok) for depth, ok in zip(scene.depths, scene.registered, strict=True)]
    if len(views) < 3:
        return SubjectMasks(everything, False, f"{len(views)} registered photos do not tell what they look at")
    poses = scene.world_from_cam[views]
    centre = axes_meet(poses)
    distance = float(np.median(np.linalg.norm(poses[:, :3, 3] - centre, axis=1)))
    if ((centre - poses[:, :3, 3]) * poses[:, :3, 2]).sum(axis=1).min() <= 0 or distance <= 0:
        return SubjectMasks(everything, False, "the cameras do not look at one place")
    reach = _REACH * distance
    pointmaps, trusted = scene.pointmaps, scene.masks()
    local = [(pointmaps[view] - centre) / reach for view in views]
    near = [trusted[view] & (np.abs(points) < 1).all(axis=-1) for view, points in zip(views, local, strict=True)]
    points = np.concatenate([part[inside] for part, inside in zip(local, near, strict=True)])
    if len(points) < 100:
        return SubjectMasks(everything, False, "hardly any point lies where the cameras look")
    plane = _ground(points, -poses[:, :3, 1].mean(axis=0), np.random.default_rng(seed))
    above = np.ones(len(points), bool) if plane is None else points @ plane[:3] + plane[3] > 1.5 * _THICK
    # A pixel is so wide there; cells must be wider, so that a surface fills them without gaps.
    width = distance / float(np.median(scene.working_intrinsics[views, 0, 0]))
    cells = int(np.clip(2 * reach / (2 * width), _CELLS[0], _CELLS[1]))
    filled = _largest_piece(points[above], cells)
    if not filled.any():
        return SubjectMasks(everything, False, "nothing stands where the cameras look")
    masks = [np.zeros(depth.shape, bool) for depth in scene.depths]
    for view, part, inside in zip(views, local, near, strict=True):
        kept = filled[_cells_of(part[inside], cells)]
        if plane is not None:
            kept &= part[inside] @ plane[:3] + plane[3] > 0.75 * _THICK
        masks[view][inside] = kept
        masks[view] = _closed(masks[view])
    stands = "stands on a plane there" if plane is not None else "is there"
    return SubjectMasks(masks, True, f"it {stands}, where all cameras look")


def _ground(
    points: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"], random: np.random.Generator
) -> Float[np.ndarray, "4"] | None:
    """Plane (normal, offset) with most points on it and hardly any below; None if there is none. RANSAC."""
    sample = points[random.choice(len(points), min(len(points), 4000), replace=False)]
    corners = sample[random.integers(0, len(sample), (_TRIES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 1e-6] / lengths[lengths > 1e-6, None]
    corners = corners[lengths > 1e-6, 0]
    up = up / max(np.linalg.norm(up), 1e-12)
    normals *= np.where(normals @ up < 0, -1.0, 1.0)[:, None]
    upright = normals @ up > np.cos(np.radians(_MOST_TILT_DEG))
    normals, offsets = normals[upright], -(normals * corners).sum(axis=1)[upright]
    if len(normals) == 0:
        return None
    heights = sample @ normals.T + offsets
    on, below = (np.abs(heights) < _THICK).mean(axis=0), (heights < -2 * _THICK).mean(axis=0)
    best = int(np.argmax(on - 2 * below))
    if on[best] < _PLANE or below[best] > 0.5 * on[best]:
        return None
    lying = sample[np.abs(heights[:, best]) < _THICK]
    middle = lying.mean(axis=0)
    normal = np.linalg.svd(lying - middle, full_matrices=False)[2][2]
    normal = normal if normal @ normals[best] > 0 else -normal
    return np.append(normal, -normal @ middle)


def _cells_of(points: Float[np.ndarray, "n 3"], cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the cells that points lie in."""
    x, y, z = np.floor((points + 1) / 2 * cells).astype(int).clip(0, cells - 1).T
    return x, y, z


def _largest_piece(points: Float[np.ndarray, "n 3"], cells: int) -> Bool[np.ndarray, "c c c"]:
    """Cells of the cube from -1 to 1 that hang together in the piece with most points, and those next to them."""
    from scipy.ndimage import binary_dilation, label

    counts = np.zeros((cells,) * 3)
    np.add.at(counts, _cells_of(points, cells), 1)
    everywhere = np.ones((3, 3, 3), bool)
    usual = np.median(counts[counts > 0]) if counts.any() else 0
    pieces, number = label(counts >= max(1, 0.25 * usual), everywhere)
    sizes = np.bincount(pieces.ravel(), weights=counts.ravel(), minlength=number + 1)
    sizes[0] = 0
    return binary_dilation(pieces == sizes.argmax(), everywhere) if number else np.zeros_like(counts, bool)


def _closed(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """With the pixels in it whose depth is not trusted."""
    from scipy.ndimage import binary_closing, binary_fill_holes

    return binary_fill_holes(mask | binary_closing(np.pad(mask, 3), iterations=2)[3:-3, 3:-3])
