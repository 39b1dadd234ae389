"""Priors at the sampled pixels: what the solver asks of them in every pass."""

import torch
from torch import Tensor

from pointmap.alignment.given import Given
from pointmap.alignment.known_depths import KnownDepths
from pointmap.alignment.prior_costs import depth_shares
from pointmap.alignment.prior_terms import Priors, Seen, Terms
from pointmap.alignment.problem import Problem
from pointmap.alignment.quality import UNKNOWN_SMOOTHNESS, measurements
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import State
from pointmap.shapes import Float, Int


def sample_priors(problem: Problem, sample: Sample, given: Given, registered: list[int]) -> "SampledPriors | None":
    """What is known of registered views, other than what is fixed; None where there is nothing."""
    priors = Priors(given, registered)
    widths = [width for _, width in problem.shapes]
    if not priors.any:
        return None
    return SampledPriors(priors, problem.pixels, sample.offsets, widths)


class SampledPriors:
    """The priors of a problem, where it is sampled.

    Args:
        pixels: Of each view, as row * width + column; a sample may hold the first ones only.
        offsets: Of `Sample`: (x, y) of these pixels from the principal point, y stretched.
        widths: Of the working images.
    """

    def __init__(
        self,
        priors: Priors,
        pixels: list[Int[Tensor, "_"]],
        offsets: Float[Tensor, "views 2 k"],
        widths: list[int],
    ) -> None:
        self.priors = priors
        self.smoothness = UNKNOWN_SMOOTHNESS
        """Of the differences that the solution leaves (`Quality`): the less smooth, the more the data tell."""
        views, size = len(offsets), offsets.shape[2]
        given = priors.given
        self.offsets = offsets.double()
        self.known_depths = torch.zeros(views, size if len(priors.mapped) else 0, device=offsets.device)
        """0 where unknown."""
        self.sigmas = torch.ones(views, 1, device=offsets.device)
        self.sigmas[priors.mapped, 0] = priors.depth_sigmas.float()
        for view in priors.mapped.tolist():
            known, place = given.depths[view], pixels[view][:size]
            assert known is not None
            self.known_depths[view, : len(place)] = known.reshape(-1)[place].float()
        # The pixel of each place that is an end of a known distance: its column in the sample, and its exact offset.
        count = len(priors.distances)
        self.columns = torch.full((count, 2), -1, dtype=torch.int64, device=offsets.device)
        self.end_offsets = torch.zeros(count, 2, 2, dtype=torch.float64, device=offsets.device)
        for number, known_distance in enumerate(priors.distances):
            for side, place in enumerate((known_distance.a, known_distance.b)):
                if isinstance(place, tuple):
                    view, x, y = place
                    pixel = round(y) * widths[view] + round(x)
                    found = (pixels[view][:size] == pixel).nonzero()[:, 0]
                    self.columns[number, side] = int(found[0]) if len(found) else size
                    offset = torch.tensor([x, y], dtype=torch.float64, device=offsets.device) - given.centres[view]
                    offset[1] *= given.aspects[view]
                    self.end_offsets[number, side] = offset

    @property
    def keep_scale(self) -> bool:
        """Whether exact depths hold the scale of the world."""
        return bool((self.priors.depth_sigmas == 0).any())

    def unit(self, sample: Sample, loss: float) -> float:
        """What one unit of a prior's value counts in terms of the loss."""
        return loss / max(measurements(sample, self.smoothness), 1.0)

    def known_maps(self, unit: float) -> dict[int, KnownDepths]:
        """Known depths of whole views, as strong as they are in this unit."""
        maps = {}
        for view in self.priors.mapped.tolist():
            known = self.priors.given.depths[view]
            assert known is not None
            maps[view] = self._as_strong_as(unit, known.float().reshape(1, -1), self.sigmas[view][None])
        return maps

    def seen(self, state: State) -> Seen:
        """What the priors speak of."""
        priors, depths = self.priors, state.depths.double()
        pairs, columns = priors.pairs, self.columns
        padded = torch.cat([depths, torch.zeros_like(depths[:, :1])], dim=1)
        depth = padded[pairs, columns.clamp(0, depths.shape[1])]
        slopes = self.end_offsets / state.focals[pairs][..., None]
        ends = depth[..., None] * torch.cat([slopes, torch.ones_like(slopes[..., :1])], dim=-1)
        ends = ends.where((depth > 0)[..., None], torch.nan).where((columns >= 0)[..., None], 0.0)
        mapped = priors.mapped
        known, found = (
            self.known_depths[mapped, : depths.shape[1]].double(),
            depths[mapped, : self.known_depths.shape[1]],
        )
        usable = (known > 0) & (found > 0)
        ratios = (found / known).where(usable, 1.0).log().where(usable, torch.nan)
        slopes = self.offsets[mapped, :, : found.shape[1]] / state.focals[mapped][:, None, None]
        points = found[:, None] * torch.cat([slopes, torch.ones_like(slopes[:, :1])], dim=1)
        return Seen(state.world_from_cam, state.focals, ends, ratios, points)

    def at(self, state: State) -> Terms:
        """Value and second-order model at a state."""
        return self.priors.at(self.seen(state))

    def depths_for(self, unit: float, size: int) -> KnownDepths | None:
        """Known depths at the first pixels of each view, as strong as they are in this unit."""
        if not len(self.priors.mapped):
            return None
        return self._as_strong_as(unit, self.known_depths[:, :size], self.sigmas)

    def _as_strong_as(
        self, unit: float, depths: Float[Tensor, "views k"], sigmas: Float[Tensor, "views 1"]
    ) -> KnownDepths:
        return KnownDepths(depths, sigmas, depth_shares(depths > 0).float() * unit)
