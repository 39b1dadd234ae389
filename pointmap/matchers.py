"""Matchers by name: keypoints, networks of others, and what our networks and the published ones say of two photos."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pointmap.checkpoints import load_model
from pointmap.errors import InputError
from pointmap.geometry.matching import PixelMatches, match_maps
from pointmap.images import load_views
from pointmap.inference import image_tensor
from pointmap.match import (
    KEYPOINT_SIZE,
    EpipolarMatches,
    agreeing_matches,
    draw_matches,
    fundamental,
    keypoint_matches,
    match_photos,
)
from pointmap.match.glue import GlueMatcher
from pointmap.match.keypoints import map_pixels
from pointmap.match.protocol import Matcher, Matches
from pointmap.match.sift import SiftMatcher
from pointmap.match.tokens import match_tokens
from pointmap.models import Encoding, Network
from pointmap.models.precision import resolve_device
from pointmap.pretrained import load_pretrained
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.shapes import Bool, Float, UInt8

GLUE = {"superglue": "magic-leap-community/superglue_outdoor", "lightglue": "ETH-CVG/lightglue_superpoint"}
CHOICES = ("sift", "pointmap", "tokens", "descriptors", *GLUE)
_STEP = 4
"""Distance of the seeds from which reciprocal neighbours are searched, in working pixels."""


def load_matcher(
    name_or_path: str | Path = "sift",
    *,
    network: Network | str | Path | None = None,
    device: str | torch.device | None = None,
) -> Matcher:
    """A matcher, ready to `describe` images of any size and to `match` what it said of two of them.

    Args:
        name_or_path: 'sift': keypoints of OpenCV. 'pointmap': pixels whose predicted points are each other's nearest.
            'tokens': the match read-out of our networks. 'descriptors': reciprocal local features, of networks that
            have them (MASt3R). 'superglue', 'lightglue': SuperPoint keypoints through transformers (extra `match`);
            instead of these two also the name of such a network on the hub, or its folder.
        network: For the three that need one: loaded, or what `load_model` takes; default the bundled one.
        device: Where networks run; default CUDA where there is one. A loaded one stays where it is.

    Raises:
        InputError: The name is unknown, the network does not suit it or cannot be loaded, or an extra is missing.
    """
    name = str(name_or_path)
    if name == "sift":
        return SiftMatcher()
    if name in _FINDERS:
        loaded = network if isinstance(network, Network) else load_model(network or "small", device=device)
        return NetworkMatcher(loaded, name)
    if name in GLUE or "/" in name or Path(name_or_path).is_dir():
        model = load_pretrained(
            "AutoModelForKeypointMatching", GLUE.get(name, name_or_path), purpose=f"The matcher {name!r}"
        )
        if model.config.model_type not in GLUE:
            raise InputError(
                f"The network of {name!r} is a {model.config.model_type!r}; matchers are {' and '.join(GLUE)}."
            )
        return GlueMatcher(model.to(resolve_device(device)))
    raise InputError(
        f"Unknown matcher {name!r}. Choose {', '.join(map(repr, CHOICES))}, or give the hub name or the folder of a "
        "SuperGlue or LightGlue network."
    )


def exact_matches(
    matcher: str | Path | Matcher,
    views: Sequence[View],
    large_views: Iterable[View],
    keep: Sequence[Bool[np.ndarray, "_ _"]],
    pairs: Sequence[tuple[int, int]],
    *,
    network: Network | None = None,
    progress: ProgressCallback | None = None,
) -> list[EpipolarMatches]:
    """Matches of any matcher, of the pairs in which enough of them agree on an epipolar geometry.

    Args:
        matcher: A name for `load_matcher`, or the matcher itself.
        large_views: The same photos as `views`, in the size to match in; each is asked for once.
        keep: Per view the working pixels that take part.
        network: For matchers that need one.
    """
    if matcher == "sift":
        return keypoint_matches(views, large_views, keep, pairs, progress=progress)
    finder = load_matcher(matcher, network=network) if isinstance(matcher, str | Path) else matcher
    return agreeing_matches(match_photos(finder, views, pairs, large_views=large_views, progress=progress), views, keep)


@dataclass(frozen=True, eq=False)
class TwoPhotoMatches:
    """What two photos share, for people to look at."""

    count: int
    agreed: int
    """How many of them are on one epipolar geometry."""
    picture: UInt8[np.ndarray, "height width 3"]
    """Both photos with lines: green where they agree, red otherwise."""


def match_two_photos(
    first: str | Path,
    second: str | Path,
    matcher: Matcher,
    *,
    max_error: float = 0.0015,
    most: int = 200,
) -> TwoPhotoMatches:
    """Match two photos, check the matches against each other, and draw them side by side.

    Args:
        first, second: Files.
        max_error: How far a match may lie from its epipolar line, as a share of the photos' long side.
        most: Lines drawn at most, evenly over the photo.

    Raises:
        InputError: One of them cannot be read.
    """
    loaded = load_views([first, second], image_size=KEYPOINT_SIZE, patch_size=2, square_ok=True)
    if loaded.skipped:
        raise InputError(f"Cannot use {loaded.skipped[0].name!r}: {loaded.skipped[0].reason}.")
    images = [view.image for view in loaded.views]
    found = matcher.match(*[matcher.describe(image) for image in images])
    longest = max(max(image.shape[:2]) for image in images)
    agreed = fundamental(found.between(0, 1), max_error_px=max_error * longest)
    inliers = np.zeros(len(found), bool) if agreed is None else agreed.inliers
    picture = draw_matches(images[0], images[1], found, inliers, most=most)
    return TwoPhotoMatches(len(found), int(inliers.sum()), picture)


@dataclass(frozen=True)
class _Encoded:
    encoding: Encoding
    original_from_working: Float[np.ndarray, "3 3"]


class NetworkMatcher:
    """Matches of a network of ours, or a published one: photos are encoded once, pairs are decoded."""

    def __init__(self, network: Network, kind: str = "pointmap") -> None:
        """Choose what of the network's answer says which pixels match.

        Args:
            kind: 'pointmap', 'tokens' or 'descriptors', see `load_matcher`.

        Raises:
            InputError: The network does not have it.
        """
        config = network.config
        if kind not in _FINDERS:
            raise InputError(f"A network cannot match by {kind!r}. Choose {', '.join(map(repr, _FINDERS))}.")
        if kind == "tokens" and not config.match_dim:
            raise InputError(
                "This network has no match read-out, which 'tokens' needs. Use a bundled one, or match by 'pointmap'."
            )
        if kind == "descriptors" and not config.descriptor_dim:
            raise InputError(
                "This network has no descriptors. Give one that has: "
                "network='naver/MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric', or match by 'pointmap'."
            )
        self.network, self._find = network, _FINDERS[kind]
        matching_size = config.match_size if kind == "tokens" else None
        self.image_size = matching_size or config.working_size

    @torch.no_grad()
    def describe(self, image: UInt8[np.ndarray, "h w 3"]) -> _Encoded:
        """Encode an image, resized and cropped as the network needs it.

        Raises:
            InputError: It is so narrow that not one patch of the network remains.
        """
        (view,) = load_views([image], image_size=self.image_size, patch_size=self.network.config.patch_size).views
        encoding = self.network.encode(image_tensor(view, self.network.device))
        return _Encoded(encoding, np.linalg.inv(view.working_from_original))

    @torch.no_grad()
    def match(self, described_i: _Encoded, described_j: _Encoded) -> Matches:
        """Places that the network takes for the same."""
        found = self._find(self.network, described_i.encoding, described_j.encoding)
        return Matches(
            map_pixels(found.pixels_i.float().cpu(), described_i.original_from_working),
            map_pixels(found.pixels_j.float().cpu(), described_j.original_from_working),
            found.scores.float().cpu(),
        )


def _pointmap_matches(network: Network, encoding_i: Encoding, encoding_j: Encoding) -> Matches:
    """Pixels whose points are each other's nearest (Wang et al. 2024, DUSt3R, section 3.3)."""
    said = network.decode(encoding_i, encoding_j)
    found = match_maps(said.points_i[0], said.points_j[0], step=_STEP, metric="l2")
    return _scored(found, said.confidence_i[0] - 1, said.confidence_j[0] - 1)


