"""Run the network on photos: every photo is encoded once, pairs are decoded in batches, and nothing is done twice.

With a cache folder each pair's prediction is a file of its own, named by what it depends on (both photos' pixels, the
network's weights, the precision), so an interrupted run continues, and changed photos or settings never meet old
results.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pointmap.atomic import atomic_path
from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.match.keypoints import to_working
from pointmap.match.tokens import match_tokens
from pointmap.models import Encoding, Network
from pointmap.progress import ProgressCallback
from pointmap.scene import Group, PairPrediction, View
from pointmap.shapes import UInt8

_LAYOUT = 2  # of the cache files; raised when they change
_PARTS = ("points_i", "points_j", "confidence_i", "confidence_j")
_SKY_PARTS = ("sky_i", "sky_j")
_PIXEL_BYTES = 3_000
"""Working memory of decoding, per pixel: some hundred channels of a DPT head at full resolution, with room to spare."""


@torch.no_grad()  # not inference mode: its tensors could not enter a differentiable objective later
def predict_pairs(
    network: Network,
    views: Sequence[View],
    pairs: Sequence[tuple[int, int]],
    *,
    batch_size: int | None = None,
    cache: str | Path | None = None,
    sky: "SkyMaps | None" = None,
    progress: ProgressCallback | None = None,
) -> list[Group]:
    """Predict all pairs.

    Args:
        pairs: Indices (i, j); the result for a pair is in the camera frame of i.
        batch_size: Pairs that are decoded together; default by memory.
        cache: Folder for predictions. What it has of this network and these photos is not computed again.
        sky: Gathers what the network says of the sky.
        progress: Called with ("predict", done, total) after every batch; what is done is in the cache by then.

    Returns:
        One group of two views per pair, in order, on the CPU; a pixel whose point is not finite has confidence 1.
    """
    store = _Cache(Path(cache), network, views) if cache is not None else None
    groups: dict[tuple[int, int], Group] = {}
    missing = []

    def take(predicted: _Predicted) -> None:
        group = predicted.group
        groups[group.views[0], group.views[1]] = group
        if sky is not None and predicted.sky is not None:
            for view, share in zip(group.views, predicted.sky, strict=True):
                sky.add(view, share)

    for pair in dict.fromkeys(pairs):
        found = store.load(pair) if store else None
        if found is None:
            missing.append(pair)
        else:
            take(found)
    total = len(groups) + len(missing)
    if progress is not None:
        progress("predict", len(groups), total)
    encoder = _Encoder(network, views)
    for batch in _batches(missing, views, batch_size or _fitting_batch(network, views)):
        for predicted in _decode(network, encoder, batch):
            take(predicted)
            if store:
                store.save(predicted)
        if progress is not None:
            progress("predict", len(groups), total)
    return [groups[pair] for pair in pairs]


class SkyMaps:
    """How likely each pixel of a photo shows sky: the mean over all predictions of the photo, one map per photo."""

    def __init__(self) -> None:
        self._sums: dict[int, Tensor] = {}
        self._counts: Counter[int] = Counter()

    def add(self, view: int, sky: UInt8[Tensor, "h w"]) -> None:
        """One prediction of a view, from 0 to 255."""
        self._sums[view] = self._sums[view] + sky if view in self._sums else sky.float()
        self._counts[view] += 1

    def maps(self, views: Sequence[View]) -> list[np.ndarray] | None:
        """Per view (h, w) float32 from 0 to 1, where nothing was said 0; None if nothing was said of any view."""
        if not self._sums:
            return None
        return [
            (self._sums[index] / (255 * self._counts[index])).numpy()
            if index in self._sums
            else np.zeros(view.image.shape[:2], np.float32)
            for index, view in enumerate(views)
        ]


@torch.no_grad()
def predict_matches(
    network: Network,
    views: Sequence[View],
    large_views: Sequence[View],
    pairs: Sequence[tuple[int, int]],
    *,
    progress: ProgressCallback | None = None,
) -> list[PairMatches]:
    """Match the tokens of photos, each two once; larger images are finer, and need no decoding.

    Args:
        network: One with a match read-out (`config.match_dim`).
        large_views: The same photos as `views`, in the size to match in.
        pairs: Indices; the order of the two does not matter.
        progress: Called with ("match", done, total).

    Returns:
        Matches in pixels of `views`.
    """
    encoder = _Encoder(network, large_views)
    unordered = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    patch = network.config.patch_size
    found = []
    for done, (i, j) in enumerate(unordered):
        if progress is not None:
            progress("match", done, len(unordered))
        encoding_i, encoding_j = encoder([i]), encoder([j])
        similarity = network.match_similarity(encoding_i, encoding_j)
        assert similarity is not None
        pixels_i, pixels_j, weights, from_i = match_tokens(similarity[0], encoding_i.grid, encoding_j.grid, patch)
        found.append(
            PairMatches(
                i,
                j,
                to_working(pixels_i.cpu(), large_views[i], views[i]),
                to_working(pixels_j.cpu(), large_views[j], views[j]),
                weights.cpu(),
                from_i.cpu(),
            )
        )
    if progress is not None:
        progress("match", len(unordered), len(unordered))
    return found


@dataclass(frozen=True)
class _Predicted:
    group: Group
    sky: list[UInt8[Tensor, "_ _"]] | None
    """How likely a pixel shows sky, 0 to 255, of both views; None for networks that do not say."""


def _decode(network: Network, encoder: "_Encoder", batch: list[tuple[int, int]]) -> list[_Predicted]:
    """Predict one batch; in halves where a GPU's memory does not hold it."""
    try:
        prediction = network.decode(encoder([i for i, _ in batch]), encoder([j for _, j in batch]))
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        middle = len(batch) // 2
        return _decode(network, encoder, batch[:middle]) + _decode(network, encoder, batch[middle:])
    return [_predicted(pair, prediction, index) for index, pair in enumerate(batch)]


