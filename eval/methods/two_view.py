"""The classical two-view baseline: SIFT, ratio test, essential matrix, chained over more photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pointmap.errors import InputError

from ..estimate import Estimate
from ..task import Inputs
from .given_world import given_matrix, in_given_world
from .method import Method
from .options import named

_LEAST = 8
"""Matches of a pair that has an essential matrix."""
_ALL_PAIRS_UP_TO = 30
"""Photos; beyond, every photo meets the next ones alone."""
_NEXT = 5
"""How many of them."""


@dataclass(frozen=True, eq=False)
class _Photo:
    pixels: np.ndarray
    """(n, 2) keypoints in pixels of the photo."""
    looks: np.ndarray | None
    """(n, 128)"""
    intrinsics: np.ndarray
    size: tuple[int, int]


class TwoView(Method):
    """For two photos the classical baseline; more are chained from the first one on, over the maximum spanning tree of
    inliers.

    An essential matrix knows no distances: every step of the chain has length 1, so that beyond two photos positions
    mean little, and directions and rotations are what to look at. Focal lengths are given, or from EXIF, or 1.2 times
    the long side. Photos without enough matches are not registered. No depths.
    """

    gives = frozenset({"poses"})

    def __init__(
        self,
        matcher: Literal["sift", "rootsift"] = "sift",
        features: int = 8000,
        ratio: float = 0.8,
        threshold_px: float = 1.0,
        image_size: int = 1600,
    ) -> None:
        """
        Args:
            matcher: Descriptors as they are, or their square roots (Arandjelovic and Zisserman, CVPR 2012).
            features: At most so many per photo, the strongest.
            ratio: Of the distances to the nearest and the second nearest descriptor (Lowe 2004).
            threshold_px: Of the epipolar distance in pixels of the photos as they are compared.
            image_size: Long side to which larger photos are shrunk.
        """
        if not (features > 0 and 0 < ratio <= 1 and threshold_px > 0 and image_size > 0):
            raise InputError(
                f"two-view: features={features}, ratio={ratio}, threshold_px={threshold_px}, image_size={image_size}: "
                "all must be positive, and the ratio at most 1."
            )
        self._options = {
            "matcher": matcher,
            "features": features,
            "ratio": ratio,
            "threshold_px": threshold_px,
            "image_size": image_size,
        }
        usual = ("sift", 8000, 0.8, 1.0, 1600)
        changed = {
            key: value for (key, value), default in zip(self._options.items(), usual, strict=True) if value != default
        }
        self.name = named("two-view", changed)
        self._rooted, self._features, self._ratio = matcher == "rootsift", features, ratio
        self._threshold_px, self._image_size = threshold_px, image_size

    def settings(self) -> dict[str, Any]:
        """See `Method`."""
        import cv2

        return {**self._options, "opencv": cv2.__version__, "version": 1}

    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """See `Method`."""
        import cv2

        count = len(inputs.photos)
        photos = [self._read(path, given_matrix(inputs.intrinsics, i)) for i, path in enumerate(inputs.photos)]
        found: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
        for i, j in _pairs(count, inputs.kind):
            cv2.setRNGSeed(seed)
            relative = self._relative(photos[i], photos[j])
            if relative is not None:
                found[i, j] = relative
        world_from_cam = np.full((count, 4, 4), np.nan)
        world_from_cam[0] = np.eye(4)
        if inputs.kind == "single":
            world_from_cam[:] = np.eye(4)
        for i, j, j_from_i in _spanning_tree(count, found):
            world_from_cam[j] = world_from_cam[i] @ np.linalg.inv(j_from_i)
        return Estimate(
            in_given_world(world_from_cam, inputs),
            np.stack([photo.intrinsics for photo in photos]),
            sizes=np.array([photo.size for photo in photos]),
            notes={"pairs": len(found), "inliers": [inliers for inliers, _ in found.values()][:1000]},
        )

    def _read(self, path: Path, K: np.ndarray | None) -> _Photo:
        import cv2
        from PIL import Image

        from pointmap.images.exif import focal_px

        with Image.open(path) as image:
            size, focal = image.size, focal_px(image, image.size)
            pixels = np.asarray(image.convert("L"))
        if K is None:
            focal = focal or 1.2 * max(size)
            K = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
        shrink = min(1.0, self._image_size / max(size))
        if shrink < 1:
            small = tuple(max(1, round(side * shrink)) for side in size)
            pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        sift: Any = cv2.SIFT_create(nfeatures=self._features)  # type: ignore[attr-defined]
        keypoints, looks = sift.detectAndCompute(pixels, None)
        scale = np.array(size) / pixels.shape[::-1]
        places = np.array([point.pt for point in keypoints], np.float64).reshape(-1, 2)
        if self._rooted and looks is not None:
            looks = np.sqrt(looks / np.maximum(looks.sum(axis=1, keepdims=True), 1e-12))
        return _Photo((places + 0.5) * scale - 0.5, looks, K, size)

    def _relative(self, first: _Photo, second: _Photo) -> tuple[int, np.ndarray] | None:
        """Number of inliers, and (4, 4) second_from_first with a unit step; None where there are too few matches."""
        import cv2

        if first.looks is None or second.looks is None or min(len(first.looks), len(second.looks)) < 2:
            return None
        candidates = cv2.BFMatcher(cv2.NORM_L2).knnMatch(first.looks, second.looks, k=2)
        kept = [best for best, other in candidates if best.distance < self._ratio * other.distance]
        nearest: dict[int, Any] = {}
        for match in kept:  # a keypoint of the second photo has one partner: the nearest
            if match.trainIdx not in nearest or match.distance < nearest[match.trainIdx].distance:
                nearest[match.trainIdx] = match
        kept = list(nearest.values())
        if len(kept) < _LEAST:
            return None
        rays_first = _normalised(first.pixels[[match.queryIdx for match in kept]], first.intrinsics)
        rays_second = _normalised(second.pixels[[match.trainIdx for match in kept]], second.intrinsics)
        # Normalised coordinates let every photo have a K of its own; the threshold goes the same way.
        focal = np.mean([photo.intrinsics[0, 0] * self._shrunk(photo) for photo in (first, second)])
        essential, inliers = cv2.findEssentialMat(
            rays_first,
            rays_second,
            np.eye(3),
            method=cv2.USAC_MAGSAC,
            prob=0.99999,
            threshold=float(self._threshold_px / focal),
            maxIters=10_000,
        )
        if essential is None or essential.shape != (3, 3):
            return None
        count, rotation, step, _ = cv2.recoverPose(essential, rays_first, rays_second, np.eye(3), mask=inliers)
        if count < _LEAST:
            return None
        second_from_first = np.eye(4)
        second_from_first[:3] = np.hstack([rotation, step])
        return int(count), second_from_first

    def _shrunk(self, photo: _Photo) -> float:
        return min(1.0, self._image_size / max(photo.size))


def _normalised(pixels: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(n, 2) rays of unit z."""
    return (np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(K).T)[:, :2]


def _pairs(count: int, kind: str) -> Iterator[tuple[int, int]]:
    if kind == "single":
        return iter(())
    if kind == "views" and count <= _ALL_PAIRS_UP_TO:
        return combinations(range(count), 2)
    return ((i, j) for i in range(count) for j in range(i + 1, min(i + 1 + _NEXT, count)))


def _spanning_tree(
    count: int, found: dict[tuple[int, int], tuple[int, np.ndarray]]
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Steps (i, j, j_from_i) from photo 0 on, each the one with most inliers among those to a new photo (Prim 1957)."""
    both = found | {(j, i): (inliers, np.linalg.inv(j_from_i)) for (i, j), (inliers, j_from_i) in found.items()}
    reached = {0} if count else set()
    while True:
        ahead = [(inliers, -i, -j) for (i, j), (inliers, _) in both.items() if i in reached and j not in reached]
        if not ahead:
            return
        _, i, j = max(ahead)
        reached.add(-j)
        yield -i, -j, both[-i, -j][1]
