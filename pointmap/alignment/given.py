"""What the caller of the aligner knows already: intrinsics, poses, principal points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.objective import image_centres
from pointmap.alignment.problem import Problem
from pointmap.alignment.state import Fixed
from pointmap.errors import InputError
from pointmap.geometry.focal import default_focal
from pointmap.shapes import Float, Int


@dataclass(frozen=True)
class Given:
    """What the caller knows, as tensors."""

    centres: Float[Tensor, "views 2"]
    aspects: Float[Tensor, "views"]
    focals: Float[Tensor, "views"]
    known_poses: Float[Tensor, "views 4 4"]
    """NaN where unknown."""
    fixed: Fixed


def read_given(
    problem: Problem,
    intrinsics: Sequence[np.ndarray | None] | np.ndarray | None,
    world_from_cam: Sequence[np.ndarray | None] | np.ndarray | None,
    principal_points: np.ndarray | None,
    shared_focal: bool | Sequence[int],
) -> Given:
    device = problem.side_scale.device
    matrices = _per_view("intrinsics", intrinsics, problem.num_views, (3, 3)).to(device)
    poses = _per_view("world_from_cam", world_from_cam, problem.num_views, (4, 4)).to(device)
    known = matrices[:, 0, 0].isfinite()
    if principal_points is None:
        centres = image_centres(problem.shapes, device=device)
    else:
        centres = torch.as_tensor(np.asarray(principal_points), dtype=torch.float64, device=device)
        if centres.shape != (problem.num_views, 2):
            raise InputError(
                f"principal_points has the shape {tuple(centres.shape)}; expected ({problem.num_views}, 2), x and y in "
                f"pixels of each working image."
            )
    centres = torch.where(known[:, None], matrices[:, :2, 2], centres)
    aspects = torch.where(known, matrices[:, 0, 0] / matrices[:, 1, 1], 1.0)
    guesses = torch.tensor([default_focal(max(h, 1), max(w, 1)) for h, w in problem.shapes], dtype=torch.float64)
    focals = torch.where(known, matrices[:, 0, 0], guesses.to(device))
    posed = poses[:, 0, 0].isfinite()
    return Given(
        centres,
        aspects,
        focals,
        poses,
        Fixed(poses=posed, focals=known, cameras=_cameras(shared_focal, problem.num_views).to(device)),
    )


def _per_view(
    name: str, values: Sequence[np.ndarray | None] | np.ndarray | None, count: int, shape: tuple[int, int]
) -> Float[Tensor, "views rows columns"]:
    """One matrix per view, NaN where there is none."""
    matrices = torch.full((count, *shape), torch.nan, dtype=torch.float64)
    if values is None:
        return matrices
    if len(values) != count:
        raise InputError(f"{name} has {len(values)} entries for {count} views; give one matrix or None per view.")
    for view, value in enumerate(values):
        if value is None:
            continue
        matrix = torch.as_tensor(value).detach().cpu().double()
        if tuple(matrix.shape) != shape:
            raise InputError(f"{name}[{view}] has the shape {tuple(matrix.shape)}; expected {shape}, or None.")
        matrices[view] = matrix if bool(matrix.isfinite().all()) else torch.nan
    return matrices


def tied(fixed: Fixed, known: Float[Tensor, "views 4 4"], registered: list[int]) -> Fixed:
    """Which given poses hold the solution: two or more of registered views. One alone only places the world."""
    poses = torch.zeros_like(fixed.poses)
    poses[registered] = fixed.poses[registered]
    if int(poses.sum()) < 2:
        return replace(fixed, poses=torch.zeros_like(poses))
    centres = known[poses][:, :3, 3]
    apart = bool((centres - centres[0]).norm(dim=-1).max() > 1e-9 * (1 + centres.norm(dim=-1).max()))
    return replace(fixed, poses=poses, scale=apart)


def _cameras(shared_focal: bool | Sequence[int], count: int) -> Int[Tensor, "views"]:
    """For each view the number of its camera, below the number of views."""
    if isinstance(shared_focal, bool):
        return torch.zeros(count, dtype=torch.long) if shared_focal else torch.arange(count)
    if len(shared_focal) != count:
        raise InputError(f"shared_focal has {len(shared_focal)} entries for {count} views; give True, or one per view.")
    return torch.unique(torch.tensor(shared_focal), return_inverse=True)[1]


def matrices(focals: Float[Tensor, "views"], given: Given) -> Float[Tensor, "views 3 3"]:
    matrices = torch.zeros(len(focals), 3, 3, dtype=torch.float64, device=focals.device)
    matrices[:, 0, 0], matrices[:, 1, 1] = focals, focals / given.aspects
    matrices[:, :2, 2] = given.centres
    matrices[:, 2, 2] = 1.0
    return matrices
