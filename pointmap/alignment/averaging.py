"""Poses of all views and groups from the similarities between them, most of which are right.

Unknown are `world_from_view` W and `world_from_group` S, measured is `view_from_group` N of every observation:
S = W N. Rotations, scales and places are averaged one after the other, each by reweighted least squares, whose linear
system has one unknown per view (Chatterjee and Govindu, "Robust relative rotation averaging", PAMI 2018). The start
comes along a spanning tree of the relations that fit their cycles, which is what nonsense does not do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.laplacian import GROSS, Laplacian, lengths
from pointmap.alignment.relations import UNITS, Relations, gap_between, relate, weigh_cycles
from pointmap.alignment.spanning_tree import Forest, spanning_forest
from pointmap.geometry.rotations import rotation_from_vector, vector_from_rotation
from pointmap.geometry.similarity import invert_similarity, split_similarity
from pointmap.geometry.transforms import rigid, transform_points
from pointmap.shapes import Bool, Float, Int

TOLERANCES = (5.0, 0.0953, 0.1)
"""Degrees, logarithm of scale (10 %), distance by the scene's: groups that disagree by less are never doubted."""

_SPREADS = 4.0
"""Times the median disagreement of all groups, up to which none is doubted either: wide baselines are noisy."""

_LIMITS = (30.0, 0.405, 0.4)
"""More is doubted where all groups disagree, too: as `TOLERANCES`, 50 % of scale."""


@dataclass(frozen=True)
class Averaged:
    """Poses of views and groups, and how far to trust the groups. float64, on the CPU.

    Every connected part has a world of its own, that of its root view.
    """

    world_from_view: Float[Tensor, "views 4 4"]
    """Similarities; identity where nothing shows a view."""

    world_from_group: Float[Tensor, "groups 4 4"]

    group_weights: Float[Tensor, "groups"]
    """1 where a group agrees with the others as well as most do; towards 0 where it contradicts them."""

    group_disagreements: Float[Tensor, "groups 3"]
    """Between the views of a group: degrees, |logarithm of scale|, and distance by the scene's; 0 for a group that
    nothing can contradict."""

    limits: Float[Tensor, "3"]
    """Disagreements up to which a group counts in full."""

    parts: list[list[int]]
    """Connected views, the root first; the part of most views first."""

    @property
    def reached(self) -> Bool[Tensor, "views"]:
        """True where a view belongs to the largest part."""
        mask = torch.zeros(len(self.world_from_view), dtype=torch.bool)
        mask[self.parts[0] if self.parts else []] = True
        return mask


