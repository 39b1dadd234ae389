"""What is known softly, as terms of the objective: their values, slopes and curvatures.

Every term is minus the logarithm of a likelihood, in nats. The objective of global alignment is no likelihood, but its
logarithm times the number n of independent measurements is one up to a constant (of distances whose size is unknown),
so that data and priors together minimise loss * exp(value / n): a slope of a term counts as much as one of the loss
when multiplied by loss / n.

Views have the unknowns of `pointmap.alignment.equations`. Exact poses, focal lengths and depths are no terms: they are
not among the unknowns. Exact distances and directions are terms with a very small sigma.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.equations import FOCAL, POSE, VIEW_UNKNOWNS
from pointmap.alignment.given import Given
from pointmap.alignment.prior_costs import (
    depth_rows,
    depth_terms,
    distance_terms,
    gravity_terms,
    pose_terms,
    world_directions,
)
from pointmap.geometry.rotations import rotation_from_vector
from pointmap.geometry.similarity import move_cameras, split_similarity
from pointmap.geometry.transforms import rigid
from pointmap.priors import KnownDistance
from pointmap.shapes import Bool, Float

STIFF = 1e-4
"""Sigma of exact distances (of their logarithm) and directions (radians) while all unknowns are free."""
_STIFFEST = 1e-7
"""The same while only the frame of the world is."""
_STIFF_DEPTH = 1e-3
"""Sigma of the logarithm of exact depths in the model of a step, which then hardly asks for others."""
_LEAST_DEPTH = 0.01
"""Predicted depths are off by more than that, whatever is known: so they settle the scale by about their median."""
_UNDETERMINED = 1e-9
"""Directions of which the priors say less than this part of what they say most about, after scaling."""
_SETTLE_ROUNDS = 100


@dataclass(frozen=True)
class Seen:
    """What priors speak of, as it is in a solution. All float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    focals: Float[Tensor, "views"]

    ends: Float[Tensor, "distances 2 3"]
    """The places between which distances are known, in the camera frames of their views; 0 is the camera itself, NaN a
    pixel that shows nothing."""

    log_ratios: Float[Tensor, "maps k"]
    """Logarithm of depth over known depth at some pixels of each view with a depth map; NaN beyond."""

    points: Float[Tensor, "maps 3 k"] | None = None
    """The points there in the camera frames; None where only the frame of the world is asked for."""

    def moved(self, b_from_a: Float[Tensor, "4 4"]) -> "Seen":
        """The same in another world."""
        scale = split_similarity(b_from_a)[0]
        return replace(
            self,
            world_from_cam=move_cameras(b_from_a, self.world_from_cam),
            ends=scale * self.ends,
            log_ratios=self.log_ratios + scale.log(),
            points=None if self.points is None else scale * self.points,
        )


@dataclass(frozen=True)
class Terms:
    """Value of all priors, and their second-order model in the unknowns of the views."""

    value: float
    slopes: Float[Tensor, "views 11"]
    blocks: Float[Tensor, "views 11 11"]
    pair_blocks: Float[Tensor, "distances 11 11"]
    """Of the two views that a distance couples (`Priors.pairs`); rows: the first."""


