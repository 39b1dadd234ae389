"""What every matcher offers: it looks at each photo once, and then says which places two of them share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pointmap.geometry.matching import PairMatches
from pointmap.match.keypoints import map_pixels
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.shapes import Float, UInt8


@dataclass(frozen=True)
class Matches:
    """Places of two images that show the same; (0, 0) is the centre of the first pixel. On the CPU."""

    pixels_i: Float[Tensor, "n 2"]
    """(x, y) in image i."""
    pixels_j: Float[Tensor, "n 2"]
    """(x, y) in image j."""
    scores: Float[Tensor, "n"]
    """How sure each is, in [0, 1]; comparable between matches of one matcher only."""

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def none() -> "Matches":
        """Of images that share nothing."""
        return Matches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))

    def between(self, view_i: int, view_j: int) -> PairMatches:
        """The same, said of two photos of a set."""
        return PairMatches(view_i, view_j, self.pixels_i, self.pixels_j, self.scores)


class Matcher(Protocol):
    """Finds matches. Images may have any size, and matches are in pixels of the images as they were given."""

    def describe(self, image: UInt8[np.ndarray, "h w 3"]) -> Any:
        """What matching needs of one RGB image; once per photo, however many pairs it is part of."""

    def match(self, described_i: Any, described_j: Any) -> Matches:
        """Matches of two images, from what `describe` gave for each."""


def match_photos(
    matcher: Matcher,
    views: Sequence[View],
    pairs: Sequence[tuple[int, int]],
    *,
    large_views: Iterable[View] | None = None,
    progress: ProgressCallback | None = None,
) -> list[PairMatches]:
    """Match pairs of photos; each photo is described once.

    Args:
        pairs: Indices; the order of the two does not matter, and no photo meets itself.
        large_views: The same photos in the size to match in, each asked for once; default `views`.
        progress: Called with ("match", done, total), photos first, then pairs.

    Returns:
        One entry per unordered pair, in order, in pixels of `views`; the scores are the weights.
    """
    unordered = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    seen = {view for pair in unordered for view in pair}
    total = len(seen) + len(unordered)
    described: dict[int, Any] = {}
    view_from_large: dict[int, np.ndarray] = {}
    found: list[PairMatches] = []
    for index, (view, large) in enumerate(zip(views, views if large_views is None else large_views, strict=True)):
        if index not in seen:
            continue
        if progress is not None:
            progress("match", len(described), total)
        described[index] = matcher.describe(large.image)
        view_from_large[index] = view.working_from_original @ np.linalg.inv(large.working_from_original)
    for i, j in unordered:
        if progress is not None:
            progress("match", len(seen) + len(found), total)
        matches = matcher.match(described[i], described[j])
        pixels_i = map_pixels(matches.pixels_i, view_from_large[i])
        pixels_j = map_pixels(matches.pixels_j, view_from_large[j])
        found.append(PairMatches(i, j, pixels_i, pixels_j, matches.scores))
    if progress is not None:
        progress("match", total, total)
    return found
