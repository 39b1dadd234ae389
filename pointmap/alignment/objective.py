"""The objective of global alignment, differentiable in every unknown.

DUSt3R (Wang et al., CVPR 2024, section 3.4). The world point of a pixel p of view v is
chi_v(p) = world_from_cam_v(depth_v(p) * ray_v(p)). A group g predicts X_gv(p), and a similarity S_g takes that to the
world:

    loss = mean over pixels of first views of w |chi - S_g X|  +  the same over the pixels of all other views

with weights w = log(confidence), and the scales of all S_g tied to a geometric mean `base_scale`, without which the
loss would shrink to nothing. Where groups are of k > 2 views, the second mean counts k - 1 times. The fast solver
minimises the same sum; this module is for gradients: one's own loss terms, refinement by Adam, and the check of the
solver.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pointmap.alignment.problem import AnyGroup, Problem, Weighting, make_problem
from pointmap.alignment.result import Alignment
from pointmap.alignment.state import BASE_SCALE, mean_scale
from pointmap.errors import InputError
from pointmap.geometry.cameras import image_centres, pinhole, pixel_grid
from pointmap.geometry.transforms import rigid, transform_points
from pointmap.shapes import Float, Int

Distance = Literal["l1", "l2"]

# One step of Adam moves every number by about its learning rate: these make such steps fit focals and principal points.
_FOCAL_RATE = 20.0
_CENTRE_RATE = 10.0
_ADAPTOR_RATE = 20.0


class AlignmentObjective(nn.Module):
    """Global alignment as a module whose parameters are the unknowns; calling it gives the loss.

    Parameters (the scalings suit one learning rate for all):
        group_poses: (G, 8) quaternion (x, y, z, w), signed log1p of translation / scale, log scale before the scales
            are tied together.
        view_poses: (N, 7) quaternion (x, y, z, w) and signed log1p of the translation: world from camera.
        log_focals: (N, 1), 20 log(focal in pixels).
        log_depths: N tensors (h * w): log of the z-depth.
        centre_offsets: (N, 2), a tenth of the distance of the principal point from `centres`, in pixels.
        adaptors: (G, 2): 20 times the log of what stretches a group's points along x and y, and along z.

    All start at 0 (quaternions at the identity); `load` sets them from cameras and depths.

    Args:
        problem: Predictions, from `make_problem`.
        distance: "l1": the norm of the distance between points; "l2": its square.
        base_scale: Geometric mean of the groups' scales, each counting as much as its group.
        centres: (N, 2) principal points from which `centre_offsets` counts; default the image centres
            ((W - 1) / 2, (H - 1) / 2).
        aspects: (N,) horizontal over vertical focal length; default 1.
        group_weights: (G,) how much each group counts; default 1.
        adapt_groups: Make `adaptors` trainable.
        adapt_centres: Make `centre_offsets` trainable.
    """

    centres: Float[Tensor, "views 2"]
    aspects: Float[Tensor, "views"]
    group_of: Int[Tensor, "obs"]
    group_weights: Float[Tensor, "groups"]

    def __init__(
        self,
        problem: Problem,
        *,
        distance: Distance = "l1",
        base_scale: float = 0.5,
        centres: Float[Tensor, "views 2"] | None = None,
        aspects: Float[Tensor, "views"] | None = None,
        group_weights: Float[Tensor, "groups"] | None = None,
        adapt_groups: bool = False,
        adapt_centres: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.distance = distance
        self.base_scale = base_scale
        self._start: tuple[Alignment, Tensor] | None = None
        self._shapes = problem.shapes
        device = problem.device
        if centres is None:
            centres = image_centres(problem.shapes, device=device)
        if aspects is None:
            aspects = torch.ones(problem.num_views)
        if group_weights is None:
            group_weights = torch.ones(problem.num_groups)
        # Not part of the state_dict: the predictions are the caller's.
        self.register_buffer("centres", centres.to(device=device, dtype=dtype), persistent=False)
        self.register_buffer("aspects", aspects.to(device=device, dtype=dtype), persistent=False)
        self.register_buffer("group_of", problem.group_of, persistent=False)
        self.register_buffer("group_weights", group_weights.to(device=device, dtype=dtype), persistent=False)
        self._buckets = _make_buckets(problem, dtype)
        groups, views = problem.num_groups, problem.num_views
        identity = torch.tensor([0.0, 0.0, 0.0, 1.0], device=device, dtype=dtype)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, device=device, dtype=dtype)

        self.group_poses = nn.Parameter(torch.cat([identity.expand(groups, 4), zeros(groups, 4)], dim=1))
        self.view_poses = nn.Parameter(torch.cat([identity.expand(views, 4), zeros(views, 3)], dim=1))
        self.log_focals = nn.Parameter(zeros(views, 1))
        self.log_depths = nn.ParameterList([nn.Parameter(zeros(h * w)) for h, w in problem.shapes])
        self.centre_offsets = nn.Parameter(zeros(views, 2), requires_grad=adapt_centres)
        self.adaptors = nn.Parameter(zeros(groups, 2), requires_grad=adapt_groups)

    @classmethod
    def from_alignment(
        cls,
        groups: Sequence[AnyGroup],
        alignment: Alignment,
        *,
        masks: Sequence[Any] | None = None,
        weighting: Weighting = "log",
        device: torch.device | str = "cpu",
        **settings: Any,
    ) -> "AlignmentObjective":
        """The objective where `align` ended, to go on from there, e.g. by Adam with terms of one's own.

        Groups and views that the alignment left out are left out here, too, and its group weights hold, as does the
        groups' mean scale. Cameras that were given to `align` move like all others: `requires_grad_(False)` on
        `view_poses` or `log_focals` keeps those of all views. A depth of 0, where nothing is known, stays 0.

        Args:
            groups: Those that were aligned.
            masks: Per view (h, w), True = keep, or None, as given to `align`.
            settings: Of the constructor: distance, adapt_groups, adapt_centres, dtype.
        """
        problem, group_weights = counting_problem(groups, alignment, masks=masks, weighting=weighting, device=device)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(array).to(problem.device)

        registered = tensor(alignment.registered)[:, None, None]
        intrinsics, poses = tensor(alignment.intrinsics), tensor(alignment.world_from_cam)
        world_from_group = tensor(alignment.world_from_group)[problem.group_ids]
        objective = cls(
            problem,
            base_scale=float(mean_scale(world_from_group, group_weights)),
            centres=intrinsics[:, :2, 2],
            aspects=intrinsics[:, 0, 0] / intrinsics[:, 1, 1],
            group_weights=group_weights,
            **settings,
        )
        objective.load(
            world_from_cam=poses.where(registered, torch.eye(4).to(poses)),
            world_from_group=world_from_group,
            focals=intrinsics[:, 0, 0],
            depths=[tensor(depth).nan_to_num() for depth in alignment.depths],
        )
        objective._start = (alignment, problem.group_ids)
        return objective

    @torch.no_grad()
    def alignment(self) -> Alignment:
        """The alignment that this was made of, with cameras, similarities, depths and loss as the parameters say now.

        Residuals and covariances, which only the solver knows, are NaN.
        Its world is that of the parameters: without given poses nothing keeps the first camera where it was.
        """
        if self._start is None:
            raise InputError(
                "This objective was not made by AlignmentObjective.from_alignment, so that it does not know of which "
                "groups and photos it is; read world_from_cam, focals, depths and world_from_group instead."
            )
        start, group_ids = self._start

        def array(tensor: Tensor) -> np.ndarray:
            return tensor.double().cpu().numpy()

        registered = start.registered
        intrinsics = pinhole(self.focals, self.principal_points)
        intrinsics[:, 1, 1] /= self.aspects
        world_from_group = np.full_like(start.world_from_group, np.nan)
        world_from_group[group_ids.cpu().numpy()] = array(self.world_from_group)
        return replace(
            start,
            world_from_cam=np.where(registered[:, None, None], array(self.world_from_cam), np.nan),
            intrinsics=array(intrinsics),
            depths=[
                depth.cpu().float().numpy() if known else np.full(depth.shape, np.nan, np.float32)
                for depth, known in zip(self.depths, registered, strict=True)
            ],
            world_from_group=world_from_group,
            loss=float(self()) * BASE_SCALE / self.base_scale,
            # Of the solution that was.
            group_residuals=np.full_like(start.group_residuals, np.nan),
            view_residuals=np.full_like(start.view_residuals, np.nan),
            information=None,
        )

    @property
    def depths(self) -> list[Float[Tensor, "_ _"]]:
        """z-depths of all views in world units."""
        return [log.exp().reshape(shape) for log, shape in zip(self.log_depths, self._shapes, strict=True)]

    @property
    def focals(self) -> Float[Tensor, "views"]:
        """Horizontal focal lengths in pixels."""
        return (self.log_focals[:, 0] / _FOCAL_RATE).exp()

    @property
    def principal_points(self) -> Float[Tensor, "views 2"]:
        """Principal points in pixels."""
        return self.centres + _CENTRE_RATE * self.centre_offsets

    @property
    def world_from_cam(self) -> Float[Tensor, "views 4 4"]:
        """Rigid poses of the views."""
        return rigid(_rotation(self.view_poses[:, :4]), signed_expm1(self.view_poses[:, 4:7]))

    @property
    def group_scales(self) -> Float[Tensor, "groups"]:
        """Scales of the groups; their weighted geometric mean is `base_scale`."""
        log_scale = self.group_poses[:, 7]
        return self.base_scale * (log_scale - self._mean(log_scale)).exp()

    @property
    def world_from_group(self) -> Float[Tensor, "groups 4 4"]:
        """Similarities of the groups, the stretch of `adaptors` included."""
        stretch = torch.stack([self.adaptors[:, 0], self.adaptors[:, 0], self.adaptors[:, 1]], dim=-1)
        stretch = ((stretch - stretch.mean(-1, keepdim=True)) / _ADAPTOR_RATE).exp()
        scale = self.group_scales
        linear = scale[:, None, None] * _rotation(self.group_poses[:, :4]) * stretch[:, None, :]
        return rigid(linear, scale[:, None] * signed_expm1(self.group_poses[:, 4:7]))

    def forward(self) -> Float[Tensor, ""]:
        """The loss, in units of the world whose groups have the mean scale `base_scale`."""
        world_from_cam, world_from_group = self.world_from_cam, self.world_from_group
        loss = world_from_cam.new_zeros(())
        for bucket in self._buckets:
            assert isinstance(bucket, _Bucket)
            depth = torch.stack([self.log_depths[view] for view in bucket.views.tolist()]).exp()
            focals = torch.stack([self.focals, self.focals / self.aspects], dim=-1)
            xy = (bucket.pixels - self.principal_points[bucket.views, None]) / focals[bucket.views, None]
            points_cam = depth[..., None] * torch.cat([xy, torch.ones_like(xy[..., :1])], dim=-1)
            points_world = transform_points(world_from_cam[bucket.views], points_cam)[bucket.view_slot]
            predicted_world = transform_points(world_from_group[self.group_of[bucket.obs]], bucket.points)
            difference = points_world - predicted_world
            error = difference.norm(dim=-1) if self.distance == "l1" else difference.square().sum(-1)
            loss = loss + ((bucket.weights * error).sum(-1) * self.group_weights[self.group_of[bucket.obs]]).sum()
        return loss

    def _mean(self, of_groups: Float[Tensor, "groups"]) -> Float[Tensor, ""]:
        return (self.group_weights * of_groups).sum() / self.group_weights.sum()

    @torch.no_grad()
    def load(
        self,
        *,
        world_from_cam: Float[Tensor, "views 4 4"],
        world_from_group: Float[Tensor, "groups 4 4"],
        focals: Float[Tensor, "views"],
        depths: list[Float[Tensor, "_ _"]],
    ) -> None:
        """Start from known values, e.g. the solver's. Brought to `base_scale` by scaling the whole world."""
        scale = _scales(world_from_group)
        world = self.base_scale / self._mean(scale.log().to(self.group_weights)).exp()
        rotation = world_from_group[:, :3, :3] / scale[:, None, None]
        offset = signed_log1p(world_from_group[:, :3, 3] / scale[:, None])
        self.group_poses.copy_(torch.cat([_quaternion(rotation), offset, scale.log()[:, None]], dim=1))
        offset = signed_log1p(world_from_cam[:, :3, 3] * world)
        self.view_poses.copy_(torch.cat([_quaternion(world_from_cam[:, :3, :3]), offset], dim=1))
        self.log_focals.copy_(_FOCAL_RATE * focals.log()[:, None])
        for parameter, depth in zip(self.log_depths, depths, strict=True):
            parameter.copy_((depth.flatten() * world).log())


