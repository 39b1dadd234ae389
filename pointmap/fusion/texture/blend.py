"""How much each photo counts on the faces around its part: all of it inside, fading over some faces at its border.

The weights belong to the corners of the surface and not to charts, so that both sides of a seam get the same mixture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.fusion.texture.sights import Sight
from pointmap.fusion.texture.surface import Surface
from pointmap.shapes import Bool, Float, Int

_RINGS = 4
"""A photo fades over about so many faces on either side."""
_OWN = 1e-3
"""A face's own photo counts at least so much, even where it fades to nothing."""
_HELP = 1e-6
"""So much counts any photo on faces that none sees whole."""


@dataclass(frozen=True, eq=False)
class Share:
    """What one photo gives to the texture."""

    faces: Int[Tensor, "m"]
    weights: Float[Tensor, "m 3"]
    """At the corners; not normalised."""

    offsets: Float[Tensor, "m 3 3"]
    """What is added to its colours (sRGB, 0 to 1) at the corners."""


def photo_share(
    surface: Surface,
    labels: Int[Tensor, "f"],
    partly: Bool[Tensor, "f"],
    offsets: Float[Tensor, "f 3"],
    sight: Sight,
    index: int,
) -> Share:
    """Where a photo counts, and what is added to it there.

    Args:
        labels: The photo of every face.
        partly: Faces that their photo sees only in part.
        offsets: Of every face for its own photo (`level_seams`).
        sight, index: Of the photo.
    """
    own = labels == index
    whole = torch.zeros_like(own)
    whole[sight.faces] = sight.share >= 1
    around = surface.point_sum(torch.ones_like(offsets[:, :1])).clamp(min=1)
    inside = surface.point_sum((~whole & surface.sound).to(offsets)[:, None]) == 0
    values = torch.cat([own[:, None].to(offsets), torch.where(own[:, None], offsets, 0.0)], dim=1)
    start = surface.point_sum(values) / around
    faded = start * inside
    for _ in range(_RINGS):
        faded = surface.point_sum(surface.face_mean(faded)) / around * inside
    offset = torch.where(start[:, :1] > 0, start[:, 1:] / start[:, :1].clamp(min=1e-9), 0.0)
    offset = torch.where(
        (start[:, :1] == 0) & (faded[:, :1] > 1e-9), faded[:, 1:] / faded[:, :1].clamp(min=1e-9), offset
    )
    weights = torch.where(whole[:, None], faded[surface.faces, 0], 0.0) + _OWN * own[:, None]
    seen = torch.zeros_like(weights[:, 0])
    seen[sight.faces] = sight.share * sight.density / sight.density.amax()
    weights += torch.where(partly, _HELP * seen, 0.0)[:, None]
    faces = torch.nonzero((weights > 0).any(dim=1)).flatten()
    return Share(faces, weights[faces], offset[surface.faces[faces]])
