"""Bundle adjustment: cameras that agree with matches between the photos, many of which are wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pointmap.alignment.bundle_problem import Unknowns, lay_out
from pointmap.alignment.bundle_solver import LEAST_INLIERS, Solution, anchors, solve
from pointmap.alignment.state import Fixed
from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.progress import ProgressCallback
from pointmap.shapes import Bool, Float, Int

_SAME_PLACE = 1e-9
"""In typical depths."""


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Cameras after bundle adjustment, on the device and in the order of the input; all float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    """Rigid; as given where a view did not take part."""

    intrinsics: Float[Tensor, "views 3 3"]

    depth_scales: Float[Tensor, "views"]
    """What brings each view's depth map to the scale of these cameras; 1 where a view did not take part."""

    took_part: Bool[Tensor, "views"]
    """True where enough matches agree on the view's camera."""

    inliers: list[Bool[Tensor, "_"]]
    """Per list of matches: which of them agree with the cameras; none of a pair of which too few do."""

    point_depths: list[Float[Tensor, "_"]]
    """Per list of matches: z-depth in view i of the point of each; NaN where the pair did not take part."""

    rms_px: float
    """Of the reprojection errors of the inliers, per axis; NaN without any."""

    history: list[float] = field(default_factory=list)
    """The robust cost, at its final width, at the start and after every step."""


def adjust(
    matches: Sequence[PairMatches],
    *,
    intrinsics: Float[Tensor, "_ 3 3"],
    world_from_cam: Float[Tensor, "_ 4 4"],
    depths: Sequence[Float[Tensor, "_ _"]],
    registered: Bool[Tensor, "_"] | None = None,
    fixed_poses: Bool[Tensor, "_"] | None = None,
    fixed_focals: Bool[Tensor, "_"] | None = None,
    cameras: Int[Tensor, "_"] | None = None,
    noise_px: float = 1.5,
    depth_sigma: float = 0.3,
    focal_sigma: float = 0.3,
    max_iterations: int = 50,
    progress: ProgressCallback | None = None,
) -> Adjusted:
    """Refine cameras until the matches between the photos agree with them.

    Each pixel of view i that is matched has a point on its ray, seen in all views that it is matched with. Minimises
    the Geman-McClure cost of the distances between these points and the matches in the other views, over poses, focal
    lengths and depths, beginning with a wide cost that is narrowed down (graduated non-convexity: Blake and Zisserman
    1987; Yang et al., RA-L 2020). Depth maps, known up to a factor each, hold what the matches leave open.

    The first registered view of each connected part stays where it is, unless `fixed_poses` has others; so does the
    median ratio of the points' depths to the depth maps, unless two fixed poses set the scale.

    Args:
        matches: Between registered views; others are left out. The noise is in the pixels of j, so that those of i
            should be the exact ones (nodes of a grid).
        intrinsics: Pinhole K of the working images, a start. Aspects and principal points are kept.
        world_from_cam: Rigid poses, a start; anything where not registered.
        depths: z-depth of every view in units of the world; 0 or NaN where unknown, which may be everywhere.
        registered: Default all.
        fixed_poses: Poses that are known, and kept.
        fixed_focals: Focal lengths that are known, and kept.
        cameras: Views with the same number share their horizontal focal length where it is not fixed; default none do.
        noise_px: Standard deviation of a right match along x and along y.
        depth_sigma: Of the logarithm of a depth map's values about the truth, up to a common factor.
        focal_sigma: Of the logarithm of the focal lengths about the given ones.
        max_iterations: Steps of Levenberg-Marquardt, at most, in each of up to three rounds.
        progress: Called with ("adjust", done, total); may raise to stop.

    Raises:
        InputError: The arguments contradict each other.
    """
    count, device = len(intrinsics), world_from_cam.device
    none = torch.zeros(count, dtype=torch.bool, device=device)
    registered = ~none if registered is None else registered
    fixed_poses = none if fixed_poses is None else fixed_poses
    fixed_focals = none if fixed_focals is None else fixed_focals
    cameras = torch.arange(count, device=device) if cameras is None else cameras
    _check_counts(
        count,
        world_from_cam=world_from_cam,
        depths=depths,
        registered=registered,
        fixed_poses=fixed_poses,
        fixed_focals=fixed_focals,
        cameras=cameras,
    )
    _check_positive(noise_px=noise_px, depth_sigma=depth_sigma, focal_sigma=focal_sigma)
    _check_matches(matches, count)

    poses = world_from_cam.double()
    registered = registered & poses.isfinite().flatten(1).all(1)
    # A focal length that is known has no company.
    own = torch.arange(count, device=device) + cameras.max() + 1
    cameras = torch.unique(torch.where(fixed_focals, own, cameras), return_inverse=True)[1]
    intrinsics = _with_common_focals(intrinsics.to(poses), registered, cameras)
    focals = intrinsics[:, 0, 0]
    as_given = Adjusted(
        world_from_cam=poses,
        intrinsics=intrinsics,
        depth_scales=torch.ones_like(focals),
        took_part=none,
        inliers=[torch.zeros(len(pair.weights), dtype=torch.bool, device=device) for pair in matches],
        point_depths=[torch.full((len(pair.weights),), torch.nan).to(poses) for pair in matches],
        rms_px=math.nan,
    )
    used = [
        index
        for index, pair in enumerate(matches)
        if len(pair.weights) >= LEAST_INLIERS and bool(registered[[pair.view_i, pair.view_j]].all())
    ]
    if not used:
        return as_given

    # Lengths in typical depths, so that limits of steps mean something.
    unit = _typical_depth(depths, registered, poses)
    matched = lay_out(
        [matches[index] for index in used],
        intrinsics,
        [depth.to(poses) / unit for depth in depths],
        noise_px=noise_px,
        depth_sigma=depth_sigma,
        focal_sigma=focal_sigma,
    )
    start_poses = poses.where(registered[:, None, None], torch.eye(4).to(poses))
    start_poses[:, :3, 3] /= unit
    solution = solve(
        matched,
        Unknowns(start_poses, focals.log(), torch.zeros_like(focals), matched.log_prior),
        Fixed(fixed_poses, fixed_focals, cameras),
        max_iterations=max_iterations,
        on_step=lambda done: (
            None if progress is None else progress("adjust", min(done, max_iterations), max_iterations)
        ),
    )
    return _read(as_given, solution, used, unit, fixed_poses, fixed_focals, cameras)


