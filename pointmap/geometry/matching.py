"""Matches: reciprocal nearest neighbours between two sets of points or two maps of descriptors."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int

Metric = Literal["dot", "l2"]

_ROUNDS = 10
"""Round trips after which a seed that still wanders is given up; most settle within three."""

_BLOCK_ELEMENTS = 2**24
"""Similarities held in memory at once."""


@dataclass(frozen=True)
class PixelMatches:
    """Corresponding pixels of two images, each pair once, in the order of the pixels of i (row by row), then of j."""

    pixels_i: Int[Tensor, "n 2"]
    """(x, y) in image i."""

    pixels_j: Int[Tensor, "n 2"]
    """(x, y) in image j."""


@dataclass(frozen=True)
class PairMatches:
    """Corresponding places in the working images of two views, finer than pixels; (0, 0) is the first one's centre."""

    view_i: int
    view_j: int
    pixels_i: Float[Tensor, "n 2"]
    """(x, y) in view i."""
    pixels_j: Float[Tensor, "n 2"]
    """(x, y) in view j."""
    weights: Float[Tensor, "n"]
    """How far each is trusted: 1 is a match of tokens that is sure, more is a more exact one."""
    from_i: Bool[Tensor, "n"] | None = None
    """True where the place in i was chosen and that in j found, False the other way round; None: all from i."""

    def swapped(self) -> "PairMatches":
        """The same with i and j exchanged."""
        from_j = torch.zeros_like(self.weights, dtype=torch.bool) if self.from_i is None else ~self.from_i
        return PairMatches(self.view_j, self.view_i, self.pixels_j, self.pixels_i, self.weights, from_j)

    def exact(self) -> "PairMatches":
        """Those that weigh more than a match of tokens can: keypoints."""
        return self.select(self.weights > 1)

    def select(self, keep: Bool[Tensor, "n"]) -> "PairMatches":
        """Some of the matches."""
        from_i = None if self.from_i is None else self.from_i[keep]
        return replace(
            self,
            pixels_i=self.pixels_i[keep],
            pixels_j=self.pixels_j[keep],
            weights=self.weights[keep],
            from_i=from_i,
        )

    def joined(self, other: "PairMatches") -> "PairMatches":
        """Both lists, of the same two views in the same order."""
        assert (self.view_i, self.view_j) == (other.view_i, other.view_j)
        from_i = [
            torch.ones_like(part.weights, dtype=torch.bool) if part.from_i is None else part.from_i
            for part in (self, other)
        ]
        return replace(
            self,
            pixels_i=torch.cat([self.pixels_i, other.pixels_i]),
            pixels_j=torch.cat([self.pixels_j, other.pixels_j]),
            weights=torch.cat([self.weights, other.weights]),
            from_i=torch.cat(from_i),
        )

    def directed(self) -> "list[PairMatches]":
        """Those from i, and those from j with i and j exchanged: in both, the place in the first view was chosen."""
        if self.from_i is None:
            return [self]
        return [self.select(self.from_i), self.swapped().select(~self.from_i)]


def nearest_neighbours(
    queries: Float[Tensor, "n d"], targets: Float[Tensor, "m d"], *, metric: Metric = "l2"
) -> Int[Tensor, "n"]:
    """Index of the target nearest to each query; there must be at least one target.

    Args:
        metric: "l2" for the least Euclidean distance (in 3D on the CPU through a k-d tree, which refuses NaN), "dot"
            for the largest inner product.
    """
    return _searcher(targets, metric)(queries)


def mutual_neighbours(
    features_i: Float[Tensor, "n d"], features_j: Float[Tensor, "m d"], *, metric: Metric = "l2"
) -> tuple[Int[Tensor, "k"], Int[Tensor, "k"]]:
    """Indices (into i, into j) of the pairs that are each other's nearest, ascending in i."""
    if not len(features_i) or not len(features_j):
        nothing = torch.zeros(0, dtype=torch.int64, device=features_i.device)
        return nothing, nothing
    j_of_i = nearest_neighbours(features_i, features_j, metric=metric)
    i_of_j = nearest_neighbours(features_j, features_i, metric=metric)
    index_i = torch.arange(len(features_i), device=j_of_i.device)
    mutual = i_of_j[j_of_i] == index_i
    return index_i[mutual], j_of_i[mutual]


