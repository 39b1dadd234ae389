"""The data of an alignment: which view every pointmap shows, in whose frame, and how much each pixel counts.

Pointmaps stay where the caller has them, in memory, in mapped files or behind a callable; what the solver works on, a
few pixels of each, is taken when they are first looked through.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.per_view import read_masks
from pointmap.errors import InputError
from pointmap.scene import Group, LazyGroup
from pointmap.shapes import Bool, Float, Int

Weighting = Literal["log", "sqrt", "minus_one", "confidence", "equal"]
"""How a confidence becomes a weight: its logarithm (the reference's default), root, excess over 1, itself, or 1."""

AnyGroup = Group | LazyGroup

_LARGEST = 1e15
"""Beyond this, squares overflow in float32; no scene in network units is so large."""


@dataclass(frozen=True)
class Observation:
    """What one group says of one view, cleaned.

    Weights are at least 0, and 0 wherever the network gave no finite answer or a mask hides the pixel. Points there are
    0, and their confidence 1.
    """

    points: Float[Tensor, "h w 3"]
    """In the frame of the group."""

    weights: Float[Tensor, "h w"]
    """Without the normalisation `side_scale`."""

    confidences: Float[Tensor, "h w"]


@dataclass(frozen=True)
class Problem:
    """All observations: an observation is the pointmap of one view in the frame of one group."""

    groups: Sequence[AnyGroup]
    """As the caller gave them."""

    shapes: list[tuple[int, int]]
    """(height, width) of the N working images; (0, 0) for a view that nothing shows."""

    group_of: Int[Tensor, "obs"]
    """Group of each observation; the observations of one group follow each other."""

    view_of: Int[Tensor, "obs"]
    """View that each observation shows."""

    slot_of: Int[Tensor, "obs"]
    """Place of this view in the caller's group."""

    first: Bool[Tensor, "obs"]
    """True where the observation shows the view in whose camera frame its group is."""

    side_scale: Float[Tensor, "obs"]
    """One over the number of pixels of all first observations, or of all others times how many others there are per
    first: the objective's two means."""

    mean_confidences: Float[Tensor, "obs"]

    silent: Bool[Tensor, "obs"]
    """True where no pixel has any weight."""

    group_ids: Int[Tensor, "groups"]
    """Place of each group in the list that the caller gave; `select` leaves some out."""

    pixels: list[Int[Tensor, "_"]]
    """At most k pixels of each view (row * width + column), of which every prefix is spread over the image."""

    sampled_points: Float[Tensor, "obs 3 k"]
    """The points at these pixels, 0 beyond their number."""

    sampled_weights: Float[Tensor, "obs k"]
    """Weights there, without `side_scale`."""

    weighting: Weighting
    masks: list[Bool[Tensor, "_ _"] | None]

    @property
    def num_groups(self) -> int:
        """Number of groups that are left."""
        return len(self.group_ids)

    @property
    def num_views(self) -> int:
        """Number of photos, whether or not anything shows them."""
        return len(self.shapes)

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""
        return self.side_scale.device

    def observation(self, obs: int, group: Group | None = None) -> Observation:
        """The whole maps of one observation.

        Args:
            group: The observation's group, where it has been fetched already.
        """
        if group is None:
            group = self.fetch(int(self.group_of[obs]))
        slot = int(self.slot_of[obs])
        points, confidence = _tensor(group.points[slot], self.device), _tensor(group.confidences[slot], self.device)
        return cleaned(points, confidence, self.weighting, self.masks[int(self.view_of[obs])])

    def fetch(self, group: int) -> Group:
        """The caller's group."""
        return _fetched(self.groups[int(self.group_ids[group])])

    def select(self, keep: Bool[Tensor, "obs"]) -> "Problem":
        """Leave observations out; groups without any vanish, views keep their numbers."""
        index = keep.nonzero()[:, 0]
        groups, group_of = self.group_of[index].unique(return_inverse=True)
        first, view_of = self.first[index], self.view_of[index]
        return replace(
            self,
            group_of=group_of,
            view_of=view_of,
            slot_of=self.slot_of[index],
            first=first,
            side_scale=_side_scale(self.shapes, view_of, first),
            mean_confidences=self.mean_confidences[index],
            silent=self.silent[index],
            group_ids=self.group_ids[groups],
            sampled_points=self.sampled_points[index],
            sampled_weights=self.sampled_weights[index],
        )


def make_problem(
    groups: Sequence[AnyGroup],
    *,
    num_views: int | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    masks: Any = None,
    wanted: dict[int, list[tuple[int, int]]] | None = None,
    weighting: Weighting = "log",
    pixels_per_view: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Problem:
    """Look through the predictions of all groups, each once, and take some pixels of every view.

    Args:
        groups: Predictions, each in the frame of its first view's camera, up to scale.
        num_views: Number of photos; default one more than the largest index in `groups`.
        shapes: (height, width) of every working image, for views that no group shows.
        masks: Per view (h, w), non-zero = keep, or None. What is hidden weighs nothing, whatever is predicted there.
        wanted: Of some views (row, column) of pixels to take before others.
        weighting: See `Weighting`. Weights that are all 0 (confidence 1 everywhere) become equal.
        pixels_per_view: How many pixels to take.
        seed: Of their places.

    Raises:
        InputError: No groups, indices out of range, or maps whose sizes contradict each other.
    """
    count = _checked_count(groups, num_views)
    sizes: list[tuple[int, int]] = [(0, 0)] * count if shapes is None else [(int(h), int(w)) for h, w in shapes]
    if len(sizes) != count:
        raise InputError(f"Got the sizes of {len(sizes)} working images for {count} photos; give one per photo.")
    kept = read_masks(masks, sizes, device)
    total = sum(len(group.views) for group in groups)
    chosen: list[Tensor | None] = [None] * count
    pixels_per_view = min(pixels_per_view, _largest_image(groups))
    points = torch.zeros(total, 3, pixels_per_view, device=device)
    weights = torch.zeros(total, pixels_per_view, device=device)
    confidence_means, silent = torch.ones(total, dtype=torch.float64), torch.zeros(total, dtype=torch.bool)
    obs = 0
    for g, lazy in enumerate(groups):
        group = _checked_group(g, lazy)
        for slot, view in enumerate(group.views):
            xyz, confidence = _tensor(group.points[slot], device), _tensor(group.confidences[slot], device)
            sizes[view] = _checked_size(g, view, xyz, confidence, sizes[view])
            mask = kept[view]
            if mask is not None and tuple(mask.shape) != sizes[view]:
                read_masks(masks, sizes)  # says what is wrong
            usable = mask is None and _all_usable(xyz, confidence)
            seen = None if usable else cleaned(xyz, confidence, weighting, mask)
            place = chosen[view]
            if place is None:
                place = _spread_pixels(*sizes[view], pixels_per_view, mask, seed)
                place = _with_wanted(place, (wanted or {}).get(view, []), sizes[view], pixels_per_view).to(device)
                chosen[view] = place
            n = len(place)
            if seen is None:
                confidence_means[obs] = confidence.mean(dtype=torch.float64)
                few = _weight(confidence.reshape(-1)[place], weighting)
                silent[obs] = not bool(_weight(confidence.max(), weighting) > 0)
            else:
                xyz = seen.points
                confidence_means[obs] = seen.confidences.mean(dtype=torch.float64)
                few = seen.weights.reshape(-1)[place]
                silent[obs] = not bool(seen.weights.any())
            points[obs, :, :n] = xyz.reshape(-1, 3)[place].mT
            weights[obs, :n] = few
            obs += 1
    used = max((len(place) for place in chosen if place is not None), default=0)
    if used < pixels_per_view:
        points, weights = points[:, :, :used].contiguous(), weights[:, :used].contiguous()
    views = [view for group in groups for view in group.views]
    slots = torch.cat([torch.arange(len(group.views)) for group in groups]).to(device)
    lengths = torch.tensor([len(group.views) for group in groups])
    view_of = torch.tensor(views, device=device)
    problem = Problem(
        groups=groups,
        shapes=sizes,
        group_of=torch.arange(len(groups)).repeat_interleave(lengths).to(device),
        view_of=view_of,
        slot_of=slots,
        first=slots == 0,
        side_scale=_side_scale(sizes, view_of, slots == 0),
        mean_confidences=confidence_means.to(device),
        silent=silent.to(device),
        group_ids=torch.arange(len(groups), device=device),
        pixels=[torch.zeros(0, dtype=torch.int64, device=device) if place is None else place for place in chosen],
        sampled_points=points,
        sampled_weights=weights,
        weighting=weighting,
        masks=kept,
    )
    if bool(problem.silent.all()) and weighting != "equal":
        # A network that is equally unsure everywhere (confidence 1, weight 0) still predicts points.
        return make_problem(
            groups,
            num_views=num_views,
            shapes=shapes,
            masks=masks,
            wanted=wanted,
            weighting="equal",
            pixels_per_view=pixels_per_view,
            seed=seed,
            device=device,
        )
    return problem


def _side_scale(
    shapes: list[tuple[int, int]], view_of: Int[Tensor, "obs"], first: Bool[Tensor, "obs"]
) -> Float[Tensor, "obs"]:
    sizes = torch.tensor([h * w for h, w in shapes], dtype=torch.float64, device=first.device)
    pixels = sizes[view_of]
    # A group of k views has k - 1 others, whose pixels weigh as much as those of the first.
    others_per_first = (~first).sum().clamp(min=1) / first.sum().clamp(min=1)
    return torch.where(
        first, 1 / pixels[first].sum().clamp(min=1), others_per_first / pixels[~first].sum().clamp(min=1)
    )


def _fetched(group: AnyGroup) -> Group:
    if isinstance(group, Group):
        return group
    fetched = group.load()
    if tuple(fetched.views) != tuple(group.views):
        raise InputError(f"A lazy group of the views {group.views} was loaded as one of the views {fetched.views}.")
    return fetched


def _largest_image(groups: Sequence[AnyGroup]) -> int:
    """Pixels of the largest map, as far as that is known before lazy groups are fetched."""
    known = [group for group in groups if isinstance(group, Group)]
    if len(known) < len(groups):
        return sys.maxsize
    return max((math.prod(confidence.shape) for group in known for confidence in group.confidences), default=0)


def _checked_count(groups: Sequence[AnyGroup], num_views: int | None) -> int:
    if not len(groups):
        raise InputError("There are no predictions to align: give at least one group of pointmaps.")
    largest = max(max(group.views) for group in groups)
    count = largest + 1 if num_views is None else num_views
    for g, group in enumerate(groups):
        if min(group.views) < 0 or max(group.views) >= count:
            raise InputError(
                f"Group {g} shows the views {group.views}, but there are {count} photos (0 to {count - 1})."
            )
    return count


def _checked_group(number: int, lazy: AnyGroup) -> Group:
    group = _fetched(lazy)
    if not len(group.views) == len(group.points) == len(group.confidences):
        raise InputError(
            f"Group {number} names {len(group.views)} views, but has {len(group.points)} pointmaps and "
            f"{len(group.confidences)} confidence maps; expected one of each per view."
        )
    return group


def _checked_size(
    number: int, view: int, points: Tensor, confidence: Tensor, known: tuple[int, int]
) -> tuple[int, int]:
    if points.ndim != 3 or points.shape[-1] != 3 or points.shape[:2] != confidence.shape:
        raise InputError(
            f"Group {number}, view {view}: a pointmap of shape {tuple(points.shape)} with a confidence map of shape "
            f"{tuple(confidence.shape)}; expected (h, w, 3) and (h, w)."
        )
    size = (int(points.shape[0]), int(points.shape[1]))
    if known not in ((0, 0), size):
        raise InputError(
            f"Group {number} shows view {view} with {size[0]}x{size[1]} pixels (height x width), but elsewhere it "
            f"has {known[0]}x{known[1]}; every group must show the same working image."
        )
    return size


def _tensor(array: "np.ndarray | Tensor", device: torch.device | str) -> Tensor:
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        array = array.astype(np.float32)  # torch wants to be able to write to what it shares
    return torch.as_tensor(array).detach().to(device=device, dtype=torch.float32)


def _all_usable(points: Float[Tensor, "h w 3"], confidence: Float[Tensor, "h w"]) -> bool:
    """Whether every number is finite; a minimum or maximum is NaN where any number is."""
    low, high = points.aminmax() if points.numel() else (points.sum(), points.sum())
    return bool(torch.maximum(-low, high) < _LARGEST) and bool(confidence.sum().isfinite())


def _weight(confidence: Float[Tensor, "*shape"], weighting: Weighting) -> Float[Tensor, "*shape"]:
    # Both are clamped: a confidence below 1 is outside the networks' range and must not repel.
    if weighting == "log":
        return confidence.clamp(min=1).log()
    if weighting == "sqrt":
        return confidence.clamp(min=0).sqrt()
    if weighting == "minus_one":
        return (confidence - 1).clamp(min=0)
    if weighting == "confidence":
        return confidence.clamp(min=0)
    return torch.ones_like(confidence)


def cleaned(
    points: Float[Tensor, "h w 3"],
    confidence: Float[Tensor, "h w"],
    weighting: Weighting,
    mask: Bool[Tensor, "h w"] | None,
) -> Observation:
    """What counts of a prediction, and how much; differentiable in points and confidence."""
    if mask is None and _all_usable(points, confidence):
        return Observation(points, _weight(confidence, weighting), confidence)
    valid = confidence.isfinite() & (points.abs() < _LARGEST).all(-1)
    if mask is not None:
        valid &= mask
    points = torch.where(valid[..., None], points, 0.0)
    confidence = torch.where(valid, confidence, 1.0)
    return Observation(points, _weight(confidence, weighting) * valid, confidence)


def _with_wanted(
    place: Int[Tensor, "_"], wanted: list[tuple[int, int]], size: tuple[int, int], count: int
) -> Int[Tensor, "_"]:
    """These pixels, of at most `count`, after those that are wanted and inside."""
    if not wanted:
        return place
    height, width = size
    first = torch.tensor([v * width + u for v, u in wanted if 0 <= v < height and 0 <= u < width]).long().unique()
    return torch.cat([first, place[~torch.isin(place, first)]])[:count]


def _spread_pixels(
    height: int, width: int, count: int, mask: Bool[Tensor, "h w"] | None, seed: int
) -> Int[Tensor, "_"]:
    """Pixels of which every first few lie evenly over the image, or over the rows of its mask.

    Multiples of the golden ratio, and of its counterpart for the plane (R2 sequence, Roberts 2018).
    """
    candidates = torch.arange(height * width) if mask is None else mask.reshape(-1).nonzero()[:, 0].cpu()
    if len(candidates) <= count:
        return candidates[torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))]
    number = seed * 7919 + torch.arange(count, dtype=torch.float64)
    if mask is not None:
        return candidates[((0.5 + number * 0.6180339887498949) % 1 * len(candidates)).long()]
    u = ((0.5 + number * 0.7548776662466927) % 1 * width).long()
    v = ((0.5 + number * 0.5698402909980532) % 1 * height).long()
    return v * width + u
