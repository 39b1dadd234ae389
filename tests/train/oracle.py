"""A network that knows the truth, for what is computed from predictions."""

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from pointmap.models import Encoding
from pointmap.scene import PairPrediction
from pointmap.train.objective import Targets, make_targets
from pointmap.train.pairs import PairBatch


class Oracle:
    """Answers every question about one batch with its targets, at a confidence that one may choose."""

    def __init__(self, batch: PairBatch, confidence: float = 1.0, *, metric: bool = False) -> None:
        self.prediction = truth(make_targets(batch), confidence)
        self.config = SimpleNamespace(metric=metric)

    def encode(self, images: Tensor) -> Encoding:
        return Encoding(torch.zeros(len(images), 4, 1), (), (2, 2))

    def match_similarity(self, encoding_i: Encoding, encoding_j: Encoding) -> None:
        return None

    def decode(self, encoding_i: Encoding, encoding_j: Encoding, similarity: None = None) -> PairPrediction:
        return self.prediction


def truth(targets: Targets, confidence: float = 1.0) -> PairPrediction:
    certain = torch.full(targets.points_i.shape[:3], confidence)
    return PairPrediction(targets.points_i, targets.points_j, certain, certain)


def seen_once(batch: PairBatch) -> PairBatch:
    """Pairs whose second photo is the first once more."""
    images, depths, intrinsics = (
        part[:, :1].expand_as(part).clone() for part in (batch.images, batch.depths, batch.intrinsics)
    )
    same_pose = torch.eye(4).expand_as(batch.first_from_second).clone()
    return replace(batch, images=images, depths=depths, intrinsics=intrinsics, first_from_second=same_pose)
