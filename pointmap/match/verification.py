"""Geometry that matches agree on, wrong ones among them: essential and fundamental matrices, and homographies.

By OpenCV's MAGSAC++ (Barath et al. 2020), or by poselib's locally optimised RANSAC (extra `colmap`).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pointmap.errors import InputError
from pointmap.extras import require
from pointmap.geometry.matching import PairMatches
from pointmap.shapes import Bool, Float

Method = Literal["opencv", "poselib"]
Search = Literal["magsac", "ransac", "poselib"]
_CONFIDENCE = 0.9999
_ITERATIONS = 2000
_FUNDAMENTAL_SAMPLE, _HOMOGRAPHY_SAMPLE = 7, 4


@dataclass(frozen=True)
class Relation:
    """A matrix that relates places of two views, and the matches that it holds for."""

    matrix: Float[np.ndarray, "3 3"]
    """Fundamental: x_j^T F x_i = 0. Homography: x_j ~ H x_i."""
    inliers: Bool[np.ndarray, "n"]


@dataclass(frozen=True)
class Motions:
    """Relative poses that one essential matrix stands for, and the matches on it."""

    poses: list[tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]]
    """Rotation j_from_i, and direction of the translation, a unit vector."""
    inliers: Bool[np.ndarray, "n"]


def fundamental(matches: PairMatches, *, max_error_px: float = 1.5, method: Method = "opencv") -> Relation | None:
    """The epipolar geometry of most matches; for cameras that are not known.

    Args:
        max_error_px: Matches further from their epipolar line (Sampson distance) are outliers.
        method: 'opencv' or 'poselib'.

    Returns:
        None where no more than seven matches agree, for which there is always one.
    """
    check_method(method)
    if len(matches.weights) <= _FUNDAMENTAL_SAMPLE:
        return None
    ends, to_scaled = _scaled(matches, max_error_px)
    if method == "poselib":
        matrix, found = _poselib().estimate_fundamental(*ends, _RANSAC, _REFINEMENT)
        mask = np.array(found["inliers"], bool)
    else:
        import cv2

        matrix, mask = cv2.findFundamentalMat(*ends, cv2.USAC_MAGSAC, 1.0, _CONFIDENCE, _ITERATIONS)
    return _relation(matrix, mask, to_scaled, to_scaled, _FUNDAMENTAL_SAMPLE)


def homography(matches: PairMatches, *, max_error_px: float = 1.5, method: Method = "opencv") -> Relation | None:
    """The homography of most matches: of points on one plane, or of a camera that only turns.

    Args:
        max_error_px: Matches that come to lie further from their place in j are outliers.
        method: 'opencv' or 'poselib'.

    Returns:
        None where no more than four matches agree, for which there is always one.
    """
    check_method(method)
    if len(matches.weights) <= _HOMOGRAPHY_SAMPLE:
        return None
    ends, to_scaled = _scaled(matches, max_error_px)
    if method == "poselib":
        matrix, found = _poselib().estimate_homography(*ends, _RANSAC, _REFINEMENT)
        mask = np.array(found["inliers"], bool)
    else:
        import cv2

        matrix, mask = cv2.findHomography(*ends, cv2.USAC_MAGSAC, 1.0, None, _ITERATIONS, _CONFIDENCE)
    return _relation(matrix, mask, to_scaled, np.linalg.inv(to_scaled), _HOMOGRAPHY_SAMPLE)


def essential(
    rays_i: Float[np.ndarray, "n 2"], rays_j: Float[np.ndarray, "n 2"], threshold: float, search: Search = "magsac"
) -> Motions | None:
    """Relative poses on which most matches agree, by the five-point algorithm (Nister 2004).

    Args:
        rays_i, rays_j: Matches on the plane z = 1 of both cameras; at least five.
        threshold: Sampson distance on that plane above which a match is an outlier.
        search: 'magsac' or 'ransac' of OpenCV: four poses, of which one has the points in front. 'poselib': this one
            alone.
    """
    if search == "poselib":
        focal = 1 / threshold
        camera = {"model": "PINHOLE", "width": 0, "height": 0, "params": [focal, focal, 0.0, 0.0]}
        pose, found = _poselib().estimate_relative_pose(
            focal * rays_i, focal * rays_j, camera, camera, _RANSAC, _REFINEMENT
        )
        rotation, shift = np.array(pose.R), np.array(pose.t)
        length = float(np.linalg.norm(shift))
        if not np.isfinite(rotation).all() or not length > 0:
            return None
        return Motions([(rotation, shift / length)], np.array(found["inliers"], bool))
    import cv2

    matrix, mask = cv2.findEssentialMat(
        rays_i,
        rays_j,
        np.eye(3),
        method=cv2.USAC_MAGSAC if search == "magsac" else cv2.RANSAC,
        prob=_CONFIDENCE,
        threshold=threshold,
    )
    if matrix is None or matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return None
    turn_a, turn_b, shift = cv2.decomposeEssentialMat(matrix)
    poses = [(rotation, direction) for rotation in (turn_a, turn_b) for direction in (shift[:, 0], -shift[:, 0])]
    return Motions(poses, mask[:, 0] > 0)


_RANSAC = {
    "max_epipolar_error": 1.0,
    "max_reproj_error": 1.0,
    "success_prob": _CONFIDENCE,
    "max_iterations": 10_000,
    "min_iterations": 100,
    "seed": 0,
}
_REFINEMENT = {"loss_type": "TRUNCATED_CAUCHY", "loss_scale": 0.5}


def _poselib() -> Any:
    return require("poselib", extra="colmap", purpose="Verification by 'poselib'")


def check_method(method: str) -> None:
    """Raise an InputError that lists the choices."""
    if method not in ("opencv", "poselib"):
        raise InputError(f"Unknown method of verification {method!r}. Choose 'opencv' or 'poselib'.")


def _scaled(matches: PairMatches, max_error_px: float) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Matches in units of the error that they may have, and the 3x3 to these from pixels.

    OpenCV takes points for degenerate that are near each other in pixels.
    """
    scale = 1 / max_error_px
    ends_i, ends_j = (scale * pixels.cpu().double().numpy() for pixels in (matches.pixels_i, matches.pixels_j))
    return (ends_i, ends_j), np.diag([scale, scale, 1.0])


def _relation(
    matrix: np.ndarray | None, mask: np.ndarray, to_scaled: np.ndarray, back: np.ndarray, sample: int
) -> Relation | None:
    if matrix is None or matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return None
    inliers = mask.reshape(-1) > 0
    return Relation(back @ matrix @ to_scaled, inliers) if inliers.sum() > sample else None