def match_maps(
    features_i: Float[Tensor, "h_i w_i d"],
    features_j: Float[Tensor, "h_j w_j d"],
    *,
    step: int = 8,
    metric: Metric = "dot",
    both_ways: bool = True,
    tolerance_px: float = 0.0,
    mask_i: Bool[Tensor, "h_i w_i"] | None = None,
    mask_j: Bool[Tensor, "h_j w_j"] | None = None,
) -> PixelMatches:
    """Reciprocal matches between two images, found from a grid of seeds.

    The fast scheme of MASt3R (Leroy et al., ECCV 2024, section 3.3): each seed goes to its nearest neighbour in the
    other image and back until it stays where it is. This costs a small part of comparing all pixels, and prefers
    matches that many seeds agree on. With `step=1` it is the complete set of reciprocal neighbours.

    Args:
        features_i: Descriptors, or pointmaps (`metric="l2"`), of image i.
        features_j: The same of image j.
        step: Distance of the seeds in pixels.
        metric: See `nearest_neighbours`.
        both_ways: Start from seeds in both images and merge; otherwise only from image i.
        tolerance_px: If positive, one round trip only: a seed is kept, at its place, if it returns to less than so many
            pixels from where it started.
        mask_i: True where a pixel of image i may be matched. Pixels whose features are not finite never are.
        mask_j: The same of image j.
    """
    width_i, width_j = features_i.shape[1], features_j.shape[1]
    allowed_i, allowed_j = _allowed(features_i, mask_i), _allowed(features_j, mask_j)
    kept_i, kept_j = allowed_i.flatten().nonzero()[:, 0], allowed_j.flatten().nonzero()[:, 0]
    if not len(kept_i) or not len(kept_j):
        nothing = torch.zeros(0, 2, dtype=torch.int64, device=features_i.device)
        return PixelMatches(nothing, nothing)

    flat_i, flat_j = features_i.flatten(0, 1)[kept_i], features_j.flatten(0, 1)[kept_j]
    to_i, to_j = _searcher(flat_i, metric), _searcher(flat_j, metric)
    pixels_i, pixels_j = _pixels(kept_i, width_i), _pixels(kept_j, width_j)
    # A pair that stays where it is does so from the first trip on when every pixel is a seed.
    rounds = 1 if step == 1 else _ROUNDS

    def follow(
        start: Int[Tensor, "n"], forth: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], pixels: Tensor
    ) -> tuple[Int[Tensor, "k"], Int[Tensor, "k"]]:
        if tolerance_px > 0:
            there = forth(start)
            moved = torch.linalg.norm((pixels[back(there)] - pixels[start]).double(), dim=-1)
            return start[moved < tolerance_px], there[moved < tolerance_px]
        return _settle(start, forth, back, rounds)

    def forth_i(index: Tensor) -> Tensor:
        return to_j(flat_i[index])

    def forth_j(index: Tensor) -> Tensor:
        return to_i(flat_j[index])

    pairs = torch.stack(follow(_seeds(allowed_i, step), forth_i, forth_j, pixels_i), dim=1)
    if both_ways:
        from_j, to_i_of_j = follow(_seeds(allowed_j, step), forth_j, forth_i, pixels_j)
        pairs = torch.cat([pairs, torch.stack([to_i_of_j, from_j], dim=1)])
    pairs = torch.unique(pairs, dim=0)
    return PixelMatches(pixels_i[pairs[:, 0]], pixels_j[pairs[:, 1]])


def _settle(
    start: Int[Tensor, "n"], forth: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], rounds: int
) -> tuple[Int[Tensor, "k"], Int[Tensor, "k"]]:
    """Pairs at which the seeds come to rest."""
    settled_here, settled_there = [start[:0]], [start[:0]]
    here = start
    for _ in range(rounds):
        if not len(here):
            break
        there = forth(here)
        returned = back(there)
        rests = returned == here
        settled_here.append(here[rests])
        settled_there.append(there[rests])
        # Seeds that met travel on as one.
        here = torch.unique(returned[~rests])
    return torch.cat(settled_here), torch.cat(settled_there)


def _searcher(targets: Float[Tensor, "m d"], metric: Metric) -> Callable[[Tensor], Tensor]:
    """A function from queries (n, d) to the index of the nearest target of each, (n,)."""
    if metric == "l2" and targets.shape[1] == 3 and targets.device.type == "cpu":
        from scipy.spatial import KDTree

        tree = KDTree(targets.detach().double().numpy())
        return lambda queries: torch.from_numpy(tree.query(queries.detach().double().numpy())[1])

    # Products are faster, but lose the digits that tell neighbours apart far from the origin, where points may be.
    mode = "donot_use_mm_for_euclid_dist" if targets.shape[1] <= 3 else "use_mm_for_euclid_dist"

    def similarity(queries: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        if metric == "dot":
            return queries @ targets.mT
        return -torch.cdist(queries, targets, compute_mode=mode)

    block = max(1, _BLOCK_ELEMENTS // len(targets))
    return lambda queries: torch.cat([similarity(part).argmax(dim=1) for part in queries.split(block)])


def _allowed(features: Float[Tensor, "h w d"], mask: Bool[Tensor, "h w"] | None) -> Bool[Tensor, "h w"]:
    finite = features.isfinite().all(dim=-1)
    return finite if mask is None else finite & mask


def _seeds(allowed: Bool[Tensor, "h w"], step: int) -> Int[Tensor, "n"]:
    """Positions, among the allowed pixels, of those on a centred grid."""
    on_grid = torch.zeros_like(allowed)
    on_grid[step // 2 :: step, step // 2 :: step] = True
    return on_grid[allowed].nonzero()[:, 0]


def _pixels(index: Int[Tensor, "n"], width: int) -> Int[Tensor, "n 2"]:
    return torch.stack([index % width, index // width], dim=1)