def counting_problem(
    groups: Sequence[AnyGroup],
    alignment: Alignment,
    *,
    masks: Sequence[Any] | None = None,
    weighting: Weighting = "log",
    device: torch.device | str = "cpu",
) -> tuple[Problem, Float[Tensor, "groups"]]:
    """What counts of the groups in their alignment, and how much each group does.

    Raises:
        InputError: The alignment is of other groups, or nothing counts.
    """
    if len(alignment.world_from_group) != len(groups):
        raise InputError(
            f"The alignment is of {len(alignment.world_from_group)} groups, but {len(groups)} were given; give those "
            f"that it was made of."
        )
    problem = make_problem(
        groups,
        num_views=len(alignment.registered),
        shapes=[(depth.shape[0], depth.shape[1]) for depth in alignment.depths],
        masks=masks,
        weighting=weighting,
        device=device,
    )
    weights = torch.as_tensor(alignment.group_weights).to(problem.side_scale)
    used = torch.as_tensor(np.isfinite(alignment.world_from_group).all((1, 2))).to(problem.device) & (weights > 0)
    registered = torch.as_tensor(alignment.registered).to(problem.device)
    keep = used[problem.group_of] & registered[problem.view_of] & ~problem.silent
    if not bool(keep.any()):
        raise InputError("Nothing that the groups show is registered in the alignment.")
    problem = problem.select(keep)
    return problem, weights[problem.group_ids]


