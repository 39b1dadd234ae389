"""An open surface becomes a closed body."""

from dataclasses import dataclass

import numpy as np
import torch

from pointmap.fusion.manifold import border_loops
from pointmap.fusion.triangles import Triangles
from pointmap.fusion.watertight import closed_level
from pointmap.shapes import Float

_VOXELS = (24, 192)
"""Least and most along the longest side."""
_COARSE = 64
"""Cells along the longest side of the grid on which inside and outside are told; they change slowly."""
_MARGIN = 0.5
"""Of the longest side, on every side of the surface: room for a field that dies away, on a grid that is periodic."""
_BAND = 3.0
"""Voxels on each side of the surface in which its own distance counts."""
_BESIDE = 1.0
"""Voxels: who is further than this from the foot of his perpendicular is beyond the border."""
_STEEP = 6.0
"""Voxels that the step of inside against outside is worth."""
_ROOM = 0.1
"""Of the longest side: a body that reaches further out of the surface's box is none that has an inside."""
_THICK = 0.03
"""Of the longest side: how thick a wall becomes that has no inside."""
_PER_VOXEL = 4
"""Samples of the surface on an area of one voxel."""


def closed(mesh: Triangles, *, voxel_size: float | None = None) -> Triangles:
    """A closed body with this surface, coloured like it; empty where there is no surface.

    Inside is where the surface's winding number (Jacobson et al., SIGGRAPH 2013) is above what it is on the surface on
    average: the gradient of that number is the surface's normal field (as in Kazhdan et al., SGP 2006). So holes are
    closed by smooth skins. What does not go around anything, like a wall or a room seen from within, becomes a wall of
    some thickness. Only the largest piece is kept.

    Args:
        mesh: A manifold.
        voxel_size: Of the grid, in units of the vertices; default the length of edges. At least 24 and at most 192
            voxels make up the longest side.
    """
    if len(mesh.faces) == 0 or not mesh.areas.sum() > 0:
        return Triangles(
            np.zeros((0, 3)), np.zeros((0, 3), np.int64), None if mesh.colors is None else np.zeros((0, 3))
        )
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import KDTree

    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    side = float((high - low).max())
    step = float(np.clip(voxel_size or mesh.edge_length, side / _VOXELS[1], side / _VOXELS[0]))
    samples = _samples(mesh, step)
    low, high = low - _ROOM * side - 3 * step, high + _ROOM * side + 3 * step
    shape = tuple((np.ceil((high - low) / step).astype(int) + 1).tolist())
    field = _STEEP * _inside(samples, low, step, shape)
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    reached = bool((field[edge] > 0).any())

    cells = np.rint((samples.points - low) / step).astype(int)
    far = np.ones(shape, bool)
    far[tuple(cells.T)] = False
    distance = distance_transform_edt(far)
    thick = max(_THICK * side / step, 2 * _BAND)
    if reached:
        field = np.minimum(field, thick - distance)
    near = np.stack(np.nonzero(distance <= (thick if reached else _BAND)), axis=-1)
    offset = low + step * near
    _, foot = KDTree(samples.points).query(offset)
    offset = (offset - samples.points[foot]) / step
    height = (offset * samples.normals[foot]).sum(axis=1)
    beside = np.linalg.norm(offset - height[:, None] * samples.normals[foot], axis=1) > _BESIDE
    here = ~beside & (np.abs(height) <= _BAND)
    field[tuple(near[here].T)] = -height[here]
    if reached:  # and a wall ends where the surface does
        border = np.concatenate([np.zeros(0, int), *border_loops(mesh)])
        if len(border):
            at_border = KDTree(mesh.vertices[border]).query(samples.points)[0] < 2 * _BESIDE * step
            field[tuple(near[beside & at_border[foot]].T)] = -_BAND
    vertices, faces = closed_level(field)
    vertices = low + step * vertices
    colors = None
    if mesh.colors is not None:
        _, nearest = KDTree(mesh.vertices).query(vertices)
        colors = mesh.colors[nearest]
    return Triangles(vertices, faces, colors)


@dataclass(frozen=True, eq=False)
class _Samples:
    """Points spread over a surface."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    """Unit."""
    areas: Float[np.ndarray, "n"]
    """What each stands for."""


def _samples(mesh: Triangles, step: float) -> _Samples:
    areas = mesh.areas
    number = np.ceil(_PER_VOXEL * areas / step**2).astype(int)
    face = np.repeat(np.arange(len(areas)), number)
    weights = np.random.default_rng(0).dirichlet([1.0, 1.0, 1.0], len(face))
    normals = mesh.crosses[face] / (2 * areas[face, None])
    points = (weights[..., None] * mesh.vertices[mesh.faces[face]]).sum(axis=1)
    return _Samples(points, normals, areas[face] / number[face])


def _inside(
    samples: _Samples, low: Float[np.ndarray, "3"], step: float, shape: tuple[int, ...]
) -> Float[np.ndarray, "a b c"]:
    """Winding number minus its mean on the surface, about -0.5 outside and 0.5 inside, at `low + step * index`."""
    from scipy.ndimage import map_coordinates

    extent = step * (np.array(shape) - 1)
    cell = float(extent.max()) / _COARSE
    start = low - _MARGIN * extent.max()
    size = np.ceil((extent + 2 * _MARGIN * extent.max()) / cell).astype(int) + 1
    flow = torch.zeros(3, int(size.prod()))
    place = (samples.points - start) / cell
    corner = np.floor(place).astype(int)
    fraction = place - corner
    vectors = torch.tensor((samples.normals * samples.areas[:, None]).T / cell**3, dtype=torch.float32)
    for bits in np.ndindex(2, 2, 2):
        weight = np.where(bits, fraction, 1 - fraction).prod(axis=1)
        index = np.ravel_multi_index(tuple((corner + bits).T), tuple(size))
        flow.index_add_(1, torch.tensor(index), vectors * torch.tensor(weight, dtype=torch.float32))
    # The gradient of the number is minus the flow through the surface; in frequencies a gradient is a product.
    waves = torch.fft.rfftn(flow.view(3, *size.tolist()), dim=(1, 2, 3))
    axes = [2 * np.pi * np.fft.fftfreq(int(n), cell) for n in size[:2]] + [
        2 * np.pi * np.fft.rfftfreq(int(size[2]), cell)
    ]
    k = torch.tensor(np.stack(np.meshgrid(*axes, indexing="ij")), dtype=torch.float32)
    square = (k**2).sum(dim=0)
    square[0, 0, 0] = 1
    number = torch.fft.irfftn(1j * (k * waves).sum(dim=0) / square, s=size.tolist()).numpy()
    coarse = np.indices(shape, np.float32).reshape(3, -1) * np.float32(step / cell) + ((low - start) / cell)[:, None]
    level = np.average(map_coordinates(number, place.T, order=1), weights=samples.areas)
    return map_coordinates(number, coarse, order=1, output=np.float32).reshape(shape) - np.float32(level)
