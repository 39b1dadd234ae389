"""A photo set through a multi-view network in overlapping chunks, which `pointmap.align` joins."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from pointmap.errors import InputError
from pointmap.groups.files import lazy_group, save_group, write_index
from pointmap.progress import ProgressCallback
from pointmap.scene import Group, LazyGroup, View

Chunk = tuple[int, ...]
"""Indices of the views that go through the network together."""


class GroupModel(Protocol):
    """A multi-view network, as `predict_groups` calls it. A function will do:

    def model(views, indices):
        images = torch.stack([image_of(view) for view in views])
        output = network(images)
        return group_from_depths(indices, output.depth, output.intrinsics, cam_from_world=output.extrinsics)
    """

    def __call__(self, views: Sequence[View], indices: Chunk) -> Group:
        """The network's answer for one chunk.

        Args:
            views: Those of the chunk, in order.
            indices: Theirs in the photo set: the `views` of the group.
        """


def make_chunks(
    num_views: int,
    *,
    size: int,
    overlap: int,
    loops: Iterable[tuple[int, int]] = (),
    cyclic: bool = False,
) -> list[Chunk]:
    """Overlapping windows along the photos, and where asked chunks that tie distant ones.

    Args:
        num_views: Number of photos, in an order in which neighbours overlap (a video, a walk). For photos in no order,
            sort them first, or give pairs that see the same as `loops`.
        size: Photos that go through the network together, at least 2; fewer where there are fewer.
        overlap: Photos that consecutive windows share, at least: 1 ties them, 2 or more tie them firmly.
        loops: Pairs of photos that show the same place, such as where a walk comes back: for each pair that no window
            holds, one chunk with the photos around both.
        cyclic: The last photos are followed by the first: the windows go on across the end.

    Returns:
        Indices per chunk; of a single photo, [(0, 0)].

    Raises:
        InputError: A number is out of range.
    """
    if num_views < 1:
        raise InputError(f"Chunks need at least one photo; there are {num_views}.")
    if size < 2 or not 1 <= overlap < size:
        raise InputError(
            f"Chunks of {size} photos that share {overlap} with the next cannot be made: they need at least two "
            f"photos, and share at least one and not all."
        )
    if num_views == 1:
        return [(0, 0)]
    size = min(size, num_views)
    found: dict[frozenset[int], Chunk] = {}
    for start in _starts(num_views, size, min(overlap, size - 1), cyclic):
        chunk = tuple((start + step) % num_views for step in range(size))
        found.setdefault(frozenset(chunk), chunk)
    for i, j in loops:
        if not (0 <= i < num_views and 0 <= j < num_views):
            raise InputError(f"The loop {(i, j)} names a photo that is not there; they are 0 to {num_views - 1}.")
        if any({i, j} <= members for members in found):
            continue
        chunk = tuple(dict.fromkeys([*_around(i, size - size // 2, num_views), *_around(j, size // 2, num_views)]))
        found.setdefault(frozenset(chunk), chunk)
    return list(found.values())


def predict_groups(
    model: GroupModel,
    views: Sequence[View],
    chunks: Sequence[Chunk],
    *,
    folder: str | Path | None = None,
    key: str = "",
    progress: ProgressCallback | None = None,
) -> list[Group] | list[LazyGroup]:
    """Run a model over chunks of photos.

    Args:
        model: Called with the views and the indices of each chunk.
        views: The photo set, in the size that the model sees: its maps must have the size of these images.
        chunks: Of `make_chunks`, or any that share views: pairs do, too.
        folder: Where to keep the predictions, for sets that do not fit into memory: the groups come back lazy, and
            `load_groups` reads them. What the folder has of the same photos and `key` is not predicted again, so that
            an interrupted run continues.
        key: The model and its settings, in words: what was predicted with another key does not count.
        progress: Called with ("predict", done, total); may raise to stop, and finished chunks stay in the folder.

    Returns:
        One group per chunk, in order.

    Raises:
        InputError: A chunk names views that are not there, or the model's answer does not fit its photos.
    """
    for chunk in chunks:
        if len(chunk) < 2 or min(chunk) < 0 or max(chunk) >= len(views):
            raise InputError(f"A chunk is two or more of the {len(views)} photos (0 to {len(views) - 1}); got {chunk}.")
    digests = [_digest(view) for view in views] if folder is not None else []
    predicted: list[Group] = []
    stored: list[LazyGroup] = []
    names: list[str] = []
    for done, chunk in enumerate(chunks):
        if progress is not None:
            progress("predict", done, len(chunks))
        if folder is None:
            predicted.append(_predict(model, views, chunk))
            continue
        content = " ".join([key, *(digests[index] for index in chunk)])
        names.append(f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.safetensors")
        path = Path(folder) / names[-1]
        if path.is_file():
            stored.append(lazy_group(path, tuple(chunk)))
        else:
            stored.append(save_group(_predict(model, views, chunk), path))
    if progress is not None:
        progress("predict", len(chunks), len(chunks))
    if folder is None:
        return predicted
    write_index(Path(folder), names, stored)
    return stored


def _predict(model: GroupModel, views: Sequence[View], chunk: Chunk) -> Group:
    indices = tuple(int(index) for index in chunk)
    group = model([views[index] for index in indices], indices)
    if tuple(group.views) != indices or not len(group.points) == len(group.confidences) == len(indices):
        raise InputError(
            f"The model answered the chunk {indices} with {len(group.points)} pointmaps and {len(group.confidences)} "
            f"confidence maps of the views {tuple(group.views)}; expected one of each per view, and the indices as "
            f"they came."
        )
    for k, index in enumerate(indices):
        shown, size = tuple(group.points[k].shape[:2]), views[index].image.shape[:2]
        if shown != size:
            raise InputError(
                f"The model answered photo {views[index].name!r}, of {size[0]}x{size[1]} pixels (height x width), with "
                f"a map of {shown[0]}x{shown[1]}. Load the photos in the size that the model works in (load_views, "
                f"image_size and patch_size), and feed it their images as they are."
            )
    return replace(group, views=indices)


def _starts(num_views: int, size: int, overlap: int, cyclic: bool) -> list[int]:
    """First photos of windows, evenly spaced, no farther apart than the overlap allows."""
    step = size - overlap
    if cyclic and num_views > size:
        count = -(-num_views // step)
        return [num_views * k // count for k in range(count)]
    count = 1 + -(-(num_views - size) // step)
    return [0] if count == 1 else [(num_views - size) * k // (count - 1) for k in range(count)]


def _around(centre: int, count: int, num_views: int) -> list[int]:
    """The `count` photos about one, that one first: it gives a chunk its frame."""
    start = min(max(centre - count // 2, 0), num_views - count)
    return [centre, *(index for index in range(start, start + count) if index != centre)]


def _digest(view: View) -> str:
    digest = hashlib.sha256(str(view.image.shape).encode())
    digest.update(np.ascontiguousarray(view.image).tobytes())
    return digest.hexdigest()
