"""One step of bundle adjustment: Gauss-Newton with the depths of the points eliminated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.bundle_problem import SCALE_SIGMA, Matched, Reprojection, Unknowns
from pointmap.shapes import Bool, Float, Int

_LIMITS = {"turn": 0.3, "move": 1.0, "log": 0.7}
"""Longest step of a rotation in radians, of a position in median depths, of a logarithm: beyond, the linearisation
knows nothing."""

_LEAST = 1e-12
"""Part of the largest diagonal entry that is added to all, for what no match sees."""


@dataclass(frozen=True)
class Columns:
    """Where each parameter of each view is in the camera system; `count` where it is kept."""

    of_view: Int[Tensor, "views 8"]
    """Rotation, translation (both in the camera's frame), log focal, log scale of the depth map."""
    count: int


def number_columns(
    free_poses: Bool[Tensor, "views"],
    free_focals: Bool[Tensor, "views"],
    free_scales: Bool[Tensor, "views"],
    cameras: Int[Tensor, "views"],
) -> Columns:
    """Views with the same camera share the column of the focal length."""
    poses = free_poses[:, None].expand(-1, 6)
    by_camera = torch.zeros_like(free_focals).index_put((cameras[free_focals],), free_focals.new_tensor(True))
    count = 0
    parts = []
    for free in (poses, by_camera[:, None], free_scales[:, None]):
        numbers = free.flatten().cumsum(0).reshape(free.shape) - 1 + count
        parts.append((numbers, free))
        count += int(free.sum())
    (pose, _), (camera, _), (scale, _) = parts
    of_view = torch.cat([pose, camera[cameras], scale], dim=1)
    free = torch.cat([poses, free_focals[:, None], free_scales[:, None]], dim=1)
    return Columns(of_view.where(free, count), count)


@dataclass(frozen=True)
class _Shared:
    """The points of one host that appear in several other views."""

    lists: Int[Tensor, "lists"]
    points: Int[Tensor, "points"]
    matches: Int[Tensor, "matches"]
    """Among all places of all blocks."""
    row_of: Int[Tensor, "matches"]
    """Point and list of each match, as the row of a table (points * lists)."""


class Structure:
    """What stays the same from step to step: who shares points with whom."""

    def __init__(self, matched: Matched, cameras: Int[Tensor, "views"], columns: Columns) -> None:
        self.cameras, self.columns = cameras, columns
        used = (matched.weights > 0).flatten()
        places, point_of = used.nonzero()[:, 0], matched.point_of.flatten()
        number = torch.bincount(point_of[places], minlength=len(matched.host))
        self.alone: Float[Tensor, "blocks k"] = (number == 1)[matched.point_of].to(matched.weights)
        # The prior of a point travels with one of its matches, so that all there is to sum belongs to some list.
        first = torch.full_like(number, len(used)).scatter_reduce(0, point_of[places], places, "amin")
        carrier = torch.zeros_like(used)
        carrier[first[number > 0]] = True
        self.carries_prior: Float[Tensor, "blocks k"] = (
            carrier.view_as(matched.weights) & matched.has_prior[matched.point_of]
        ).to(matched.weights)
        self.shared = []
        list_of = matched.list_of.repeat_interleave(matched.weights.shape[1])
        several = places[(number > 1)[point_of[places]]]
        for host in torch.unique(matched.host).tolist():
            of_host = several[matched.host[point_of[several]] == host]
            if len(of_host):
                lists, slot = torch.unique(list_of[of_host], return_inverse=True)
                points, row = torch.unique(point_of[of_host], return_inverse=True)
                self.shared.append(_Shared(lists, points, of_host, row * len(lists) + slot))


class NormalEquations:
    """Gauss-Newton for cameras and depths about one place, with the weights that the residuals have there.

    The matches of a list see nine numbers: the motion of j relative to i (six), both log focals, and the log scale of
    the depth map of i. Their sums are taken in these, and brought to the parameters of the views by one 9x16 matrix per
    list. The depth of a point is one number, so that eliminating it takes a division.
    """

    def __init__(self, at: Reprojection, structure: Structure, width: float) -> None:
        self.at, self.structure = at, structure
        matched, columns = at.matched, structure.columns
        jacobian, by_depth = jacobians(at)
        weights = at.match_weights(width)
        weighted = weights[:, None, None] * jacobian
        residuals = at.residuals.where(at.in_front[:, None], 0)
        blocks, places = weights.shape
        hessian = weights.new_zeros(blocks, 9, 9)
        hessian[:, :8, :8] = weighted.reshape(blocks, 8, -1) @ jacobian.reshape(blocks, 8, -1).mT
        slope = weights.new_zeros(blocks, 9)
        slope[:, :8] = (weighted.reshape(blocks, 8, -1) @ residuals.reshape(blocks, -1, 1))[..., 0]
        self.coupling: Float[Tensor, "blocks 9 k"] = weights.new_zeros(blocks, 9, places)
        """Second derivatives by a point's depth and what the matches see."""
        self.coupling[:, :8] = (weighted * by_depth[:, None]).sum(2)
        # The prior on the depth, log d - log D - s: a row with +1 for the depth and -1 for the scale of the map.
        pull = structure.carries_prior * (matched.depth_sigma**-2 / (1 + at.off_prior.square()))[matched.point_of]
        pulled = pull * (at.off_prior * matched.depth_sigma)[matched.point_of]
        hessian[:, 8, 8], slope[:, 8] = pull.sum(1), -pulled.sum(1)
        self.coupling[:, 8] = -pull
        self.points = matched.sum_by_point(weights * by_depth.square().sum(1) + pull)
        self.point_slope = matched.sum_by_point(weights * (by_depth * residuals).sum(1) + pulled)

        self.spread = _spread(at)
        count = len(matched.view_i)
        self.columns_of_list = torch.cat([columns.of_view[matched.view_i], columns.of_view[matched.view_j]], dim=1)
        of_lists = hessian.new_zeros(count, 9, 9).index_add(0, matched.list_of, hessian)
        self.matrix, self.slope = self._priors()
        self._add(self.matrix, self.spread.mT @ of_lists @ self.spread, self.columns_of_list, self.columns_of_list)
        of_lists = slope.new_zeros(count, 9).index_add(0, matched.list_of, slope)
        self.slope.index_add_(0, self.columns_of_list.flatten(), (of_lists[:, None] @ self.spread).flatten())

    def step(self, damping: float) -> Unknowns:
        """The damped step from where the equations were set up. The points are eliminated first (Schur complement)."""
        matched, structure, count = self.at.matched, self.structure, self.structure.columns.count
        points = self.points * (1 + damping) + _LEAST * self.points.amax().clamp_min(1)
        matrix, slope = self.matrix.clone(), self.slope.clone()
        diagonal = matrix.diagonal()[:count]
        damped = damping * diagonal + _LEAST * diagonal.amax().clamp_min(1) if count else diagonal
        self._eliminate(matrix, slope, points)
        matrix = matrix[:count, :count] + torch.diag(damped)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        change = slope.new_zeros(count + 1)
        if count and not int(failed):
            change[:count] = -torch.cholesky_solve(slope[:count, None], factor)[:, 0]
        seen = (self.spread @ change[self.columns_of_list][..., None])[matched.list_of]
        back = matched.sum_by_point((self.coupling * seen).sum(1))
        return _moved(self.at.at, change[structure.columns.of_view], -(self.point_slope + back) / points)

    def _eliminate(self, matrix: Tensor, slope: Tensor, points: Float[Tensor, "points"]) -> None:
        """Subtract what the free depths take over, in place."""
        matched, structure, lists = self.at.matched, self.structure, len(self.spread)
        # Points with one match stay within their list.
        scaled = self.coupling * (structure.alone / points[matched.point_of])[:, None]
        fill = matrix.new_zeros(lists, 9, 9).index_add(0, matched.list_of, scaled @ self.coupling.mT)
        lift = (scaled @ self.point_slope[matched.point_of][..., None])[..., 0]
        lift = slope.new_zeros(lists, 9).index_add(0, matched.list_of, lift)
        self._add(matrix, -self.spread.mT @ fill @ self.spread, self.columns_of_list, self.columns_of_list)
        slope.index_add_(0, self.columns_of_list.flatten(), -(lift[:, None] @ self.spread).flatten())
        rows = self.coupling.mT.flatten(0, 1)
        for shared in structure.shared:
            number = len(shared.lists)
            table = rows.new_zeros(len(shared.points) * number, 9).index_add(0, shared.row_of, rows[shared.matches])
            table = table.view(len(shared.points), number * 9)
            scaled = table / points[shared.points][:, None]
            spread, columns = self.spread[shared.lists], self.columns_of_list[shared.lists]
            fill = (scaled.mT @ table).view(number, 9, number, 9)
            fill = spread.mT[:, None] @ fill.transpose(1, 2) @ spread[None]
            self._add(matrix, -fill, columns[:, None].expand(-1, number, -1), columns[None].expand(number, -1, -1))
            lift = (self.point_slope[shared.points] @ scaled).view(number, 1, 9) @ spread
            slope.index_add_(0, columns.flatten(), -lift.flatten())

    @staticmethod
    def _add(
        matrix: Tensor,
        values: Float[Tensor, "*batch 16 16"],
        rows: Int[Tensor, "*batch 16"],
        columns: Int[Tensor, "*batch 16"],
    ) -> None:
        matrix.index_put_((rows[..., :, None], columns[..., None, :]), values, accumulate=True)

    def _priors(self) -> tuple[Tensor, Tensor]:
        """Squares on the log scales and the log focals. The last row and column take what is not varied."""
        matched, at, columns = self.at.matched, self.at.at, self.structure.columns
        matrix = at.log_focals.new_zeros(columns.count + 1, columns.count + 1)
        cameras = self.structure.cameras
        of_focals = matched.focal_sigma**-2 / torch.bincount(cameras)[cameras].to(at.log_focals)
        of_scales = torch.full_like(of_focals, 1 / SCALE_SIGMA**2)
        where = columns.of_view[:, 6:].T.flatten()
        weights = torch.cat([of_focals, of_scales])
        errors = torch.cat([at.log_focals - matched.start_log_focals, at.log_scales])
        matrix.index_put_((where, where), weights, accumulate=True)
        return matrix, matrix.new_zeros(columns.count + 1).index_add(0, where, weights * errors)


def jacobians(at: Reprojection) -> tuple[Float[Tensor, "blocks 8 2 k"], Float[Tensor, "blocks 2 k"]]:
    """Derivatives of the residuals by what the matches of a list see, and by the log depths.

    The eight are a rotation and a translation of the points in the frame of j, and the log focals of i and j.
    """
    x, y, z = at.points_j.unbind(1)
    z = z.where(at.in_front, 1.0)
    zero = torch.zeros_like(x)
    rotation, offset = at.j_from_i[at.matched.list_of][..., :3, :3], at.j_from_i[at.matched.list_of][..., :3, 3:]
    # A longer focal length of i brings its rays nearer to the axis.
    by_focal_i = -rotation[..., :2] @ at.points_i[:, :2]
    along_ray = at.points_j - offset
    moved = torch.stack(
        [
            torch.stack([zero, -z, y], dim=1),
            torch.stack([z, zero, -x], dim=1),
            torch.stack([-y, x, zero], dim=1),
            by_focal_i,
            along_ray,
        ],
        dim=1,
    )
    # Of the projection f (x, y) / z.
    per_length = at.focals_j / z[:, None]
    slopes = torch.stack([x / z, y / z], dim=1)
    seen = per_length[:, None] * (moved[:, :, :2] - slopes[:, None] * moved[:, :, 2:])
    zeros = torch.zeros_like(per_length[:, 0])
    translations = torch.stack(
        [
            torch.stack([per_length[:, 0], zeros], dim=1),
            torch.stack([zeros, per_length[:, 1]], dim=1),
            -per_length * slopes,
        ],
        dim=1,
    )
    return torch.cat([seen[:, :3], translations, seen[:, 3:4], at.projected[:, None]], dim=1), seen[:, 4]


def _spread(at: Reprojection) -> Float[Tensor, "lists 9 16"]:
    """What the matches of a list see of the parameters of its views, i before j."""
    rotation, offset = at.j_from_i[:, :3, :3], at.j_from_i[:, :3, 3]
    x, y, z = offset.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    spread = rotation.new_zeros(len(rotation), 9, 16)
    # The adjoint: a motion in the frame of i, seen in that of j.
    spread[:, :3, :3] = spread[:, 3:6, 3:6] = rotation
    spread[:, 3:6, :3] = cross @ rotation
    spread[:, :6, 8:14] = -torch.eye(6).to(rotation)
    spread[:, 6, 6] = spread[:, 7, 14] = spread[:, 8, 7] = 1.0
    return spread


def _moved(at: Unknowns, views: Float[Tensor, "views 8"], points: Float[Tensor, "points"]) -> Unknowns:
    turn, shift = (
        part / (part.norm(dim=1, keepdim=True) / limit).clamp_min(1.0)
        for part, limit in ((views[:, :3], _LIMITS["turn"]), (views[:, 3:6], _LIMITS["move"]))
    )
    x, y, z = turn.unbind(1)
    zero = torch.zeros_like(x)
    algebra = torch.stack([zero, -z, y, shift[:, 0], z, zero, -x, shift[:, 1], -y, x, zero, shift[:, 2]], dim=1)
    algebra = torch.cat([algebra.view(-1, 3, 4), algebra.new_zeros(len(views), 1, 4)], dim=1)
    limit = _LIMITS["log"]
    return Unknowns(
        world_from_cam=at.world_from_cam @ torch.linalg.matrix_exp(algebra),
        log_focals=at.log_focals + views[:, 6].clamp(-limit, limit),
        log_scales=at.log_scales + views[:, 7].clamp(-limit, limit),
        log_depths=at.log_depths + points.clamp(-limit, limit),
    )
