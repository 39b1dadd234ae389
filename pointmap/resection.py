"""Where a camera stands among known ones, from matches with their photos (resection): PnP, then bundle adjustment.

A match ends on a ray of a known camera. How far along, the depth map of that photo says, or another known camera whose
match shares the other end. A first pose comes from these points (PnP in RANSAC); bundle adjustment of this one camera
then lets all points slide along their rays, so that errors of the depth maps count only where nothing else tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.bundle import adjust
from pointmap.geometry.cameras import project_points
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.pnp import PoseEstimate, estimate_pose
from pointmap.geometry.sampling import sample
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.match import TwoView, search_focals, trust, verify
from pointmap.shapes import Float

_EXACT, _ROUGH = 1.5 / 1000, 1.5 / 320
"""Parts of the long side that keypoints and matches of tokens may be off their epipolar line."""
_POINT_ERROR = 4 * _ROUGH
"""Likewise off the image of a point whose depth a network has estimated."""
_ITERATIONS = 2000
"""Of RANSAC at most; most matches are right as a rule, and it ends at once."""
_LEAST_INLIERS = 12
_LEAST_SHARE = 0.25
"""Of the points: fewer agree with some camera by chance where matches err together."""
_PLAIN_SHARE = 0.5
"""Of the points: if so many agree with a focal length that was likely, no other one is searched for."""
_LEAST_PARALLAX_DEG = 2.0
_BETTER = 1.2
"""So many times the inliers speak for another focal length than the one that was expected."""
_DEPTH_SIGMA = 0.1
_FOCAL_SIGMA = 0.1


@dataclass(frozen=True, eq=False)
class KnownCameras:
    """Some photos of a scene. All float64."""

    intrinsics: Float[Tensor, "k 3 3"]
    """Of the working images."""
    world_from_cam: Float[Tensor, "k 4 4"]
    depths: list[Float[Tensor, "_ _"]]
    """z-depth per working image; 0 where it is not known or not to be trusted."""


@dataclass(frozen=True, eq=False)
class Resection:
    """A camera that matches agree on."""

    world_from_cam: Float[Tensor, "4 4"]
    intrinsics: Float[Tensor, "3 3"]
    num_inliers: int


@dataclass(frozen=True, eq=False)
class _Start:
    matches: list[PairMatches]
    """Of the pairs that agree on a relative pose."""
    estimate: PoseEstimate
    focal_is_known: bool

    @property
    def support(self) -> int:
        return int(self.estimate.inliers.sum())


def resect(
    matches: Sequence[PairMatches],
    known: KnownCameras,
    intrinsics: Float[Tensor, "3 3"],
    *,
    focal_is_known: bool,
    focal_is_likely: bool = False,
    size: int,
) -> Resection | None:
    """Find the pose of camera k, the next after the known ones 0 to k - 1.

    Args:
        matches: From known cameras to camera k, in working pixels; several lists for two cameras may differ in kind.
        intrinsics: Of camera k, in pixels of the same size.
        focal_is_known: Keep the focal length.
        focal_is_likely: Keep it unless another one has clearly more matches agree; otherwise it is a mere start.
        size: Long side of the working images in pixels.

    Returns:
        None if too few matches agree on a pose.
    """
    keep = focal_is_known or focal_is_likely
    best = _start(matches, known, intrinsics, True, size) if keep else None
    if not focal_is_known and (best is None or best.support < _PLAIN_SHARE * len(best.estimate.inliers)):
        other = _start(matches, known, _searched(matches, known, intrinsics, size), False, size)
        if best is None or (other is not None and other.support > _BETTER * best.support):
            best = other
    return None if best is None else _adjusted(best, known, size)


def _start(
    matches: Sequence[PairMatches],
    known: KnownCameras,
    intrinsics: Float[Tensor, "3 3"],
    focal_is_known: bool,
    size: int,
) -> _Start | None:
    poses = [_verified(match, known, intrinsics, size) for match in matches]
    agreeing = [(match, pose) for match, pose in zip(matches, poses, strict=True) if pose is not None]
    if not agreeing:
        return None
    inliers = [match.select(torch.from_numpy(pose.inliers)) for match, pose in agreeing]
    points, pixels = zip(
        *[(_on_surface(match, known), match.pixels_j.double()) for match in inliers],
        *[_triangulated(a, b, known, _POINT_ERROR * size) for a, b in combinations(inliers, 2)],
        strict=True,
    )
    estimate = estimate_pose(
        torch.cat(points), torch.cat(pixels), intrinsics, max_error_px=_POINT_ERROR * size, iterations=_ITERATIONS
    )
    if estimate is None:
        return None
    start = _Start([match for match, _ in agreeing], estimate, focal_is_known)
    enough = max(_LEAST_INLIERS, _LEAST_SHARE * len(estimate.inliers))
    return start if start.support >= enough else None


def _verified(match: PairMatches, known: KnownCameras, intrinsics: Float[Tensor, "3 3"], size: int) -> TwoView | None:
    """The relative pose that a pair's matches agree on by more than chance."""
    if not len(match.weights):
        return None
    error = (_EXACT if len(match.exact().weights) == len(match.weights) else _ROUGH) * size
    pose = verify(match, known.intrinsics[match.view_i].numpy(), intrinsics.numpy(), max_error_px=error)
    return pose if trust(pose) > 0 else None


