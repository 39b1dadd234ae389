"""Sparse points with tracks: surface points that several photos show, each found in the photos themselves.

Depth maps and poses say where another photo should show a point; where it does show it is measured, by aligning the
patch around the corner that was chosen (`pointmap.fusion.patches`). So the distance between the two is the cameras'
and the depths' error, and an adjustment of bundles has something to work on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pointmap.fusion.patches import RADIUS, align_patches, plane_homographies, pyramid
from pointmap.fusion.triangulation import triangulate
from pointmap.images.same_view import on_grid
from pointmap.progress import ProgressCallback
from pointmap.shapes import Bool, Float, Int, UInt8

_MOST_OTHERS = 10
"""Photos in which a photo's points are looked for."""
_SAMPLES = 400
"""Pixels of a photo that tell how much another one shares with it."""
_LEAST_CELL = 8
"""Pixels between points, at least."""
_LEAST_CORNER = 8.0
"""Smaller eigenvalue of the gradients' (OpenCV's) tensor, in grey levels squared: below is noise or an edge."""
_LEAST_KNOWN = 0.5
"""Of the pixels around one, for them to tell a plane."""
_MOST_RELIEF, _TIMES_NOISE = 0.01, 3.0
"""How far they may be from it, root mean square: this share of the depth, or so many times what is usual in the map."""
_LEAST_ALIKE = 0.8
"""Correlation of patches; wrong ones are rarely above."""
_MOST_MISSED = 0.3
"""Pixels by which the way back may miss the corner."""
_MOST_SHIFT = 0.03
"""Of the long side: how far from the expected pixel a point may be found."""
_LEAST_LIMIT, _MOST_LIMIT = 0.003, 0.015
"""Of the long side: matches that miss the best point by more are wrong, whatever the others do."""
_TIMES_MEDIAN = 4.0
"""In between, the limit is so many times the median: cameras that are off by pixels must not lose what shows it."""
_LEAST_ANGLE_DEG = 1.0
"""Between the rays to a point, for it to be one."""