class Priors:
    """The soft part of what is given, of registered views.

    Args:
        registered: Priors of other views are left out.
    """

    def __init__(self, given: Given, registered: list[int]) -> None:
        device = given.focals.device
        here = torch.zeros(len(given.focals), dtype=torch.bool, device=device)
        here[registered] = True
        self.given = given
        self.pose_sigmas = given.pose_sigmas.masked_fill(~here[:, None] | (given.pose_sigmas == 0), torch.inf)
        self.gravity_sigmas = given.gravity_sigmas.masked_fill(~here, torch.inf)
        self.focal_sigmas = _per_camera(given, here)
        self.mapped = (given.depth_sigmas.isfinite() & here).nonzero()[:, 0]
        """Views with a known depth map."""
        self.depth_sigmas = given.depth_sigmas[self.mapped]
        self.distances = [known for known in given.distances if all(here[view] for view in ends_of(known))]
        pairs = [ends_of(known) for known in self.distances]
        self.pairs = torch.tensor(pairs, dtype=torch.int64, device=device).reshape(-1, 2)
        self.lengths = torch.tensor([known.length for known in self.distances], dtype=torch.float64, device=device)
        sigmas = [known.sigma or 0.0 for known in self.distances]
        self.distance_sigmas = torch.tensor(sigmas, dtype=torch.float64, device=device)

    @property
    def any(self) -> bool:
        """Whether there is any term."""
        finite = [sigmas.isfinite().any() for sigmas in (self.pose_sigmas, self.gravity_sigmas, self.focal_sigmas)]
        return len(self.distances) > 0 or len(self.mapped) > 0 or any(map(bool, finite))

    @property
    def place_the_world(self) -> bool:
        """Whether soft poses say where the world's origin or its axes are."""
        return bool(self.pose_sigmas.isfinite().any())

    @property
    def tell_scale(self) -> bool:
        """Whether the world must not be scaled at will: a position, a depth or a distance is known."""
        return bool(self.pose_sigmas[:, 1].isfinite().any()) or len(self.mapped) > 0 or len(self.distances) > 0

    def at(self, seen: Seen) -> Terms:
        """Value and second-order model at a solution."""
        assert seen.points is not None
        values, pose_slopes, pose_blocks = self._of_poses(seen, STIFF)
        focal_information = self.focal_sigmas.pow(-2)
        focal_ratios = (seen.focals / self.given.focals).log().where(focal_information > 0, 0)
        slopes = values.new_zeros(len(values), VIEW_UNKNOWNS)
        slopes[:, POSE] = pose_slopes
        slopes[:, FOCAL] = focal_information * focal_ratios
        blocks = torch.diag_embed(torch.zeros_like(slopes))
        blocks[:, POSE, POSE] = pose_blocks
        blocks[:, FOCAL, FOCAL] = focal_information

        # Exact depths cost nothing, for they are kept; the model has to know that no step changes them.
        exact = self.depth_sigmas == 0
        costs, pulls, curvatures = depth_terms(seen.log_ratios, self.depth_sigmas.clamp_min(_STIFF_DEPTH))
        pulls = pulls.masked_fill(exact[:, None], 0)
        rows = depth_rows(seen.points) * (curvatures > 0)[:, None]
        slopes = slopes.index_add(0, self.mapped, torch.einsum("vak,vk->va", rows, pulls))
        blocks = blocks.index_add(0, self.mapped, (rows * curvatures[:, None]) @ rows.mT)

        errors, jacobians = distance_terms(
            seen.world_from_cam[self.pairs], seen.ends, self.lengths, self.distance_sigmas.clamp_min(STIFF)
        )
        squares = jacobians[:, :, :, None] * jacobians[:, :, None, :]
        blocks = blocks.index_add(0, self.pairs.flatten(), squares.flatten(0, 1))
        slopes = slopes.index_add(0, self.pairs.flatten(), (errors[:, None, None] * jacobians).flatten(0, 1))

        squared = (focal_information * focal_ratios.square()).sum() + errors.square().sum()
        value = float(values.sum() + costs[~exact].sum() + 0.5 * squared)
        return Terms(value, slopes, blocks, jacobians[:, 0, :, None] * jacobians[:, 1, None, :])

    def _of_poses(
        self, seen: Seen, stiff: float
    ) -> tuple[Float[Tensor, "views"], Float[Tensor, "views 6"], Float[Tensor, "views 6 6"]]:
        placed = pose_terms(seen.world_from_cam, self.given.known_poses, self.pose_sigmas)
        upright = gravity_terms(seen.world_from_cam, self.given.gravity, self.gravity_sigmas.clamp_min(stiff))
        return placed[0] + upright[0], placed[1] + upright[1], placed[2] + upright[2]

    def off(self, seen: Seen) -> tuple[Float[Tensor, "distances"], Float[Tensor, "views"]]:
        """Logarithms of distances over known ones (NaN where a place shows nothing), and the angles in radians between
        gravity and the world's y axis (0 where not known)."""
        ones = torch.ones_like(self.lengths)
        ratios = distance_terms(seen.world_from_cam[self.pairs], seen.ends, self.lengths, ones)[0]
        known = self.gravity_sigmas.isfinite()
        tilts = gravity_terms(seen.world_from_cam, self.given.gravity, torch.where(known, 1.0, torch.inf).double())[0]
        return ratios.where(seen.ends.isfinite().all(-1).all(-1), torch.nan), (2 * tilts).sqrt()

    def settle(self, seen: Seen, *, centre: Float[Tensor, "3"], free: Bool[Tensor, "7"]) -> Float[Tensor, "4 4"]:
        """The similarity of the whole world that agrees best with the priors, of which the data do not speak.

        Where the priors say nothing of a direction, nothing is changed along it.

        Args:
            centre: The point about which rotations and scales are, which stays where only these are told.
            free: Which of (rotation, translation, log scale) may change.
        """
        total = torch.eye(4).to(seen.world_from_cam)
        for _ in range(_SETTLE_ROUNDS):
            _, slopes, blocks = self._of_poses(seen, _STIFFEST)
            directions = world_directions(seen.world_from_cam, centre)
            slope = torch.einsum("vag,va->g", directions, slopes)
            matrix = torch.einsum("vag,vab,vbh->gh", directions, blocks, directions)
            # Of depths and distances, only the scale of the world tells.
            _, pulls, curvatures = depth_terms(seen.log_ratios, self.depth_sigmas.clamp_min(_LEAST_DEPTH))
            information = self.distance_sigmas.clamp_min(_STIFFEST).pow(-2)
            ratios = self.off(seen)[0]
            slope[6] += (information * ratios).nansum() + pulls.sum()
            matrix[6, 6] += information.where(ratios.isfinite(), 0).sum() + curvatures.sum()
            step = -_solve_what_is_told(matrix * free * free[:, None], slope * free)
            motion = _world_motion(step, centre)
            seen, total = seen.moved(motion), motion @ total
            centre = motion[:3, :3] @ centre + motion[:3, 3]
            if float(step.abs().max()) < 1e-13 * (1 + float(seen.world_from_cam[:, :3, 3].nan_to_num().abs().max())):
                break
        return total


