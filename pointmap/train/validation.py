"""Held-out procedural pairs: how far off points, poses and focal lengths are, always beside two trivial baselines."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from pointmap.geometry.focal import estimate_focal
from pointmap.geometry.similarity import fit_similarity
from pointmap.geometry.tokens import match_positions, token_pixels
from pointmap.geometry.transforms import invert_rigid
from pointmap.models import Network
from pointmap.scene import PairPrediction
from pointmap.shapes import Float
from pointmap.train.effects import plain
from pointmap.train.losses import normalisation_scale
from pointmap.train.objective import Targets, counterparts, make_targets, predict
from pointmap.train.pairs import PairBatch


@dataclass(frozen=True)
class Scores:
    """Means or medians over the validation pairs, both orders of each; NaN where no pair says anything."""

    points_i: float
    """Mean distance of predicted from true points of view i, both divided by their mean distance from the camera."""
    points_j: float
    """The same of view j, in the frame of i."""
    depth_absrel: float
    """Relative depth error of view i after scaling by the median."""
    depth_within_10: float
    """Share of pixels with a relative depth error below 10 %."""
    rotation_deg: float
    """Median error of the relative rotation."""
    rotation_within_15: float
    translation_deg: float
    """Median error of the direction of translation."""
    focal_log: float
    """Median |log| of the ratio of estimated to true focal length; NaN where nothing was estimated."""
    match_px: float
    """Median distance in pixels between where the match read-out says that a token lies in the other view and where it
    does, of tokens that show there; the median of that over the pairs. NaN without a read-out."""

    def table_row(self) -> str:
        """The scores in the order of the fields."""
        return " ".join(f"{value:8.3f}" for value in asdict(self).values())


_COLUMNS = ("pts_i", "pts_j", "absrel", "d<10%", "rot", "rot<15", "transl", "focal", "match")
HEADER = " ".join(f"{name:>8}" for name in _COLUMNS)


@torch.no_grad()
def validate(network: Network, batches: list[PairBatch], chunk: int = 32) -> Scores:
    """Scores of a network."""
    parts = []
    for batch in batches:
        for start in range(0, len(batch), chunk):
            part = batch[start : start + chunk]
            images = plain(part.images.flatten(0, 1)).unflatten(0, (-1, 2))
            prediction, encoding, similarity = predict(network, images)
            scores = pair_scores(prediction, part, make_targets(part))
            if similarity is not None:
                scores["match_px"] = match_distances(similarity, part, encoding.grid)
            parts.append(scores)
    return _summary(parts)


def baselines(batches: list[PairBatch], train: list[PairBatch]) -> dict[str, Scores]:
    """Scores of two predictors that do not look: the mean pointmap of training pairs, and identity motion.

    The mean pointmap is that of view i and of view j; its pose is what those imply. Identity motion knows the true
    points of each view in its own frame, and takes the two frames for one.
    """
    mean_parts, identity_parts = [], []
    for batch, sample in zip(batches, train, strict=True):
        targets, seen = make_targets(batch), make_targets(sample)
        count = 2 * len(batch)

        def average(points: Tensor, valid: Tensor, count: int = count) -> Tensor:
            weight = valid[..., None].float()
            mean = (points * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1)
            return mean.expand(count, *mean.shape)

        mean_i, mean_j = average(seen.points_i, seen.valid_i), average(seen.points_j, seen.valid_j)
        mean_parts.append(pair_scores(_sure(mean_i, mean_j), batch, targets))
        half = len(batch)
        own = torch.cat([targets.points_i[half:], targets.points_i[:half]])
        identity_parts.append(pair_scores(_sure(targets.points_i, own), batch, targets))
    return {"mean pointmap": _summary(mean_parts), "identity motion": _summary(identity_parts)}


def _sure(points_i: Tensor, points_j: Tensor) -> PairPrediction:
    ones = torch.ones_like(points_i[..., 0])
    return PairPrediction(points_i, points_j, ones, ones)


def pair_scores(
    prediction: PairPrediction, batch: PairBatch, targets: Targets
) -> dict[str, Float[Tensor, "both_orders"]]:
    """Scores of every pair and order by the names in `Scores`; NaN where there is no truth.

    Args:
        prediction: Of both orders: first all pairs (1, 2), then all (2, 1).
    """
    half = len(batch)
    valid = (targets.valid_i, targets.valid_j)
    scale = normalisation_scale(prediction.points_i, prediction.points_j, *valid).nan_to_num(nan=1.0).clamp(min=1e-6)
    errors = [
        _masked_mean((points / scale - target).norm(dim=-1), mask)
        for points, target, mask in (
            (prediction.points_i, targets.points_i, valid[0]),
            (prediction.points_j, targets.points_j, valid[1]),
        )
    ]
    depth, true_depth = prediction.points_i[..., 2], targets.points_i[..., 2]
    ratio = torch.where(valid[0], true_depth / depth.clamp(min=1e-6), torch.nan).flatten(1).nanmedian(dim=1).values
    relative = (depth * ratio[:, None, None] - true_depth).abs() / true_depth.clamp(min=1e-6)
    # View j in its own frame (the swapped order) and in the frame of i.
    own = torch.cat([prediction.points_i[half:], prediction.points_i[:half]])
    confidence = torch.cat([prediction.confidence_i[half:], prediction.confidence_i[:half]])
    # Poses need no depth: where it is unknown, the network's points count all the same.
    weight = (confidence * prediction.confidence_j).log().clamp(min=1e-3) * (valid[1] | ~targets.known_j)
    i_from_j = fit_similarity(own.flatten(1, 2), prediction.points_j.flatten(1, 2), weight.flatten(1))
    truth = torch.cat([batch.first_from_second, torch.linalg.inv(batch.first_from_second)])
    linear = i_from_j[:, :3, :3]
    rotation = linear / torch.linalg.det(linear).clamp(min=1e-12)[:, None, None] ** (1 / 3)
    intrinsics = torch.cat(batch.intrinsics.unbind(1))
    focal = estimate_focal(prediction.points_i, intrinsics[:, :2, 2])
    return {
        "points_i": errors[0],
        "points_j": errors[1],
        "depth_absrel": _masked_mean(relative.clamp(max=10), valid[0]),
        "depth_within_10": _masked_mean((relative < 0.1).float(), valid[0]),
        "rotation_deg": _rotation_angle(rotation.mT @ truth[:, :3, :3]),
        "translation_deg": _angle(i_from_j[:, :3, 3], truth[:, :3, 3]),
        "focal_log": (focal / intrinsics[:, 0, 0]).log().abs(),
        "match_px": torch.full_like(focal, torch.nan),
    }


def match_distances(
    similarity: Float[Tensor, "pairs n n"], batch: PairBatch, grid: tuple[int, int]
) -> Float[Tensor, "both_orders"]:
    """How far off the match read-out is, as `Scores.match_px` says, of every pair and order.

    Args:
        similarity: Of the tokens of the first view with those of the second.
        grid: Rows and columns of tokens.
    """
    patch_size = batch.depths.shape[-2] // grid[0]
    pixels = token_pixels(grid, patch_size, similarity.device).long().expand(len(batch), -1, -1)
    medians = []
    for logits, depths, intrinsics, there_from_here in (
        (similarity, batch.depths, batch.intrinsics, invert_rigid(batch.first_from_second)),
        (similarity.mT, batch.depths.flip(1), batch.intrinsics.flip(1), batch.first_from_second),
    ):
        found, _ = match_positions(logits, grid, patch_size)
        there, seen = counterparts(pixels, depths, intrinsics, there_from_here)
        distances = torch.where(seen, (found - there).norm(dim=-1), torch.nan)
        medians.append(distances.nanmedian(dim=1).values)
    return torch.cat(medians)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Of every pair; NaN where the mask is empty."""
    return torch.where(mask, values, 0).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)


def _rotation_angle(rotation: Tensor) -> Tensor:
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """Degrees between directions; 90 where one has none."""
    cosine = (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-9)
    return torch.rad2deg(cosine.clamp(-1, 1).acos())


def _summary(parts: list[dict[str, Tensor]]) -> Scores:
    values = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    medians = {"rotation_deg", "translation_deg", "focal_log", "match_px"}
    scores = {
        name: (value.nanmedian() if name in medians else value.nanmean()).item() for name, value in values.items()
    }
    within = (values["rotation_deg"] < 15).float().mean().item()
    return Scores(**scores, rotation_within_15=within)
