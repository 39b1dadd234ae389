"""What models return, as one checked tensor per view: batched or not, stacked or in a list, on any device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Bool, Float

_FAR_FROM_RIGID = 0.05
"""Half precision makes rotations that are wrong by a few thousandths; a transposed or scaled matrix is far beyond."""


def view_indices(views: Sequence[int]) -> tuple[int, ...]:
    """Indices of the two or more views of a group.

    Raises:
        InputError: They are not such indices.
    """
    indices = tuple(int(view) for view in views)
    if len(indices) < 2 or min(indices) < 0 or any(index != view for index, view in zip(indices, views, strict=True)):
        raise InputError(
            f"A group shows two or more views, named by their indices in the photo set (0, 1, ...); got {tuple(views)}."
        )
    return indices


def point_maps(name: str, value: Any, count: int) -> list[Float[Tensor, "_ _ 3"]]:
    """`count` tensors (h, w, 3): from (count, h, w, 3), (1, count, h, w, 3), or a list of (h, w, 3)."""
    entries = _entries(name, value, count, 3, "(h, w, 3)")
    for entry in entries:
        if entry.shape[-1] != 3:
            raise InputError(f"{name}: maps of shape {tuple(entry.shape)}; expected (h, w, 3), with xyz last.")
    return entries


def maps(name: str, value: Any, count: int) -> list[Float[Tensor, "_ _"]]:
    """`count` tensors (h, w): from (count, h, w), (1, count, h, w, 1) and the like, or a list of (h, w)."""
    return _entries(name, value, count, 2, "(h, w)")


def keep_maps(value: Any, shapes: Sequence[tuple[int, int]]) -> list[Bool[Tensor, "_ _"]]:
    """One boolean tensor (h, w) per view, True = keep; all True for None."""
    if value is None:
        return [torch.ones(shape, dtype=torch.bool) for shape in shapes]
    found = [entry > 0.5 for entry in maps("masks", value, len(shapes))]
    check_sizes("masks", found, shapes)
    return found


def check_sizes(name: str, entries: Sequence[Tensor], shapes: Sequence[tuple[int, int]]) -> None:
    """Raises InputError where a map has not the size of its view."""
    for index, (entry, shape) in enumerate(zip(entries, shapes, strict=True)):
        if tuple(entry.shape[:2]) != tuple(shape):
            raise InputError(
                f"{name} of view {index} of the group: {entry.shape[0]}x{entry.shape[1]} pixels (height x width), but "
                f"its points or depths have {shape[0]}x{shape[1]}; all maps of a view have one size."
            )


def rigid_matrices(name: str, value: Any, count: int) -> Float[Tensor, "count 4 4"]:
    """Rigid float64 transforms, with exact rotations, from (count, 3, 4), (1, count, 4, 4) and the like."""
    given = torch.stack(_same_shape(name, _entries(name, value, count, 2, "(3, 4) or (4, 4)"))).double()
    if tuple(given.shape[1:]) not in ((3, 4), (4, 4)):
        raise InputError(f"{name}: matrices of shape {tuple(given.shape[1:])}; expected (3, 4) or (4, 4).")
    if not bool(given.isfinite().all()):
        raise InputError(f"{name} holds values that are not finite; leave views without a pose out of the group.")
    left, size, right = torch.linalg.svd(given[:, :3, :3])
    rotation = left @ right
    last_row = given.new_tensor([0.0, 0.0, 0.0, 1.0])
    wrong = (size - 1).abs().amax(-1) > _FAR_FROM_RIGID
    wrong |= torch.linalg.det(rotation) < 0
    if given.shape[1] == 4:
        wrong |= (given[:, 3] - last_row).abs().amax(-1) > 1e-3
    if bool(wrong.any()):
        index = int(wrong.nonzero()[0])
        raise InputError(
            f"{name}[{index}] is not a rigid transform (a rotation and a translation, the last row 0 0 0 1):\n"
            f"{np.array2string(given[index].numpy(), precision=4)}"
        )
    matrices = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    matrices[:, :3, :3], matrices[:, :3, 3] = rotation, given[:, :3, 3]
    return matrices


def intrinsic_matrices(value: Any, count: int) -> Float[Tensor, "count 3 3"]:
    """Pinhole matrices, float64, from (count, 3, 3), (1, count, 3, 3), or a list."""
    given = torch.stack(_same_shape("intrinsics", _entries("intrinsics", value, count, 2, "(3, 3)"))).double()
    if tuple(given.shape[1:]) != (3, 3):
        raise InputError(f"intrinsics: matrices of shape {tuple(given.shape[1:])}; expected (3, 3).")
    focals = given[:, [0, 1], [0, 1]]
    if not bool(given.isfinite().all()) or bool((focals <= 0).any()):
        raise InputError(f"intrinsics need finite entries and positive focal lengths in pixels; got {focals.tolist()}.")
    return given


def _same_shape(name: str, entries: list[Tensor]) -> list[Tensor]:
    shapes = {tuple(entry.shape) for entry in entries}
    if len(shapes) > 1:
        raise InputError(f"{name}: matrices of several shapes, {sorted(shapes)}.")
    return entries


def _entries(name: str, value: Any, count: int, ndim: int, expected: str) -> list[Tensor]:
    """One float32 or float64 tensor of `ndim` axes on the CPU per view, without axes of length one before them.

    A map with a single channel behind it (h, w, 1) loses that.
    """

    def plain(entry: Tensor, axes: int) -> Tensor:
        if ndim == 2 and entry.ndim > axes and entry.shape[-1] == 1:
            entry = entry[..., 0]
        while entry.ndim > axes and entry.shape[0] == 1:
            entry = entry[0]
        return entry

    if isinstance(value, Sequence):
        entries = [plain(_tensor(name, entry), ndim) for entry in value]
    else:
        whole = plain(_tensor(name, value), ndim + 1)
        entries = list(whole) if whole.ndim == ndim + 1 else [whole]
    received = [tuple(entry.shape) for entry in entries]
    if len(entries) != count or any(len(shape) != ndim or 0 in shape for shape in received):
        raise InputError(
            f"{name} for {count} views: expected one array {expected} per view, in a list or stacked, with at most a "
            f"batch of one around it; got {_shapes(value)}."
        )
    return entries


def _tensor(name: str, value: Any) -> Tensor:
    try:
        tensor = value.detach().cpu() if isinstance(value, Tensor) else torch.tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected an array or a tensor of numbers, got {type(value).__name__}.") from error
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _shapes(value: Any) -> str:
    if isinstance(value, Sequence):
        return f"a list of {len(value)}: {[tuple(np.shape(entry)) for entry in value]}"
    return f"shape {tuple(np.shape(value))}"
