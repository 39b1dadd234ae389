"""Matches as structure from motion wants them: keypoints of photos, and which of them are one place in the world."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.shapes import Bool, Float, Int

_SAME_PX = 1 / 64
"""Ends of matches in one photo that lie so near each other are one keypoint."""

_ERROR = 2 / 1000
"""Of the long side. COLMAP's 4 pixels, whatever the size, are too few for large photos whose keypoints were found in
small copies, and many for small ones; half as much or twice as much makes no difference on the sets."""
_LEAST_ERROR_PX = 1.5


@dataclass(frozen=True, eq=False)
class MatchedPhotos:
    """Photos with keypoints and matches between them: what a COLMAP database holds, in our conventions.

    Pixels are those of the original photos; the centre of the first one is (0, 0).
    """

    names: tuple[str, ...]
    """(N,) different from each other."""
    image_sizes: Int[np.ndarray, "n 2"]
    """Width and height."""
    intrinsics: Float[np.ndarray, "n 3 3"]
    """Pinhole K to start from."""
    cameras: Int[np.ndarray, "n"]
    """Photos of one number (and one size) share their intrinsics."""
    known: Bool[np.ndarray, "n"]
    """True where K is known, not guessed."""
    keypoints: tuple[Float[np.ndarray, "_ 2"], ...]
    """Per photo (x, y) of its keypoints."""
    pairs: dict[tuple[int, int], Int[np.ndarray, "_ 2"]]
    """Per pair (i, j) with i < j the indices of its matches in the keypoints of i and of j."""

    @property
    def matches(self) -> list[PairMatches]:
        """The same as places in pairs of photos, each of weight 1."""
        found = []
        for (i, j), index in self.pairs.items():
            ends_i, ends_j = self.keypoints[i][index[:, 0]], self.keypoints[j][index[:, 1]]
            weights = torch.ones(len(index))
            found.append(PairMatches(i, j, torch.from_numpy(ends_i), torch.from_numpy(ends_j), weights))
        return found

    @property
    def typical_error_px(self) -> float:
        """Matches that miss by more are wrong, as far as the size of the photos tells: 2 pixels of 1000."""
        return max(_LEAST_ERROR_PX, _ERROR * float(self.image_sizes.max(initial=0)))


def collect_matches(
    matches: Sequence[PairMatches],
    image_sizes: np.ndarray,
    intrinsics: np.ndarray,
    *,
    cameras: Sequence[int] | None = None,
    known: Sequence[bool] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> MatchedPhotos:
    """Join ends of matches that are one place of one photo, which makes tracks over many photos of pairs.

    Args:
        matches: In pixels of the original photos, any number of entries per two photos.
        image_sizes: (N, 2) width and height of the photos.
        intrinsics: (N, 3, 3) pinhole K to start from, in the same pixels.
        cameras: Photos of one number share a camera; default one each.
        known: (N,) True where K is known rather than guessed; default nowhere.
        names: (N,) file names; default numbers.

    Raises:
        InputError: Numbers of entries differ, names repeat, or a match names a photo that there is not.
    """
    count = len(image_sizes)
    names = [f"{index:05d}" for index in range(count)] if names is None else names
    cameras = range(count) if cameras is None else cameras
    known = [False] * count if known is None else known
    for label, values in {"intrinsics": intrinsics, "cameras": cameras, "known": known, "names": names}.items():
        if len(values) != count:
            raise InputError(f"{label} has {len(values)} entries for {count} photos. Give one per photo.")
    if len(set(names)) < count:
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f"Two photos are named {twice!r}. COLMAP tells photos by their names: give different ones.")
    for match in matches:
        if match.view_i == match.view_j or not all(0 <= view < count for view in (match.view_i, match.view_j)):
            raise InputError(f"A match is between photos {match.view_i} and {match.view_j}; there are {count}.")
    ordered = [match if match.view_i < match.view_j else match.swapped() for match in matches]
    ends: list[list[np.ndarray]] = [[np.zeros((0, 2))] for _ in range(count)]
    for match in ordered:
        ends[match.view_i].append(match.pixels_i.detach().cpu().double().numpy())
        ends[match.view_j].append(match.pixels_j.detach().cpu().double().numpy())
    joined = [_distinct(np.concatenate(parts)) for parts in ends]
    used = [0] * count
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for match in ordered:
        pair, size = (match.view_i, match.view_j), len(match.weights)
        index = np.stack([joined[view][1][used[view] : used[view] + size] for view in pair], axis=1)
        pairs[pair] = np.unique(np.concatenate([pairs.get(pair, index[:0]), index]), axis=0)
        for view in pair:
            used[view] += size
    return MatchedPhotos(
        tuple(names),
        np.asarray(image_sizes, np.int64).reshape(-1, 2),
        np.asarray(intrinsics, np.float64).reshape(-1, 3, 3),
        np.asarray(cameras, np.int64),
        np.asarray(known, bool),
        tuple(keypoints for keypoints, _ in joined),
        {pair: index for pair, index in sorted(pairs.items()) if len(index)},
    )


def _distinct(ends: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, "k 2"], Int[np.ndarray, "n"]]:
    """Places, with those near each other joined, and the place of every end."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    if not len(ends):
        return ends, np.zeros(0, np.int64)
    # Most ends recur exactly; the tree need not see them all.
    places, place_of_end = np.unique(ends, axis=0, return_inverse=True)
    near = KDTree(places).query_pairs(_SAME_PX, output_type="ndarray")
    links = coo_array((np.ones(len(near), bool), (near[:, 0], near[:, 1])), shape=(len(places), len(places)))
    number, group = connected_components(links, directed=False)
    sums = np.zeros((number, 2))
    np.add.at(sums, group, places)
    return sums / np.bincount(group)[:, None], group[place_of_end.ravel()].astype(np.int64)
