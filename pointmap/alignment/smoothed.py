"""The objective of alignment without its kink, and Newton's method to its exact minimum.

Each distance |r| becomes sqrt(|r|^2 + smoothing^2), which has derivatives of all orders. The Hessian is exact, second
derivatives of the transforms included. Every depth meets only the cameras and groups that see its pixel and no other
depth, so that depths are eliminated (Schur complement): what is solved has 7 unknowns per view and 7 per group.
Meant for a few hundred of these, for the solver's answer as a start, and for float64. Points are (3, k), see `solver`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.state import move
from pointmap.errors import InputError
from pointmap.geometry.transforms import rigid
from pointmap.shapes import Float, Int

_MAX_STEPS = 100
_NEAR, _THERE = 1e-14, 1e-20
"""Of the loss: what a step may promise near the minimum, where the error falls quadratically until it is only rounding,
and at it."""

_FLAT = 1e-11
"""Eigenvalues below this part of the largest are of motions that the predictions do not determine."""


@dataclass(frozen=True)
class Sight:
    """What all groups predict of one view, at its pixels of which any group says something."""

    view: int
    groups: Int[Tensor, "obs"]
    points: Float[Tensor, "obs 3 k"]
    weights: Float[Tensor, "obs k"]
    """Of the distances, the normalisation of the objective's two means included."""
    offsets: Float[Tensor, "2 k"]
    """Pixels minus the principal point, y times fx / fy."""