def _world_motion(step: Float[Tensor, "7"], centre: Float[Tensor, "3"]) -> Float[Tensor, "4 4"]:
    linear = step[6].clamp(-3, 3).exp() * rotation_from_vector(step[:3])
    return rigid(linear, centre + step[3:6] - linear @ centre)


def _solve_what_is_told(matrix: Float[Tensor, "7 7"], slope: Float[Tensor, "7"]) -> Float[Tensor, "7"]:
    """The shortest solution of a system in (rotation, translation, log scale) that may leave directions open."""
    diagonal = matrix.diagonal().clamp_min(0)
    # Radians, world units and logarithms each have a unit of their own, their three axes have not.
    largest = torch.cat([diagonal[:3].amax().expand(3), diagonal[3:6].amax().expand(3), diagonal[6:]])
    scale = torch.where(largest > 0, largest.rsqrt(), 0.0)
    values, vectors = torch.linalg.eigh(scale[:, None] * matrix * scale)
    told = values > _UNDETERMINED * values.abs().max().clamp_min(1e-300)
    inverse = torch.where(told, 1 / values, 0.0)
    return scale * (vectors @ (inverse * (vectors.mT @ (scale * slope))))


def ends_of(known: KnownDistance) -> tuple[int, int]:
    """The views in which a distance begins and ends."""
    a, b = (place[0] if isinstance(place, tuple) else place for place in (known.a, known.b))
    return int(a), int(b)


def _per_camera(given: Given, here: Bool[Tensor, "views"]) -> Float[Tensor, "views"]:
    """Sigmas of soft focal lengths, such that what is said of one camera in many of its photos counts once."""
    soft = here & given.focal_sigmas.isfinite() & (given.focal_sigmas > 0)
    cameras = given.fixed.cameras
    times = torch.zeros(int(cameras.max()) + 1, dtype=torch.float64, device=here.device)
    times = times.index_add(0, cameras, soft.double())[cameras]
    return torch.where(soft, given.focal_sigmas * times.clamp_min(1).sqrt(), torch.inf)
