"""How views lie to each other according to the groups that show both, and what the cycles of such relations say.

A group that shows two views states the similarity between them. Two groups with the same two views, or three views two
by two, close a cycle: its product is the identity, but for errors. That tells wrong relations from right ones before
any pose is known.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.rotations import vector_from_rotation
from pointmap.geometry.similarity import invert_similarity, split_similarity
from pointmap.geometry.transforms import transform_points
from pointmap.shapes import Bool, Float, Int

UNITS = (0.1, 0.1, 0.1)
"""Differences in rotation (radians), logarithm of scale, and place (by the scene's distance) that are alike bad."""

_ALL_PAIRS = 8
"""Groups of more views state the relations of slots 1, 2, 4, 8, ... apart only: their number grows like n log n."""

_TRIANGLES = 8
"""Per two views."""

_NEIGHBOURS = 64
"""Of a view, tried as the third view of triangles; where there are more, most of them close one."""

_PARALLEL = 2
"""Relations of the same two views that serve to close others' triangles."""

_SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0)
_CYCLES_AT_ONCE = 200_000


@dataclass(frozen=True)
class Relations:
    """The statement of one group on two of its views each. float64."""

    a: Int[Tensor, "relations"]
    b: Int[Tensor, "relations"]
    """Views, a < b."""

    obs_a: Int[Tensor, "relations"]
    obs_b: Int[Tensor, "relations"]
    """The two observations of the group."""

    group: Int[Tensor, "relations"]

    a_from_b: Float[Tensor, "relations 4 4"]
    """Similarities between the views' frames."""

    centre_a: Float[Tensor, "relations 3"]
    centre_b: Float[Tensor, "relations 3"]
    """The middle of what the group shows, in the frame of either view; places are compared there, where they are known
    best."""

    strength: Float[Tensor, "relations"]
    """How much to rely on it, before any comparison; around 1."""

    def __len__(self) -> int:
        return len(self.a)


def relate(
    view_from_group: Float[Tensor, "obs 4 4"],
    centres: Float[Tensor, "obs 3"],
    strengths: Float[Tensor, "obs"],
    group_of: Int[Tensor, "obs"],
    view_of: Int[Tensor, "obs"],
    num_groups: int,
) -> Relations:
    """Relations of all groups.

    Args:
        view_from_group: Per observation.
        centres: Middle of the view's points in the frame of the group.
        strengths: At least 0; observations of strength 0 state nothing.
    """
    first, second = _pairs_within_groups(group_of, num_groups)
    useful = (strengths[first] > 0) & (strengths[second] > 0) & (view_of[first] != view_of[second])
    first, second = first[useful], second[useful]
    swap = view_of[first] > view_of[second]
    obs_a, obs_b = torch.where(swap, second, first), torch.where(swap, first, second)
    middle = (centres[obs_a] + centres[obs_b]) / 2
    group = group_of[obs_a]
    # The relations of n views are n - 1 statements, not n (n - 1) / 2.
    count = torch.bincount(group, minlength=num_groups)
    views = torch.bincount(group_of[strengths > 0], minlength=num_groups)
    share = ((views - 1) / count.clamp_min(1))[group]
    return Relations(
        a=view_of[obs_a],
        b=view_of[obs_b],
        obs_a=obs_a,
        obs_b=obs_b,
        group=group,
        a_from_b=view_from_group[obs_a] @ invert_similarity(view_from_group[obs_b]),
        centre_a=transform_points(view_from_group[obs_a], middle[:, None])[:, 0],
        centre_b=transform_points(view_from_group[obs_b], middle[:, None])[:, 0],
        strength=share * (strengths[obs_a] * strengths[obs_b]).sqrt(),
    )


@dataclass(frozen=True)
class Evidence:
    """What cycles say of each relation."""

    errors: Float[Tensor, "relations"]
    """How badly it fits its cycles, from 0 to 1."""

    in_cycle: Bool[Tensor, "relations"]
    """Whether it is in any cycle."""

    seconded: Float[Tensor, "relations"]
    """How many others state the same of the same two views."""


