"""SuperPoint keypoints, matched by SuperGlue or LightGlue: the networks of transformers, each photo looked at once.

SuperPoint: DeTone et al. 2018; SuperGlue: Sarlin et al. 2020; LightGlue: Lindenberger et al. 2023.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pointmap.match.protocol import Matches
from pointmap.match.shrinking import enlarge_pixels, shrink
from pointmap.shapes import Float, UInt8

_LEAST_SIDE = 8
"""SuperPoint looks at cells of 8 x 8 pixels."""
_LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as the networks were trained with."""


@dataclass(frozen=True)
class LearntKeypoints:
    """What the matching network needs of one image, the surest keypoints first."""

    pixels: Float[Tensor, "n 2"]
    """(x, y) in the image as it was given, on the CPU."""
    places: Float[Tensor, "n 2"]
    """About the middle of the image, which is (0.5, 0.5), in units of its long side."""
    strengths: Float[Tensor, "n"]
    looks: Float[Tensor, "n d"]


class GlueMatcher:
    """Keypoints and matches of one network of transformers."""

    def __init__(self, model: nn.Module, *, image_size: int = 1024, most_keypoints: int = 2048) -> None:
        """Take over a loaded network.

        Args:
            model: `SuperGlueForKeypointMatching` or `LightGlueForKeypointMatching`; its `keypoint_detector` is
                replaced, so that it can be asked about keypoints that were found before.
            image_size: Larger images are shrunk to this long side first.
            most_keypoints: The surest ones that are kept of an image; the time of a pair grows with their square.
        """
        self.image_size, self.most_keypoints = image_size, most_keypoints
        self.detector = model.get_submodule("keypoint_detector").eval()
        self._given = _GivenKeypoints()
        model.keypoint_detector = self._given
        self.model = model.eval()

    @torch.no_grad()
    def describe(self, image: UInt8[np.ndarray, "h w 3"]) -> LearntKeypoints | None:
        """Keypoints of an image; None if it has none."""
        smaller, scale = shrink(image, self.image_size)
        height, width = smaller.shape[:2]
        if min(height, width) < _LEAST_SIDE:
            return None
        parameter = next(self.detector.parameters())
        pixels = torch.from_numpy(np.ascontiguousarray(smaller)).to(parameter.device).float() / 255
        grey = (pixels @ pixels.new_tensor(_LUMA)).to(parameter.dtype)
        found = self.detector(grey.expand(1, 3, height, width))
        strengths, order = found.scores[0].sort(descending=True, stable=True)
        strengths, order = strengths[: self.most_keypoints], order[: self.most_keypoints]
        if not len(order):
            return None
        size = torch.tensor([width, height], device=pixels.device)
        at = found.keypoints[0, order].float() * size
        places = (at - size / 2) / size.max() + 0.5
        return LearntKeypoints(enlarge_pixels(at.cpu(), scale), places, strengths, found.descriptors[0, order])

    @torch.no_grad()
    def match(self, described_i: LearntKeypoints | None, described_j: LearntKeypoints | None) -> Matches:
        """Keypoints of two images that the network takes for the same."""
        if described_i is None or described_j is None:
            return Matches.none()
        pair = (described_i, described_j)
        counts = [len(keypoints.strengths) for keypoints in pair]
        padded = [
            nn.utils.rnn.pad_sequence(parts, batch_first=True)
            for parts in (
                [keypoints.places for keypoints in pair],
                [keypoints.strengths for keypoints in pair],
                [keypoints.looks for keypoints in pair],
                [torch.ones_like(keypoints.strengths, dtype=torch.int) for keypoints in pair],
            )
        ]
        self._given.keypoints = tuple(padded)
        # The network normalises places by the size of the image that it is given: of one pixel, that changes nothing
        # but what `describe` has left to do, and two photos may differ in size and shape.
        found = self.model(torch.zeros(1, 2, 3, 1, 1, device=described_i.places.device, dtype=padded[2].dtype))
        there, scores = found.matches[0, 0, : counts[0]].long().cpu(), found.matching_scores[0, 0, : counts[0]]
        matched = (there >= 0) & (there < counts[1])
        return Matches(
            described_i.pixels[matched],
            described_j.pixels[there[matched]],
            scores.float().cpu()[matched].clamp(0, 1),
        )


class _GivenKeypoints(nn.Module):
    """Stands where the detector was, and answers with the keypoints of the pair to be matched."""

    def __init__(self) -> None:
        super().__init__()
        self.keypoints: tuple[Any, ...] = ()

    def forward(self, pixel_values: Tensor) -> tuple[Any, ...]:
        return self.keypoints