def average(
    view_from_group: Float[Tensor, "obs 4 4"],
    centres: Float[Tensor, "obs 3"],
    residuals: Float[Tensor, "obs"],
    strengths: Float[Tensor, "obs"],
    group_of: Int[Tensor, "obs"],
    view_of: Int[Tensor, "obs"],
    num_views: int,
    num_groups: int,
) -> Averaged:
    """Robust poses of all views and groups.

    Args:
        view_from_group: Similarities, measured; the unit of a view's frame is its scene's distance.
        centres: Middle of the points, in the frame of the group, where `view_from_group` is known best.
        residuals: Of the measurements, in the view's unit.
        strengths: Confidence, at least 0 and in any unit; 0 leaves an observation out.
        group_of: Per observation; those of one group follow each other.
        view_of: Per observation.
    """
    view_from_group, centres, residuals, strengths = (
        x.detach().cpu().double() for x in (view_from_group, centres, residuals, strengths)
    )
    group_of, view_of = group_of.cpu(), view_of.cpu()
    reliability = _reliability(residuals, strengths)
    relations = relate(view_from_group, centres, reliability, group_of, view_of, num_groups)
    evidence = weigh_cycles(relations, num_views)
    # Nothing speaks for or against a relation without a cycle: it stands between those that fit and those that do not.
    support = torch.where(evidence.in_cycle, (-8 * evidence.errors).exp(), 0.05)
    shown = torch.zeros(num_views, dtype=torch.bool)
    shown[view_of] = True
    forest = spanning_forest(shown, relations.a, relations.b, relations.strength * support * (1 + evidence.seconded))
    support = support * _agreement_with_tree(relations, forest, num_views)

    system = Laplacian(relations, forest, num_views)
    scale, rotation, offset = _along_tree(relations, forest, num_views)
    relative_scale, relative_rotation, _ = split_similarity(relations.a_from_b)
    a, b = relations.a, relations.b

    def turn(rotation: Float[Tensor, "views 3 3"]) -> Float[Tensor, "relations 3"]:
        return vector_from_rotation(rotation[a] @ relative_rotation @ rotation[b].mT)

    def turned(rotation: Float[Tensor, "views 3 3"], by: Float[Tensor, "views 3"]) -> Float[Tensor, "views 3 3"]:
        return rotation_from_vector(by) @ rotation

    trust = relations.strength
    rotation, trust = system.descend(rotation, turn, turned, UNITS[0], trust, support)

    def stretch(log_scale: Float[Tensor, "views 1"]) -> Float[Tensor, "relations 1"]:
        return log_scale[a] + relative_scale.log()[:, None] - log_scale[b]

    log_scale, trust = system.descend(scale.log()[:, None], stretch, torch.add, UNITS[1], trust, support)

    scale = log_scale[:, 0].exp()
    linear = scale[:, None, None] * rotation
    spot_a, spot_b = linear[a] @ relations.centre_a[..., None], linear[b] @ relations.centre_b[..., None]
    unit = (scale[a] * scale[b]).sqrt()[:, None]

    def apart(offset: Float[Tensor, "views 3"]) -> Float[Tensor, "relations 3"]:
        return (spot_a[..., 0] + offset[a] - spot_b[..., 0] - offset[b]) / unit

    offset, _ = system.descend(offset, apart, torch.add, UNITS[2], trust, support, unit[:, 0])

    gaps = [lengths(turn(rotation)).rad2deg(), lengths(stretch(log_scale)), lengths(apart(offset))]
    of_obs, of_groups = _typical(relations, torch.stack(gaps, dim=1), len(view_of), num_groups)
    world_from_view = rigid(linear, offset)
    limits = _limits(of_groups, relations)
    world_from_group = _place_groups(
        world_from_view[view_of] @ view_from_group,
        centres,
        reliability.clamp_min(1e-6) * _weight(of_obs, limits).clamp_min(1e-6),
        group_of,
        num_groups,
    )
    return Averaged(world_from_view, world_from_group, _weight(of_groups, limits), of_groups, limits, forest.parts)


def _reliability(residuals: Float[Tensor, "obs"], strengths: Float[Tensor, "obs"]) -> Float[Tensor, "obs"]:
    """Between 0 and 1; small for weak predictions and for those that do not have the shape of the reference.

    The strongest count hardly twice as much as usual ones: confidences may not outvote cycles.
    """
    useful = strengths > 0
    if not bool(useful.any()):
        return torch.zeros_like(strengths)
    usual = (2 * residuals[useful].median()).clamp_min(UNITS[2])
    reliability = strengths / (strengths + strengths[useful].median()) / (1 + (residuals / usual).square())
    return reliability.where(useful, 0)


def _agreement_with_tree(relations: Relations, forest: Forest, num_views: int) -> Float[Tensor, "relations"]:
    """1 where a relation states the same of its two views as the tree's relation of these, or the tree has none."""
    _, pair = (relations.a * num_views + relations.b).unique(return_inverse=True)
    chosen = torch.tensor([relation for relation in forest.relations if relation >= 0], dtype=torch.long)
    of_pair = torch.full((len(relations),), -1)
    of_pair[pair[chosen]] = chosen
    twin = of_pair[pair]
    known = (twin >= 0).nonzero()[:, 0]
    agreement = torch.ones_like(relations.strength)
    gap = gap_between(relations.a_from_b[known], relations.a_from_b[twin[known]], relations.centre_b[known])
    # A steep fall: the mean of two relations that differ by noise is better than either.
    agreement[known] = 1 / (1 + (gap / GROSS) ** 8)
    return agreement


