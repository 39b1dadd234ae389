"""Where rays enter and leave unit solids, in closed form.

Every function takes origins and directions in the solid's unit frame, (..., 3, rays) each, and returns the interval
(near, far) of the ray's parameter within the solid; where it is missed, near > far. Directions need not be unit
vectors. All solids lie within the cube from -1 to 1; y points down.
"""

import torch
from torch import Tensor

from pointmap.train.fused import fusible

FAR = 1e9
Interval = tuple[Tensor, Tensor]


@fusible
def box(o: Tensor, d: Tensor) -> Interval:
    """The cube itself."""
    (nx, fx), (ny, fy), (nz, fz) = (_slab(o.select(-2, i), d.select(-2, i)) for i in range(3))
    return nx.maximum(ny).maximum(nz), fx.minimum(fy).minimum(fz)


@fusible
def ball(o: Tensor, d: Tensor) -> Interval:
    """Radius 1."""
    return _between(_dot(d, d), _dot(o, d), _dot(o, o) - 1)


@fusible
def cylinder(o: Tensor, d: Tensor) -> Interval:
    """Radius 1 about the y axis."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(-2), d.unbind(-2)
    round_ = _between(dx * dx + dz * dz, ox * dx + oz * dz, ox * ox + oz * oz - 1)
    return _both(round_, _slab(oy, dy))


@fusible
def cone(o: Tensor, d: Tensor) -> Interval:
    """Apex at y = -1, base of radius 1 at y = 1."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(-2), d.unbind(-2)
    height, slope = (oy + 1) / 2, dy / 2
    a, b = dx * dx + dz * dz - slope * slope, ox * dx + oz * dz - height * slope
    c = ox * ox + oz * oz - height * height
    near, far = _between(a, b, c)
    # A ray that is steeper than the flank is within the double cone before its first root and after its second.
    steep = a < 0
    down = steep & (slope > 0)
    low, high = near.minimum(far), near.maximum(far)
    near, far = torch.where(down, high, near), torch.where(down, FAR, far)
    up = steep & (slope <= 0)
    near, far = torch.where(up, -FAR, near), torch.where(up, low, far)
    return _both((near, far), _slab(oy, dy))


