"""Space in small cubes of voxels, of which only those near surfaces exist."""

from collections.abc import Iterable

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Float, Int

SIDE = 4
"""Voxels along a block. Small blocks follow a surface closely: less memory, and fewer voxels to visit."""
_REACH = 1 << 20
"""Blocks on each side of the origin that a key can tell apart."""
_BITMAP = 1 << 26
"""Blocks of a box up to which those touched are ticked off in a table; sorting, in larger boxes, is slower."""


class BlockTable:
    """Which blocks exist, and where their voxels are stored: slots count up from 0 in the order of creation."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._keys = torch.zeros(0, dtype=torch.int64, device=device)
        self._slots = torch.zeros(0, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def blocks(self) -> Int[Tensor, "n 3"]:
        """Integer positions of all blocks in the order of their slots."""
        keys = torch.empty_like(self._keys)
        keys[self._slots] = self._keys
        return _unpack(keys)

    def find(self, blocks: Int[Tensor, "n 3"]) -> Int[Tensor, "n"]:
        """Slots of blocks; -1 where there is none."""
        return self._find(_pack(blocks))

    def add(self, blocks: Int[Tensor, "n 3"], limit: int) -> Int[Tensor, "n"]:
        """Slots of blocks, all different, which are created where there are none.

        Raises:
            InputError: There would be more than `limit` blocks.
        """
        keys = _pack(blocks)
        slots = self._find(keys)
        new = (slots < 0).nonzero()[:, 0]
        if len(new):
            count = len(self)
            if count + len(new) > limit:
                raise InputError(
                    f"The surface takes more than {limit} blocks of {SIDE}^3 voxels, the most that is allowed. "
                    "Give a larger voxel_size, or a max_depth that leaves out what is far away."
                )
            slots[new] = torch.arange(count, count + len(new), device=slots.device)
            self._keys, order = torch.cat([self._keys, keys[new]]).sort()
            self._slots = torch.cat([self._slots, slots[new]])[order]
        return slots

    def _find(self, keys: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
        if len(self) == 0:
            return torch.full_like(keys, -1)
        place = torch.searchsorted(self._keys, keys).clamp_(max=len(self) - 1)
        return torch.where(self._keys[place] == keys, self._slots[place], -1)


def blocks_of_points(parts: Iterable[Float[Tensor, "3 _"]], block_size: float) -> Int[Tensor, "m 3"]:
    """The different blocks in which points lie; those too far from the origin to be told apart are left out."""
    found = []
    for points in parts:
        cells = (points / block_size).floor_()
        if not bool(cells.abs().amax() < _REACH - 1):
            cells = cells[:, (cells.abs() < _REACH - 1).all(dim=0)]
        found.append(distinct(cells.int()))
    return distinct(torch.cat(found, dim=1)).mT.long()


def distinct(blocks: Int[Tensor, "3 n"]) -> Int[Tensor, "3 m"]:
    """Every block once, sorted by x, then y, then z."""
    if blocks.shape[1] == 0:
        return blocks
    low = blocks.amin(dim=1)
    a, b, c = (blocks.amax(dim=1) - low + 1).tolist()
    if a * b * c > _BITMAP:
        return _unpack(torch.unique(_pack(blocks.mT.long()))).mT.to(blocks.dtype)
    x, y, z = blocks
    touched = torch.zeros(a * b * c, dtype=torch.bool, device=blocks.device)
    first = (int(low[0]) * b + int(low[1])) * c + int(low[2])
    touched.index_fill_(0, (x.long() * b + y).mul_(c).add_(z).sub_(first), True)
    flat = touched.nonzero()[:, 0]
    return (torch.stack([flat // (b * c), flat // c % b, flat % c]) + low[:, None]).to(blocks.dtype)


def voxel_offsets(device: torch.device | str) -> Int[Tensor, "voxels 3"]:
    """Position of every voxel within its block; the last coordinate runs fastest."""
    axis = torch.arange(SIDE, device=device)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)


def _pack(blocks: Int[Tensor, "n 3"]) -> Int[Tensor, "n"]:
    x, y, z = (blocks + _REACH).unbind(dim=-1)
    return (x << 42) | (y << 21) | z


def _unpack(keys: Int[Tensor, "n"]) -> Int[Tensor, "n 3"]:
    mask = (1 << 21) - 1
    return torch.stack([keys >> 42, (keys >> 21) & mask, keys & mask], dim=-1) - _REACH
