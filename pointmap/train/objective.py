"""What a training step minimises: points in both orders of every pair, and the matches between them.

Every part has a weight in `Objective`; 0 leaves it out. `eval/studies/ablations.py` measures what each is worth.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.tokens import token_pixels
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.models import Encoding, Network
from pointmap.scene import PairPrediction
from pointmap.shapes import Bool, Float, Int
from pointmap.train.losses import (
    confidence_weighted,
    depth_gradient_loss,
    masked_mean,
    normal_loss,
    normalisation_scale,
    ray_loss,
    regression_error,
    with_sky,
)
from pointmap.train.matching_losses import at_pixels, confident_matching_loss, descriptor_similarity, match_cost
from pointmap.train.pairs import PairBatch
from pointmap.train.random import Random

_FARTHEST = 12.0
"""Points beyond so many median depths (the ground at the horizon) would dominate every mean, and are left out."""
_SKY_ERROR = 1.0
"""What the sky counts as: far enough off that no confidence is worth claiming there."""
_DESCRIPTOR_TEMPERATURE = 0.05


@dataclass(frozen=True)
class Objective:
    """Weights of the parts of the objective; 0 leaves a part out."""

    alpha: float = 1.0
    """Price of a low confidence: a pixel with error e is claimed with confidence alpha / e. At the published 0.2 a
    small network, with errors of 0.2 and more, says 1 everywhere, and alignment has no weights."""
    matching: float = 1.0
    """Of the cross-entropy of token matches."""
    descriptors: float = 0.1
    """Of matching pixels by their descriptors (MASt3R)."""
    samples: int = 256
    """Pixels of each pair and order that are matched by descriptors."""
    rays: float = 0.0
    """Of the angle between predicted and true line of sight of view i, which says the focal length."""
    gradients: float = 0.0
    """Of the slopes of log depth of view i, at four scales (MiDaS)."""
    normals: float = 0.0
    """Of the direction of the surfaces of view i."""
    sky: float = 0.1
    """Of telling sky from surfaces."""


@dataclass(frozen=True)
class Targets:
    """Both orders of every pair: the first half of the batch is (1, 2), the second (2, 1)."""

    points_i: Float[Tensor, "batch h w 3"]
    """In the frame of i, divided by the mean distance of all points of the pair."""
    points_j: Float[Tensor, "batch h w 3"]
    valid_i: Bool[Tensor, "batch h w"]
    valid_j: Bool[Tensor, "batch h w"]
    known_i: Bool[Tensor, "batch h w"]
    """Also where there is no surface (the sky) or one too far away; not where nobody knows."""
    known_j: Bool[Tensor, "batch h w"]
    sky_i: Bool[Tensor, "batch h w"]
    sky_j: Bool[Tensor, "batch h w"]
    scale: Float[Tensor, "batch 1 1 1"]
    """What the points were divided by."""


@dataclass(frozen=True)
class Losses:
    """Parts of the objective, all means over the batch, without their weights; 0 where a part is left out."""

    total: Float[Tensor, ""]
    confidence: Float[Tensor, ""]
    regression_i: Float[Tensor, ""]
    regression_j: Float[Tensor, ""]
    matching: Float[Tensor, ""]
    descriptors: Float[Tensor, ""]
    rays: Float[Tensor, ""]
    gradients: Float[Tensor, ""]
    normals: Float[Tensor, ""]
    sky: Float[Tensor, ""]


def make_targets(batch: PairBatch) -> Targets:
    """Exact pointmaps of both orders, from depths and cameras."""
    depths = batch.depths.float()
    known, sky = depths.isfinite(), depths == 0
    depths = depths.nan_to_num(nan=0.0)
    points = unproject_depth(depths, batch.intrinsics)
    first, second = points.unbind(1)
    shape = first.shape
    second_in_first = transform_points(batch.first_from_second, second.flatten(1, 2)).reshape(shape)
    first_in_second = transform_points(invert_rigid(batch.first_from_second), first.flatten(1, 2)).reshape(shape)
    valid = depths > 0
    median = torch.where(valid, depths, torch.nan).flatten(2).nanmedian(dim=2).values
    valid = valid & (depths < _FARTHEST * median[..., None, None])
    points_i, points_j = torch.cat([first, second]), torch.cat([second_in_first, first_in_second])
    valid_i, known_i, sky_i = (torch.cat(mask.unbind(1)) for mask in (valid, known, sky))
    valid_j, known_j, sky_j = (torch.cat(mask.flip(1).unbind(1)) for mask in (valid, known, sky))
    scale = normalisation_scale(points_i, points_j, valid_i, valid_j)
    return Targets(points_i / scale, points_j / scale, valid_i, valid_j, known_i, known_j, sky_i, sky_j, scale)


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
    network: Network,
    batch: PairBatch,
    images: Float[Tensor, "pairs 2 3 h w"],
    objective: Objective = Objective(),
    random: Random | None = None,
) -> Losses:
    """The objective on a batch. The network runs in bfloat16; truth and errors stay in float32.

    Args:
        images: The batch's images as the network takes them, augmented.
        random: Chooses the pixels that are matched by descriptors; required where the network has any.
    """
    with torch.autocast(images.device.type, torch.bfloat16):
        prediction, encoding, similarity = predict(network, images)
    targets = make_targets(batch)
    zero = prediction.points_i.new_zeros(())
    points_i, points_j = prediction.points_i, prediction.points_j
    if network.config.metric:
        scale = _metric_scale(prediction, targets, torch.cat([batch.metric, batch.metric]))
        points_i, points_j = points_i / scale, points_j / scale
    confident, errors = [], []
    for points, confidence, target, valid, known in (
        (points_i, prediction.confidence_i, targets.points_i, targets.valid_i, targets.known_i),
        (points_j, prediction.confidence_j, targets.points_j, targets.valid_j, targets.known_j),
    ):
        # Only the target is normalised: dividing the prediction too would leave its own scale free to drift.
        error = regression_error(points, target, valid)
        errors.append(masked_mean(error.detach(), valid))
        error, counts = with_sky(error, valid, known & ~valid, _SKY_ERROR)
        confident.append(masked_mean(confidence_weighted(error, confidence, objective.alpha), counts))
    parts = dict.fromkeys(("matching", "descriptors", "rays", "gradients", "normals", "sky"), zero)
    if objective.matching and similarity is not None:
        parts["matching"] = matching_loss(similarity, batch, encoding.grid)
    if objective.descriptors and prediction.descriptors_i is not None:
        assert random is not None
        parts["descriptors"] = descriptor_loss(prediction, batch, objective.samples, random)
    if objective.rays:
        intrinsics = torch.cat(batch.intrinsics.unbind(1))
        # A photo without any depth looked along its lines of sight all the same.
        without_depth = ~targets.known_i.flatten(1).any(dim=1)[:, None, None]
        parts["rays"] = ray_loss(prediction.points_i, intrinsics, targets.known_i | without_depth)
    if objective.gradients:
        parts["gradients"] = depth_gradient_loss(prediction.points_i[..., 2], targets.points_i[..., 2], targets.valid_i)
    if objective.normals:
        parts["normals"] = normal_loss(prediction.points_i, targets.points_i, targets.valid_i)
    if objective.sky and prediction.sky_i is not None and prediction.sky_j is not None:
        parts["sky"] = sum(
            (
                masked_mean(F.binary_cross_entropy_with_logits(logit, sky.float(), reduction="none"), known)
                for logit, sky, known in (
                    (prediction.sky_i, targets.sky_i, targets.known_i),
                    (prediction.sky_j, targets.sky_j, targets.known_j),
                )
            ),
            zero,
        )
    confidence = confident[0] + confident[1]
    total = confidence + sum((getattr(objective, name) * value for name, value in parts.items()), zero)
    return Losses(total, confidence.detach(), *errors, **{name: value.detach() for name, value in parts.items()})


def _metric_scale(
    prediction: PairPrediction, targets: Targets, known: Bool[Tensor, "batch"]
) -> Float[Tensor, "batch 1 1 1"]:
    """What a metric network's points are divided by: as the targets were, in metres; elsewhere by their own size."""
    own = normalisation_scale(prediction.points_i, prediction.points_j, targets.valid_i, targets.valid_j)
    return torch.where(known[:, None, None, None], targets.scale, own)