def _descriptor_matches(network: Network, encoding_i: Encoding, encoding_j: Encoding) -> Matches:
    """Pixels whose descriptors are each other's nearest (Leroy et al. 2024, MASt3R, section 3.3)."""
    said = network.decode(encoding_i, encoding_j)
    parts = (said.descriptors_i, said.descriptors_j, said.descriptor_confidence_i, said.descriptor_confidence_j)
    descriptors_i, descriptors_j, sure_i, sure_j = (part[0] for part in parts if part is not None)
    found = match_maps(descriptors_i, descriptors_j, step=_STEP, metric="dot")
    least = network.config.descriptor_confidence_range[0]
    return _scored(found, sure_i - least, sure_j - least)


def _token_matches(network: Network, encoding_i: Encoding, encoding_j: Encoding) -> Matches:
    similarity = network.match_similarity(encoding_i, encoding_j)
    assert similarity is not None
    pixels_i, pixels_j, weights, _ = match_tokens(
        similarity[0], encoding_i.grid, encoding_j.grid, network.config.patch_size
    )
    return Matches(pixels_i.float(), pixels_j.float(), weights.float())


_FINDERS: dict[str, Callable[[Network, Encoding, Encoding], Matches]] = {
    "pointmap": _pointmap_matches,
    "tokens": _token_matches,
    "descriptors": _descriptor_matches,
}


def _scored(found: PixelMatches, sure_i: Float[Tensor, "h_i w_i"], sure_j: Float[Tensor, "h_j w_j"]) -> Matches:
    """With a score from how sure the network is of both pixels, which it says as exp(x) without bound: sigmoid(x)."""
    (x_i, y_i), (x_j, y_j) = found.pixels_i.unbind(-1), found.pixels_j.unbind(-1)
    sure = (sure_i[y_i, x_i] * sure_j[y_j, x_j]).clamp(min=0).sqrt()
    return Matches(found.pixels_i.float(), found.pixels_j.float(), sure / (1 + sure))
