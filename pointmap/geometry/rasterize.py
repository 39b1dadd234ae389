"""Triangles to images: which face every pixel shows, how deep, and where on it. Plain torch, on any device.

Every triangle is cut into the rows of pixel centres that it crosses, every row into pixels, and each pixel keeps the
nearest face: the smallest of 64-bit keys with the depth above and the face below.

A pixel belongs to a triangle if its centre is inside. Where an edge meets a row is computed from the edge alone, upper
end first, so neighbours agree to the last bit: a centre on a shared edge belongs to exactly one of them (the one to the
right or below), and a closed surface has no gaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float, Int

_ROWS = 1 << 19
_FRAGMENTS = 1 << 21
"""So many rows and pixels of triangles are held at a time, about 200 MB."""


@dataclass(frozen=True)
class Raster:
    """What every pixel of an image shows."""

    faces: Int[Tensor, "h w"]
    """Index of the face; -1 where there is none."""

    depth: Float[Tensor, "h w"]
    """Depth of the face at the centre of the pixel; 0 where there is none."""

    barycentric: Float[Tensor, "h w 3"]
    """Weights of the face's corners at the centre of the pixel, in space, not on the image; 0 where there is none."""

    def interpolate(self, corners: Float[Tensor, "faces 3 channels"]) -> Float[Tensor, "h w channels"]:
        """Values that the corners of the faces have, at every pixel; 0 where there is no face."""
        if len(corners) == 0:
            return self.depth[..., None].expand(*self.depth.shape, corners.shape[-1]) * 0
        image = torch.zeros(*self.faces.shape, corners.shape[-1], dtype=corners.dtype, device=corners.device)
        for index in range(3):
            image += self.barycentric[..., index, None].to(corners) * corners[:, index][self.faces.clamp(min=0)]
        return image


def rasterize(
    points: Float[Tensor, "n 3"],
    faces: Int[Tensor, "f 3"],
    intrinsics: Float[Tensor, "3 3"],
    size: tuple[int, int],
    *,
    near: float | None = None,
) -> Raster:
    """The surface that a pinhole camera sees, of faces from both sides.

    Args:
        points: Vertices in the camera frame. Faces with a vertex that is not finite are left out.
        faces: Triangles, as indices into the points.
        intrinsics: Pinhole K in pixels of the image.
        size: Width and height of the image.
        near: What lies nearer (z) is cut away, through the middle of faces where need be; default a millionth of the
            farthest point's depth.

    Returns:
        Depths are z, in the units of the points.
    """
    corners = points.double()[faces]
    depth = corners[..., 2]
    if near is None:
        finite = depth[depth.isfinite()]
        near = max(1e-6 * float(finite.max()), 1e-300) if len(finite) else 1.0
    K = intrinsics.double()
    pieces, owner = _clipped(corners, near)
    pixels = pieces @ K.mT
    pixels = pixels[..., :2] / pixels[..., 2:]
    # On the plane of a face n * (z * ray) = n * corner, so 1 / z is linear in the pixel.
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    offset = (normal * corners[:, 0]).sum(dim=-1, keepdim=True)
    pixel_to_ray = torch.linalg.inv(K)
    plane = (normal @ pixel_to_ray) / torch.where(offset == 0, 1.0, offset)
    plane = torch.where((offset == 0) | ~plane.isfinite(), 0.0, plane)
    nearest, farthest = depth.amin(dim=1).clamp(min=near), depth.amax(dim=1).clamp(min=near)
    # A face seen edge-on has no plane to speak of: it stays between its corners.
    bounds = torch.stack([1 / farthest, 1 / nearest], dim=-1)
    shown = _nearest(pixels, owner, plane, bounds, size, inverse=True)

    # A ray meets the face where the volumes it spans with the sides say.
    sides = torch.linalg.cross(corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]) @ pixel_to_ray
    return _raster(shown, sides, depth, points.dtype)


