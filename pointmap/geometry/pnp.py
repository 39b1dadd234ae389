"""Where a camera was, from the pixels at which known points appear (perspective-n-point)."""

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pointmap.geometry.cameras import pinhole
from pointmap.geometry.focal import default_focal
from pointmap.geometry.transforms import invert_rigid, rigid
from pointmap.shapes import Bool, Float

if TYPE_CHECKING:
    import numpy as np

_MIN_POINTS = 6
"""Fewer agree with some camera by chance too easily."""

_MAX_POINTS = 5000
"""More do not make the sampling better. The last fit of the pose uses all."""

_FOCAL_RANGE = (0.5, 3.5)
"""Times the focal length of 60 degrees: 98 to 19 degrees of view along the longer side."""

_FOCAL_CANDIDATES = 21
"""Steps of about 10 % over the range that is searched: near enough for 5 px and for the refinement."""


@dataclass(frozen=True)
class PoseEstimate:
    """A camera fitted to points and pixels, on the device and in the dtype of the points."""

    world_from_cam: Float[Tensor, "4 4"]
    """Rigid pose."""

    intrinsics: Float[Tensor, "3 3"]
    """Pinhole K in pixels: as given, or with the focal length that was found."""

    inliers: Bool[Tensor, "n"]
    """True where the point is in front of the camera and projects near its pixel."""


def estimate_pose(
    points_world: Float[Tensor, "n 3"],
    pixels: Float[Tensor, "n 2"],
    intrinsics: Float[Tensor, "3 3"],
    *,
    max_error_px: float = 5.0,
    iterations: int = 100,
) -> PoseEstimate | None:
    """Pose of a camera with known intrinsics: SQPnP (Terzakis and Lourakis, ECCV 2020) in RANSAC.

    The last fit, to all inliers, is of the distances in space between points and viewing rays, where predicted
    points have their errors.

    Args:
        points_world: In any scale; rows that are not finite are left out.
        pixels: (u, v) where each point appears.
        intrinsics: Pinhole K without distortion.
        max_error_px: Reprojection error up to which a point is an inlier.
        iterations: Of RANSAC, at most. The draw is the same in every call.

    Returns:
        None if fewer than 6 points agree on a camera.
    """
    import cv2
    import numpy as np

    points, observed, matrix = (_as_array(tensor) for tensor in (points_world, pixels, intrinsics))
    points, scale = _normalized(points)
    motion = _ransac(*_usable(points, observed), matrix, max_error_px, iterations)
    if motion is None:
        return None
    inliers = _errors(points, observed, matrix, motion) <= max_error_px
    if inliers.sum() >= _MIN_POINTS:
        with suppress(cv2.error):
            _, rotation, translation = cv2.solvePnP(
                points[inliers], observed[inliers], matrix, None, flags=cv2.SOLVEPNP_SQPNP
            )
            motion = np.concatenate([rotation.ravel(), translation.ravel()])
        inliers = _errors(points, observed, matrix, motion) <= max_error_px
    if inliers.sum() < _MIN_POINTS:
        return None
    cam_from_world = rigid(torch.from_numpy(cv2.Rodrigues(motion[:3])[0]), torch.from_numpy(scale * motion[3:]))
    return PoseEstimate(
        invert_rigid(cam_from_world).to(points_world),
        intrinsics.to(points_world),
        torch.from_numpy(inliers).to(points_world.device),
    )


def estimate_pose_and_focal(
    points_world: Float[Tensor, "n 3"],
    pixels: Float[Tensor, "n 2"],
    image_size: tuple[int, int],
    *,
    centre: Float[Tensor, "2"] | None = None,
    max_error_px: float = 5.0,
    iterations: int = 10,
) -> PoseEstimate | None:
    """Pose and focal length of a camera with square pixels.

    Tries focal lengths over the whole range of ordinary lenses, keeps the one whose pose explains the pixels best, and
    refines both. Points in a plane that faces the camera leave the focal length open: it is then not reliable.

    Args:
        points_world: In any scale; rows that are not finite are left out.
        pixels: (u, v) where each point appears.
        image_size: Width and height in pixels.
        centre: Principal point (u, v); default the middle, ((W-1)/2, (H-1)/2).
        max_error_px: Reprojection error up to which a point is an inlier.
        iterations: Of RANSAC for each focal length tried, at most.

    Returns:
        None if fewer than 6 points agree on a camera.
    """
    width, height = image_size
    if centre is None:
        centre = points_world.new_tensor([(width - 1) / 2, (height - 1) / 2])
    usual = pinhole(points_world.new_tensor(default_focal(height, width)), centre.to(points_world))
    points, _ = _normalized(_as_array(points_world))
    focal_factor = _find_focal(points, _as_array(pixels), _as_array(usual), max_error_px, iterations)
    if focal_factor is None:
        return None
    matrix = usual * usual.new_tensor([[focal_factor, 1, 1], [1, focal_factor, 1], [1, 1, 1]])
    return estimate_pose(points_world, pixels, matrix, max_error_px=max_error_px)


