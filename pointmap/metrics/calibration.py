"""Whether confidences rank errors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float


def error_by_confidence(
    errors: Float[Tensor, "pixels"], confidences: Float[Tensor, "pixels"], groups: int = 10
) -> Float[Tensor, "groups"]:
    """Mean error of equally large groups of pixels, from the least to the most confident.

    A confidence is calibrated where these fall from each to the next: see `falls`.
    """
    parts = errors[confidences.argsort(stable=True)].double().tensor_split(groups)
    return torch.stack([part.mean() for part in parts])


def falls(values: Float[Tensor, "groups"]) -> bool:
    """Each value is below the one before it."""
    return bool((values.diff() < 0).all())


@dataclass(frozen=True)
class RiskCoverage:
    """Mean error of the surest pixels over how many of them are taken."""

    coverage: Float[Tensor, "steps"]
    """Shares of the pixels in (0, 1], rising to 1."""

    risk: Float[Tensor, "steps"]
    """Mean error of that share of the pixels which is surest by confidence."""

    oracle: Float[Tensor, "steps"]
    """The same by the errors themselves: no ranking can be lower."""

    @property
    def aurc(self) -> float:
        """Area under the risk: its mean over the coverages."""
        return self.risk.mean().item()

    @property
    def ause(self) -> float:
        """Area between risk and oracle (of the sparsification error), in units of the errors; 0 is a perfect ranking.

        Not divided by the mean error, as some do (`lmb-freiburg/robustmvd:rmvd/eval/metrics.py`).
        """
        return (self.risk - self.oracle).mean().item()


def risk_coverage(
    errors: Float[Tensor, "pixels"], confidences: Float[Tensor, "pixels"], steps: int = 50
) -> RiskCoverage:
    """Risk-coverage curve (El-Yaniv and Wiener, JMLR 2010), that is sparsification (Ilg et al., ECCV 2018) read from
    the other end.

    Pixels of equal confidence each count their group's mean error: their order is arbitrary and must not matter. Where
    there are fewer pixels than steps, each step rounds up to the next pixel.

    Args:
        errors: Not negative. All NaN comes back where there are none.
        steps: Coverages 1 / steps, 2 / steps, ... 1.
    """
    coverage = torch.arange(1, steps + 1, dtype=torch.float64, device=errors.device) / steps
    if not len(errors):
        nothing = torch.full_like(coverage, torch.nan)
        return RiskCoverage(coverage, nothing, nothing)
    taken = torch.ceil(coverage * len(errors) - 1e-9).long()
    sums = _without_order(errors, confidences)[confidences.argsort(descending=True)].cumsum(0)
    best = errors.double().sort().values.cumsum(0)
    return RiskCoverage(coverage, sums[taken - 1] / taken, best[taken - 1] / taken)


def spearman(a: Float[Tensor, "n"], b: Float[Tensor, "n"]) -> float:
    """Rank correlation in [-1, 1], ties at their mean rank; NaN where a side is constant or has fewer than 2."""
    ranks_a, ranks_b = _ranks(a), _ranks(b)
    ranks_a, ranks_b = ranks_a - ranks_a.mean(), ranks_b - ranks_b.mean()
    size = (ranks_a.square().sum() * ranks_b.square().sum()).sqrt()
    return ((ranks_a * ranks_b).sum() / size).item() if len(a) > 1 and size > 0 else float("nan")


def _ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    _, group, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    return (ends - (counts.double() - 1) / 2)[group]


def _without_order(errors: Float[Tensor, "pixels"], confidences: Float[Tensor, "pixels"]) -> Float[Tensor, "pixels"]:
    """The mean error of each pixel's group of equal confidence."""
    _, group, counts = confidences.unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(counts), dtype=torch.float64, device=errors.device).index_add_(0, group, errors.double())
    return (sums / counts)[group]