def weigh_cycles(relations: Relations, num_views: int) -> Evidence:
    """How well each relation fits its cycles.

    Cycle-edge message passing (Lerman and Shi, "Robust group synchronization via cycle-edge message passing", FoCM
    2022): a cycle counts the more the less its other relations are suspected.
    """
    own, other, third = _cycles(relations, num_views)
    suspicion = torch.zeros(len(relations), dtype=torch.float64, device=own.device)
    if not len(own):
        return Evidence(suspicion, suspicion > 0, suspicion)
    parts = [
        _closure(relations, own[part], other[part], third[part])
        for part in torch.arange(len(own), device=own.device).split(_CYCLES_AT_ONCE)
    ]
    gap = torch.cat(parts)
    # Predictions of a poor network close no cycle well: the unit is what the better half of the relations manage.
    best = torch.full_like(suspicion, torch.inf).scatter_reduce_(0, own, gap, "amin")
    in_cycle = best.isfinite()
    gap = gap / best[in_cycle].median().clamp_min(1.0)
    error = gap / (1 + gap)
    alone = third < 0
    for sharpness in (0.0, *_SHARPNESS):
        doubt = suspicion[other] + suspicion[third].where(~alone, 0)
        # That two groups with the same two views agree says little: what misled the network once did so twice. That
        # they disagree says that one is wrong.
        trust = (-sharpness * doubt).exp() * torch.where(alone, error, 1.0)
        total = torch.zeros_like(suspicion).index_add_(0, own, trust)
        suspicion = torch.zeros_like(suspicion).index_add_(0, own, trust * error) / total.clamp_min(1e-300)
    seconded = torch.zeros_like(suspicion).index_add_(0, own[alone], 1 - error[alone])
    return Evidence(suspicion, in_cycle, seconded)


