"""The linear system of a Gauss-Newton step: groups eliminated, views by Cholesky or by conjugate gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int

_MOST_DENSE = 1500
"""Unknowns up to which the reduced matrix is stored whole."""
_CG_TOLERANCE = 1e-6
_CG_ITERATIONS = 1000


@dataclass(frozen=True)
class _GroupsOfOneSize:
    groups: Int[Tensor, "n"]
    obs: Int[Tensor, "n size"]
    views: Int[Tensor, "n size"]
    blocks: Int[Tensor, "n size size"]
    """Which block of the reduced matrix each two views of a group add to."""


class LinearSystem:
    """Where the blocks of the normal equations stand: fixed for an alignment, while their values change.

    Args:
        group_of, view_of: Of each observation.
        free: False where an unknown of a view is known and kept.
        shared: Views with one number here share their last unknown.
        extra_pairs: Views that other terms couple.
    """

    def __init__(
        self,
        group_of: Int[Tensor, "obs"],
        view_of: Int[Tensor, "obs"],
        free: Bool[Tensor, "views a"],
        shared: Int[Tensor, "views"],
        extra_pairs: Int[Tensor, "pairs 2"] | None = None,
    ) -> None:
        self.view_of = view_of
        self.num_views, self.width = free.shape
        self.unknowns, self.count = _numbered(free, shared)
        buckets = _by_size(group_of, view_of)
        diagonal = torch.arange(self.num_views, device=view_of.device)
        pairs = [diagonal * self.num_views + diagonal]
        pairs += [(views[:, :, None] * self.num_views + views[:, None]).flatten() for _, _, views in buckets]
        if extra_pairs is not None:
            pairs.append(extra_pairs[:, 0] * self.num_views + extra_pairs[:, 1])
            pairs.append(extra_pairs[:, 1] * self.num_views + extra_pairs[:, 0])
        self.pairs, block_of = torch.cat(pairs).unique(return_inverse=True)
        parts = block_of.split([len(pair) for pair in pairs])
        self.diagonal = parts[0]
        self.extra = parts[-2:] if extra_pairs is not None else ()
        self.buckets = [
            _GroupsOfOneSize(groups, obs, views, part.view(*views.shape, views.shape[1]))
            for (groups, obs, views), part in zip(buckets, parts[1:], strict=False)
        ]
        self.rows, self.columns = self.pairs // self.num_views, self.pairs % self.num_views

    def reduced(
        self,
        views: Float[Tensor, "views a a"],
        groups: Float[Tensor, "groups 7 7"],
        coupling: Float[Tensor, "obs a 7"],
        extra: Float[Tensor, "pairs a a"] | None = None,
    ) -> tuple[Float[Tensor, "blocks a a"], Float[Tensor, "obs a 7"]]:
        """Blocks of the matrix without the groups, and each observation's coupling times its group's inverse.

        Args:
            extra: Of `extra_pairs`; rows: the first view.
        """
        blocks = views.new_zeros(len(self.pairs), self.width, self.width)
        blocks[self.diagonal] = views
        if extra is not None:
            blocks.index_add_(0, self.extra[0], extra).index_add_(0, self.extra[1], extra.mT)
        scaled = torch.empty_like(coupling)
        inverse = torch.linalg.inv(groups)
        for bucket in self.buckets:
            part = coupling[bucket.obs]
            by_inverse = part @ inverse[bucket.groups][:, None]
            scaled[bucket.obs] = by_inverse
            fill = by_inverse[:, :, None] @ part[:, None].mT
            blocks.index_add_(0, bucket.blocks.flatten(), fill.flatten(0, 2), alpha=-1)
        return blocks, scaled

    def solve(
        self,
        views: Float[Tensor, "views a a"],
        groups: Float[Tensor, "groups 7 7"],
        coupling: Float[Tensor, "obs a 7"],
        view_slopes: Float[Tensor, "views a"],
        group_slopes: Float[Tensor, "groups 7"],
        extra: Float[Tensor, "pairs a a"] | None = None,
    ) -> tuple[Float[Tensor, "views a"], Float[Tensor, "groups 7"]]:
        """The step to the minimum of the quadratic model."""
        blocks, scaled = self.reduced(views, groups, coupling, extra)
        group_of = torch.empty_like(self.view_of)
        for bucket in self.buckets:
            group_of[bucket.obs] = bucket.groups[:, None]
        slopes = view_slopes.index_add(0, self.view_of, -(scaled @ group_slopes[group_of][..., None])[..., 0])
        right = -self._gathered(slopes)
        solution = self._dense(blocks, right) if self.count <= _MOST_DENSE else self._iterative(blocks, right)
        view_step = self._by_view(solution)
        back = torch.zeros_like(group_slopes).index_add_(
            0, group_of, (coupling.mT @ view_step[self.view_of][..., None])[..., 0]
        )
        group_step = -torch.linalg.solve(groups, group_slopes + back)
        return view_step, group_step

    def dense_matrix(self, blocks: Float[Tensor, "blocks a a"]) -> Float[Tensor, "n n"]:
        """The reduced matrix of the free unknowns."""
        side = self.count + 1  # the last takes what is not free
        places = self.unknowns[self.rows][:, :, None] * side + self.unknowns[self.columns][:, None]
        matrix = blocks.new_zeros(side * side).index_add_(0, places.flatten(), blocks.flatten())
        return matrix.view(side, side)[:-1, :-1]

    def _dense(self, blocks: Float[Tensor, "blocks a a"], right: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        if self.count == 0:
            return right
        matrix = self.dense_matrix(blocks)
        unit = matrix.diagonal().abs().max() * torch.eye(len(matrix)).to(matrix)
        # The world's own freedom leaves the matrix singular but for rounding; least squares would not do twice alike.
        for exponent in range(-14, 3, 2):
            factor, failed = torch.linalg.cholesky_ex(matrix + 10.0**exponent * unit)
            if not int(failed):
                break
        return torch.cholesky_solve(right[:, None], factor)[:, 0]

    def _iterative(self, blocks: Float[Tensor, "blocks a a"], right: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Conjugate gradients, preconditioned by the blocks on the diagonal."""
        own = blocks[self.diagonal]
        padded = self.unknowns == self.count
        own = own.masked_fill(padded[:, :, None] | padded[:, None], 0) + torch.diag_embed(padded.to(own))
        # Unknowns that views share have several blocks, of which each view inverts its own: still symmetric.
        inverse = torch.linalg.inv(own)

        def precondition(vector: Tensor) -> Tensor:
            return self._gathered((inverse @ self._by_view(vector)[..., None])[..., 0])

        def multiply(vector: Tensor) -> Tensor:
            by_view = self._by_view(vector)
            products = (blocks @ by_view[self.columns, :, None])[..., 0]
            return self._gathered(torch.zeros_like(by_view).index_add_(0, self.rows, products))

        solution, residual = torch.zeros_like(right), right.clone()
        towards = precondition(residual)
        direction, product = towards.clone(), residual @ towards
        goal = _CG_TOLERANCE**2 * product
        for _ in range(_CG_ITERATIONS):
            if not bool(product > goal):
                break
            image = multiply(direction)
            length = product / (direction @ image)
            solution += length * direction
            residual -= length * image
            towards = precondition(residual)
            product, last = residual @ towards, product
            direction = towards + (product / last) * direction
        return solution

    def _by_view(self, vector: Float[Tensor, "n"]) -> Float[Tensor, "views a"]:
        """The unknowns of every view; 0 where one is known."""
        return torch.cat([vector, vector.new_zeros(1)])[self.unknowns]

    def _gathered(self, by_view: Float[Tensor, "views a"]) -> Float[Tensor, "n"]:
        """Sums of what all views have for each unknown."""
        return by_view.new_zeros(self.count + 1).index_add_(0, self.unknowns.flatten(), by_view.flatten())[:-1]


def _numbered(free: Bool[Tensor, "views a"], shared: Int[Tensor, "views"]) -> tuple[Int[Tensor, "views a"], int]:
    """A number for every unknown, one for the last of all views that share it; those not free have the number after."""
    views, width = free.shape
    own = torch.arange(views * width, device=free.device).view(views, width)
    own[:, -1] = views * width + shared
    own = torch.where(free, own, -1)
    used, numbers = own.unique(return_inverse=True)
    if int(used[0]) == -1:
        count = len(used) - 1
        return torch.where(free, numbers - 1, count), count
    return numbers, len(used)


def _by_size(
    group_of: Int[Tensor, "obs"], view_of: Int[Tensor, "obs"]
) -> list[tuple[Int[Tensor, "n"], Int[Tensor, "n size"], Int[Tensor, "n size"]]]:
    order = group_of.argsort(stable=True)
    counts = torch.bincount(group_of)
    starts = counts.cumsum(0) - counts
    buckets = []
    for size in counts.unique().tolist():
        if size:
            groups = (counts == size).nonzero()[:, 0]
            obs = order[starts[groups][:, None] + torch.arange(size, device=group_of.device)]
            buckets.append((groups, obs, view_of[obs]))
    return buckets