@dataclass(frozen=True)
class Unknowns:
    """Where the world, cameras and groups are. Float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    world_from_group: Float[Tensor, "groups 4 4"]
    focals: Float[Tensor, "views"]
    """Horizontal, in pixels."""
    depths: list[Float[Tensor, "_"]]
    """z-depths, per `Sight`."""

    def moved(self, change: "Change") -> "Unknowns":
        """Each frame is turned and shifted about its own origin, in directions of the world; depths are added to."""
        turned = _rotation(change.views[:, :3]) @ self.world_from_cam[:, :3, :3]
        grown = change.groups[:, 6].exp()[:, None, None] * _rotation(change.groups[:, :3])
        return Unknowns(
            world_from_cam=rigid(turned, self.world_from_cam[:, :3, 3] + change.views[:, 3:6]),
            world_from_group=rigid(
                grown @ self.world_from_group[:, :3, :3], self.world_from_group[:, :3, 3] + change.groups[:, 3:6]
            ),
            focals=self.focals * change.views[:, 6].exp(),
            depths=[depth + more for depth, more in zip(self.depths, change.depths, strict=True)],
        )


@dataclass(frozen=True)
class Change:
    """A direction in which `Unknowns` move, or a slope along each of them."""

    views: Float[Tensor, "views 7"]
    """Rotation, translation, log focal length."""
    groups: Float[Tensor, "groups 7"]
    """Rotation, translation, log scale."""
    depths: list[Float[Tensor, "_"]]

    def scaled(self, factor: float | Tensor) -> "Change":
        """The same direction, shorter or longer."""
        return Change(factor * self.views, factor * self.groups, [factor * depth for depth in self.depths])


def smoothed_loss(sights: list[Sight], at: Unknowns, smoothing: float) -> Float[Tensor, ""]:
    """The objective, each distance being sqrt(|r|^2 + smoothing^2); differentiable in everything."""
    total = at.focals.new_zeros(())
    for sight, depth in zip(sights, at.depths, strict=True):
        total = total + (sight.weights * _smoothed(_differences(sight, at, depth), smoothing)).sum()
    return total


def median_distance(sights: list[Sight], at: Unknowns) -> float:
    """Of all points that count."""
    distances = [
        _differences(sight, at, depth).norm(dim=1)[sight.weights > 0]
        for sight, depth in zip(sights, at.depths, strict=True)
    ]
    return float(torch.cat(distances).median())


def polish(
    sights: list[Sight], start: Unknowns, moves: Float[Tensor, "cameras free"], smoothing: float
) -> tuple[Unknowns, "NewtonEquations"]:
    """The stationary point of the smoothed objective near `start`, and the equations there.

    Args:
        moves: Columns are the free motions of all views and groups (7 numbers each, views first).
        smoothing: In world units.

    Raises:
        InputError: Newton's method did not arrive.
    """
    at = settle_depths(sights, start, smoothing)
    loss = float(smoothed_loss(sights, at, smoothing))
    before = float("inf")
    for _ in range(_MAX_STEPS):
        equations = NewtonEquations(sights, at, moves, smoothing)
        step = equations.solve(equations.slope, convex=True).scaled(-1.0)
        promised = -_dot(equations.slope, step)
        if promised <= _THERE * loss or before / 4 <= promised <= _NEAR * loss:
            return at, equations
        for halvings in range(30):
            candidate = at.moved(step.scaled(0.5**halvings))
            if promised > 1e-9 * loss:
                candidate = settle_depths(sights, candidate, smoothing)
            reached = float(smoothed_loss(sights, candidate, smoothing))
            if reached <= loss * (1 + 1e-13):
                break
        else:
            break
        at, loss, before = candidate, reached, promised
    raise InputError(
        f"No minimum of the smoothed objective was found: after at most {_MAX_STEPS} steps the next one still promises "
        f"{promised:.1e} of a loss of {loss:.1e}. A larger smoothing than {smoothing:.1e} makes the objective rounder."
    )


def settle_depths(sights: list[Sight], at: Unknowns, smoothing: float, *, rounds: int = 5) -> Unknowns:
    """Depths closer to their best values for these cameras; none gets worse."""
    depths = []
    for sight, depth in zip(sights, at.depths, strict=True):
        ray = _ray(sight, at)
        length = ray.square().sum(0)
        for _ in range(rounds):
            difference = _differences(sight, at, depth)
            rho = _smoothed(difference, smoothing)
            pull = sight.weights / rho
            along = (ray * difference).sum(1)
            slope = (pull * along).sum(0)
            # Newton where that helps, else the step of reweighted least squares, which never hurts.
            most = pull.sum(0) * length
            sharp = most - (pull * (along / rho).square()).sum(0)
            safe, quick = depth - slope / most, depth - slope / torch.maximum(sharp, 1e-3 * most)
            safe_loss, quick_loss = (
                (sight.weights * _smoothed(_differences(sight, at, place), smoothing)).sum(0) for place in (safe, quick)
            )
            depth = torch.where(quick_loss < safe_loss, quick, safe)
        depths.append(depth)
    return replace(at, depths=depths)


class NewtonEquations:
    """Slope and exact Hessian of the smoothed objective, depths eliminated."""

    def __init__(
        self, sights: list[Sight], at: Unknowns, moves: Float[Tensor, "cameras free"], smoothing: float
    ) -> None:
        self._moves, self._num_views = moves, len(at.focals)
        size = len(moves)
        slope, reduced = moves.new_zeros(size), moves.new_zeros(size, size)
        depth_slopes: list[Tensor] = []
        self._rows: list[Tensor] = []
        self._couplings: list[Tensor] = []
        self._sharpness: list[Tensor] = []
        for sight, depth in zip(sights, at.depths, strict=True):
            rows = torch.cat([torch.tensor([sight.view], device=moves.device), self._num_views + sight.groups])
            rows = (7 * rows[:, None] + torch.arange(7, device=moves.device)).flatten()
            part = _derivatives(sight, at, depth, smoothing)
            slope[rows] += part.slope
            reduced[rows[:, None], rows] += part.hessian - (part.coupling / part.sharpness) @ part.coupling.mT
            depth_slopes.append(part.depth_slope)
            self._rows.append(rows)
            self._couplings.append(part.coupling)
            self._sharpness.append(part.sharpness)
        self.slope = self._change(slope, depth_slopes)
        matrix = moves.mT @ reduced @ moves
        # Rotations, lengths and logarithms have different units: the diagonal makes them comparable.
        self._unit = matrix.diagonal().abs().clamp_min(1e-300).rsqrt()
        self._eigenvalues, self._eigenvectors = torch.linalg.eigh(self._unit[:, None] * matrix * self._unit)

    @property
    def curvatures(self) -> Float[Tensor, "free"]:
        """Eigenvalues of the scaled Hessian, ascending; all positive at a minimum that stands alone."""
        return self._eigenvalues

    def solve(self, right: Change, *, convex: bool = False) -> Change:
        """Hessian @ answer = right, in the free motions; 0 along those that the predictions do not determine.

        Args:
            convex: Take the absolute values of curvatures, so that -answer descends also far from a minimum.
        """
        cameras = torch.cat([right.views.flatten(), right.groups.flatten()])
        parts = list(zip(self._rows, self._couplings, self._sharpness, right.depths, strict=True))
        for rows, coupling, sharpness, depth in parts:
            cameras = cameras.index_add(0, rows, -(coupling @ (depth / sharpness)))
        values = self._eigenvalues.abs() if convex else self._eigenvalues
        known = values.abs() > _FLAT * values.abs().max()
        inverse = torch.where(known, 1 / torch.where(known, values, 1.0), 0.0)
        answer = self._unit * (self._moves.mT @ cameras)
        answer = self._moves @ (self._unit * (self._eigenvectors @ (inverse * (self._eigenvectors.mT @ answer))))
        depths = [(depth - coupling.mT @ answer[rows]) / sharpness for rows, coupling, sharpness, depth in parts]
        return self._change(answer, depths)

    def _change(self, cameras: Float[Tensor, "cameras"], depths: list[Tensor]) -> Change:
        split = 7 * self._num_views
        return Change(cameras[:split].reshape(-1, 7), cameras[split:].reshape(-1, 7), depths)


@dataclass(frozen=True)
class _Derivatives:
    """Of one sight's part of the loss, by its view, its groups (7 each, in this order) and its depths."""

    slope: Float[Tensor, "cameras"]
    hessian: Float[Tensor, "cameras cameras"]
    coupling: Float[Tensor, "cameras k"]
    depth_slope: Float[Tensor, "k"]
    sharpness: Float[Tensor, "k"]


