"""What matches say of two cameras: relative pose by a robust essential matrix, and how well it is supported."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from pointmap.geometry.matching import PairMatches
from pointmap.match.chance import chance
from pointmap.match.refinement import refine_motion, robust_loss, sampson
from pointmap.match.verification import Method, Search, check_method, essential
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
    thorough: bool = False,
) -> TwoView | None:
    """Relative pose by a robust essential matrix.

    Args:
        intrinsics_i, intrinsics_j: Pinhole K in the pixels of the matches.
        max_error_px: Matches further from their epipolar line are outliers.
        method: Of the search: 'opencv' (MAGSAC++, Barath et al. 2020) or 'poselib' (extra `colmap`), which finds
            better poses where few matches are right, and refines them.
        thorough: Search twice with OpenCV, and refine: nearly poselib's poses, in five times the time.

    Returns:
        None where too few matches agree on any pose.
    """
    check_method(method)
    if len(matches.weights) < _LEAST_MATCHES:
        return None
    rays_i, rays_j = (
        _normalised(pixels, K) for pixels, K in ((matches.pixels_i, intrinsics_i), (matches.pixels_j, intrinsics_j))
    )
    seen = _Seen(rays_i, rays_j, max_error_px / float(np.sqrt(intrinsics_i[0, 0] * intrinsics_j[0, 0])))
    both: tuple[Search, ...] = ("magsac", "ransac")
    searches = ("poselib",) if method == "poselib" else both[: 1 + thorough]
    found = [pose for search in searches if (pose := seen.search(search)) is not None]
    if thorough:
        found += [seen.refined(pose) for pose in found]
    best = max(found, key=seen.support, default=None)
    if best is None or best.inliers.sum() < _LEAST_MATCHES:
        return None
    return replace(best, chance=chance(matches, max_error_px))


@dataclass(frozen=True)
class _Seen:
    """Matches on the plane z = 1 of both cameras, and how far they may lie from their epipolar lines there."""

    rays_i: Float[np.ndarray, "n 2"]
    rays_j: Float[np.ndarray, "n 2"]
    threshold: float

    def search(self, search: Search) -> TwoView | None:
        """The pose that most matches agree with and lie in front of."""
        found = essential(self.rays_i, self.rays_j, self.threshold, search)
        if found is None:
            return None
        poses = [self.pose(*motion, found.inliers) for motion in found.poses]
        if max(int(pose.inliers.sum()) for pose in poses) < _MOST * found.inliers.sum():
            poses += [self.pose(*motion) for motion in _plane_motions(self.rays_i, self.rays_j, self.threshold)]
        return max(poses, key=lambda pose: int(pose.inliers.sum()))

    def refined(self, pose: TwoView) -> TwoView:
        """The pose at the nearest minimum of the matches' distances."""
        return self.pose(*refine_motion(self.rays_i, self.rays_j, pose.rotation, pose.direction, self.threshold))

    def pose(self, rotation: np.ndarray, direction: np.ndarray, agreeing: np.ndarray | None = None) -> TwoView:
        """A pose with those of the matches that agree with it whose points both cameras can see."""
        if agreeing is None:
            agreeing = np.abs(sampson(self.rays_i, self.rays_j, rotation, direction)) < self.threshold
        depths_i, depths_j, angle = _triangulate(self.rays_i, self.rays_j, rotation, direction)
        in_front = (depths_i > 0) & (depths_j > 0)
        # Where rays are parallel but for noise, the sign of the depth is noise too: such points are far in front.
        inliers = agreeing & (in_front | (angle < np.degrees(self.threshold)))
        depths_i[~(inliers & in_front)] = depths_j[~(inliers & in_front)] = np.nan
        parallax = float(np.median(angle[inliers])) if inliers.any() else 0.0
        return TwoView(rotation, direction, inliers, parallax, depths_i, depths_j)

    def support(self, pose: TwoView) -> float:
        """How much speaks for a pose: many inliers, and near ones more than those that just count."""
        errors = sampson(self.rays_i, self.rays_j, pose.rotation, pose.direction)[pose.inliers]
        most = robust_loss(np.array(self.threshold), self.threshold)
        return float((most - robust_loss(errors, self.threshold)).sum())


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
