"""How alike photos are to the network: what pairs by content are chosen by."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.inference import image_tensor
from pointmap.models import Encoding, Network
from pointmap.progress import ProgressCallback, repeating
from pointmap.scene import View
from pointmap.shapes import Float

_TOKENS = 12
"""Along the long side of the thumbnails that are compared. As many as in working images tell no better."""
_ROWS = 8
"""Photos that are compared with all before them, until progress is told again."""
_MOST_MATCHED = 500
"""Photos up to which all are matched with all; the number of pairs grows with the square."""


@torch.no_grad()
def photo_similarity(
    network: Network, views: list[View], *, progress: ProgressCallback | None = None
) -> Float[np.ndarray, "n n"]:
    """Similarity of all pairs of photos, symmetric, from thumbnails.

    With a match read-out it is the share of tokens that find each other, in [0, 1]; for other networks, and beyond 500
    photos, the cosine between the photos' mean tokens.

    Args:
        progress: Called with ("compare", done, total).
    """
    encodings = encode_thumbnails(network, views, progress=progress)
    if network.config.match_dim and len(views) <= _MOST_MATCHED:
        return _shared_tokens(network, encodings, repeating(progress, "compare", len(views), len(views)))
    means = _means(encodings)
    return (means @ means.mT).cpu().numpy()


@torch.no_grad()
def encode_thumbnails(
    network: Network, views: Sequence[View], *, progress: ProgressCallback | None = None
) -> list[Encoding]:
    """Photos as they are compared, small; progress as in `photo_similarity`."""
    encodings = []
    for done, view in enumerate(views):
        if progress is not None:
            progress("compare", done, len(views))
        encodings.append(network.encode(_thumbnail(image_tensor(view, network.device), network.config.patch_size)))
    if progress is not None:
        progress("compare", len(views), len(views))
    return encodings


@torch.no_grad()
def similarity_to(network: Network, thumbnail: Encoding, others: Sequence[Encoding]) -> Float[np.ndarray, "n"]:
    """Similarity of one photo to each of a set, on the scale of `photo_similarity`."""
    if network.config.match_dim:
        return np.array([_shared(network, other, thumbnail) for other in others])
    means = _means([thumbnail, *others])
    return (means[1:] @ means[0]).cpu().numpy()


def _thumbnail(image: Float[Tensor, "1 3 h w"], patch_size: int) -> Float[Tensor, "1 3 h2 w2"]:
    scale = _TOKENS * patch_size / max(image.shape[-2:])
    size = [max(2, round(side * scale / patch_size)) * patch_size for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def _means(encodings: Sequence[Encoding]) -> Float[Tensor, "n d"]:
    """Unit vectors: the mean tokens of photos, against what all have in common."""
    means = torch.stack([encoding.tokens[0].float().mean(dim=0) for encoding in encodings])
    return F.normalize(means - means.mean(dim=0), dim=1)


def _shared_tokens(network: Network, encodings: list[Encoding], on_row: Callable[[], None]) -> Float[np.ndarray, "n n"]:
    shared = np.eye(len(encodings))
    for i, first in enumerate(encodings):
        if i % _ROWS == 0 and i > 0:
            on_row()
        for j in range(i):
            shared[i, j] = shared[j, i] = _shared(network, first, encodings[j])
    return shared


def _shared(network: Network, first: Encoding, second: Encoding) -> float:
    """Share of tokens that find each other."""
    logits = network.match_similarity(first, second)
    assert logits is not None
    # The probability of the way there and back, for the token that each most likely lies on.
    mutual = (logits[0].float().softmax(dim=1) * logits[0].float().softmax(dim=0)).amax(dim=1)
    return float(mutual.sum()) / min(logits.shape[1:])
