"""Held-out procedural pairs: the first part of `eval/studies/weights.py`, with frozen seeds and textures of their own.

Beside the network stand two predictors that do not look: the mean pointmap of other pairs, and identity motion, which
knows the true points of each view and takes the two cameras for one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.metrics import PoseErrors, depth_errors, error_by_confidence, falls
from pointmap.models import Network
from pointmap.scene import PairPrediction
from pointmap.train.effects import plain
from pointmap.train.habits import BENCHMARK
from pointmap.train.losses import normalisation_scale
from pointmap.train.objective import Targets, make_targets, predict
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.textures import make_textures
from pointmap.train.validation import pair_scores

from .rows import markdown, shown

SEED = 20_260_101
"""No training uses it."""
TEXTURES, TEXTURE_SEED = 64, 9_191
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GROUPS = 10


@dataclass(frozen=True)
class PairRow:
    """Scores of one predictor over both orders of all pairs."""

    method: str
    points_i: float
    """Mean distance of predicted from true points, both divided by their mean distance from the camera."""
    points_j: float
    absrel: float
    """Of depth in view i, after scaling each pair by its median."""
    within_125: float
    rra_15: float
    rta_15: float
    auc_30: float
    rotation_deg: float
    """Median error."""
    direction_deg: float
    focal_error: float
    """Median relative error."""
    by_confidence: tuple[float, ...] | None = None
    """Mean error of points, from the least to the most confident tenth of all pixels."""


def held_out_pairs(count: int, long_side: int, *, held_out: bool = True) -> list[PairBatch]:
    """Landscape and portrait pairs, 4:3, always the same.

    Args:
        held_out: False gives others, for the mean pointmap.
    """
    short_side = round(long_side * 0.75 / 8) * 8
    texels = make_textures(TEXTURES, TEXTURE_SEED + (not held_out))
    sizes = (short_side, long_side), (long_side, short_side)
    batches = []
    for number, size in enumerate(sizes):
        random = Random(SEED + 2 * number + (not held_out))
        batches.append(make_pairs(count // 2, size, random, texels, TEXTURES, settings=BENCHMARK))
    return batches


def pair_row(values: dict) -> PairRow:
    """The same from plain JSON values, where null stands for NaN."""
    known = {name: math.nan if value is None else value for name, value in values.items()}
    return PairRow(**known | {"by_confidence": values["by_confidence"]})


@torch.no_grad()
def score_network(network: Network, batches: Sequence[PairBatch], method: str, chunk: int = 16) -> PairRow:
    """Scores of a network."""
    scorer = _Scorer(with_confidence=True)
    for batch in batches:
        for start in range(0, len(batch), chunk):
            part = batch[start : start + chunk]
            images = plain(part.images.flatten(0, 1)).unflatten(0, (-1, 2)).to(network.device)
            prediction, _, _ = predict(network, images)
            scorer.add(_on_cpu(prediction), part)
    return scorer.row(method)


def score_baselines(batches: Sequence[PairBatch], others: Sequence[PairBatch]) -> list[PairRow]:
    """Scores of the two predictors that do not look; the mean pointmap is that of `others`."""
    mean, identity = _Scorer(), _Scorer()
    for batch, other in zip(batches, others, strict=True):
        targets, seen = make_targets(batch), make_targets(other)
        own_j = targets.points_i.roll(len(batch), dims=0)  # view j of a pair is view i of the swapped one
        identity.add(_confident(targets.points_i, own_j), batch)
        means = [_mean(seen.points_i, seen.valid_i), _mean(seen.points_j, seen.valid_j)]
        mean.add(_confident(*(points.expand_as(targets.points_i) for points in means)), batch)
    return [mean.row("mean pointmap"), identity.row("identity motion")]


def difficulty(batches: Sequence[PairBatch]) -> dict[str, list[float]]:
    """Quantiles (`QUANTILES`) of what makes pairs hard."""
    first_from_second = torch.cat([batch.first_from_second for batch in batches])
    depths = torch.cat([batch.depths[:, 0].float().flatten(1) for batch in batches])
    median = depths.where(depths > 0, torch.nan).nanmedian(dim=1).values
    cosine = (first_from_second[:, :3, :3].diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
    values = {
        "relative rotation (deg)": torch.rad2deg(cosine.clamp(-1, 1).acos()),
        "baseline / median depth": first_from_second[:, :3, 3].norm(dim=1) / median,
        "overlap": torch.cat([batch.overlap for batch in batches]),
    }
    return {name: value.float().nanquantile(torch.tensor(QUANTILES)).tolist() for name, value in values.items()}


def pairs_table(rows: Sequence[PairRow]) -> str:
    """One line per predictor."""
    header = ("held-out pairs", "AbsRel", "d1.25", "RRA@15", "RTA@15", "AUC@30", "rot. med.", "dir. med.", "focal")
    lines = []
    for row in rows:
        percent = [shown(100 * value, "{:.1f}") for value in (row.rra_15, row.rta_15, row.auc_30)]
        degrees = [shown(value, "{:.1f}") for value in (row.rotation_deg, row.direction_deg)]
        depth = [shown(row.absrel), shown(row.within_125)]
        rest = [shown(value) for value in (row.focal_error, row.points_i, row.points_j)]
        lines.append([row.method, *depth, *percent, *degrees, *rest])
    return markdown((*header, "points i", "points j"), lines)


def difficulty_table(quantiles: dict[str, list[float]]) -> str:
    """One line per quantity."""
    lines = [[name, *(f"{value:.2f}" for value in values)] for name, values in quantiles.items()]
    return markdown(("quantile", *(f"{q:.0%}" for q in QUANTILES)), lines)


def calibration_table(rows: Sequence[PairRow]) -> str:
    """Error of points by confidence, one line per network."""
    lines = []
    for row in rows:
        if row.by_confidence is not None:
            verdict = "yes" if falls(torch.tensor(row.by_confidence)) else "no"
            lines.append([row.method, *map(shown, row.by_confidence), verdict])
    return markdown(("error by confidence", "least", *map(str, range(2, GROUPS)), "most", "falls"), lines)


class _Scorer:
    """Collects the scores of pairs, and sums them up."""

    def __init__(self, with_confidence: bool = False) -> None:
        self.with_confidence = with_confidence
        self.parts: list[dict[str, Tensor]] = []
        self.pixels: list[tuple[Tensor, Tensor]] = []

    def add(self, prediction: PairPrediction, batch: PairBatch) -> None:
        targets = make_targets(batch)
        scores = pair_scores(prediction, batch, targets)
        depths = [
            depth_errors(depth[valid], true[valid])
            for depth, true, valid in zip(
                prediction.points_i[..., 2], targets.points_i[..., 2], targets.valid_i, strict=True
            )
        ]
        scores["within_125"] = torch.tensor([errors.within_125 for errors in depths])
        self.parts.append(scores)
        if self.with_confidence:
            self.pixels += _errors_and_confidences(prediction, targets)

    def row(self, method: str) -> PairRow:
        values = {name: torch.cat([part[name] for part in self.parts]) for name in self.parts[0]}
        poses = PoseErrors(values["rotation_deg"], values["translation_deg"])
        by_confidence = None
        if self.with_confidence:
            errors, confidences = (torch.cat(parts) for parts in zip(*self.pixels, strict=True))
            by_confidence = tuple(error_by_confidence(errors, confidences, GROUPS).tolist())
        return PairRow(
            method=method,
            points_i=values["points_i"].mean().item(),
            points_j=values["points_j"].mean().item(),
            absrel=values["depth_absrel"].mean().item(),
            within_125=values["within_125"].nanmean().item(),
            rra_15=poses.rra(15),
            rta_15=poses.rta(15),
            auc_30=poses.auc(30),
            rotation_deg=values["rotation_deg"].nanmedian().item(),
            direction_deg=values["translation_deg"].nanmedian().item(),
            focal_error=values["focal_log"].expm1().nanmedian().item(),
            by_confidence=by_confidence,
        )


def _errors_and_confidences(prediction: PairPrediction, targets: Targets) -> list[tuple[Tensor, Tensor]]:
    """Of all pixels with a surface, in view i and in view j."""
    masks = (targets.valid_i, targets.valid_j)
    scale = normalisation_scale(prediction.points_i, prediction.points_j, *masks).clamp(min=1e-6)
    sides = (
        (prediction.points_i, targets.points_i, prediction.confidence_i, masks[0]),
        (prediction.points_j, targets.points_j, prediction.confidence_j, masks[1]),
    )
    return [((points / scale - true).norm(dim=-1)[mask], confidence[mask]) for points, true, confidence, mask in sides]


def _on_cpu(prediction: PairPrediction) -> PairPrediction:
    names = ("points_i", "points_j", "confidence_i", "confidence_j")
    return PairPrediction(*(getattr(prediction, name).float().cpu() for name in names))


def _confident(points_i: Tensor, points_j: Tensor) -> PairPrediction:
    ones = torch.ones_like(points_i[..., 0])
    return PairPrediction(points_i, points_j, ones, ones)


def _mean(points: Tensor, valid: Tensor) -> Tensor:
    weight = valid[..., None].float()
    return (points * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1)
