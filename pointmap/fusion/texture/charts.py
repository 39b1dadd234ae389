"""Charts: connected faces of one photo, flat as the photo shows them, packed into a texture.

A texel is then (up to one common scale) a pixel of the photo, so near and far surfaces get the room that their pixels
need, and nothing is stretched. Faces that no photo sees lie flat along the axis they face most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.fusion.texture.sights import Sight
from pointmap.fusion.texture.surface import Surface
from pointmap.geometry.cameras import project_points
from pointmap.geometry.rasterize import rasterize_flat
from pointmap.geometry.transforms import transform_points
from pointmap.shapes import Bool, Float, Int

PADDING = 2
"""Texels around every chart."""
_UNSEEN = 0.25
"""Texels per length on faces that no photo sees, beside the others'."""
_REACH = 0.55
"""Faces that a photo shows in part may reach so far from its middle, in parts of its size."""
_SMOOTH = 6
"""Unseen faces are laid flat by the mean normal of what lies so many faces around, or with what is seen there."""
_SLANTED = 0.03
"""Cosine between the normal of an unseen face and the way to the camera, to lie with what that sees."""
_LEAST = 3.0
"""No chart is narrower than so many texels."""
_FILL = 0.85
"""Part of a texture that packed charts and their margins usually cover."""


@dataclass(frozen=True, eq=False)
class Charts:
    """A surface laid flat in a texture."""

    vertices: Int[np.ndarray, "m"]
    """For every corner of a chart, the vertex of the mesh as it was given."""

    faces: Int[np.ndarray, "f 3"]
    """Faces as indices into these."""

    texels: Float[np.ndarray, "m 2"]
    """Places in the texture, in texels from its left and top edge: the centre of the first texel is (0.5, 0.5)."""

    size: tuple[int, int]
    """Width and height of the texture."""


