"""Which photo colours which face: near, sharp, in agreement with the others, and the same as its neighbours'."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.fusion.texture.sights import Sight
from pointmap.fusion.texture.surface import Surface
from pointmap.images.srgb import srgb_from_linear
from pointmap.shapes import Bool, Float, Int

_CANDIDATES = 8
"""Photos per face that are considered: those that show it largest."""
_PARTLY = 4.0
"""A photo that sees only a part of a face costs this more."""
_MOST = 6.0
"""A photo costs one for every halving of the pixels it has of a face, but no more than this."""
_BORDER = 3.0
"""What it costs that two neighbours have different photos."""
_OUTLIER = 0.12
_OUTLIER_SPREAD = 3.0
"""Photos whose colour is off the median of at least three by more than the first (sRGB of 0 to 1) plus so many median
deviations show something else."""
_SWEEPS = 24


@dataclass(frozen=True, eq=False)
class Candidates:
    """The photos that each face can be coloured from, best first."""

    photos: Int[Tensor, "f k"]
    """-1 where there are no more."""

    score: Float[Tensor, "f k"]
    """Logarithm (base 2) of pixels per area, times how sharp they are, less what seeing it in part costs."""

    share: Float[Tensor, "f k"]
    """How much of the face the photo sees."""

    colors: Float[Tensor, "f k 3"]
    """Levelled colour of the face in the photo, sRGB in 0 to 1."""


def find_candidates(
    sights: Sequence[Sight], gains: Float[Tensor, "photos 3"], sharpness: Float[Tensor, "photos"], num_faces: int
) -> Candidates:
    """The best photos of every face, without those that disagree with the rest."""
    device = gains.device
    photos = torch.full((num_faces, 1), -1, dtype=torch.int64, device=device)
    values = torch.full((num_faces, 1, 5), -torch.inf, device=device)
    for index, sight in enumerate(sights):
        score = sight.density.clamp(min=1e-30).log2() + sharpness[index].log2()
        score = score + sight.share.log2() - torch.where(sight.share < 1, _PARTLY, 0.0)
        added = torch.full((num_faces, 1, 5), -torch.inf, device=device)
        colors = srgb_from_linear(sight.colors * gains[index])
        added[sight.faces, 0] = torch.cat([score[:, None], sight.share[:, None], colors], dim=1)
        new = torch.full((num_faces, 1), -1, dtype=torch.int64, device=device)
        new[sight.faces] = index
        photos, values = torch.cat([photos, new], dim=1), torch.cat([values, added], dim=1)
        order = values[..., 0].argsort(dim=1, descending=True, stable=True)[:, :_CANDIDATES]
        photos = photos.gather(1, order)
        values = values.gather(1, order[..., None].expand(-1, -1, 5))
    found = Candidates(photos, values[..., 0], values[..., 1], values[..., 2:])
    off = _outliers(found)
    return replace(found, photos=torch.where(off, -1, found.photos), score=torch.where(off, -torch.inf, found.score))


def _outliers(found: Candidates) -> Bool[Tensor, "f k"]:
    whole = (found.photos >= 0) & (found.share >= 1)
    colors = torch.where(whole[..., None], found.colors, torch.nan)
    median = colors.nanmedian(dim=1, keepdim=True).values
    distance = (colors - median).abs().amax(dim=-1)
    typical = distance.nanmedian(dim=1, keepdim=True).values
    off = whole & (distance > _OUTLIER + _OUTLIER_SPREAD * typical)
    return off & (whole.sum(dim=1, keepdim=True) >= 3)


def choose(found: Candidates, surface: Surface) -> tuple[Int[Tensor, "f"], Int[Tensor, "f"]]:
    """One photo per face, -1 where there is none; and which of the candidates it is.

    Minimises what photos cost plus what borders cost (a Potts model), by min-sum belief propagation on the graph of
    neighbouring faces, and then by taking the best for each face as long as that changes anything.
    """
    valid = found.photos >= 0
    best = found.score.amax(dim=1, keepdim=True)
    cost = torch.where(valid, (best - found.score).clamp(max=_MOST), torch.inf)
    cost = torch.where(valid.any(dim=1, keepdim=True), cost, 0.0)
    neighbour, side = _sides(surface, len(cost))
    exists = (neighbour >= 0) & valid.any(dim=1)[:, None] & valid.any(dim=1)[neighbour.clamp(min=0)]
    # For each face, side and photo: which of the neighbour's candidates is the same photo.
    same = found.photos[neighbour.clamp(min=0)][:, :, None, :] == found.photos[:, None, :, None]
    same &= valid[:, None, :, None]
    match = torch.where(same.any(dim=-1), same.int().argmax(dim=-1), -1)
    incoming = torch.zeros(*neighbour.shape, cost.shape[1], device=cost.device)
    for _ in range(_SWEEPS):
        belief = cost[:, None] + incoming.sum(dim=1, keepdim=True) - incoming
        belief = belief - belief.amin(dim=-1, keepdim=True)
        # What the neighbour thinks of its photos, without what it was told by this face.
        told = belief[neighbour.clamp(min=0), side]
        message = torch.where(match >= 0, told.gather(2, match.clamp(min=0)).clamp(max=_BORDER), _BORDER)
        message = torch.where(exists[..., None], message, 0.0)
        incoming = 0.5 * incoming + 0.5 * message
    label = (cost + incoming.sum(dim=1)).argmin(dim=1)
    photo = torch.where(valid.any(dim=1), found.photos.gather(1, label[:, None])[:, 0], -1)
    photo = _settled(photo, found.photos, cost, torch.where(exists, neighbour, -1))
    return photo, (found.photos == photo[:, None]).int().argmax(dim=1)


def _settled(
    photo: Int[Tensor, "f"], photos: Int[Tensor, "f k"], cost: Float[Tensor, "f k"], neighbour: Int[Tensor, "f 3"]
) -> Int[Tensor, "f"]:
    """Each face takes what is best beside its neighbours as they are. Halves take turns, so that none swap for ever."""
    turn = (torch.arange(len(photo), device=photo.device) * 2654435761 >> 16) % 2 == 0
    for sweep in range(10):
        beside = torch.where(neighbour >= 0, photo[neighbour.clamp(min=0)], -1)
        differs = (photos[:, :, None] != beside[:, None, :]) & (beside >= 0)[:, None, :]
        total = cost + _BORDER * differs.sum(dim=-1)
        better = torch.where(photo >= 0, photos.gather(1, total.argmin(dim=1, keepdim=True))[:, 0], -1)
        changed = torch.where(turn == (sweep % 2 == 0), better, photo)
        if sweep > 1 and torch.equal(changed, photo):
            break
        photo = changed
    return photo


def _sides(surface: Surface, num_faces: int) -> tuple[Int[Tensor, "f 3"], Int[Tensor, "f 3"]]:
    """The neighbour across every side, -1 where there is none, and which of its sides that is."""
    neighbour = torch.full((num_faces, 3), -1, dtype=torch.int64, device=surface.faces.device)
    side = torch.zeros_like(neighbour)
    for own, other in ((0, 1), (1, 0)):
        at = surface.edges[:, own], surface.edge_sides[:, own]
        neighbour[at] = surface.edges[:, other]
        side[at] = surface.edge_sides[:, other]
    return neighbour, side
