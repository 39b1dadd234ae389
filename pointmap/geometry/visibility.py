"""What other views say of a view's points: in front of what they see there can be none, or they would not see past it;
what is behind is hidden from them, and they say nothing."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, Int


def contradicted_points(
    depths: Sequence[Float[Tensor, "_ _"]],
    confidences: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    *,
    tolerance: float = 0.001,
    neighbours: Sequence[Iterable[int]] | None = None,
    on_view: Callable[[], None] | None = None,
) -> list[Bool[Tensor, "_ _"]]:
    """True where a surer view sees through a pixel's point, as in the clean-up of DUSt3R's point clouds.

    Views are taken in order, and a point that is already contradicted contradicts no others.

    Args:
        depths: z-depth of every view; where it is not positive and finite there is no point.
        confidences: Only surer pixels contradict.
        intrinsics: Pinhole K without skew, in pixels of the depth maps.
        tolerance: How far in front a point must be, as a share of the depth that the other view sees.
        neighbours: Per view, those that may contradict it; default all.
        on_view: Called for each; may raise.
    """
    depths = _known(depths)
    # What a view sees, one row per pixel, so that both numbers are fetched at once: what lies nearer than the first is
    # contradicted if it is less sure than the second.
    seen = [
        torch.stack([(1 - tolerance) * depth.flatten(), confidence.flatten()], dim=1)
        for depth, confidence in zip(depths, confidences, strict=True)
    ]
    contradicted = []
    for i, (depth, confidence) in enumerate(zip(depths, confidences, strict=True)):
        if on_view is not None:
            on_view()
        hidden = torch.zeros(depth.numel(), dtype=torch.bool, device=depth.device)
        others = range(len(depths)) if neighbours is None else neighbours[i]
        for j, image in _images(i, others, depths, intrinsics, world_from_cam):
            pixel, there, z = _seen_pixels(depth, image, depths[j].shape)
            limit, surer = seen[j][there].unbind(1)
            hidden[pixel[(z < limit) & (confidence.flatten()[pixel] < surer)]] = True
        seen[i][hidden, 1] = -torch.inf
        contradicted.append(hidden.view_as(depth))
    return contradicted


def count_votes(
    depths: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    *,
    tolerance: float,
) -> list[Int[Tensor, "_ _"]]:
    """Of every pixel the number of other views that see its point too, less the number of those that see past it.

    Args:
        depths: z-depth of every view; where it is not positive and finite there is no point, and no vote.
        intrinsics: Pinhole K without skew, in pixels of the depth maps.
        tolerance: Depths that differ by less than this share are the same.

    Returns:
        One map per view; 0 where no other view says anything.
    """
    depths = _known(depths)
    # A point is the same if it lies between the first two. In front of the last a view sees past it: of the nearest
    # surface within a pixel, for beside an edge, and on steep surfaces, rounding to pixels tells nothing.
    seen = [
        torch.stack(
            [(1 - tolerance) * depth, (1 + tolerance) * depth, (1 - tolerance) * _nearest_around(depth)], dim=-1
        ).flatten(0, 1)
        for depth in depths
    ]
    votes = []
    for i, depth in enumerate(depths):
        total = torch.zeros(depth.numel(), dtype=torch.int32, device=depth.device)
        for j, image in _images(i, range(len(depths)), depths, intrinsics, world_from_cam):
            pixel, there, z = _seen_pixels(depth, image, depths[j].shape)
            near, far, past = seen[j][there].unbind(1)
            total[pixel] += ((z >= near) & (z <= far)).int() - (z < past).int()
        votes.append(total.view_as(depth))
    return votes


def _known(depths: Sequence[Float[Tensor, "_ _"]]) -> list[Float[Tensor, "_ _"]]:
    """NaN where there is no point: it compares as False."""
    return [depth.where((depth > 0) & depth.isfinite(), torch.nan) for depth in depths]


def _nearest_around(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """The least depth in 3x3 pixels; NaN where the middle is unknown."""
    negative = torch.where(depth.isnan(), -torch.inf, -depth)
    return torch.where(depth.isnan(), torch.nan, -max_pool2d(negative[None, None], 3, stride=1, padding=1)[0, 0])


def _images(
    i: int,
    others: Iterable[int],
    depths: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
) -> list[tuple[int, Float[Tensor, "3 4"]]]:
    """The other views that may see points of view i, and to each the images of a pixel (u, v, 1) of i at depth 1 and of
    the centre of i, both in homogeneous pixels of that view."""
    chosen = [j for j in sorted(set(others)) if j != i]
    images = intrinsics[chosen] @ (invert_rigid(world_from_cam[chosen]) @ world_from_cam[i])[:, :3]
    images[:, :, :3] = images[:, :, :3] @ torch.linalg.inv(intrinsics[i])
    sizes = torch.tensor([depths[j].shape[::-1] for j in chosen]).reshape(-1, 2).to(intrinsics)
    return [(chosen[k], images[k]) for k in _overlapping(depths[i], images, sizes)]


def _overlapping(
    depth: Float[Tensor, "h w"], images: Float[Tensor, "others 3 4"], sizes: Float[Tensor, "others 2"]
) -> list[int]:
    """Which of the others may see some of a view's points: all but those that have them all beyond one border."""
    known = depth[depth > 0]
    if known.numel() == 0:
        return []
    v, u = torch.tensor([[0, 0], [0, depth.shape[1] - 1], [depth.shape[0] - 1, 0], [n - 1 for n in depth.shape]]).mT
    corners = torch.stack([u, v, torch.ones_like(u)]).to(images)
    corners = torch.cat([known.min() * corners, known.max() * corners], dim=1)
    x, y, z = (images[:, :, :3] @ corners + images[:, :, 3:]).unbind(1)
    right, bottom = ((size[:, None] - 0.5) * z for size in sizes.unbind(1))
    beyond = torch.stack([z <= 0, x < -0.5 * z, y < -0.5 * z, x > right, y > bottom]).all(-1).any(0)
    return (~beyond).nonzero()[:, 0].tolist()


def _seen_pixels(
    depth: Float[Tensor, "h w"], image: Float[Tensor, "3 4"], shape: tuple[int, ...]
) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"], Float[Tensor, "n"]]:
    """Pixels whose points fall into another view of that shape; the pixels of it that these fall on; their z there."""
    v, u = (torch.arange(n, device=depth.device, dtype=depth.dtype) for n in depth.shape)
    x, y, z = (
        torch.addcmul(offset, depth, (by_row * v + constant)[:, None] + by_column * u)
        for by_column, by_row, constant, offset in image
    )
    height, width = shape
    column, row = x.div_(z).round_(), y.div_(z).round_()
    inside = (z > 0) & (column >= 0) & (row >= 0) & (column < width) & (row < height)
    pixel = inside.flatten().nonzero()[:, 0]
    there = row.flatten()[pixel].long() * width + column.flatten()[pixel].long()
    return pixel, there, z.flatten()[pixel]