def make_charts(surface: Surface, labels: Int[Tensor, "f"], sights: Sequence[Sight], texture_size: int) -> Charts:
    """Lay the surface out.

    Args:
        labels: The photo of every face; -1 where there is none.
        texture_size: The longest side of the texture is at most this; it is smaller where photos have fewer pixels.
    """
    flat, depth, groups = _flattened(surface, labels, sights)
    edges = surface.edges.cpu().numpy()
    layers = np.zeros(len(groups), np.int64)
    alone = np.zeros(len(groups), bool)
    # Where a chart lies on itself (folds, seen past their edge), the farther faces become charts of their own. Half the
    # size tells enough.
    for attempt in range(4):
        components = _components(groups, layers, alone, edges)
        corners = _Corners(surface, flat, components)
        under = _covered(corners.rough(max(64, texture_size // 2)), depth)
        if not under.any():
            break
        layers[under] += 1
        alone |= under & (attempt >= 2)
    components = _components(groups, layers, alone, edges)
    return _Corners(surface, flat, components).pack(texture_size)


def _adopted(surface: Surface, labels: Int[Tensor, "f"], sights: Sequence[Sight]) -> Int[Tensor, "f"]:
    """Unseen faces beside seen ones lie in the same chart where the photo has them in front, though maybe hidden."""
    if not sights:
        return labels
    cameras = torch.stack([torch.linalg.inv(sight.camera.cam_from_world)[:3, 3] for sight in sights])
    labels = labels.clone()
    centroids = surface.points[surface.faces].mean(dim=1)
    for _ in range(_SMOOTH):
        for face, other in (surface.edges.unbind(dim=1), surface.edges.flip(1).unbind(dim=1)):
            joins = (labels[face] < 0) & (labels[other] >= 0)
            face, photo = face[joins], labels[other[joins]]
            ray = centroids[face] - cameras[photo]
            front = (surface.normals[face] * ray).sum(dim=1) < -_SLANTED * ray.norm(dim=1)
            labels.scatter_reduce_(0, face[front], photo[front], "amax")
    return labels


def _flattened(
    surface: Surface, labels: Int[Tensor, "f"], sights: Sequence[Sight]
) -> tuple[Float[np.ndarray, "f 3 2"], Float[np.ndarray, "f 3"], Int[np.ndarray, "f"]]:
    """Corners in pixels of a photo, or along an axis in pixels of a typical one; their depth; which of these it is."""
    corners = surface.points[surface.faces]
    pixels = torch.zeros_like(corners[..., :2])
    depth = torch.zeros_like(corners[..., 0])
    groups = torch.full_like(labels, -1)
    seen = [sight.density[labels[sight.faces] == index] for index, sight in enumerate(sights)]
    density = torch.cat([*seen, torch.zeros(0, device=labels.device)]).double()
    typical = density.median() if len(density) else 1e4 / surface.areas[surface.sound].sum().clamp(min=1e-30)
    nearby = _adopted(surface, labels, sights)
    for index, sight in enumerate(sights):
        own = torch.nonzero(nearby == index).flatten()
        local = transform_points(sight.camera.cam_from_world, corners[own].view(-1, 3))
        places = project_points(local, sight.camera.K).view(-1, 3, 2)
        size = torch.tensor(sight.camera.size, device=places.device)
        # Nothing that reaches far out of the photo, where it would be stretched without bounds.
        fits = (local[:, 2] > 0).view(-1, 3).all(dim=1) & ((places / size - 0.5).abs() < _REACH).all(dim=2).all(dim=1)
        own = own[fits]
        pixels[own] = places[fits] * sight.resolution**0.5
        depth[own] = local[:, 2].view(-1, 3)[fits]
        groups[own] = index
    rest = torch.nonzero(groups < 0).flatten()
    unseen = labels[rest] < 0
    # What nobody sees has smooth colours, and may lie as slanted as it likes if only it stays together.
    normals = torch.where(unseen[:, None], _smooth_normals(surface)[rest], surface.normals[rest])
    axis = normals.abs().argmax(dim=1)
    planes = torch.tensor([[1, 2], [2, 0], [0, 1]], device=axis.device)[axis]
    scale = torch.where(unseen, _UNSEEN, 1.0) * typical.sqrt()
    pixels[rest] = corners[rest].gather(2, planes[:, None].expand(-1, 3, -1)) * scale[:, None, None]
    depth[rest] = corners[rest].gather(2, axis[:, None, None].expand(-1, 3, -1))[..., 0]
    front = normals.gather(1, axis[:, None])[:, 0] > 0
    groups[rest] = -1 - (2 * (2 * axis + front.long()) + unseen.long())
    return pixels.cpu().numpy(), depth.cpu().numpy(), groups.cpu().numpy()


def _smooth_normals(surface: Surface) -> Float[Tensor, "f 3"]:
    """Normals, not of unit length, averaged over some faces around."""
    normals = surface.normals * surface.areas[:, None]
    for _ in range(_SMOOTH):
        normals = surface.face_mean(torch.nn.functional.normalize(surface.point_sum(normals), dim=1))
    return normals


def _components(
    groups: Int[np.ndarray, "f"], layers: Int[np.ndarray, "f"], alone: Bool[np.ndarray, "f"], edges: np.ndarray
) -> Int[np.ndarray, "f"]:
    """Which chart a face is of: connected, of one group and layer."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = edges[:, 0], edges[:, 1]
    joined = (groups[first] == groups[second]) & (layers[first] == layers[second]) & ~alone[first] & ~alone[second]
    count = len(groups)
    graph = coo_matrix((np.ones(int(joined.sum()), bool), (first[joined], second[joined])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _covered(charts: Charts, depth: Float[np.ndarray, "f 3"]) -> Bool[np.ndarray, "f"]:
    """Faces that lie under others of their chart in some texel."""
    places = torch.from_numpy(charts.texels[charts.faces] - 0.5)
    heights = torch.from_numpy(depth)
    upper = rasterize_flat(places, charts.size, depth=heights).faces
    lower = rasterize_flat(places, charts.size, depth=-heights).faces
    under = np.zeros(len(depth), bool)
    under[lower[upper != lower].numpy()] = True
    return under


class _Corners:
    """Corners of charts, each vertex once per chart, and xatlas, which packs them."""

    def __init__(self, surface: Surface, flat: Float[np.ndarray, "f 3 2"], components: Int[np.ndarray, "f"]) -> None:
        faces = surface.faces.cpu().numpy()
        keys = components[:, None] * len(surface.points) + faces
        _, first, inverse = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        self.vertices = surface.given.ravel()[first]
        self.faces = inverse.reshape(-1, 3)
        self.components = components
        self.sound = surface.sound.cpu().numpy()
        component = components.repeat(3)[first]
        pixels = flat.reshape(-1, 2)[first]
        low = np.full((int(components.max()) + 1, 2), np.inf)
        high = -low
        np.minimum.at(low, component, pixels)
        np.maximum.at(high, component, pixels)
        self.pixels = pixels - low[component]
        self.extent = (high - low)[component]
        self.around = float(np.where(low <= high, high - low, 0).sum())
        edges = self.pixels[self.faces]
        sides = edges[:, 1:] - edges[:, :1]
        self.area = float(np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).sum() / 2)

    def rough(self, texture_size: int) -> Charts:
        """The charts about as large as in a texture of this size, without margins, in more room if need be."""
        scale = min(1.0, np.sqrt(_FILL / max(self.area, 1e-30)) * texture_size)
        return Charts(self.vertices, self.faces, *self._packed(scale, 0, 1.0))

    def pack(self, texture_size: int) -> Charts:
        """The charts in a texture of at most this size, as large as fits, and no larger than the photos' pixels."""
        for padding, narrowest in ((PADDING, _LEAST), (1, 1.0)):
            packed = self._fitted(texture_size, padding, narrowest)
            if packed is not None:
                return Charts(self.vertices, self.faces, *packed)
        charts = int(self.components.max()) + 1
        raise InputError(
            f"The {charts} charts of the mesh do not fit in a texture of texture_size={texture_size} pixels. "
            f"Give at least {int(2 * (PADDING + _LEAST) * np.sqrt(charts))}, or a mesh of fewer faces."
        )

    def _fitted(
        self, texture_size: int, padding: int, narrowest: float
    ) -> tuple[Float[np.ndarray, "m 2"], tuple[int, int]] | None:
        # The area of charts with their margins, area * scale^2 + margins * scale + least, is part of the texture's.
        least = (int(self.components.max()) + 1) * (2 * padding + 1) ** 2
        room, margins = max(_FILL * texture_size**2 - least, 1.0), (2 * padding + 1) * self.around
        scale = min(1.0, 2 * room / max(margins + np.sqrt(margins**2 + 4 * self.area * room), 1e-30))
        best = None
        for _ in range(10):
            texels, size = self._packed(scale, padding, narrowest)
            if max(size) <= texture_size:
                best = texels, size
                if scale >= 1 or max(size) > 0.97 * texture_size:
                    break
                scale = min(1.0, scale * min(1.1, 0.99 * texture_size / max(size)))
            elif best is not None:
                break
            else:  # margins do not shrink with the charts, which therefore shrink the more
                scale *= min(0.97, (0.99 * texture_size / max(size)) ** 2)
        return best

    def _packed(self, scale: float, padding: int, narrowest: float) -> tuple[Float[np.ndarray, "m 2"], tuple[int, int]]:
        import xatlas

        # What would vanish is stretched to a few texels, each way by itself.
        stretch = np.maximum(scale, narrowest / np.maximum(self.extent, 1e-12))
        stretch = np.where(self.extent > 0, stretch, 0.0)
        pixels = (self.pixels * stretch).astype(np.float32)
        atlas = xatlas.Atlas()
        atlas.add_uv_mesh(
            pixels, self.faces[self.sound].astype(np.uint32), self.components[self.sound, None].astype(np.uint32)
        )
        options = xatlas.PackOptions()
        options.padding, options.texels_per_unit, options.resolution = padding, 1.0, 0
        atlas.generate(xatlas.ChartOptions(), options, False)
        size = (max(1, int(atlas.width)), max(1, int(atlas.height)))
        texels = np.zeros((len(pixels), 2))
        if self.sound.any():
            mapping, _, uv = atlas.get_mesh(0)
            texels[mapping] = uv * size
        return texels, size