def _pairs_within_groups(
    group_of: Int[Tensor, "obs"], num_groups: int
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Observations two by two of the same group; all pairs of small groups."""
    obs = torch.arange(len(group_of), device=group_of.device)
    size = torch.bincount(group_of, minlength=num_groups)
    start = (size.cumsum(0) - size)[group_of]
    slot, size = obs - start, size[group_of]
    firsts, seconds = [], []
    for stride in range(1, int(size.max()) if len(obs) else 1):
        if stride >= _ALL_PAIRS and stride & (stride - 1):
            continue
        wanted = slot + stride < size
        if stride & (stride - 1):
            wanted &= size <= _ALL_PAIRS
        firsts.append(obs[wanted])
        seconds.append(obs[wanted] + stride)
    if not firsts:
        return obs[:0], obs[:0]
    return torch.cat(firsts), torch.cat(seconds)


def _cycles(
    relations: Relations, num_views: int
) -> tuple[Int[Tensor, "cycles"], Int[Tensor, "cycles"], Int[Tensor, "cycles"]]:
    """Cycles of two relations (the third is -1) and of three: the one in question, a-c, and c-b.

    A group's own relations close all their cycles, right or wrong: those are left out.
    """
    device = relations.a.device
    if not len(relations):
        return relations.a, relations.a, relations.a
    keys, pair_of = (relations.a * num_views + relations.b).unique(return_inverse=True)
    # Relations by pair of views, the strongest first.
    order = relations.strength.argsort(descending=True, stable=True)
    order = order[pair_of[order].argsort(stable=True)]
    count = torch.bincount(pair_of, minlength=len(keys))
    start = count.cumsum(0) - count
    a, b = keys // num_views, keys % num_views

    side_ac, side_cb, of_pair = _triangles(a, b, keys, relations.strength[order[start]], num_views)
    own, other, third = [], [], []
    everyone = torch.arange(len(relations), device=device)
    for j in range(_PARALLEL + 1):
        twin = order[(start[pair_of] + j).clamp_max(len(order) - 1)]
        distinct = (j < count[pair_of]) & (twin != everyone)
        own.append(everyone[distinct])
        other.append(twin[distinct])
        third.append(torch.full_like(own[-1], -1))
    # Every relation of the pair with every triangle of the pair.
    triangles = torch.bincount(of_pair, minlength=len(keys))
    triangle_start = triangles.cumsum(0) - triangles
    repeats = triangles[pair_of]
    tested = everyone.repeat_interleave(repeats)
    within = torch.arange(len(tested), device=device) - (repeats.cumsum(0) - repeats).repeat_interleave(repeats)
    triangle = triangle_start[pair_of[tested]] + within
    for i in range(_PARALLEL):
        for j in range(_PARALLEL):
            ac, cb = side_ac[triangle], side_cb[triangle]
            there = (i < count[ac]) & (j < count[cb])
            e, f, h = tested[there], order[start[ac[there]] + i], order[start[cb[there]] + j]
            same = (relations.group[e] == relations.group[f]) & (relations.group[e] == relations.group[h])
            own.append(e[~same])
            other.append(f[~same])
            third.append(h[~same])
    return torch.cat(own), torch.cat(other), torch.cat(third)


def _triangles(
    a: Int[Tensor, "pairs"],
    b: Int[Tensor, "pairs"],
    keys: Int[Tensor, "pairs"],
    strength: Float[Tensor, "pairs"],
    num_views: int,
) -> tuple[Int[Tensor, "triangles"], Int[Tensor, "triangles"], Int[Tensor, "triangles"]]:
    """Pairs (a, c) and (c, b) for pairs (a, b), by number, at most `_TRIANGLES` per pair: the strongest ones."""
    device = a.device
    pairs = len(keys)
    ends, others = torch.cat([a, b]), torch.cat([b, a])
    by_end = ends.argsort(stable=True)
    degree = torch.bincount(ends, minlength=num_views)
    start = degree.cumsum(0) - degree
    # Third views: the neighbours of whichever of the two has fewer.
    base = torch.where(degree[a] <= degree[b], a, b)
    repeats = degree[base].clamp_max(_NEIGHBOURS)
    of_pair = torch.arange(pairs, device=device).repeat_interleave(repeats)
    within = torch.arange(len(of_pair), device=device) - (repeats.cumsum(0) - repeats).repeat_interleave(repeats)
    base, repeats = base[of_pair], repeats[of_pair]
    c = others[by_end[start[base] + within * degree[base] // repeats]]

    def find(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        key = torch.minimum(x, y) * num_views + torch.maximum(x, y)
        place = torch.searchsorted(keys, key).clamp_max(pairs - 1)
        return place, keys[place] == key

    ac, has_ac = find(a[of_pair], c)
    cb, has_cb = find(c, b[of_pair])
    closed = has_ac & has_cb & (c != a[of_pair]) & (c != b[of_pair])
    ac, cb, of_pair = ac[closed], cb[closed], of_pair[closed]
    order = (strength[ac] * strength[cb]).argsort(descending=True, stable=True)
    order = order[of_pair[order].argsort(stable=True)]
    count = torch.bincount(of_pair, minlength=pairs)
    rank = torch.arange(len(order), device=device) - (count.cumsum(0) - count)[of_pair[order]]
    order = order[rank < _TRIANGLES]
    return ac[order], cb[order], of_pair[order]


def _closure(
    relations: Relations, own: Int[Tensor, "n"], other: Int[Tensor, "n"], third: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """By how much each cycle fails to close, in `UNITS`."""
    a = relations.a[own]
    path = _oriented(relations, other, a)
    triangle = (third >= 0).nonzero()[:, 0]
    middle = relations.a[other] + relations.b[other] - a
    path[triangle] = path[triangle] @ _oriented(relations, third[triangle], middle[triangle])
    return gap_between(relations.a_from_b[own], path, relations.centre_b[own])


def _oriented(relations: Relations, index: Int[Tensor, "n"], start: Int[Tensor, "n"]) -> Float[Tensor, "n 4 4"]:
    """`start_from_other` for relations one of whose views is `start`."""
    forward = relations.a_from_b[index]
    return torch.where((relations.a[index] == start)[:, None, None], forward, invert_similarity(forward))


def gap_between(
    one: Float[Tensor, "n 4 4"], two: Float[Tensor, "n 4 4"], centre: Float[Tensor, "n 3"]
) -> Float[Tensor, "n"]:
    """Difference of two `a_from_b` in `UNITS`: rotation, scale, and where they take the centre."""
    scale_one, rotation_one, _ = split_similarity(one)
    scale_two, rotation_two, _ = split_similarity(two)
    turn = vector_from_rotation(rotation_one.mT @ rotation_two).square().sum(-1)
    stretch = (scale_one / scale_two).log().square()
    moved = (transform_points(one, centre[:, None]) - transform_points(two, centre[:, None]))[:, 0].square().sum(-1)
    # The unit of a view's frame is its scene's distance.
    return (turn / UNITS[0] ** 2 + stretch / UNITS[1] ** 2 + moved / UNITS[2] ** 2).sqrt()
