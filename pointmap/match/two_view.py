"""What matches say of two cameras: relative pose by a robust essential matrix, and how well it is supported."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from pointmap.geometry.matching import PairMatches
from pointmap.shapes import Bool, Float

_LEAST_MATCHES = 12


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
    """z-depth of every match in the camera of i, in units of the distance between the cameras; NaN where no inlier."""
    depths_j: Float[np.ndarray, "n"]

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
) -> TwoView | None:
    """Relative pose by MAGSAC++ (Barath et al. 2020) on the five-point essential matrix (Nister 2004).

    Args:
        intrinsics_i, intrinsics_j: Pinhole K in the pixels of the matches.
        max_error_px: Matches further from their epipolar line are outliers.

    Returns:
        None where too few matches agree on any pose.
    """
    import cv2

    if len(matches.weights) < _LEAST_MATCHES:
        return None
    rays_i, rays_j = (
        _normalised(pixels, K) for pixels, K in ((matches.pixels_i, intrinsics_i), (matches.pixels_j, intrinsics_j))
    )
    threshold = max_error_px / float(np.sqrt(intrinsics_i[0, 0] * intrinsics_j[0, 0]))
    cv2.setRNGSeed(0)
    essential, mask = cv2.findEssentialMat(
        rays_i, rays_j, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999, threshold=threshold
    )
    if essential is None or essential.shape != (3, 3):
        return None
    _, rotation, direction, mask = cv2.recoverPose(essential, rays_i, rays_j, np.eye(3), mask=mask)
    inliers = mask[:, 0] > 0
    if inliers.sum() < _LEAST_MATCHES:
        return None
    depths_i, depths_j, parallax = _triangulate(rays_i, rays_j, rotation, direction[:, 0])
    unknown = ~inliers
    depths_i[unknown] = depths_j[unknown] = np.nan
    return TwoView(rotation, direction[:, 0], inliers, float(np.median(parallax[inliers])), depths_i, depths_j)


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
