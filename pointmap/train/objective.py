"""What a training step minimises: points in both orders of every pair, and the matches between them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.models import Encoding, Network
from pointmap.scene import PairPrediction
from pointmap.shapes import Bool, Float, Int
from pointmap.train.losses import confidence_weighted, masked_mean, normalisation_scale, regression_error, with_sky
from pointmap.train.pairs import PairBatch

_FARTHEST = 12.0
"""Points beyond so many median depths (the ground at the horizon) would dominate every mean, and are left out."""
_SKY_ERROR = 1.0
"""What the sky counts as: far enough off that no confidence is worth claiming there."""
_NO_MATCH = -1


@dataclass(frozen=True)
class Targets:
    """Both orders of every pair: the first half of the batch is (1, 2), the second (2, 1)."""

    points_i: Float[Tensor, "batch h w 3"]
    """In the frame of i, divided by the mean distance of all points of the pair."""
    points_j: Float[Tensor, "batch h w 3"]
    valid_i: Bool[Tensor, "batch h w"]
    valid_j: Bool[Tensor, "batch h w"]


@dataclass(frozen=True)
class Losses:
    """Parts of the objective, all means over the batch."""

    total: Float[Tensor, ""]
    confidence: Float[Tensor, ""]
    regression_i: Float[Tensor, ""]
    regression_j: Float[Tensor, ""]
    matching: Float[Tensor, ""]


def make_targets(batch: PairBatch) -> Targets:
    """Exact pointmaps of both orders, from depths and cameras."""
    depths = batch.depths.float()
    points = unproject_depth(depths, batch.intrinsics)
    first, second = points.unbind(1)
    shape = first.shape
    second_in_first = transform_points(batch.first_from_second, second.flatten(1, 2)).reshape(shape)
    first_in_second = transform_points(invert_rigid(batch.first_from_second), first.flatten(1, 2)).reshape(shape)
    valid = depths > 0
    median = torch.where(valid, depths, torch.nan).flatten(2).nanmedian(dim=2).values
    valid = valid & (depths < _FARTHEST * median[..., None, None])
    points_i, points_j = torch.cat([first, second]), torch.cat([second_in_first, first_in_second])
    valid_i, valid_j = torch.cat(valid.unbind(1)), torch.cat(valid.flip(1).unbind(1))
    scale = normalisation_scale(points_i, points_j, valid_i, valid_j)
    return Targets(points_i / scale, points_j / scale, valid_i, valid_j)


def predict(
    network: Network, images: Float[Tensor, "pairs 2 3 h w"]
) -> tuple[PairPrediction, Encoding, Float[Tensor, "pairs n n"] | None]:
    """Both orders of every pair from one encoding of each image; and the similarity of the first order."""
    count = len(images)
    encoding = network.encode(torch.cat(images.unbind(1)))
    swapped = encoding[torch.arange(2 * count, device=images.device).roll(count)]
    similarity = network.match_similarity(encoding[:count], encoding[count:])
    both = None if similarity is None else torch.cat([similarity, similarity.mT])
    return network.decode(encoding, swapped, both), encoding, similarity


def compute_losses(
    network: Network, batch: PairBatch, images: Float[Tensor, "pairs 2 3 h w"], *, alpha: float, matching_weight: float
) -> Losses:
    """The objective on a batch. The network runs in bfloat16; truth and errors stay in float32.

    Args:
        images: The batch's images as the network takes them, augmented.
        alpha: Price of a low confidence (Wang et al. 2024, eq. 4).
        matching_weight: Of the correspondence InfoNCE.
    """
    with torch.autocast(images.device.type, torch.bfloat16):
        prediction, encoding, similarity = predict(network, images)
    targets = make_targets(batch)
    confident, errors = [], []
    for points, confidence, target, valid in (
        (prediction.points_i, prediction.confidence_i, targets.points_i, targets.valid_i),
        (prediction.points_j, prediction.confidence_j, targets.points_j, targets.valid_j),
    ):
        # Only the target is normalised: dividing the prediction too would leave its own scale free to drift.
        error = regression_error(points, target, valid)
        errors.append(masked_mean(error.detach(), valid))
        error, _ = with_sky(error, valid, ~valid, _SKY_ERROR)
        confident.append(confidence_weighted(error, confidence, alpha).mean())
    matching = similarity.new_zeros(()) if similarity is not None else errors[0].new_zeros(())
    if similarity is not None:
        matching = matching_loss(similarity, batch, encoding.grid)
    confidence = confident[0] + confident[1]
    return Losses(confidence + matching_weight * matching, confidence, errors[0], errors[1], matching.detach())


def matching_loss(similarity: Float[Tensor, "pairs n n"], batch: PairBatch, grid: tuple[int, int]) -> Float[Tensor, ""]:
    """Cross-entropy of every token finding its true counterpart, in both directions (InfoNCE, Oord et al. 2018)."""
    inverse = invert_rigid(batch.first_from_second)
    there = token_matches(batch.depths, batch.intrinsics, inverse, grid)
    back = token_matches(batch.depths.flip(1), batch.intrinsics.flip(1), batch.first_from_second, grid)
    directions = [
        F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=_NO_MATCH)
        for logits, target in ((similarity, there), (similarity.mT, back))
    ]
    return torch.stack(directions).mean()


def token_matches(
    depths: Float[Tensor, "pairs 2 h w"],
    intrinsics: Float[Tensor, "pairs 2 3 3"],
    second_from_first: Float[Tensor, "pairs 4 4"],
    grid: tuple[int, int],
) -> Int[Tensor, "pairs n"]:
    """Index of the token of the second view that shows the middle of each token of the first; -1 where none does."""
    height, width = depths.shape[-2:]
    rows, columns = grid
    patch = height // rows
    depths = depths.float()
    points = unproject_depth(depths[:, 0], intrinsics[:, 0])[:, patch // 2 :: patch, patch // 2 :: patch].flatten(1, 2)
    local = transform_points(second_from_first, points)
    pixel = local @ intrinsics[:, 1].mT
    u, v = (pixel[..., :2] / pixel[..., 2:].clamp(min=1e-6)).round().clamp(-1, 1e4).long().unbind(-1)
    framed = (u >= 0) & (v >= 0) & (u < width) & (v < height) & (local[..., 2] > 0) & (points[..., 2] > 0)
    index = v.clamp(0, height - 1) * width + u.clamp(0, width - 1)
    surface = depths[:, 1].flatten(1).gather(1, index)
    seen = framed & ((local[..., 2] - surface).abs() < 0.05 * surface)
    return torch.where(seen, (v // patch) * columns + u // patch, _NO_MATCH)
