"""The data of an alignment: which view every pointmap shows, in whose frame, and how much each pixel counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.scene import Group
from pointmap.shapes import Bool, Float, Int

Weighting = Literal["log", "sqrt", "minus_one", "confidence"]
"""How a confidence becomes a weight: its logarithm (the reference's default), root, excess over 1, or itself."""


@dataclass(frozen=True)
class Problem:
    """All observations: an observation is the pointmap of one view in the frame of one group.

    Weights are at least 0, and 0 wherever the network gave no finite answer. The points there are 0.
    """

    shapes: list[tuple[int, int]]
    """(height, width) of the N working images; (0, 0) for a view that nothing shows."""

    group_of: Int[Tensor, "obs"]
    """Group of each observation; the observations of one group follow each other."""

    view_of: Int[Tensor, "obs"]
    """View that each observation shows."""

    first: Bool[Tensor, "obs"]
    """True where the observation shows the view in whose camera frame its group is."""

    points: list[Float[Tensor, "_ _ 3"]]
    """One float32 pointmap (h, w, 3) per observation."""

    weights: list[Float[Tensor, "_ _"]]
    """One map (h, w) per observation, without the normalisation `side_scale`."""

    confidences: list[Float[Tensor, "_ _"]]
    """As predicted, 1 where a prediction is not finite."""

    side_scale: Float[Tensor, "obs"]
    """One over the number of pixels of all first observations, or of all others: the objective's two means."""

    group_ids: Int[Tensor, "groups"]
    """Place of each group in the list that the caller gave; `select` leaves some out."""

    @property
    def num_groups(self) -> int:
        """Number of groups that are left."""
        return len(self.group_ids)

    @property
    def num_views(self) -> int:
        """Number of photos, whether or not anything shows them."""
        return len(self.shapes)

    def weight_sums(self) -> Float[Tensor, "obs"]:
        """Total weight of each observation; 0 means that it says nothing."""
        return torch.stack([weight.sum(dtype=torch.float64) for weight in self.weights])

    def mean_confidences(self) -> Float[Tensor, "obs"]:
        """Mean confidence of each observation."""
        return torch.stack([confidence.mean(dtype=torch.float64) for confidence in self.confidences])

    def select(self, keep: Bool[Tensor, "obs"]) -> "Problem":
        """Leave observations out; groups without any vanish, views keep their numbers."""
        index = keep.nonzero()[:, 0]
        groups, group_of = self.group_of[index].unique(return_inverse=True)
        chosen = index.tolist()
        return Problem(
            shapes=self.shapes,
            group_of=group_of,
            view_of=self.view_of[index],
            first=self.first[index],
            points=[self.points[o] for o in chosen],
            weights=[self.weights[o] for o in chosen],
            confidences=[self.confidences[o] for o in chosen],
            side_scale=_side_scale([self.weights[o] for o in chosen], self.first[index]),
            group_ids=self.group_ids[groups],
        )


def make_problem(
    groups: Sequence[Group],
    *,
    num_views: int | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    weighting: Weighting = "log",
    device: torch.device | str = "cpu",
) -> Problem:
    """Collect the predictions of all groups, checked and cleaned.

    Args:
        groups: Predictions, each in the frame of its first view's camera, up to scale.
        num_views: Number of photos; default one more than the largest index in `groups`.
        shapes: (height, width) of every working image, for views that no group shows.
        weighting: See `Weighting`. Weights that are all 0 (confidence 1 everywhere) are replaced by 1.

    Raises:
        InputError: No groups, indices out of range, or maps whose sizes contradict each other.
    """
    count = _checked_count(groups, num_views)
    sizes: list[tuple[int, int]] = [(0, 0)] * count if shapes is None else [(int(h), int(w)) for h, w in shapes]
    if len(sizes) != count:
        raise InputError(f"Got the sizes of {len(sizes)} working images for {count} photos; give one per photo.")
    group_of, view_of, first, points, weights, confidences = [], [], [], [], [], []
    for g, group in enumerate(groups):
        for k, view in enumerate(group.views):
            xyz, confidence = _tensor(group.points[k], device), _tensor(group.confidences[k], device)
            if xyz.ndim != 3 or xyz.shape[-1] != 3 or xyz.shape[:2] != confidence.shape:
                raise InputError(
                    f"Group {g}, view {view}: a pointmap of shape {tuple(xyz.shape)} with a confidence map of shape "
                    f"{tuple(confidence.shape)}; expected (h, w, 3) and (h, w)."
                )
            size = (int(xyz.shape[0]), int(xyz.shape[1]))
            if sizes[view] not in ((0, 0), size):
                raise InputError(
                    f"Group {g} shows view {view} with {size[0]}x{size[1]} pixels (height x width), but elsewhere it "
                    f"has {sizes[view][0]}x{sizes[view][1]}; every group must show the same working image."
                )
            sizes[view] = size
            xyz, confidence, weight = _cleaned(xyz, confidence, weighting)
            group_of.append(g)
            view_of.append(view)
            first.append(k == 0)
            points.append(xyz)
            weights.append(weight)
            confidences.append(confidence)
    if not any(bool(weight.any()) for weight in weights):
        # A network that is equally unsure everywhere (confidence 1, weight 0) still predicts points.
        weights = [(xyz != 0).any(-1).to(xyz.dtype) for xyz in points]
    first_mask = torch.tensor(first, device=device)
    return Problem(
        shapes=sizes,
        group_of=torch.tensor(group_of, device=device),
        view_of=torch.tensor(view_of, device=device),
        first=first_mask,
        points=points,
        weights=weights,
        confidences=confidences,
        side_scale=_side_scale(weights, first_mask),
        group_ids=torch.arange(len(groups), device=device),
    )


def group_scores(problem: Problem) -> Float[Tensor, "groups"]:
    """How much a group can be relied on: mean confidence of its first view times the mean of that of the others."""
    mean = problem.mean_confidences()
    total = mean.new_zeros(2, problem.num_groups)
    counts = torch.zeros_like(total)
    side = (~problem.first).long()
    total.index_put_((side, problem.group_of), mean, accumulate=True)
    counts.index_put_((side, problem.group_of), torch.ones_like(mean), accumulate=True)
    return (total / counts.clamp(min=1)).prod(0)


def _side_scale(weights: list[Float[Tensor, "_ _"]], first: Bool[Tensor, "obs"]) -> Float[Tensor, "obs"]:
    pixels = torch.tensor([w.numel() for w in weights], dtype=torch.float64, device=first.device)
    return torch.where(first, 1 / pixels[first].sum().clamp(min=1), 1 / pixels[~first].sum().clamp(min=1))


def _checked_count(groups: Sequence[Group], num_views: int | None) -> int:
    if not groups:
        raise InputError("There are no predictions to align: give at least one group of pointmaps.")
    largest = max(max(group.views) for group in groups)
    count = largest + 1 if num_views is None else num_views
    for g, group in enumerate(groups):
        if not len(group.views) == len(group.points) == len(group.confidences):
            raise InputError(
                f"Group {g} names {len(group.views)} views, but has {len(group.points)} pointmaps and "
                f"{len(group.confidences)} confidence maps; expected one of each per view."
            )
        if min(group.views) < 0 or max(group.views) >= count:
            raise InputError(
                f"Group {g} shows the views {group.views}, but there are {count} photos (0 to {count - 1})."
            )
    return count


def _tensor(array: "np.ndarray | Tensor", device: torch.device | str) -> Tensor:
    return torch.as_tensor(array).detach().to(device=device, dtype=torch.float32)


def _cleaned(
    points: Float[Tensor, "h w 3"], confidence: Float[Tensor, "h w"], weighting: Weighting
) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    valid = points.isfinite().all(-1) & confidence.isfinite()
    # Beyond this, squares overflow in float32; no scene in network units is so large.
    valid &= (points.abs() < 1e15).all(-1)
    if not bool(valid.all()):
        points = torch.where(valid[..., None], points, 0.0)
        confidence = torch.where(valid, confidence, 1.0)
    # Both are clamped: a confidence below 1 is outside the networks' range and must not repel.
    weight = {
        "log": lambda c: c.clamp(min=1).log(),
        "sqrt": lambda c: c.clamp(min=0).sqrt(),
        "minus_one": lambda c: (c - 1).clamp(min=0),
        "confidence": lambda c: c.clamp(min=0),
    }[weighting](confidence)
    return points, confidence, torch.where(valid, weight, 0.0)
