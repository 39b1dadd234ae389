"""Photos brought to one exposure and white balance: first by a factor per photo, then along the seams between them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pointmap.fusion.texture.sights import Sight
from pointmap.fusion.texture.surface import Surface
from pointmap.images.srgb import srgb_from_linear
from pointmap.shapes import Float, Int

_SAMPLES = 20_000
"""Points at which photos are compared."""
_LEAST_COMMON = 12
_PARTNERS = 12
"""Each photo is compared with so many others: those with which it has most in common, of at least so many points."""
_HOLD = 0.01
"""Weight, beside that of a pair of photos, of leaving photos as they are."""
_HUBER = 0.05
"""Pairs that differ from the rest by more (in logarithms) count less."""
_REACH = 1e-3
"""What levels a seam fades over about one over the root of this many faces."""
_CLEAR = 0.5
"""Faces of which a photo sees less say nothing about it."""
_CONTRAST = 0.06
"""Where neighbouring pixels differ by so much, differences between photos count half."""
_SEAM_OUTLIER = 0.25
"""Where photos differ by more across a seam, in sRGB of 0 to 1, they show different things."""


def level_photos(sights: Sequence[Sight], num_points: int) -> tuple[Float[Tensor, "photos 3"], Float[Tensor, "photos"]]:
    """Factors by which the light of photos is multiplied, per channel, so that they agree; and how sharp photos are.

    Both come from medians over points that two photos see, so people and reflections do not count. The geometric mean
    of the factors, each as often as its photo sees a point, is one; so is that of the sharpnesses.
    """
    device = sights[0].points.device
    stride = max(1, num_points // _SAMPLES)
    logs = torch.full((len(sights), -(-num_points // stride), 4), torch.nan, device=device)
    for index, sight in enumerate(sights):
        taken = sight.points % stride == 0
        values = torch.cat([sight.point_colors, sight.point_detail[:, None]], dim=1)[taken]
        logs[index, sight.points[taken] // stride] = values.clamp(min=1e-6).log()
    solved = agree(logs.cpu().numpy())
    seen = np.array([len(sight.points) for sight in sights])
    solved -= np.average(solved, axis=0, weights=seen)
    gains = np.exp(np.clip(-solved[:, :3], -2, 2))
    sharpness = np.exp(np.clip(solved[:, 3], -1.5, 1.5))
    return torch.from_numpy(gains).float().to(device), torch.from_numpy(sharpness).float().to(device)


def agree(logs: Float[np.ndarray, "photos points channels"]) -> Float[np.ndarray, "photos channels"]:
    """What every photo has more than the others, given what it sees at common points (NaN where it sees nothing).

    Robust least squares over pairs of photos, whose differences are medians over their points.
    """
    seen = np.isfinite(logs).all(axis=2)
    common = seen.astype(np.float32) @ seen.T.astype(np.float32)
    np.fill_diagonal(common, 0)
    pairs = set()
    for i, row in enumerate(common):
        for j in np.argsort(-row, kind="stable")[:_PARTNERS]:
            if row[j] >= _LEAST_COMMON:
                pairs.add((min(i, int(j)), max(i, int(j))))
    if not pairs:
        return np.zeros((len(logs), logs.shape[2]))
    first, second = np.array(sorted(pairs)).T
    differences = np.stack(
        [np.median((logs[i] - logs[j])[seen[i] & seen[j]], axis=0) for i, j in zip(first, second, strict=True)]
    )
    counts = common[first, second]
    solved = np.zeros((len(logs), logs.shape[2]))
    for channel in range(logs.shape[2]):
        weights = counts / (counts + 100)
        for _ in range(6):
            system = np.zeros((len(logs), len(logs)))
            right = np.zeros(len(logs))
            np.add.at(system, (first, first), weights)
            np.add.at(system, (second, second), weights)
            np.add.at(system, (first, second), -weights)
            np.add.at(system, (second, first), -weights)
            np.add.at(right, first, weights * differences[:, channel])
            np.add.at(right, second, -weights * differences[:, channel])
            # Constant shifts are free; the smallest solution has the mean zero.
            solution = np.linalg.lstsq(system + _HOLD * 1e-3 * np.eye(len(logs)), right, rcond=None)[0]
            residual = np.abs(solution[first] - solution[second] - differences[:, channel])
            weights = counts / (counts + 100) * np.minimum(1, _HUBER / np.maximum(residual, 1e-9))
        solved[:, channel] = solution
    return solved


def seam_differences(
    surface: Surface, labels: Int[Tensor, "f"], sights: Sequence[Sight], gains: Float[Tensor, "photos 3"]
) -> tuple[Float[Tensor, "e 3"], Float[Tensor, "e"]]:
    """What the second face's photo shows more than the first's at their edge (sRGB, 0 to 1), and how sure that is.

    Zero and sure (1) within a photo's part; not at all (0) where neither face is seen by both photos.
    """
    # At the first face and the second, what the photo of the first shows and that of the second: colour and contrast.
    shown = torch.full((2, 2, len(surface.edges), 4), torch.nan, device=labels.device)
    for index, sight in enumerate(sights):
        seen = torch.full((len(labels), 4), torch.nan, device=labels.device)
        clear = sight.share >= _CLEAR
        colors = srgb_from_linear(sight.colors * gains[index])
        seen[sight.faces[clear]] = torch.cat([colors, sight.contrast[:, None]], dim=1)[clear]
        for side in (0, 1):
            own = torch.nonzero(labels[surface.edges[:, side]] == index).flatten()
            for at in (0, 1):
                shown[at, side, own] = seen[surface.edges[own, at]]
    weight = (1 / (1 + (shown[..., 3].sum(dim=1) / _CONTRAST) ** 2)).nan_to_num(0.0)
    difference = (shown[:, 1, :, :3] - shown[:, 0, :, :3]).nan_to_num(0.0)
    total = weight.sum(dim=0)
    mean = (weight[..., None] * difference).sum(dim=0) / total.clamp(min=1e-9)[:, None]
    same = labels[surface.edges[:, 0]] == labels[surface.edges[:, 1]]
    return torch.where(same[:, None], 0.0, mean), torch.where(same, 1.0, total / 2)


def level_seams(
    surface: Surface, labels: Int[Tensor, "f"], difference: Float[Tensor, "e 3"], weight: Float[Tensor, "e"]
) -> Float[Tensor, "f 3"]:
    """What is added to the colours of every face so that photos meet without a step: smooth within every photo's part.

    Minimises, over neighbouring faces, weight * (offset - offset' - difference)^2, as Lempitsky & Ivanov (2007) and
    Waechter et al. (2014) do over vertices.

    Args:
        labels: The photo of every face; -1 where there is none.
        difference: What the second face's photo shows there more than the first's, in sRGB of 0 to 1.
        weight: How sure that is, 0 to 1.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import cg

    count = len(labels)
    known = (labels[surface.edges] >= 0).all(dim=-1) & (weight > 0)
    known &= difference.abs().amax(dim=-1) < _SEAM_OUTLIER
    edges, weights = surface.edges[known].cpu().numpy(), weight[known].double().cpu().numpy()
    steps = difference[known].double().cpu().numpy()
    if not steps.any():
        return torch.zeros(count, 3, device=labels.device)
    joined = coo_matrix((weights, (edges[:, 0], edges[:, 1])), shape=(count, count))
    joined = (joined + joined.T).tocsr()
    degree = np.asarray(joined.sum(axis=1)).ravel()
    system = diags(degree + _REACH) - joined
    inverse = diags(1 / (degree + _REACH))
    offsets = np.zeros((count, 3))
    for channel in range(3):
        right = np.zeros(count)
        np.add.at(right, edges[:, 0], weights * steps[:, channel])
        np.add.at(right, edges[:, 1], -weights * steps[:, channel])
        offsets[:, channel], _ = cg(system, right, rtol=1e-3, maxiter=300, M=inverse)
    return torch.from_numpy(offsets.clip(-_SEAM_OUTLIER, _SEAM_OUTLIER)).float().to(labels.device)