def rasterize_flat(
    corners: Float[Tensor, "f 3 2"],
    size: tuple[int, int],
    *,
    depth: Float[Tensor, "f 3"] | None = None,
) -> Raster:
    """Faces that lie in the image: charts of a texture, or what an orthographic camera sees.

    Args:
        corners: Pixels (u, v) of the corners; the centre of the first pixel is (0, 0).
        size: Width and height of the image.
        depth: Of the corners, of any sign; the smallest is seen. Without it the first face wins, and depths are 0.
    """
    pixels = corners.double()
    heights = torch.zeros_like(pixels[..., 0]) if depth is None else depth.double()
    edges = pixels[:, 1:] - pixels[:, :1]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    # Barycentric weights of the second and third corner are linear in the pixel, and so is the depth.
    steps = torch.stack([edges[:, 1].flip(-1), edges[:, 0].flip(-1)], dim=1)
    steps = steps * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64, device=corners.device)
    steps = torch.where(area[:, None, None] == 0, 0.0, steps / torch.where(area == 0, 1.0, area)[:, None, None])
    start = -(steps * pixels[:, :1]).sum(dim=-1)
    linear = torch.cat([steps, start[..., None]], dim=-1)
    linear = torch.cat([-linear.sum(dim=1, keepdim=True), linear], dim=1)
    linear[:, 0, 2] += 1
    plane = (linear * heights[..., None]).sum(dim=1)
    bounds = torch.stack([heights.amin(dim=1), heights.amax(dim=1)], dim=-1)
    shown = _nearest(pixels, torch.arange(len(corners), device=corners.device), plane, bounds, size, inverse=False)

    return _raster(shown, linear, heights, corners.dtype)


def _nearest(
    pixels: Float[Tensor, "pieces 3 2"],
    owner: Int[Tensor, "pieces"],
    plane: Float[Tensor, "f 3"],
    bounds: Float[Tensor, "f 2"],
    size: tuple[int, int],
    *,
    inverse: bool,
) -> Int[Tensor, "h w"]:
    """Which face is seen at every pixel; -1 where none is.

    Args:
        pixels, owner: Flat triangles, and the faces they are pieces of.
        plane: Depth, or its inverse, is this times (u, v, 1), and stays within the bounds.
    """
    width, height = size
    none = torch.iinfo(torch.int64).max
    keys = torch.full((height * width,), none, dtype=torch.int64, device=pixels.device)
    for piece, row, column in _fragments(pixels, width, height):
        face = owner[piece]
        value = plane[face, 0] * column + plane[face, 1] * row + plane[face, 2]
        value = torch.minimum(torch.maximum(value, bounds[face, 0]), bounds[face, 1])
        depth = (1 / value if inverse else value).float()
        # The bits of positive floats are in order as integers; those of negative ones in reverse order. Adding 0.0
        # makes a negative zero positive.
        bits = (depth + 0.0).view(torch.int32)
        bits = torch.where(bits < 0, ~bits.bitwise_and(0x7FFFFFFF), bits).long()
        keys.scatter_reduce_(0, row * width + column, (bits << 32) | face, "amin")
    return torch.where(keys == none, -1, keys & 0xFFFFFFFF).view(height, width)


def _fragments(
    pixels: Float[Tensor, "pieces 3 2"], width: int, height: int
) -> Iterator[tuple[Int[Tensor, "n"], Int[Tensor, "n"], Int[Tensor, "n"]]]:
    """(triangle, row, column) of all pixels whose centres are in triangles, some millions at a time."""
    valid = torch.nonzero(pixels.isfinite().all(dim=-1).all(dim=-1)).flatten()
    corners = pixels[valid]
    order = corners[..., 1].argsort(dim=1, stable=True)
    corners = corners.gather(1, order[..., None].expand(-1, -1, 2))
    # Rows whose centres are at or below the corners.
    rows = corners[..., 1].ceil().clamp(0, height).long()
    counts = rows[:, 2] - rows[:, 0]
    for triangles in _chunks(counts, _ROWS):
        index, step = _runs(counts[triangles])
        index += triangles.start
        row = rows[index, 0] + step
        top, middle, bottom = corners[index].unbind(dim=1)
        upper = (row < rows[index, 1])[:, None]
        first = _crossing(top, bottom, row)
        second = _crossing(torch.where(upper, top, middle), torch.where(upper, middle, bottom), row)
        left = torch.minimum(first, second).ceil().clamp(0, width).long()
        right = torch.maximum(first, second).ceil().clamp(0, width).long()
        lengths = right - left
        for part in _chunks(lengths, _FRAGMENTS):
            run, offset = _runs(lengths[part])
            run += part.start
            yield valid[index[run]], row[run], left[run] + offset


