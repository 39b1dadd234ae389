"""What matches say of two cameras: relative pose by a robust essential matrix, and how well it is supported."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from pointmap.geometry.matching import PairMatches
from pointmap.match.chance import chance
from pointmap.match.verification import Method, essential
from pointmap.shapes import Bool, Float

_LEAST_MATCHES = 12
_MOST = 0.9
"""Of the matches that agree on an essential matrix, so many should lie in front of both cameras."""


@dataclass(frozen=True)
class TwoView:
    """Relative pose of two views, as far as matches tell."""

    rotation: Float[np.ndarray, "3 3"]
    """j_from_i."""
    direction: Float[np.ndarray, "3"]
    """Of the translation of j_from_i; its length is unknown."""
    inliers: Bool[np.ndarray, "n"]
    """Matches that agree, and whose points lie in front of both cameras."""
    parallax_deg: float
    """Median angle at which inliers see the two cameras: small ones do not tell the direction."""
    depths_i: Float[np.ndarray, "n"]
    """z-depth of every match in the camera of i, in units of the distance between the cameras; NaN where unknown."""
    depths_j: Float[np.ndarray, "n"]
    chance: float = 0.0
    """Share of inliers that as many wrong matches would reach."""

    def swapped(self) -> "TwoView":
        """The same with i and j exchanged."""
        return replace(
            self,
            rotation=self.rotation.T,
            direction=-self.rotation.T @ self.direction,
            depths_i=self.depths_j,
            depths_j=self.depths_i,
        )


def verify(
    matches: PairMatches,
    intrinsics_i: Float[np.ndarray, "3 3"],
    intrinsics_j: Float[np.ndarray, "3 3"],
    *,
    max_error_px: float = 1.5,
    method: Method = "opencv",
) -> TwoView | None:
    """Relative pose by a robust essential matrix.

    Args:
        intrinsics_i, intrinsics_j: Pinhole K in the pixels of the matches.
        max_error_px: Matches further from their epipolar line are outliers.
        method: 'opencv' (MAGSAC++) or 'poselib' (extra `colmap`), see `pointmap.match.verification`.

    Returns:
        None where too few matches agree on any pose.
    """
    if len(matches.weights) < _LEAST_MATCHES:
        return None
    rays_i, rays_j = (
        _normalised(pixels, K) for pixels, K in ((matches.pixels_i, intrinsics_i), (matches.pixels_j, intrinsics_j))
    )
    threshold = max_error_px / float(np.sqrt(intrinsics_i[0, 0] * intrinsics_j[0, 0]))
    found = essential(rays_i, rays_j, threshold, method)
    if found is None:
        return None
    agreeing, least_deg = found.inliers, float(np.degrees(threshold))
    best = max(
        (_in_front(rays_i, rays_j, *pose, agreeing, least_deg) for pose in found.poses),
        key=lambda pose: int(pose.inliers.sum()),
    )
    if best.inliers.sum() < _MOST * agreeing.sum():
        for motion in _plane_motions(rays_i, rays_j, threshold):
            agreeing = _epipolar_errors(rays_i, rays_j, *motion) < threshold
            pose = _in_front(rays_i, rays_j, *motion, agreeing, least_deg)
            best = pose if pose.inliers.sum() > best.inliers.sum() else best
    if best.inliers.sum() < _LEAST_MATCHES:
        return None
    return replace(best, chance=chance(matches, max_error_px))


def _in_front(
    rays_i: np.ndarray,
    rays_j: np.ndarray,
    rotation: np.ndarray,
    direction: np.ndarray,
    agreeing: np.ndarray,
    least_deg: float,
) -> TwoView:
    """A pose with those of the matches that agree with it whose points both cameras can see."""
    depths_i, depths_j, angle = _triangulate(rays_i, rays_j, rotation, direction)
    in_front = (depths_i > 0) & (depths_j > 0)
    # Where rays are parallel but for noise, the sign of the depth is noise too: such points are far in front.
    inliers = agreeing & (in_front | (angle < least_deg))
    depths_i[~(inliers & in_front)] = depths_j[~(inliers & in_front)] = np.nan
    parallax = float(np.median(angle[inliers])) if inliers.any() else 0.0
    return TwoView(rotation, direction, inliers, parallax, depths_i, depths_j)


def _plane_motions(rays_i: np.ndarray, rays_j: np.ndarray, threshold: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotations and directions by which matches of points on one plane can have come about.

    The five-point algorithm finds two essential matrices for a plane, on which all matches agree; with the wrong one
    part of the plane may lie behind the cameras. The plane's homography gives both (Malis & Vargas 2007).
    """
    import cv2

    scale = 1 / threshold  # OpenCV takes points for degenerate that are near each other in pixels
    homography, _ = cv2.findHomography(scale * rays_i, scale * rays_j, cv2.USAC_MAGSAC, 1.0, confidence=0.9999)
    if homography is None:
        return []
    _, rotations, translations, _ = cv2.decomposeHomographyMat(homography, np.diag([scale, scale, 1]))
    lengths = [float(np.linalg.norm(translation)) for translation in translations]
    return [(R, t[:, 0] / length) for R, t, length in zip(rotations, translations, lengths, strict=True) if length > 0]


def _epipolar_errors(rays_i: np.ndarray, rays_j: np.ndarray, rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Sampson distance of every match, on the plane z = 1."""
    ones = np.ones((len(rays_i), 1))
    a, b = np.concatenate([rays_i, ones], axis=1), np.concatenate([rays_j, ones], axis=1)
    lines_j = np.cross(direction, a @ rotation.T)
    lines_i = np.cross(b, direction) @ rotation
    gradient = (lines_j[:, :2] ** 2).sum(1) + (lines_i[:, :2] ** 2).sum(1)
    return np.abs((b * lines_j).sum(1)) / np.sqrt(np.maximum(gradient, 1e-18))


def _normalised(pixels: Float[Tensor, "n 2"], K: np.ndarray) -> np.ndarray:
    """Pixels on the plane z = 1."""
    homogeneous = np.concatenate([pixels.cpu().double().numpy(), np.ones((len(pixels), 1))], axis=1)
    return np.ascontiguousarray((homogeneous @ np.linalg.inv(np.asarray(K, float)).T)[:, :2])


def _triangulate(
    rays_i: np.ndarray, rays_j: np.ndarray, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z-depths in both cameras of the points nearest to both rays, and the angle between the rays in degrees."""
    ones = np.ones((len(rays_i), 1))
    a = np.concatenate([rays_i, ones], axis=1) @ rotation.T  # rays of i in the frame of j
    b = np.concatenate([rays_j, ones], axis=1)
    # Least squares of z_i a - z_j b = -t.
    aa, bb, ab = (a * a).sum(1), (b * b).sum(1), (a * b).sum(1)
    at, bt = a @ translation, b @ translation
    determinant = np.maximum(aa * bb - ab * ab, 1e-12)
    z_i = (ab * bt - bb * at) / determinant
    z_j = (aa * bt - ab * at) / determinant
    cosine = ab / np.sqrt(aa * bb)
    return z_i, z_j, np.degrees(np.arccos(np.clip(cosine, -1, 1)))