def compute_matching(
    network: Network, batch: PairBatch, images: Float[Tensor, "pairs 2 3 h w"], objective: Objective
) -> Losses:
    """The matches alone: nothing is decoded."""
    with torch.autocast(images.device.type, torch.bfloat16):
        encoding = network.encode(torch.cat(images.unbind(1)))
        similarity = network.match_similarity(encoding[: len(images)], encoding[len(images) :])
    if similarity is None:
        raise InputError("This network has no match read-out (match_dim is 0) that could be trained alone.")
    matching = matching_loss(similarity, batch, encoding.grid)
    zeros = {field.name: matching.new_zeros(()) for field in fields(Losses)}
    return Losses(**zeros | {"total": objective.matching * matching, "matching": matching.detach()})


def descriptor_loss(prediction: PairPrediction, batch: PairBatch, samples: int, random: Random) -> Float[Tensor, ""]:
    """InfoNCE between descriptors at random pixels of i and at their counterparts in j, with learnt confidence.

    Pixels of i whose counterpart is not visible are paired with random pixels of j: they only serve as negatives, and
    learn a low confidence.
    """
    assert prediction.descriptors_i is not None
    assert prediction.descriptors_j is not None
    assert prediction.descriptor_confidence_i is not None
    assert prediction.descriptor_confidence_j is not None
    height, width = batch.depths.shape[-2:]
    count = 2 * len(batch)
    depths = torch.cat([batch.depths, batch.depths.flip(1)])
    intrinsics = torch.cat([batch.intrinsics, batch.intrinsics.flip(1)])
    j_from_i = torch.cat([invert_rigid(batch.first_from_second), batch.first_from_second])
    pixels_i = _random_pixels(random, count, samples, height, width)
    there, matched = counterparts(pixels_i, depths, intrinsics, j_from_i)
    pixels_j = torch.where(
        matched[..., None], there.round().long(), _random_pixels(random, count, samples, height, width)
    )
    similarity = descriptor_similarity(
        at_pixels(prediction.descriptors_i, pixels_i), at_pixels(prediction.descriptors_j, pixels_j)
    )
    return confident_matching_loss(
        match_cost(similarity, _DESCRIPTOR_TEMPERATURE),
        at_pixels(prediction.descriptor_confidence_i[..., None], pixels_i)[..., 0],
        at_pixels(prediction.descriptor_confidence_j[..., None], pixels_j)[..., 0],
        matched,
        alpha=1.0,
        unmatched_quantile=0.9,
    )