def _crossing(upper: Float[Tensor, "n 2"], lower: Float[Tensor, "n 2"], row: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Where edges meet rows; the same for both triangles of an edge."""
    fall = lower[:, 1] - upper[:, 1]
    slope = (lower[:, 0] - upper[:, 0]) / torch.where(fall == 0, 1.0, fall)
    return upper[:, 0] + (row - upper[:, 1]) * slope


def _runs(lengths: Int[Tensor, "n"]) -> tuple[Int[Tensor, "total"], Int[Tensor, "total"]]:
    """For runs of these lengths laid end to end: which run each element is of, and its place in it."""
    index = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    starts = lengths.cumsum(0) - lengths
    return index, torch.arange(len(index), device=lengths.device) - starts[index]


def _chunks(lengths: Int[Tensor, "n"], limit: int) -> Iterator[slice]:
    """Cuts a list into parts that sum to about the limit, or hold one element."""
    ends = lengths.cumsum(0)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(torch.searchsorted(ends, before + limit, right=True)))
        yield slice(start, end)
        start = end


def _clipped(corners: Float[Tensor, "f 3 3"], near: float) -> tuple[Float[Tensor, "pieces 3 3"], Int[Tensor, "pieces"]]:
    """Triangles without what lies nearer than the plane z = near, and the faces they were cut from."""
    face = torch.arange(len(corners), device=corners.device)
    behind = corners[..., 2] < near
    count = behind.sum(dim=1)
    whole = count == 0
    pieces, owner = [corners[whole]], [face[whole]]
    for number in (1, 2):
        cut = count == number
        if not bool(cut.any()):
            continue
        # The corner that is alone on its side comes first; the others follow in their order.
        alone = (behind[cut] == (number == 1)).to(torch.int64).argmax(dim=1)
        order = (alone[:, None] + torch.arange(3, device=corners.device)) % 3
        a, b, c = corners[cut].gather(1, order[..., None].expand(-1, -1, 3)).unbind(dim=1)
        ab, ac = _at_depth(a, b, near), _at_depth(a, c, near)
        if number == 1:
            pieces += [torch.stack([ab, b, c], dim=1), torch.stack([ab, c, ac], dim=1)]
            owner += [face[cut], face[cut]]
        else:
            pieces.append(torch.stack([a, ab, ac], dim=1))
            owner.append(face[cut])
    return torch.cat(pieces), torch.cat(owner)


def _at_depth(a: Float[Tensor, "n 3"], b: Float[Tensor, "n 3"], near: float) -> Float[Tensor, "n 3"]:
    """Where lines from a to b meet the plane z = near; the same from b to a, so that cut neighbours still fit."""
    swap = (a[:, 2] > b[:, 2])[:, None]
    low, high = torch.where(swap, b, a), torch.where(swap, a, b)
    point = low + (high - low) * ((near - low[:, 2:]) / (high[:, 2:] - low[:, 2:]))
    return torch.cat([point[:, :2], torch.full_like(point[:, 2:], near)], dim=1)


def _raster(
    shown: Int[Tensor, "h w"], linear: Float[Tensor, "f 3 3"], depth: Float[Tensor, "f 3"], dtype: torch.dtype
) -> Raster:
    """Fills in depths and weights.

    Args:
        shown: The face of every pixel, or -1.
        linear: Weights of the corners, up to a common factor, are these rows times (u, v, 1).
        depth: Of the corners.
    """
    height, width = shown.shape
    flat = shown.flatten()
    z = torch.zeros(height * width, dtype=dtype, device=shown.device)
    barycentric = torch.zeros(height * width, 3, dtype=dtype, device=shown.device)
    for pixels in torch.nonzero(flat >= 0).flatten().split(_FRAGMENTS // 4):
        face = flat[pixels]
        u, v = (pixels % width).double(), (pixels // width).double()
        rows = linear[face]
        weights = torch.addcmul(torch.addcmul(rows[..., 2], rows[..., 0], u[:, None]), rows[..., 1], v[:, None])
        weights = _normalised(weights)
        barycentric[pixels] = weights.to(dtype)
        z[pixels] = (weights * depth[face]).sum(dim=-1).to(dtype)
    return Raster(shown, z.view(height, width), barycentric.view(height, width, 3))


def _normalised(weights: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Weights that sum to one and are not negative, which rounding at the edges would make them."""
    total = weights.sum(dim=-1, keepdim=True)
    weights = torch.where(total == 0, 1 / 3, weights / torch.where(total == 0, 1.0, total)).clamp(min=0)
    return weights / weights.sum(dim=-1, keepdim=True)