def _read(
    given: Adjusted,
    solution: Solution,
    used: list[int],
    unit: float,
    fixed_poses: Bool[Tensor, "views"],
    fixed_focals: Bool[Tensor, "views"],
    cameras: Int[Tensor, "views"],
) -> Adjusted:
    """The solution in the units and in the order of the input."""
    matched, shown = solution.at.matched, solution.shown
    still = fixed_poses | anchors(solution.parts, fixed_poses & shown)
    at = _with_scale_of_depth_maps(solution, still)
    world_from_cam = at.world_from_cam.clone()
    world_from_cam[:, :3, 3] *= unit
    focals = torch.where(shown & ~fixed_focals, at.log_focals.exp(), given.intrinsics[:, 0, 0])
    depths = unit * at.log_depths.exp()[matched.point_of].flatten()
    agree = solution.at.inliers(solution.width)
    inliers, point_depths = list(given.inliers), list(given.point_depths)
    for index, places, holds in zip(used, matched.source, solution.holds.tolist(), strict=True):
        if holds:
            inliers[index], point_depths[index] = agree.flatten()[places], depths[places]
    squared = solution.at.squared[agree]
    return Adjusted(
        # What stays, stays to the last digit.
        world_from_cam=torch.where((shown & ~still)[:, None, None], world_from_cam, given.world_from_cam),
        intrinsics=_with_common_focals(_with_focals(given.intrinsics, focals), shown, cameras),
        depth_scales=torch.where(shown, at.log_scales.exp(), 1.0),
        took_part=shown,
        inliers=inliers,
        point_depths=point_depths,
        rms_px=matched.noise_px * math.sqrt(float(squared.mean()) / 2) if len(squared) else math.nan,
        history=solution.history,
    )