def _random_pixels(random: Random, count: int, samples: int, height: int, width: int) -> Int[Tensor, "count samples 2"]:
    return torch.stack([random.integers(0, width, count, samples), random.integers(0, height, count, samples)], dim=-1)


def matching_loss(similarity: Float[Tensor, "pairs n n"], batch: PairBatch, grid: tuple[int, int]) -> Float[Tensor, ""]:
    """Cross-entropy of every token finding its true counterpart, in both directions (InfoNCE, Oord et al. 2018).

    The counterpart lies between four tokens, which share it by their distances: the expected position is then finer
    than the tokens are.
    """
    second_from_first = invert_rigid(batch.first_from_second)
    costs, counts = [], []
    for logits, depths, intrinsics, there_from_here in (
        (similarity, batch.depths, batch.intrinsics, second_from_first),
        (similarity.mT, batch.depths.flip(1), batch.intrinsics.flip(1), batch.first_from_second),
    ):
        nodes, shares, seen = token_matches(depths, intrinsics, there_from_here, grid)
        cost = -(logits.log_softmax(dim=-1).gather(2, nodes) * shares).sum(dim=-1)
        costs.append(cost)
        counts.append(seen)
    return masked_mean(torch.stack(costs), torch.stack(counts))


def token_matches(
    depths: Float[Tensor, "pairs 2 h w"],
    intrinsics: Float[Tensor, "pairs 2 3 3"],
    second_from_first: Float[Tensor, "pairs 4 4"],
    grid: tuple[int, int],
) -> tuple[Int[Tensor, "pairs n 4"], Float[Tensor, "pairs n 4"], Bool[Tensor, "pairs n"]]:
    """The tokens of the second view around what each token of the first shows (at `token_pixels`).

    Returns:
        Their indices, their shares (bilinear, together 1), and whether the second view shows it at all.
    """
    rows, columns = grid
    patch = depths.shape[-2] // rows
    pixels = token_pixels(grid, patch, depths.device).long()
    there, seen = counterparts(pixels.expand(len(depths), -1, -1), depths, intrinsics, second_from_first)
    last = torch.tensor([columns - 1, rows - 1], device=depths.device)
    place = torch.minimum(((there - patch // 2) / patch).clamp(min=0), last)
    low = torch.minimum(place.floor().long(), (last - 1).clamp(min=0))
    part = place - low
    nodes, shares = [], []
    for x, share_x in ((0, 1 - part[..., 0]), (1, part[..., 0])):
        for y, share_y in ((0, 1 - part[..., 1]), (1, part[..., 1])):
            column, row = (low[..., 0] + x).clamp(max=columns - 1), (low[..., 1] + y).clamp(max=rows - 1)
            nodes.append(row * columns + column)
            shares.append(share_x * share_y)
    return torch.stack(nodes, dim=-1), torch.stack(shares, dim=-1), seen


def counterparts(
    pixels: Int[Tensor, "pairs n 2"],
    depths: Float[Tensor, "pairs 2 h w"],
    intrinsics: Float[Tensor, "pairs 2 3 3"],
    second_from_first: Float[Tensor, "pairs 4 4"],
) -> tuple[Float[Tensor, "pairs n 2"], Bool[Tensor, "pairs n"]]:
    """Where (x, y) the second view shows the points that pixels of the first show, and whether it does.

    A point does not show where it leaves the image, is hidden (by more than 5 % of its depth), or is not known.
    """
    height, width = depths.shape[-2:]
    first, second = depths.float().flatten(2).nan_to_num(nan=0.0).unbind(1)
    depth = first.gather(1, pixels[..., 1] * width + pixels[..., 0])
    homogeneous = torch.cat([pixels.float(), torch.ones_like(depth[..., None])], dim=-1)
    points = homogeneous @ torch.linalg.inv(intrinsics[:, 0]).mT * depth[..., None]
    local = transform_points(second_from_first, points)
    projected = local @ intrinsics[:, 1].mT
    there = (projected[..., :2] / projected[..., 2:].clamp(min=1e-6)).clamp(-1e4, 1e4)
    x, y = there.round().long().unbind(-1)
    framed = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (local[..., 2] > 0) & (depth > 0)
    surface = second.gather(1, y.clamp(0, height - 1) * width + x.clamp(0, width - 1))
    return there, framed & ((local[..., 2] - surface).abs() < 0.05 * surface)
