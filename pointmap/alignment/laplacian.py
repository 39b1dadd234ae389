"""Robust averages over a graph of views: of every relation between two, the difference is known."""

from collections.abc import Callable

import torch
from torch import Tensor

from pointmap.alignment.relations import Relations
from pointmap.alignment.spanning_tree import Forest
from pointmap.shapes import Float

_DENSE = 400
"""Up to so many views, linear systems are solved as dense ones."""

_ROUNDS = 16
_SUPPORTED_ROUNDS = 2
_CONVERGED = 1e-3
"""Of what is a large gap."""

GROSS = 4.0
"""Large gaps, of rotation 23 degrees: two relations farther apart are two stories, not one told inexactly."""


class Laplacian:
    """Least squares of differences between views: one unknown (per column) for each, roots stay at 0."""

    def __init__(self, relations: Relations, forest: Forest, num_views: int) -> None:
        self.a, self.b, self.num_views = relations.a, relations.b, num_views
        # Views that nothing shows are roots of their own.
        self.roots = torch.tensor([v for v in range(num_views) if forest.parents[v] < 0], dtype=torch.long)

    def descend(
        self,
        start: Tensor,
        gap_at: Callable[[Tensor], Tensor],
        moved: Callable[[Tensor, Tensor], Tensor],
        unit: float,
        trust: Float[Tensor, "relations"],
        support: Float[Tensor, "relations"],
        length: Float[Tensor, "relations"] | float = 1.0,
    ) -> tuple[Tensor, Float[Tensor, "relations"]]:
        """Reweighted least squares of the gaps, from supported relations only to all that turn out to fit.

        Args:
            gap_at: Gap of every relation at given values; a view's change moves it by that change over `length`.
            moved: Values after a change.
            unit: A gap that is not small.
            trust: Factors on the weights.
            support: More of them, for the first rounds.

        Returns:
            The values, and the final weights.
        """
        values, weights = start, trust

        def misfit(gap: Tensor) -> float:
            square = (lengths(gap) / (GROSS * unit)).square()
            return float((trust * square / (1 + square)).sum())

        for round_ in range(_ROUNDS if len(self.a) else 0):
            gap = gap_at(values)
            if round_ == _SUPPORTED_ROUNDS and misfit(gap) > misfit(gap_at(start)):
                # Halfway between two stories that exclude each other is worse than either.
                values, gap = start, gap_at(start)
            if round_ < _SUPPORTED_ROUNDS:
                weights = trust * support
            else:
                # Geman and McClure's: gross errors do not count at all.
                size = lengths(gap)
                weights = trust / (1 + (size / (2 * size.median()).clamp_min(unit)).square()).square()
            weights = weights.clamp_min(1e-12)
            step = self._solve(weights / length**2, gap * (length if isinstance(length, float) else length[:, None]))
            values = moved(values, step)
            if round_ > _SUPPORTED_ROUNDS and float(step.abs().max()) < _CONVERGED * unit:
                break
        return values, weights

    def _solve(
        self, weights: Float[Tensor, "relations"], gap: Float[Tensor, "relations n"]
    ) -> Float[Tensor, "views n"]:
        """Changes x that minimise the weighted sum of |gap + x_a - x_b|^2."""
        pull = weights[:, None] * gap
        slope = torch.zeros(self.num_views, gap.shape[1], dtype=gap.dtype)
        slope.index_add_(0, self.b, pull).index_add_(0, self.a, -pull)
        diagonal = torch.zeros(self.num_views, dtype=gap.dtype)
        diagonal.index_add_(0, self.a, weights).index_add_(0, self.b, weights)
        diagonal[self.roots] += diagonal.max()
        if self.num_views <= _DENSE:
            matrix = diagonal.diag()
            matrix.index_put_((self.a, self.b), -weights, accumulate=True)
            matrix.index_put_((self.b, self.a), -weights, accumulate=True)
            return torch.linalg.solve(matrix, slope)
        from scipy.sparse import coo_matrix
        from scipy.sparse.linalg import splu

        every = torch.arange(self.num_views)
        rows, columns = torch.cat([every, self.a, self.b]), torch.cat([every, self.b, self.a])
        entries = torch.cat([diagonal, -weights, -weights])
        shape = (self.num_views, self.num_views)
        matrix = coo_matrix((entries.numpy(), (rows.numpy(), columns.numpy())), shape=shape).tocsc()
        # Symmetric and diagonally dominant: no pivoting, and the ordering for symmetric patterns.
        factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return torch.from_numpy(factors.solve(slope.numpy()))


def lengths(vectors: Float[Tensor, "n k"]) -> Float[Tensor, "n"]:
    """Euclidean; several times faster here than torch.linalg.norm."""
    return vectors.square().sum(-1).sqrt()