def _with_scale_of_depth_maps(solution: Solution, still: Bool[Tensor, "views"]) -> Unknowns:
    """Each connected part grown about the view that stays, until half of its points are nearer than its depth maps say.

    Two poses that stay at different places leave no choice.
    """
    at, matched = solution.at.at, solution.at.matched
    world_from_cam, log_scales, log_depths = at.world_from_cam.clone(), at.log_scales.clone(), at.log_depths.clone()
    seen = matched.has_prior & (matched.sum_by_point(solution.at.inliers(solution.width).to(log_depths)) > 0)
    for part in torch.unique(solution.parts[solution.shown]).tolist():
        members = solution.shown & (solution.parts == part)
        places = at.world_from_cam[members & still, :3, 3]
        of_part = members[matched.host]
        ratios = (at.log_depths - matched.log_prior)[of_part & seen]
        if not len(ratios) or bool((places - places[0]).norm(dim=1).max() > _SAME_PLACE):
            continue
        log_growth = -ratios.median()
        world_from_cam[members, :3, 3] = places[0] + log_growth.exp() * (world_from_cam[members, :3, 3] - places[0])
        log_scales[members] += log_growth
        log_depths[of_part] += log_growth
    return Unknowns(world_from_cam, at.log_focals, log_scales, log_depths)


def _with_common_focals(
    intrinsics: Float[Tensor, "views 3 3"], known: Bool[Tensor, "views"], cameras: Int[Tensor, "views"]
) -> Float[Tensor, "views 3 3"]:
    """Every view with the mean focal length that is known of its camera, if any is."""
    focals = intrinsics[:, 0, 0]
    total = torch.zeros_like(focals).index_add(0, cameras, focals.where(known, 0))
    number = torch.zeros_like(focals).index_add(0, cameras, known.to(focals))
    return _with_focals(intrinsics, torch.where(number > 0, total / number.clamp_min(1), focals)[cameras])


def _with_focals(intrinsics: Float[Tensor, "views 3 3"], focals: Float[Tensor, "views"]) -> Float[Tensor, "views 3 3"]:
    """The same aspect and principal point with another horizontal focal length."""
    changed = intrinsics.clone()
    changed[:, 0, 0] = focals
    changed[:, 1, 1] *= focals / intrinsics[:, 0, 0]
    return changed


def _typical_depth(
    depths: Sequence[Float[Tensor, "_ _"]], registered: Bool[Tensor, "views"], poses: Float[Tensor, "views 4 4"]
) -> float:
    """Median of the depth maps; without any, how far apart the cameras are."""
    kept = [depth[depth > 0].double() for depth, use in zip(depths, registered.tolist(), strict=True) if use]
    values = torch.cat(
        [torch.zeros(0, dtype=torch.float64), *(depth[:: max(1, len(depth) // 1000)].cpu() for depth in kept)]
    )
    if not len(values):
        centres = poses[registered, :3, 3].cpu()
        values = (centres - centres.mean(0)).norm(dim=1)
    return max(float(values.median()), 1e-12) if len(values) else 1.0


def _check_counts(count: int, **per_view: Sequence[object] | Tensor) -> None:
    for name, values in per_view.items():
        if len(values) != count:
            raise InputError(f"{name} has {len(values)} entries for {count} intrinsics; give one per view.")


def _check_positive(**sigmas: float) -> None:
    for name, value in sigmas.items():
        if not value > 0:
            raise InputError(f"{name} is {value}; give a positive number.")


def _check_matches(matches: Sequence[PairMatches], count: int) -> None:
    for index, pair in enumerate(matches):
        views = (pair.view_i, pair.view_j)
        if pair.view_i == pair.view_j or not all(0 <= view < count for view in views):
            raise InputError(f"matches[{index}] is of views {views}; give two different ones of {count}, from 0 on.")
        number = len(pair.weights)
        for name, pixels in (("pixels_i", pair.pixels_i), ("pixels_j", pair.pixels_j)):
            if tuple(pixels.shape) != (number, 2):
                raise InputError(
                    f"{name} of matches[{index}] has the shape {tuple(pixels.shape)}; expected ({number}, 2), x and y "
                    f"for each of its {number} weights."
                )