def _find_focal(
    points: "np.ndarray", observed: "np.ndarray", matrix: "np.ndarray", max_error_px: float, iterations: int
) -> float | None:
    """Factor on the focal length of `matrix` with which a pose explains the pixels best."""
    import numpy as np

    points, observed = _usable(points, observed)
    best_cost, best = math.inf, None
    for factor in np.geomspace(*_FOCAL_RANGE, _FOCAL_CANDIDATES):
        motion = _ransac(points, observed, _with_focal(matrix, factor), max_error_px, iterations)
        if motion is None:
            continue
        cost = _errors(points, observed, _with_focal(matrix, factor), motion).clip(max=max_error_px).mean()
        if cost < best_cost:
            best_cost, best = cost, (motion, factor)
    return None if best is None else _refine_focal(points, observed, matrix, *best, max_error_px)


def _as_array(tensor: Float[Tensor, "..."]) -> "np.ndarray":
    return tensor.detach().cpu().double().numpy()


def _normalized(points: "np.ndarray") -> "tuple[np.ndarray, float]":
    """Points divided by their usual distance from the origin, and that distance: OpenCV's thresholds are absolute."""
    import numpy as np

    distances = np.abs(points).max(axis=1)
    distances = distances[np.isfinite(distances) & (distances > 0)]
    scale = float(np.median(distances)) if len(distances) else 1.0
    return points / scale, scale


def _usable(points: "np.ndarray", observed: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Finite rows, thinned out evenly where there are too many."""
    import numpy as np

    rows = np.flatnonzero(np.isfinite(points).all(axis=1) & np.isfinite(observed).all(axis=1))
    rows = rows[:: max(1, math.ceil(len(rows) / _MAX_POINTS))]
    return points[rows], observed[rows]


def _ransac(
    points: "np.ndarray", observed: "np.ndarray", matrix: "np.ndarray", max_error_px: float, iterations: int
) -> "np.ndarray | None":
    """Rotation vector and translation of cam_from_world, (6,); None where too few points agree."""
    import cv2
    import numpy as np

    if len(points) < _MIN_POINTS:
        return None
    try:
        found, rotation, translation, inliers = cv2.solvePnPRansac(
            points,
            observed,
            matrix,
            None,
            iterationsCount=iterations,
            reprojectionError=max_error_px,
            confidence=0.9999,
            flags=cv2.SOLVEPNP_SQPNP,
        )
    except cv2.error:  # SQPnP refuses points or pixels that lie in one place
        return None
    if not found or inliers is None or len(inliers) < _MIN_POINTS:
        return None
    motion = np.concatenate([rotation.ravel(), translation.ravel()])
    return motion if np.isfinite(motion).all() else None


def _refine_focal(
    points: "np.ndarray",
    observed: "np.ndarray",
    matrix: "np.ndarray",
    motion: "np.ndarray",
    factor: float,
    max_error_px: float,
) -> float:
    """The factor on the focal length after minimising the robust reprojection error of the inliers, pose included."""
    import cv2
    import numpy as np
    from scipy.optimize import least_squares

    near = _errors(points, observed, _with_focal(matrix, factor), motion) <= max_error_px
    if near.sum() < _MIN_POINTS:
        return factor
    points, observed = points[near], observed[near]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        projected, _ = cv2.projectPoints(points, parameters[:3], parameters[3:6], at(parameters), None)
        return (projected[:, 0] - observed).ravel()

    def jacobian(parameters: np.ndarray) -> np.ndarray:
        _, by_all = cv2.projectPoints(points, parameters[:3], parameters[3:6], at(parameters), None)
        by_log_focal = by_all[:, 6:8] @ at(parameters).diagonal()[:2, None]
        return np.concatenate([by_all[:, :6], by_log_focal], axis=1)

    def at(parameters: np.ndarray) -> np.ndarray:
        return _with_focal(matrix, math.exp(parameters[6]))

    limits = np.full((2, 7), [[-np.inf], [np.inf]])
    limits[:, 6] = np.log(_FOCAL_RANGE) + np.array([-0.1, 0.1])
    start = np.append(motion, math.log(factor))
    solution = least_squares(residuals, start, jac=jacobian, bounds=limits, x_scale="jac", loss="soft_l1", max_nfev=30)
    return math.exp(solution.x[6])


def _errors(points: "np.ndarray", observed: "np.ndarray", matrix: "np.ndarray", motion: "np.ndarray") -> "np.ndarray":
    """Reprojection error in pixels, (n,); infinite behind the camera."""
    import cv2
    import numpy as np

    points_cam = points @ cv2.Rodrigues(motion[:3])[0].T + motion[3:]
    in_front = points_cam[:, 2] > 0
    homogeneous = points_cam @ matrix.T
    projected = homogeneous[:, :2] / np.where(in_front, homogeneous[:, 2], 1)[:, None]
    return np.where(in_front, np.linalg.norm(projected - observed, axis=1), np.inf)


def _with_focal(matrix: "np.ndarray", factor: float) -> "np.ndarray":
    scaled = matrix.copy()
    scaled[0, 0] *= factor
    scaled[1, 1] *= factor
    return scaled