@dataclass(frozen=True, eq=False)
class TrackView:
    """A posed photo, and its depth map on a grid of its own."""

    image: UInt8[np.ndarray, "height width"]
    """Grey."""
    intrinsics: Float[np.ndarray, "3 3"]
    """Of the image."""
    world_from_cam: Float[np.ndarray, "4 4"]
    depth: Float[np.ndarray, "h w"]
    """z-depth in scene units."""
    mask: Bool[np.ndarray, "h w"]
    """True where the depth is trusted."""
    colors: UInt8[np.ndarray, "h w 3"]
    depth_intrinsics: Float[np.ndarray, "3 3"]
    """Of depth, mask and colours."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """Points, and where photos show them: at least two per point."""

    points: Float[np.ndarray, "p 3"]
    """In the world frame, where they fit best to the places below."""
    colors: UInt8[np.ndarray, "p 3"]
    track_points: Int[np.ndarray, "t"]
    """One entry per place where a photo shows a point: the index of the point, ascending."""
    track_views: Int[np.ndarray, "t"]
    track_pixels: Float[np.ndarray, "t 2"]
    """(x, y) in the image of the view."""


def find_tracks(
    views: Sequence[TrackView], *, max_points: int = 20_000, tolerance: float = 0.05, progress: ProgressCallback | None
) -> Tracks:
    """Corners spread over all photos, and where other photos that see the same surface show them.

    Args:
        max_points: There are about so many, or fewer.
        tolerance: Two depths that differ by less than this share are of the same surface.
        progress: Called with ("tracks", done, total).
    """
    found: list[Tracks] = []
    cell = _cell_size(views, max_points)
    taken = [np.zeros([-(-side // cell) for side in view.image.shape], bool) for view in views]
    order, others = _order(views)
    for done, i in enumerate(order):
        surface = _surface(views[i])
        pixels = _corners(views[i], surface.flat, cell, ~taken[i])
        inverse, slopes = _on_surface(views[i], surface, pixels)
        seen = [(np.arange(len(pixels)), np.full(len(pixels), i), pixels)]
        for j in others[i] if len(pixels) else []:
            index, there = _find(views[i], views[j], pixels, inverse, slopes, tolerance)
            seen.append((index, np.full(len(index), j), there))
        tracks = _joined(views, i, pixels, 1 / inverse, seen, tolerance)
        for view, pixel in zip(tracks.track_views, tracks.track_pixels, strict=True):
            column, row = np.rint(pixel).astype(int) // cell
            taken[view][row, column] = True
        found.append(tracks)
        if progress is not None:
            progress("tracks", done + 1, len(order))
    return _thinned(_concatenated(found), max_points)


def _cell_size(views: Sequence[TrackView], max_points: int) -> int:
    """Side of the squares that hold one point each; a point takes such a square in every photo that shows it."""
    area = sum(view.image.size for view in views)
    return max(_LEAST_CELL, int(np.sqrt(area / max(1, 3 * max_points))))


def _order(views: Sequence[TrackView]) -> tuple[list[int], list[list[int]]]:
    """Photos by how much they share with others, and for each those others, the best first."""
    worth = np.zeros((len(views), len(views)))
    for i, view in enumerate(views):
        rows, columns = np.nonzero(view.mask)
        some = np.linspace(0, len(rows) - 1, min(_SAMPLES, len(rows))).astype(int)
        pixels = np.stack([columns[some], rows[some]], 1).astype(float)
        points = _lifted(pixels, view.depth[rows[some], columns[some]], view.depth_intrinsics, view.world_from_cam)
        for j, other in enumerate(views):
            if i == j or not len(points):
                continue
            inside = _project(points, other, other.depth_intrinsics, other.depth.shape)[2]
            angle = _angles_deg(points, view.world_from_cam[:3, 3], other.world_from_cam[:3, 3])
            # Nearly the same place says little of depth; from far aside patches look different.
            worth[i, j] = np.mean(inside * np.clip(angle / 5, 0.05, 1) * np.clip(30 / np.maximum(angle, 1), 0, 1))
    others = [[j for j in np.argsort(-row, kind="stable")[:_MOST_OTHERS].tolist() if row[j] > 0] for row in worth]
    return np.argsort(-worth.sum(1), kind="stable").tolist(), others


def _corners(
    view: TrackView, flat: Bool[np.ndarray, "h w"], cell: int, free: Bool[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "n 2"]:
    """The best corner in every free cell that has one on a trusted and flat surface."""
    import cv2

    height, width = view.image.shape
    strength = cv2.cornerMinEigenVal(view.image.astype(np.float32), blockSize=5, ksize=3)
    strength[~on_grid(flat, view.depth_intrinsics, view.image.shape, view.intrinsics)] = 0
    border = RADIUS + 1
    strength[:border] = strength[-border:] = strength[:, :border] = strength[:, -border:] = 0
    rows, columns = free.shape
    padded = np.pad(strength, ((0, rows * cell - height), (0, columns * cell - width)))
    cells = padded.reshape(rows, cell, columns, cell).swapaxes(1, 2).reshape(rows, columns, -1)
    best = cells.argmax(-1)
    row, column = np.nonzero(free & (cells.max(-1) > _LEAST_CORNER))
    within = best[row, column]
    return np.stack([column * cell + within % cell, row * cell + within // cell], 1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Surface:
    """A depth map as planes: around every pixel, inverse depth is nearly affine in the pixel."""

    inverse_depth: Float[np.ndarray, "h w"]
    """Of the plane."""
    slopes: Float[np.ndarray, "h w 2"]
    """How it changes per pixel along x and y."""
    flat: Bool[np.ndarray, "h w"]
    """True where a patch around the pixel is on its plane. Corners of silhouettes are no points of a surface."""


def _surface(view: TrackView) -> _Surface:
    """Least squares in the square around every pixel that a patch covers, at least 5 x 5."""
    import cv2

    reach = max(2, int(np.ceil(RADIUS * view.depth_intrinsics[0, 0] / view.intrinsics[0, 0])))
    steps = np.arange(-reach, reach + 1.0)
    mean, ramp = np.full(len(steps), 1 / len(steps)), steps / (steps**2).sum()

    def filtered(values: np.ndarray, along_x: np.ndarray, along_y: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(
            values.astype(np.float64), cv2.CV_64F, along_x, along_y, borderType=cv2.BORDER_REFLECT_101
        )

    known = filtered(view.mask, mean, mean)
    inverse = np.where(view.mask, 1 / np.where(view.mask, view.depth, 1), 0).astype(np.float64)
    # Where a pixel is not trusted, the mean of those around it says nothing against the plane.
    inverse = np.where(view.mask, inverse, filtered(inverse, mean, mean) / np.maximum(known, 1e-6))
    centre, slope_x, slope_y = (
        filtered(inverse, mean, mean),
        filtered(inverse, ramp, mean),
        filtered(inverse, mean, ramp),
    )
    explained = centre**2 + (steps**2).mean() * (slope_x**2 + slope_y**2)
    off = np.sqrt(np.maximum(filtered(inverse**2, mean, mean) - explained, 0)) / np.maximum(centre, 1e-300)
    usable = view.mask & (known >= _LEAST_KNOWN)
    noise = float(np.median(off[usable])) if usable.any() else 0.0
    flat = usable & (off < max(_MOST_RELIEF, _TIMES_NOISE * noise))
    return _Surface(centre, np.stack([slope_x, slope_y], -1), flat)


def _on_surface(
    view: TrackView, surface: _Surface, pixels: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n 2"]]:
    """Inverse depth at pixels of the image, and how it changes per pixel."""
    exact, nearest = _in_depth_map(view, pixels)
    slopes = surface.slopes[nearest[:, 1], nearest[:, 0]]
    inverse = surface.inverse_depth[nearest[:, 1], nearest[:, 0]] + (slopes * (exact - nearest)).sum(1)
    return inverse, slopes * np.diag(view.depth_intrinsics)[:2] / np.diag(view.intrinsics)[:2]


def _in_depth_map(
    view: TrackView, pixels: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2"], Int[np.ndarray, "n 2"]]:
    """Where pixels of the image are in the depth map, and the nearest pixels of that."""
    map_from_image = view.depth_intrinsics @ np.linalg.inv(view.intrinsics)
    exact = pixels * np.diag(map_from_image)[:2] + map_from_image[:2, 2]
    height, width = view.depth.shape
    return exact, np.clip(np.rint(exact).astype(np.int64), 0, [width - 1, height - 1])


def _find(
    view: TrackView,
    other: TrackView,
    pixels: Float[np.ndarray, "n 2"],
    inverse: Float[np.ndarray, "n"],
    slopes: Float[np.ndarray, "n 2"],
    tolerance: float,
) -> tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k 2"]]:
    """Which of the pixels the other photo shows, and where."""
    points = _lifted(pixels, 1 / inverse, view.intrinsics, view.world_from_cam)
    at, depth, inside = _project(points, other, other.depth_intrinsics, other.depth.shape)
    column, row = np.where(inside[:, None], np.rint(at), 0).astype(int).T
    agrees = other.mask[row, column] & (np.abs(other.depth[row, column] - depth) < tolerance * depth)
    index = np.flatnonzero(inside & agrees)
    if not len(index):
        return index, np.zeros((0, 2))
    other_from_view = np.linalg.inv(other.world_from_cam) @ view.world_from_cam
    arrays = (pixels[index], inverse[index], slopes[index], view.intrinsics, other.intrinsics, other_from_view)
    start, *rest = (torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays)
    homographies = plane_homographies(start, *rest)
    here, there = (pyramid(torch.from_numpy(image.astype(np.float32))) for image in (view.image, other.image))
    found, alike = align_patches(here, there, start, homographies)
    expected = _project(points[index], other, other.intrinsics, other.image.shape)[0]
    height, width = other.image.shape
    places = found.numpy().astype(np.float64)
    good = (alike.numpy() > _LEAST_ALIKE) & (places >= 0).all(1) & (places <= [width - 1, height - 1]).all(1)
    good &= np.linalg.norm(places - expected, axis=1) < _MOST_SHIFT * max(height, width)
    index, places, kept = index[good], places[good], torch.from_numpy(good)
    if not len(index):
        return index, places
    # What is found must find the corner in turn: patches that look alike by chance, or change their looks, do not.
    back, _ = align_patches(there, here, found[kept], torch.linalg.inv_ex(homographies[kept])[0])
    returns = ((back - start[kept]).norm(dim=1) < _MOST_MISSED).numpy()
    return index[returns], places[returns]


def _joined(
    views: Sequence[TrackView],
    i: int,
    pixels: Float[np.ndarray, "n 2"],
    depths: Float[np.ndarray, "n"],
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    tolerance: float,
) -> Tracks:
    """Points of photo i from all places where they were found; places that do not fit are left out."""
    index, view, at = (np.concatenate([part[k] for part in seen]) for k in range(3))
    start = _lifted(pixels, depths, views[i].intrinsics, views[i].world_from_cam)
    centre = views[i].world_from_cam[:3, 3]
    cameras = np.stack([view.intrinsics @ np.linalg.inv(view.world_from_cam)[:3] for view in views])
    sizes = np.array([max(view.image.shape) for view in views])
    for _ in range(2):
        kept = np.bincount(index, minlength=len(pixels)) >= 2
        index, view, at = (values[kept[index]] for values in (index, view, at))
        points, errors = triangulate(start, centre, cameras, index, view, at)
        relative = errors / sizes[view]
        typical = float(np.median(relative)) if len(relative) else 0.0
        fits = relative < np.clip(_TIMES_MEDIAN * typical, _LEAST_LIMIT, _MOST_LIMIT)
        index, view, at = (values[fits] for values in (index, view, at))
    angle = np.zeros(len(points))
    np.maximum.at(angle, index, _angles_deg(points[index], centre, _centres(views)[view]))
    kept = (np.bincount(index, minlength=len(pixels)) >= 2) & (angle >= _LEAST_ANGLE_DEG)
    # Two photos alone cannot tell a wrong match along the epipolar line; the depth map can.
    away, expected = (np.linalg.norm(places - centre, axis=1) for places in (points, start))
    kept &= np.abs(away - expected) < tolerance * expected
    # A point whose corner itself does not fit has nothing to show for its colour.
    kept &= np.bincount(index, weights=view == i, minlength=len(pixels)) > 0
    number = np.cumsum(kept) - 1
    use = kept[index]
    order = np.argsort(number[index[use]], kind="stable")
    column, row = _in_depth_map(views[i], pixels)[1].T
    return Tracks(
        points[kept],
        views[i].colors[row[kept], column[kept]],
        number[index[use]][order],
        view[use][order],
        at[use][order],
    )


def _lifted(
    pixels: Float[np.ndarray, "n 2"],
    depths: Float[np.ndarray, "n"],
    K: Float[np.ndarray, "3 3"],
    world_from_cam: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "n 3"]:
    rays = np.pad((pixels - K[:2, 2]) / np.diag(K)[:2], ((0, 0), (0, 1)), constant_values=1.0)
    return (rays * depths[:, None]) @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]


def _project(
    points: Float[np.ndarray, "n 3"], view: TrackView, K: Float[np.ndarray, "3 3"], shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Pixels, depths, and True where both are in an image of this shape."""
    points_cam = (points - view.world_from_cam[:3, 3]) @ view.world_from_cam[:3, :3]
    depth = points_cam[:, 2]
    pixels = (points_cam[:, :2] / np.where(depth > 0, depth, 1)[:, None]) * np.diag(K)[:2] + K[:2, 2]
    inside = (depth > 0) & (pixels > -0.5).all(1) & (pixels[:, 0] < shape[1] - 0.5) & (pixels[:, 1] < shape[0] - 0.5)
    return pixels, depth, inside