def signed_log1p(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Odd logarithm: linear near 0, so that steps in it are relative only for large values."""
    return x.sign() * x.abs().log1p()


def signed_expm1(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Inverse of `signed_log1p`."""
    return x.sign() * x.abs().expm1()


class _Bucket(nn.Module):
    """Observations of views with one image size, as buffers: they follow the module to another device or precision."""

    obs: Int[Tensor, "obs"]
    views: Int[Tensor, "views"]
    view_slot: Int[Tensor, "obs"]
    points: Float[Tensor, "obs pixels 3"]
    weights: Float[Tensor, "obs pixels"]
    pixels: Float[Tensor, "pixels 2"]

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)


def _make_buckets(problem: Problem, dtype: torch.dtype) -> nn.ModuleList:
    buckets = []
    shapes = [problem.shapes[view] for view in problem.view_of.tolist()]
    for shape in sorted(set(shapes)):
        chosen = [o for o, size in enumerate(shapes) if size == shape]
        seen = [problem.observation(o) for o in chosen]
        obs = torch.tensor(chosen, device=problem.device)
        views, slot = problem.view_of[obs].unique(return_inverse=True)
        weights = torch.stack([observation.weights.reshape(-1) for observation in seen]).to(dtype)
        buckets.append(
            _Bucket(
                obs=obs,
                views=views,
                view_slot=slot,
                points=torch.stack([observation.points.reshape(-1, 3) for observation in seen]).to(dtype),
                weights=weights * problem.side_scale[obs, None].to(dtype),
                pixels=pixel_grid(*shape, device=problem.device, dtype=dtype).reshape(-1, 2),
            )
        )
    return nn.ModuleList(buckets)


