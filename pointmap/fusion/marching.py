"""The zero level of voxels in blocks, as one mesh without seams: marching cubes over bricks of many blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.fusion.blocks import SIDE, BlockTable, distinct
from pointmap.shapes import Bool, Float, Int

_BRICK = 8
"""Blocks along a brick."""
_LEAST = 1e-3
"""Least distance from zero of a value: a vertex at a voxel's very centre would belong to many edges."""


_CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


@dataclass(frozen=True)
class Bricks:
    """Voxels of n blocks."""

    distance: Float[Tensor, "n voxels"]
    """Positive in front of the surface."""
    observed: Bool[Tensor, "n voxels"]
    color: Float[Tensor, "n voxels 3"] | None
    """RGB from 0 to 255."""


def extract_surface(
    blocks: Int[Tensor, "n 3"], load: Callable[[Int[Tensor, "m"]], Bricks]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Marching cubes (Lewiner et al., JGT 2003) over all cells whose eight corners were observed.

    Args:
        blocks: Positions of the blocks.
        load: Gives the voxels of blocks by their index.

    Returns:
        Vertices (v, 3) float64 in voxels from the centre of the first one of block (0, 0, 0); faces (f, 3) int64,
        facing positive distances; colours (v, 3) uint8, empty without colours.
    """
    table = BlockTable()
    table.add(blocks, len(blocks))
    parts: list[_Part] = []
    for brick in distinct(blocks.mT.div(_BRICK, rounding_mode="floor")).mT:
        part = _brick_surface(brick * _BRICK, table, load)
        if part is not None:
            parts.append(part)
    return _weld(parts)


@dataclass(frozen=True)
class _Part:
    """The surface in one brick."""

    vertices: np.ndarray
    """(v, 3) in voxels, counted from the first one of all."""
    faces: np.ndarray
    colors: np.ndarray
    border: np.ndarray
    """(v,) True where another brick may have the same vertex."""


def _brick_surface(
    first: Int[Tensor, "3"], table: BlockTable, load: Callable[[Int[Tensor, "m"]], Bricks]
) -> _Part | None:
    """The surface in the brick that begins with a block; None where there is none."""
    from skimage.measure import marching_cubes

    # Cells at the end of a brick have corners in the first blocks of those behind it.
    side = _BRICK + 1
    places = torch.cartesian_prod(*[torch.arange(side)] * 3)
    slots = table.find(places + first)
    there = (slots >= 0).nonzero()[:, 0]
    bricks = load(slots[there])
    observed = _dense(bricks.observed, there, side)
    corners = [observed[i:, j:, k:][: side * SIDE - 1, : side * SIDE - 1, : side * SIDE - 1] for i, j, k in _CORNERS]
    # skimage asks the mask at the last corner of a cell.
    mask = np.zeros_like(observed)
    end = _BRICK * SIDE + 1
    mask[1:end, 1:end, 1:end] = np.logical_and.reduce(corners)[: end - 1, : end - 1, : end - 1]
    if not mask.any():
        return None
    distance = _dense(bricks.distance, there, side)
    distance = np.where(distance < 0, np.minimum(distance, -_LEAST), np.maximum(distance, _LEAST))
    inside = (distance < 0) & observed
    if not (inside.any() and ((distance > 0) & observed).any()):
        return None
    try:
        vertices, faces, _, _ = marching_cubes(distance, 0.0, mask=mask, gradient_direction="descent")
    except RuntimeError:  # no cell of the mask has a surface
        return None
    if len(faces) == 0:
        return None
    colors = np.zeros((0, 3), np.uint8)
    if bricks.color is not None:
        colors = _colors_at(vertices, _dense(bricks.color, there, side))
    border = ((vertices == 0) | (vertices == end - 1)).any(axis=1)
    return _Part(vertices + (first * SIDE).numpy(), faces.astype(np.int32), colors, border)


def _dense(values: Tensor, there: Int[Tensor, "n"], side: int) -> np.ndarray:
    """Voxels of a cube of blocks as a grid, and 0 where there is no block."""
    cube = torch.zeros(side**3, *values.shape[1:], dtype=values.dtype)
    cube[there] = values
    rest = values.shape[2:]
    grid = cube.reshape(side, side, side, SIDE, SIDE, SIDE, *rest)
    grid = grid.permute(0, 3, 1, 4, 2, 5, *range(6, 6 + len(rest)))
    return grid.reshape(side * SIDE, side * SIDE, side * SIDE, *rest).numpy()


def _colors_at(vertices: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Between the two voxels of the edge on which a vertex lies."""
    low, high = np.floor(vertices), np.ceil(vertices)
    share = np.linalg.norm(vertices - low, axis=1) / np.maximum(np.linalg.norm(high - low, axis=1), 1e-9)
    ends = [grid[tuple(end.astype(np.int64).T)] for end in (low, high)]
    return np.clip(np.rint(ends[0] + share[:, None] * (ends[1] - ends[0])), 0, 255).astype(np.uint8)


def _weld(parts: Sequence[_Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One mesh of all parts, which share the vertices on their borders."""
    if not parts:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.uint8)
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices for part in parts])
    border = np.flatnonzero(np.concatenate([part.border for part in parts]))
    # One edge of the grid has one vertex at most: its first voxel and its axis say which.
    low = np.floor(vertices[border]).astype(np.int64)
    edges = np.concatenate([low, (vertices[border] != low).argmax(axis=1)[:, None]], axis=1)
    _, first, same = np.unique(edges, axis=0, return_index=True, return_inverse=True)
    target = np.arange(len(vertices))
    target[border] = border[first][same.ravel()]
    kept = target == np.arange(len(vertices))
    target = (np.cumsum(kept) - 1)[target]
    faces = np.concatenate([target[part.faces + start] for part, start in zip(parts, starts, strict=False)])
    colors = np.concatenate([part.colors for part in parts])
    return vertices[kept], faces, colors[kept] if len(colors) else colors