def _derivatives(sight: Sight, at: Unknowns, depth: Float[Tensor, "k"], smoothing: float) -> _Derivatives:
    obs, k = sight.weights.shape
    ray = _ray(sight, at)
    lateral = ray - at.world_from_cam[sight.view, :3, 2, None]  # the part of the ray that 1/focal scales
    arm, slide = depth * ray, depth * lateral
    arms = at.world_from_group[sight.groups, :3, :3] @ sight.points
    difference = _differences(sight, at, depth)
    rho = _smoothed(difference, smoothing)
    unit, pull = difference / rho[:, None], sight.weights / rho
    force = sight.weights[:, None] * unit
    total = force.sum(0)

    # How the differences change with the 7 + 7 numbers of the view and of the observation's group: (obs, 14, 3, k).
    moves = torch.empty(obs, 14, 3, k).to(arm)
    moves[:, :3], moves[:, 7:10] = _turned(arm), -_turned(arms)
    shift = torch.eye(3).to(arm)[..., None]
    moves[:, 3:6], moves[:, 10:13] = shift, -shift
    moves[:, 6], moves[:, 13] = -slide, -arms
    # A distance has the curvature (1 - unit unit^T) / rho, twice a sum over pixels.
    onto_unit = (moves * unit[:, None]).sum(2)
    flat = moves.flatten(2)
    blocks = (moves * pull[:, None, None]).flatten(2) @ flat.mT - (onto_unit * pull[:, None]) @ onto_unit.mT

    slots = torch.arange(7 * (obs + 1), device=arm.device).reshape(obs + 1, 7)
    hessian = arm.new_zeros(slots.numel(), slots.numel())
    hessian[:7, :7] = blocks[:, :7, :7].sum(0) + _second_view(total, arm, slide)
    second = _second_groups(force, arms)
    for o, rows in enumerate(slots[1:]):
        hessian[rows[:, None], rows] = blocks[o, 7:, 7:] - second[o]
        hessian[:7, rows], hessian[rows, :7] = blocks[o, :7, 7:], blocks[o, 7:, :7]

    aligned = (unit * ray).sum(1)
    along = ((moves * ray).sum(2) - onto_unit * aligned[:, None]) * pull[:, None]  # (obs, 14, k)
    view_coupling = along[:, :7].sum(0)
    view_coupling[:3] += torch.linalg.cross(ray, total, dim=0)
    view_coupling[6] -= (total * lateral).sum(0)
    slopes = (flat @ force.flatten(1)[..., None])[..., 0]
    return _Derivatives(
        slope=torch.cat([slopes[:, :7].sum(0), slopes[:, 7:].flatten()]),
        hessian=hessian,
        coupling=torch.cat([view_coupling, along[:, 7:].flatten(0, 1)]),
        depth_slope=(total * ray).sum(0),
        sharpness=(pull * (ray.square().sum(0) - aligned.square())).sum(0),
    )


