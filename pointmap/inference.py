"""Run the network on photos: every photo is encoded once, pairs are decoded in batches, and nothing is done twice.

With a cache folder each pair's prediction is a file of its own, named by what it depends on (both photos' pixels, the
network's weights, the precision), so an interrupted run continues, and changed photos or settings never meet old
results.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from pointmap.memory import OutOfMemory, explained, ran_out
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
    notes: list[str] | None = None,
    on_groups: Callable[[list[Group]], None] | None = None,
    progress: ProgressCallback | None = None,
) -> list[Group]:
    """Predict all pairs; those of the first two photos by themselves, so that there is soon something to show.

    Args:
        pairs: Indices (i, j); the result for a pair is in the camera frame of i.
        batch_size: Pairs that are decoded together; default by memory. Where that runs out, fewer from then on.
        cache: Folder for predictions. What it has of this network and these photos is not computed again.
        sky: Gathers what the network says of the sky.
        notes: Gathers sentences for people, on memory that ran out.
        on_groups: Called with the groups of every batch as soon as they are there, before `progress`.
        progress: Called with ("predict", done, total) after every batch; what is done is in the cache by then.

    Returns:
        One group of two views per pair, in order, on the CPU; a pixel whose point is not finite has confidence 1.

    Raises:
        OutOfMemory: A single pair does not fit.
    """
    store = _Cache(Path(cache), network, views) if cache is not None else None
    groups: dict[tuple[int, ...], Group] = {}
    wanted = list(dict.fromkeys(pairs))

    def take(batch: list[_Predicted]) -> None:
        for predicted in batch:
            group = predicted.group
            groups[group.views] = group
            if sky is not None and predicted.sky is not None:
                for view, share in zip(group.views, predicted.sky, strict=True):
                    sky.add(view, share)
        if on_groups is not None and batch:
            on_groups([predicted.group for predicted in batch])
        if progress is not None:
            progress("predict", len(groups), len(wanted))

    take([found for pair in wanted if (found := store.load(pair)) is not None] if store else [])
    predictor = _Predictor(network, views, batch_size or _fitting_batch(network, views))
    for batch in predictor([pair for pair in wanted if pair not in groups]):
        if store:
            for predicted in batch:
                store.save(predicted)
        take(batch)
    if notes is not None and predictor.size < predictor.intended:
        notes.append(
            f"Memory ran out: pairs were predicted {predictor.size} at a time instead of {predictor.intended}."
        )
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

    Raises:
        OutOfMemory: Two photos do not fit.
    """
    encoder = _Encoder(network, large_views)
    unordered = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    patch = network.config.patch_size
    found = []
    for done, (i, j) in enumerate(unordered):
        if progress is not None:
            progress("match", done, len(unordered))
        with explained("matching two photos"):
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


class _Predictor:
    """Predicts pairs in batches; in smaller ones from where memory ran out."""

    def __init__(self, network: Network, views: Sequence[View], size: int) -> None:
        self.network, self.views = network, views
        self.encoder = _Encoder(network, views)
        self.intended = self.size = size

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> Iterator[list[_Predicted]]:
        """Batch after batch, first the pairs of two photos; in each, first views have one size, and second ones too."""
        begin = [pair for pair in pairs if set(pair) == set(pairs[0])]
        rest = [pair for pair in pairs if set(pair) != set(pairs[0])]
        for same in [*_by_sizes(begin, self.views), *_by_sizes(rest, self.views)]:
            done = 0
            while done < len(same):
                batch = same[done : done + self.size]
                found = self._predict(batch)
                if found is not None:
                    yield found
                    done += len(batch)
                elif len(batch) > 1:
                    self.size = len(batch) // 2
                elif not self.encoder.forget():
                    height, width = max(self.views[view].image.shape[:2] for view in batch[0])
                    raise OutOfMemory(f"predicting a pair of photos of {width} x {height} pixels")

    def _predict(self, batch: list[tuple[int, int]]) -> list[_Predicted] | None:
        """One batch; None where memory does not hold it."""
        try:
            prediction = self.network.decode(self.encoder([i for i, _ in batch]), self.encoder([j for _, j in batch]))
            return [_predicted(pair, prediction, index) for index, pair in enumerate(batch)]
        except Exception as error:
            if not ran_out(error):
                raise
        # Only here is what the exception's frames held gone.
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()
        return None


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

    def forget(self) -> bool:
        """Free the memory of all encodings, and from now on keep few; False if that is no help."""
        helps = self.keep_bytes > 0 and len(self.kept) > 0
        self.keep_bytes = 0
        self.kept.clear()
        return helps


def image_tensor(view: View, device: torch.device | str) -> Tensor:
    """A view as the network takes it: (1, 3, h, w) in [-1, 1]."""
    pixels = torch.tensor(view.image, device=device).permute(2, 0, 1)[None]
    return pixels.float() / 127.5 - 1


def _by_sizes(pairs: Sequence[tuple[int, int]], views: Sequence[View]) -> list[list[tuple[int, int]]]:
    """The pairs whose first views have one size, and whose second views have one size, together."""
    found: dict[tuple[tuple[int, ...], ...], list[tuple[int, int]]] = {}
    for i, j in pairs:
        found.setdefault((views[i].image.shape, views[j].image.shape), []).append((i, j))
    return list(found.values())


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