def _scales(world_from_group: Float[Tensor, "groups 4 4"]) -> Float[Tensor, "groups"]:
    return torch.linalg.det(world_from_group[:, :3, :3].double()).pow(1 / 3)


def _rotation(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    x, y, z, w = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], dim=-1),
        torch.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], dim=-1),
        torch.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def _quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    # The unit quaternion of R is the leading eigenvector of this symmetric matrix (Bar-Itzhack 2000): no distinction
    # of cases.
    m = rotation.double()
    xx, xy, xz = m[..., 0, 0], m[..., 0, 1], m[..., 0, 2]
    yx, yy, yz = m[..., 1, 0], m[..., 1, 1], m[..., 1, 2]
    zx, zy, zz = m[..., 2, 0], m[..., 2, 1], m[..., 2, 2]
    rows = [
        torch.stack([xx - yy - zz, yx + xy, zx + xz, zy - yz], dim=-1),
        torch.stack([yx + xy, yy - xx - zz, zy + yz, xz - zx], dim=-1),
        torch.stack([zx + xz, zy + yz, zz - xx - yy, yx - xy], dim=-1),
        torch.stack([zy - yz, xz - zx, yx - xy, xx + yy + zz], dim=-1),
    ]
    return torch.linalg.eigh(torch.stack(rows, dim=-2)).eigenvectors[..., -1]