def _second_view(
    force: Float[Tensor, "3 k"], arm: Float[Tensor, "3 k"], slide: Float[Tensor, "3 k"]
) -> Float[Tensor, "7 7"]:
    """Sum of force . second derivatives of the view's points."""
    second = arm.new_zeros(7, 7)
    second[:3, :3] = _second_rotation(force, arm)
    second[:3, 6] = second[6, :3] = -torch.linalg.cross(slide, force, dim=0).sum(1)
    second[6, 6] = (force * slide).sum()
    return second


def _second_groups(force: Float[Tensor, "obs 3 k"], arms: Float[Tensor, "obs 3 k"]) -> Float[Tensor, "obs 7 7"]:
    """The same of the groups' points."""
    second = arms.new_zeros(len(arms), 7, 7)
    second[:, :3, :3] = _second_rotation(force, arms)
    second[:, :3, 6] = second[:, 6, :3] = torch.linalg.cross(arms, force, dim=1).sum(2)
    second[:, 6, 6] = (force * arms).sum((1, 2))
    return second


def _second_rotation(force: Float[Tensor, "*n 3 k"], arm: Float[Tensor, "*n 3 k"]) -> Float[Tensor, "*n 3 3"]:
    # exp(w) p = p + w x p + w x (w x p) / 2, whose last term is (w (w.p) - p w.w) / 2.
    outer = force @ arm.mT
    trace = outer.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (outer + outer.mT) / 2 - trace[..., None, None] * torch.eye(3).to(arm)


def _smoothed(differences: Float[Tensor, "obs 3 k"], smoothing: float) -> Float[Tensor, "obs k"]:
    return differences.square().sum(1).add(smoothing**2).sqrt()


def _differences(sight: Sight, at: Unknowns, depth: Float[Tensor, "k"]) -> Float[Tensor, "obs 3 k"]:
    points = at.world_from_cam[sight.view, :3, 3:] + depth * _ray(sight, at)
    return points - move(at.world_from_group[sight.groups], sight.points)


def _ray(sight: Sight, at: Unknowns) -> Float[Tensor, "3 k"]:
    xy = sight.offsets / at.focals[sight.view]
    return at.world_from_cam[sight.view, :3, :3] @ torch.cat([xy, torch.ones_like(xy[:1])])


def _turned(points: Float[Tensor, "*n 3 k"]) -> Float[Tensor, "*n 3 3 k"]:
    """axis x point, for each axis: how the point moves when turned about it."""
    x, y, z = points.unbind(-2)
    zero = torch.zeros_like(x)
    return torch.stack([torch.stack(row, dim=-2) for row in ([zero, -z, y], [z, zero, -x], [-y, x, zero])], dim=-3)


def _rotation(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    # Not Rodrigues' formula, whose second derivatives at 0 are 0 / 0 for autograd.
    return torch.linalg.matrix_exp(_turned(vectors[..., None])[..., 0])


def _dot(a: Change, b: Change) -> float:
    terms = [(a.views * b.views).sum(), (a.groups * b.groups).sum()]
    terms += [(x * y).sum() for x, y in zip(a.depths, b.depths, strict=True)]
    return float(torch.stack(terms).sum())
