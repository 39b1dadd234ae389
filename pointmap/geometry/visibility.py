"""Points that hang in front of what a surer view sees: they cannot be there, or it would not see past them."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float


def contradicted_points(
    depths: Sequence[Float[Tensor, "_ _"]],
    confidences: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    *,
    tolerance: float = 0.001,
    neighbours: Sequence[Iterable[int]] | None = None,
) -> list[Bool[Tensor, "_ _"]]:
    """True where a surer view sees through a pixel's point, as in the clean-up of DUSt3R's point clouds.

    Views are taken in order, and a point that is already contradicted contradicts no others.

    Args:
        depths: z-depth of every view; where it is not positive and finite there is no point.
        confidences: Only surer pixels contradict.
        intrinsics: Pinhole K without skew, in pixels of the depth maps.
        tolerance: How far in front a point must be, as a share of the depth that the other view sees.
        neighbours: Per view, those that may contradict it; default all.
    """
    depths = [depth.where((depth > 0) & depth.isfinite(), torch.nan) for depth in depths]
    # What a view sees, one row per pixel, so that both numbers are fetched at once: what lies nearer than the first is
    # contradicted if it is less sure than the second.
    seen = [
        torch.stack([(1 - tolerance) * depth.flatten(), confidence.flatten()], dim=1)
        for depth, confidence in zip(depths, confidences, strict=True)
    ]
    sizes = torch.tensor([[depth.shape[1], depth.shape[0]] for depth in depths]).to(intrinsics)
    cam_from_world = invert_rigid(world_from_cam)
    contradicted = []
    for i, (depth, confidence) in enumerate(zip(depths, confidences, strict=True)):
        hidden = torch.zeros(depth.numel(), dtype=torch.bool, device=depth.device)
        others = [j for j in sorted(set(range(len(depths)) if neighbours is None else neighbours[i])) if j != i]
        # A pixel (u, v, 1) of i at depth 1 and the centre of i, both in homogeneous pixels of j.
        images = intrinsics[others] @ (cam_from_world[others] @ world_from_cam[i])[:, :3]
        images[:, :, :3] = images[:, :, :3] @ torch.linalg.inv(intrinsics[i])
        for k in _overlapping(depth, images, sizes[others]):
            _mark(hidden, depth, confidence, images[k], seen[others[k]], depths[others[k]].shape[1])
        seen[i][hidden, 1] = -torch.inf
        contradicted.append(hidden.view_as(depth))
    return contradicted


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


def _mark(
    hidden: Bool[Tensor, "pixels"],
    depth: Float[Tensor, "h w"],
    confidence: Float[Tensor, "h w"],
    image: Float[Tensor, "3 4"],
    seen: Float[Tensor, "others_pixels 2"],
    width: int,
) -> None:
    """Set `hidden` at the pixels that one other view contradicts."""
    v, u = (torch.arange(n, device=depth.device, dtype=depth.dtype) for n in depth.shape)
    x, y, z = (
        torch.addcmul(offset, depth, (by_row * v + constant)[:, None] + by_column * u)
        for by_column, by_row, constant, offset in image
    )
    column, row = x.div_(z).round_(), y.div_(z).round_()
    inside = (z > 0) & (column >= 0) & (row >= 0) & (column < width) & (row < len(seen) // width)
    pixel = inside.flatten().nonzero()[:, 0]
    at = row.flatten()[pixel].long() * width + column.flatten()[pixel].long()
    limit, surer = seen[at].unbind(1)
    hidden[pixel[(z.flatten()[pixel] < limit) & (confidence.flatten()[pixel] < surer)]] = True
