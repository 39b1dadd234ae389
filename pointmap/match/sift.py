"""SIFT keypoints as a matcher: needs no weights, and turned photos do not disturb it."""

from dataclasses import dataclass

import numpy as np

from pointmap.match.keypoints import KEYPOINT_SIZE, Keypoints, find_keypoints, nearest_keypoints
from pointmap.match.protocol import Matches
from pointmap.match.shrinking import enlarge_pixels, shrink
from pointmap.shapes import UInt8


@dataclass(frozen=True)
class SiftMatcher:
    """Keypoints (Lowe 2004) that look most alike in both directions and pass the ratio test.

    A score is 1 minus the ratio of the squared distances to the best and to the second best.
    """

    image_size: int = KEYPOINT_SIZE
    """Larger images are shrunk to this long side first."""

    def describe(self, image: UInt8[np.ndarray, "h w 3"]) -> Keypoints:
        """The keypoints of an image, in its pixels."""
        smaller, scale = shrink(image, self.image_size)
        found = find_keypoints(smaller)
        return Keypoints(enlarge_pixels(found.pixels, scale), found.looks)

    def match(self, described_i: Keypoints, described_j: Keypoints) -> Matches:
        """Keypoints of two images that find each other."""
        index_i, index_j, scores = nearest_keypoints(described_i, described_j)
        return Matches(described_i.pixels[index_i], described_j.pixels[index_j], scores)