class _Encoder:
    """Encodings of photos, made when first asked for and kept while memory allows."""

    def __init__(self, network: Network, views: Sequence[View], keep_bytes: int = 2 << 30) -> None:
        self.network = network
        self.views = views
        self.keep_bytes = keep_bytes
        self.kept: OrderedDict[int, Encoding] = OrderedDict()

    def __call__(self, indices: Sequence[int]) -> Encoding:
        """One batch; all of these photos have one size."""
        found = []
        for index in indices:
            if index not in self.kept:
                self.kept[index] = self.network.encode(image_tensor(self.views[index], self.network.device))
            self.kept.move_to_end(index)
            found.append(self.kept[index])
        size = _encoding_bytes(found[0])
        while len(self.kept) * size > self.keep_bytes and len(self.kept) > 2:
            self.kept.popitem(last=False)
        return Encoding.cat(found)


def image_tensor(view: View, device: torch.device | str) -> Tensor:
    """A view as the network takes it: (1, 3, h, w) in [-1, 1]."""
    pixels = torch.tensor(view.image, device=device).permute(2, 0, 1)[None]
    return pixels.float() / 127.5 - 1


def _batches(pairs: Sequence[tuple[int, int]], views: Sequence[View], size: int) -> Iterator[list[tuple[int, int]]]:
    """Batches whose first views have one size, and whose second views have one size."""
    shapes = {pair: (views[pair[0]].image.shape, views[pair[1]].image.shape) for pair in pairs}
    for shape in dict.fromkeys(shapes.values()):
        same = iter([pair for pair in pairs if shapes[pair] == shape])
        while batch := list(islice(same, size)):
            yield batch


def _fitting_batch(network: Network, views: Sequence[View]) -> int:
    """Pairs that are decoded together: as many as fit into a third of the free GPU memory; on a CPU just enough."""
    pixels = max(view.image.shape[0] * view.image.shape[1] for view in views)
    if network.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(network.device)
        return max(1, int(free / 3 / (2 * pixels * _PIXEL_BYTES)))
    # Beyond some hundred thousand pixels a CPU gains nothing, and loses its caches.
    return max(1, min(16, 200_000 // pixels))


def _encoding_bytes(encoding: Encoding) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (encoding.tokens, *encoding.skips))


def _predicted(pair: tuple[int, int], prediction: PairPrediction, index: int) -> _Predicted:
    points = [prediction.points_i[index].cpu(), prediction.points_j[index].cpu()]
    confidences = [prediction.confidence_i[index].cpu(), prediction.confidence_j[index].cpu()]
    for point, confidence in zip(points, confidences, strict=True):
        bad = ~(point.isfinite().all(dim=-1) & confidence.isfinite())
        point[bad], confidence[bad] = 0.0, 1.0
    sky = None
    if prediction.sky_i is not None and prediction.sky_j is not None:
        logits = (prediction.sky_i[index], prediction.sky_j[index])
        sky = [(255 * logit.float().sigmoid().nan_to_num(0)).round().to(torch.uint8).cpu() for logit in logits]
    return _Predicted(Group(pair, points, confidences), sky)


class _Cache:
    """One safetensors file per pair, named by the content that it was computed from."""

    def __init__(self, folder: Path, network: Network, views: Sequence[View]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"Cannot use {str(folder)!r} as a cache: {error.strerror or error}.") from error
        self.folder = folder
        self.network_key = network_fingerprint(network)
        self.view_keys = [_digest(np.ascontiguousarray(view.image), str(view.image.shape)) for view in views]

    def load(self, pair: tuple[int, int]) -> _Predicted | None:
        """An earlier prediction; None when there is none that can be read."""
        try:
            content = load_file(self._path(pair))
            parts = [content[name] for name in _PARTS]
        except (OSError, SafetensorError, KeyError):
            return None
        sky = [content[name] for name in _SKY_PARTS if name in content]
        return _Predicted(Group(pair, parts[:2], parts[2:]), sky if len(sky) == 2 else None)

    def save(self, predicted: _Predicted) -> None:
        """Write a prediction, whole or not at all."""
        group = predicted.group
        tensors = dict(zip(_PARTS, [*group.points, *group.confidences], strict=True))
        if predicted.sky is not None:
            tensors |= dict(zip(_SKY_PARTS, predicted.sky, strict=True))
        with atomic_path(self._path((group.views[0], group.views[1]))) as temporary:
            save_file({name: torch.as_tensor(value).contiguous() for name, value in tensors.items()}, temporary)

    def _path(self, pair: tuple[int, int]) -> Path:
        keys = f"{_LAYOUT} {self.network_key} {self.view_keys[pair[0]]} {self.view_keys[pair[1]]}"
        return self.folder / f"{hashlib.sha256(keys.encode()).hexdigest()[:32]}.safetensors"


def network_fingerprint(network: Network) -> str:
    """Digest of a network's config, weights and precision."""
    digest = hashlib.sha256(repr(network.config).encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _digest(array: np.ndarray, label: str) -> str:
    digest = hashlib.sha256(label.encode())
    digest.update(array.tobytes())
    return digest.hexdigest()