@fusible
def gable(o: Tensor, d: Tensor) -> Interval:
    """A roof: ridge along z at y = -1, base at y = 1."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(-2), d.unbind(-2)
    left = _half_space(-ox - (1 + oy) / 2, -dx - dy / 2)
    right = _half_space(ox - (1 + oy) / 2, dx - dy / 2)
    return _both(_both(left, right), _both(_slab(oy, dy), _slab(oz, dz)))


@fusible
def cut_box(o: Tensor, d: Tensor, cut: Tensor) -> Interval:
    """The cube without a lattice of boxes: recesses, doorways, window frames, shelves, fences.

    A ray that enters the cube within a cut goes on to the cut's other side. This is exact because the cuts are convex,
    do not touch each other, and a ray that leaves a cut by the cube's surface has left both.

    Args:
        cut: Centre of the first cut, distances to the next, centre of the last, half size, (..., 12).

    Returns:
        The first stretch of the ray within what remains.
    """
    near, far = box(o, d)
    first, pitch, last, half = (part[..., None] for part in cut.split(3, dim=-1))
    start = near.clamp(min=0)
    entry = o + start[..., None, :] * d
    step = torch.where(pitch > 0, pitch, 1.0)
    centre = first + step * ((entry - first) / step).round()
    centre = torch.maximum(torch.minimum(centre, last), first)
    within = ((entry - centre).abs() < half * 1.0001).all(dim=-2) & (near < far)
    _, through = box((o - centre) / half, d / half)
    hit = torch.where(within, through, near)
    return torch.where(hit < far - 1e-5 * far.abs().clamp(max=1), hit, FAR), far


def box_clearance(o: Tensor, d: Tensor, half: Tensor) -> Tensor:
    """How much larger the box had to be for the ray to touch it, in metres; negative where the ray goes through.

    Args:
        half: Half sizes of the box, metres, (..., 3).
    """
    middle, reach, growth = [], [], []
    for i in range(3):
        inverse = 1 / _nonzero(d.select(-2, i))
        middle.append(-o.select(-2, i) * inverse)
        reach.append(inverse.abs())
        growth.append(reach[-1] / half[..., i, None])
    gaps = [
        ((middle[i] - middle[j]).abs() - reach[i] - reach[j]) / (growth[i] + growth[j])
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    return gaps[0].maximum(gaps[1]).maximum(gaps[2])


def box_normal(local: Tensor) -> Tensor:
    """Outward, (..., 3), not normalised; so are the others."""
    largest = local.abs() >= local.abs().amax(dim=-1, keepdim=True)
    return torch.where(largest, local.sign(), 0.0)


def cut_box_normal(local: Tensor, cut: Tensor) -> Tensor:
    """Out of what remains of the cube: into the cut, on its walls. `cut` as above."""
    first, pitch, last, half = cut.split(3, dim=-1)
    step = torch.where(pitch > 0, pitch, 1.0)
    centre = torch.maximum(torch.minimum(first + step * ((local - first) / step).round(), last), first)
    in_cut = (local - centre) / half.clamp(min=1e-6)
    # Whichever of the two surfaces is nearer.
    on_cut = (in_cut.abs().amax(dim=-1) < 1.001) & (local.abs().amax(dim=-1) < 0.9995)
    return torch.where(on_cut[..., None], -box_normal(in_cut), box_normal(local))


def cylinder_normal(local: Tensor) -> Tensor:
    """Flank, or one of the two ends."""
    x, y, z = local.unbind(-1)
    end = y.abs() > 0.9999
    return torch.stack([torch.where(end, 0.0, x), torch.where(end, y, 0.0), torch.where(end, 0.0, z)], dim=-1)


def cone_normal(local: Tensor) -> Tensor:
    """Flank or base."""
    x, y, z = local.unbind(-1)
    base = y > 0.9999
    flank = -x.hypot(z) / 2
    return torch.stack([torch.where(base, 0.0, x), torch.where(base, 1.0, flank), torch.where(base, 0.0, z)], dim=-1)


def gable_normal(local: Tensor) -> Tensor:
    """One of the two slopes, the base or an end."""
    x, y, z = local.unbind(-1)
    slope = (x.abs() - (1 + y) / 2).abs()
    base, end = (1 - y).abs(), (1 - z.abs()).abs()
    on_base = (base < slope) & (base < end)
    on_end = (end < slope) & ~on_base
    on_slope = ~on_base & ~on_end
    return torch.stack(
        [
            torch.where(on_slope, x.sign(), 0.0),
            torch.where(on_base, 1.0, torch.where(on_slope, -0.5, 0.0)),
            torch.where(on_end, z.sign(), 0.0),
        ],
        dim=-1,
    )


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-2)


def _nonzero(d: Tensor) -> Tensor:
    return torch.where(d.abs() < 1e-9, 1e-9, d)


def _both(a: Interval, b: Interval) -> Interval:
    return a[0].maximum(b[0]), a[1].minimum(b[1])


def _slab(o: Tensor, d: Tensor) -> Interval:
    inverse = 1 / _nonzero(d)
    middle, half = -o * inverse, inverse.abs()
    return middle - half, middle + half


def _half_space(offset: Tensor, slope: Tensor) -> Interval:
    """Where offset + t slope < 0."""
    crossing = -offset / _nonzero(slope)
    return torch.where(slope < 0, crossing, -FAR), torch.where(slope < 0, FAR, crossing)


def _between(a: Tensor, b: Tensor, c: Tensor) -> Interval:
    """The two roots of a t^2 + 2 b t + c."""
    discriminant = b * b - a * c
    root = discriminant.clamp(min=0).sqrt()
    inverse = 1 / _nonzero(a)
    hit = discriminant > 0
    return torch.where(hit, (-b - root) * inverse, FAR), torch.where(hit, (-b + root) * inverse, -FAR)