def _searched(
    matches: Sequence[PairMatches], known: KnownCameras, intrinsics: Float[Tensor, "3 3"], size: int
) -> Float[Tensor, "3 3"]:
    """The intrinsics with the focal length under which most matches agree on relative poses."""
    every = np.concatenate([known.intrinsics.numpy(), intrinsics.numpy()[None]])
    is_known = np.arange(len(every)) < len(every) - 1
    return torch.from_numpy(search_focals(matches, every, is_known, max_error_px=_ROUGH * size)[-1])


def _on_surface(match: PairMatches, known: KnownCameras) -> Float[Tensor, "n 3"]:
    """World points of the ends in known photos by their depth maps; NaN where these do not tell."""
    depth = known.depths[match.view_i]
    pixels = match.pixels_i.double()
    # Between known and unknown pixels, NaN.
    z, inside = sample(torch.where(depth > 0, depth, torch.nan), pixels[None, :, 0], pixels[None, :, 1])
    origin, rays = _rays(match.view_i, pixels, known)
    return origin + rays * torch.where(inside, z, torch.nan)[0, :, None]


def _triangulated(
    a: PairMatches, b: PairMatches, known: KnownCameras, max_error_px: float
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 2"]]:
    """World points of what two known photos share with the new one, and their pixels in the new one."""
    both = torch.cat([a.pixels_j, b.pixels_j])
    label = torch.unique(both, dim=0, return_inverse=True)[1].numpy()
    _, of_a, of_b = np.intersect1d(label[: len(a.weights)], label[len(a.weights) :], return_indices=True)
    pixels_a, pixels_b = a.pixels_i[of_a].double(), b.pixels_i[of_b].double()
    (origin_a, rays_a), (origin_b, rays_b) = _rays(a.view_i, pixels_a, known), _rays(b.view_i, pixels_b, known)
    # Least squares of origin_a + z_a rays_a = origin_b + z_b rays_b.
    aa, bb, ab = (rays_a**2).sum(-1), (rays_b**2).sum(-1), (rays_a * rays_b).sum(-1)
    at, bt = rays_a @ (origin_b - origin_a), rays_b @ (origin_b - origin_a)
    determinant = (aa * bb - ab**2).clamp_min(1e-12)
    z_a, z_b = (bb * at - ab * bt) / determinant, (ab * at - aa * bt) / determinant
    points = (origin_a + z_a[:, None] * rays_a + origin_b + z_b[:, None] * rays_b) / 2
    keep = (z_a > 0) & (z_b > 0) & (ab / (aa * bb).sqrt() < np.cos(np.radians(_LEAST_PARALLAX_DEG)))
    for view, pixels in ((a.view_i, pixels_a), (b.view_i, pixels_b)):
        cam_from_world = invert_rigid(known.world_from_cam[view])
        seen = project_points(transform_points(cam_from_world, points), known.intrinsics[view])
        keep &= (seen - pixels).norm(dim=-1) < max_error_px
    return points[keep], a.pixels_j[of_a][keep].double()


def _rays(
    view: int, pixels: Float[Tensor, "n 2"], known: KnownCameras
) -> tuple[Float[Tensor, "3"], Float[Tensor, "n 3"]]:
    """Centre of a known camera, and in world directions the rays of pixels of its photo, of z-depth 1."""
    pose = known.world_from_cam[view]
    homogeneous = torch.nn.functional.pad(pixels, (0, 1), value=1.0)
    return pose[:3, 3], homogeneous @ known.intrinsics[view].inverse().mT @ pose[:3, :3].mT


def _adjusted(start: _Start, known: KnownCameras, size: int) -> Resection | None:
    count = len(known.intrinsics)
    # Both ways: points slide on rays of known cameras, where depth maps hold them, and on rays of the new one, where
    # several known cameras do.
    found = [part for match in start.matches for part in match.directed()]
    tracks = [match.swapped() for match in start.matches if match.from_i is None]
    is_known = torch.arange(count + 1) < count
    adjusted = adjust(
        found + tracks,
        intrinsics=torch.cat([known.intrinsics, start.estimate.intrinsics[None]]),
        world_from_cam=torch.cat([known.world_from_cam, start.estimate.world_from_cam[None]]),
        depths=[*known.depths, torch.zeros(1, 1, dtype=torch.float64)],
        fixed_poses=is_known,
        fixed_focals=is_known | start.focal_is_known,
        noise_px=_ROUGH * size,
        depth_sigma=_DEPTH_SIGMA,
        focal_sigma=_FOCAL_SIGMA,
    )
    inliers = sum(int(inlier.sum()) for inlier in adjusted.inliers[: len(found)])
    if not bool(adjusted.took_part[-1]) or inliers < _LEAST_INLIERS:
        return None
    return Resection(adjusted.world_from_cam[-1], adjusted.intrinsics[-1], inliers)