def _along_tree(
    relations: Relations, forest: Forest, num_views: int
) -> tuple[Float[Tensor, "views"], Float[Tensor, "views 3 3"], Float[Tensor, "views 3"]]:
    """Scales, rotations and offsets of `world_from_view`, from the roots outwards."""
    world_from_view = torch.eye(4, dtype=torch.float64).repeat(num_views, 1, 1)
    for views in forest.levels:
        new = torch.tensor(views)
        relation = torch.tensor([forest.relations[view] for view in views])
        known = torch.tensor([forest.parents[view] for view in views])
        forward = relations.a_from_b[relation]
        known_from_new = torch.where(
            (relations.a[relation] == known)[:, None, None], forward, invert_similarity(forward)
        )
        world_from_view[new] = world_from_view[known] @ known_from_new
    return split_similarity(world_from_view)


def _typical(
    relations: Relations, gaps: Float[Tensor, "relations 3"], num_obs: int, num_groups: int
) -> tuple[Float[Tensor, "obs 3"], Float[Tensor, "groups 3"]]:
    """Median gap of each observation to the others of its group, and of each group; 0 where there is none.

    Lower medians: one wrong view in a group of three does not spoil its two others.
    """
    obs = torch.cat([relations.obs_a, relations.obs_b])
    of_obs = _lower_median(torch.cat([gaps, gaps]), obs, num_obs)
    group_of = torch.cat([relations.group, relations.group])
    related, place = obs.unique(return_inverse=True)
    group = torch.zeros_like(related).index_put_((place,), group_of)
    return of_obs, _lower_median(of_obs[related], group, num_groups)


def _lower_median(
    values: Float[Tensor, "n columns"], segment: Int[Tensor, "n"], count: int
) -> Float[Tensor, "count columns"]:
    size = torch.bincount(segment, minlength=count)
    middle = size.cumsum(0) - size + (size - 1).clamp_min(0) // 2
    medians = torch.zeros(count, values.shape[1], dtype=values.dtype)
    filled = size > 0
    for column in range(values.shape[1]):
        order = values[:, column].argsort(stable=True)
        order = order[segment[order].argsort(stable=True)]
        medians[filled, column] = values[order[middle[filled]], column]
    return medians


def _limits(disagreements: Float[Tensor, "groups 3"], relations: Relations) -> Float[Tensor, "3"]:
    """Up to which a group is not doubted."""
    least, most = torch.tensor([TOLERANCES, _LIMITS], dtype=torch.float64)
    compared = relations.group.unique()
    if not len(compared):
        return least
    return (_SPREADS * disagreements[compared].median(0).values).clamp(least, most)


def _weight(disagreements: Float[Tensor, "n 3"], limits: Float[Tensor, "3"]) -> Float[Tensor, "n"]:
    excess = ((disagreements / limits).amax(1) - 1).clamp_min(0)
    return 1 / (1 + excess.square()).square()


def _place_groups(
    world_from_group: Float[Tensor, "obs 4 4"],
    centres: Float[Tensor, "obs 3"],
    weights: Float[Tensor, "obs"],
    group_of: Int[Tensor, "obs"],
    num_groups: int,
) -> Float[Tensor, "groups 4 4"]:
    """Mean of what the observations of each group say of its pose."""

    def mean(values: Float[Tensor, "obs *rest"]) -> Float[Tensor, "groups *rest"]:
        total = torch.zeros(num_groups, *values.shape[1:], dtype=values.dtype)
        total.index_add_(0, group_of, (share * values.flatten(1)).view_as(values))
        return total

    totals = torch.zeros(num_groups, dtype=weights.dtype).index_add_(0, group_of, weights)
    share = (weights / totals[group_of])[:, None]
    scale, rotation, _ = split_similarity(world_from_group)
    left, _, right = torch.linalg.svd(mean(rotation))
    sign = torch.ones(num_groups, 3, dtype=weights.dtype)
    sign[:, 2] = torch.linalg.det(left @ right).sign()
    linear = mean(scale.log()[:, None]).exp()[..., None] * ((left * sign[:, None]) @ right)
    centre = mean(centres)
    spot = mean(transform_points(world_from_group, centre[group_of][:, None])[:, 0])
    return rigid(linear, spot - (linear @ centre[..., None])[..., 0])