def _angles_deg(points: np.ndarray, centre: np.ndarray, other: np.ndarray) -> Float[np.ndarray, "n"]:
    """Between the rays from a point to two cameras."""
    a, b = points - centre, points - other
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(1)))


def _centres(views: Sequence[TrackView]) -> Float[np.ndarray, "n 3"]:
    return np.stack([view.world_from_cam[:3, 3] for view in views])


def _concatenated(parts: list[Tracks]) -> Tracks:
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    return Tracks(
        np.concatenate([np.zeros((0, 3)), *(part.points for part in parts)]),
        np.concatenate([np.zeros((0, 3), np.uint8), *(part.colors for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(p.track_points + s for p, s in zip(parts, starts, strict=False))]),
        np.concatenate([np.zeros(0, np.int64), *(part.track_views for part in parts)]),
        np.concatenate([np.zeros((0, 2)), *(part.track_pixels for part in parts)]),
    )


def _thinned(tracks: Tracks, max_points: int) -> Tracks:
    """At most so many: those that the most photos show; among equals, evenly."""
    count = len(tracks.points)
    if count <= max_points:
        return tracks
    length = np.bincount(tracks.track_points, minlength=count)
    kept = np.zeros(count, bool)
    kept[np.lexsort((np.random.default_rng(0).random(count), -length))[:max_points]] = True
    use = kept[tracks.track_points]
    return Tracks(
        tracks.points[kept],
        tracks.colors[kept],
        (np.cumsum(kept) - 1)[tracks.track_points[use]],
        tracks.track_views[use],
        tracks.track_pixels[use],
    )
