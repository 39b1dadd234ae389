"""A truncated signed distance volume that exists only near surfaces and takes depth maps one by one."""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.fusion.blocks import SIDE, BlockTable, blocks_of_points, voxel_offsets
from pointmap.fusion.depth_planes import DepthPlanes, depth_planes
from pointmap.fusion.marching import Bricks, extract_surface
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float, Int

if TYPE_CHECKING:
    import trimesh

Array = np.ndarray | Tensor

TRUNCATION = 3.0
"""Default, in voxels."""
_VOXELS = SIDE**3
_PAGE = 1 << 10
"""Blocks whose voxels are stored, and visited, together: as many as a processor's cache holds."""
_PAGE_CUDA = 1 << 16
_MOST_BLOCKS = 1 << 23
"""About 6 GB."""
_MOST_WEIGHT = 6e4
"""What half precision holds; from then on the mean follows the newest frames."""
_COLOR_BAND = 1.5
"""Voxels on each side of the surface in which colours count: those next to it. Further off, slanting views blur."""
_LEAST_COLOR = 0.01
"""Weight further off, so that there always is a colour."""
_TINY = 1e-12
_UNIT = 32767.0
"""Distances are stored as whole numbers: the truncation distance is this many units."""
_COLOR_UNIT = 256.0
"""Units of one grey level, likewise."""
_COLOR_ZERO = 127.5
"""Stored as 0."""


class TsdfVolume:
    """Weighted mean of the signed distances that posed depth maps tell (Curless & Levoy, SIGGRAPH 1996).

    Space is divided into voxels, and those are kept in blocks, which exist only near surfaces: memory grows with the
    surface, about 12 bytes per voxel near it. A depth map adds to the voxels near its surface, so that fusing takes as
    long for the last frame as for the first, however large the scene.

    The distance of a voxel is measured to the tangent plane of the pixel that sees it; planes do not lean on the other
    side of a depth edge. What is more than the truncation distance behind a surface is hidden and stays as it was; what
    is in front of it, near other surfaces, is taken to be free.

        volume = TsdfVolume(voxel_size=0.01)
        for depth, color, world_from_cam in stream:
            volume.integrate(depth, intrinsics, world_from_cam, color=color)
        mesh = volume.mesh()
    """

    def __init__(self, voxel_size: float, truncation: float | None = None, device: torch.device | str = "cpu") -> None:
        """
        Args:
            voxel_size: Edge of a voxel, in scene units.
            truncation: How far from the surface distances are told, in scene units; default 3 voxels. Larger than the
                noise of the depth maps, smaller than the thinnest thing that is seen from both sides.
            device: Where the volume is stored and computed.

        Raises:
            InputError: A size is not positive and finite, or the truncation distance is less than 2 voxels.
        """
        if not (math.isfinite(voxel_size) and voxel_size > 0):
            raise InputError(f"voxel_size is {voxel_size}; give the edge of a voxel in scene units, above 0.")
        truncation = TRUNCATION * voxel_size if truncation is None else truncation
        if not (math.isfinite(truncation) and truncation >= 2 * voxel_size):
            raise InputError(
                f"truncation is {truncation}; give at least 2 voxels, which is {2 * voxel_size}, in scene units."
            )
        self.voxel_size = float(voxel_size)
        self.truncation = float(truncation)
        self.device = torch.device(device)
        self._table = BlockTable(self.device)
        self._pages: list[_Page] = []
        self._page_size = _PAGE if self.device.type == "cpu" else _PAGE_CUDA
        self._colored: bool | None = None
        self._origin = torch.zeros(3, dtype=torch.float64)

    @property
    def num_blocks(self) -> int:
        """Blocks of 4x4x4 voxels that exist."""
        return len(self._table)

    def integrate(
        self,
        depth: Array,
        intrinsics: Array,
        world_from_cam: Array,
        color: Array | None = None,
        weight: Array | float | None = None,
        mask: Array | None = None,
    ) -> None:
        """Add a depth map; all arrays may be NumPy's or torch's.

        Args:
            depth: (h, w) z-depth in scene units; what is not positive and finite is unknown.
            intrinsics: (3, 3) pinhole K without skew, in pixels of the map.
            world_from_cam: (4, 4) rigid pose.
            color: (h, w, 3) RGB of the pixels, uint8, or floats in [0, 1]. All depth maps have colours, or none has.
            weight: (h, w) or one number: how much a pixel counts, for instance its confidence; default 1. Pixels whose
                weight is not positive and finite take no part.
            mask: (h, w) bool, True where a pixel takes part; default all.

        Raises:
            InputError: An array has another shape, K or the pose is none, or colours are there only at times.
        """
        depth = depth_map(depth).to(self.device)
        size = tuple(depth.shape)
        K, pose = pinhole_matrix(intrinsics), rigid_pose(world_from_cam)
        weights = _map(1.0 if weight is None else weight, "weight", size, self.device)
        if mask is not None:
            depth = depth * (_map(mask, "mask", size, self.device) > 0)
        colors = None if color is None else _colors(color, size, self.device)
        cell = _cell(depth, K, self.voxel_size)
        if self._colored is None:
            self._colored = color is not None
            # Far from the origin single precision is coarse. Whole blocks, so that the grid is the same for any order.
            self._origin = (pose[:3, 3] / (SIDE * self.voxel_size)).round() * (SIDE * self.voxel_size)
        elif self._colored != (color is not None):
            raise InputError("Some depth maps have colours and some do not. Give colours for all of them, or for none.")
        pose[:3, 3] -= self._origin
        K, pose = K.to(self.device, torch.float32), pose.to(self.device, torch.float32)
        planes = depth_planes(depth, K, weights, colors, cell)
        if not bool((planes.weights > 0).any()):
            return
        blocks = self._touched(planes, pose)
        slots, order = self._table.add(blocks, _MOST_BLOCKS).sort()
        blocks = blocks[order]
        while len(self._pages) * self._page_size < len(self._table):
            self._pages.append(_Page(self._page_size, bool(self._colored), self.device))
        frame = _Frame(planes, pose, self.voxel_size, self.truncation)
        ends = torch.arange(1, len(self._pages) + 1, device=self.device) * self._page_size
        counts = torch.searchsorted(slots, ends).diff(prepend=torch.zeros_like(ends[:1])).tolist()
        for number, (rows, part) in enumerate(zip(slots.split(counts), blocks.split(counts), strict=True)):
            if len(rows):
                frame.add_to(self._pages[number], rows - number * self._page_size, part)

    def mesh(self, min_weight: float = 0.0) -> "trimesh.Trimesh":
        """The surface where the mean distance is zero, facing the cameras; empty where nothing was seen.

        There is surface only between voxels that were all observed; other borders are left open.

        Args:
            min_weight: Voxels whose weights sum to less, or to nothing, count as not observed.
        """
        import trimesh

        blocks = self._table.blocks
        vertices, faces, colors = extract_surface(blocks.cpu(), lambda slots: self._bricks(slots, min_weight))
        mesh = trimesh.Trimesh((vertices + 0.5) * self.voxel_size + self._origin.numpy(), faces, process=False)
        if self._colored:
            mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=colors)
        return mesh

    def _bricks(self, slots: Int[Tensor, "n"], min_weight: float) -> Bricks:
        """Voxels of blocks, on the CPU."""
        slots = slots.to(self.device)
        numbers = slots // self._page_size
        shape = (len(slots), _VOXELS)
        distance = torch.empty(shape, device=self.device)
        observed = torch.empty(shape, dtype=torch.bool, device=self.device)
        color = torch.empty((*shape, 3), device=self.device) if self._colored else None
        for number in numbers.unique().tolist():
            here = (numbers == number).nonzero()[:, 0]
            page, rows = self._pages[number], slots[here] - number * self._page_size
            distance[here] = page.distance[rows].float() / _UNIT
            weight = page.weight[rows].float()
            observed[here] = (weight > 0) & (weight >= min_weight)
            if color is not None and page.color is not None:
                color[here] = page.color[rows].float() / _COLOR_UNIT + _COLOR_ZERO
        return Bricks(distance.cpu(), observed.cpu(), None if color is None else color.cpu())

    def _touched(self, planes: DepthPlanes, pose: Float[Tensor, "4 4"]) -> Int[Tensor, "n 3"]:
        """The blocks in the band around the surface."""
        block = SIDE * self.voxel_size
        seen = (planes.weights.flatten() > 0).nonzero()[:, 0]
        points, normals = (values.flatten(1).index_select(1, seen) for values in (planes.points, planes.normals))
        # Points on and beside the surface, so dense that no block in the band is left out.
        spacing = _far(points[2], 0.98) / float(planes.intrinsics.diagonal()[:2].min())
        splits = min(8, math.ceil(2 * spacing / block))
        if splits > 1:
            points, normals = _between(points, normals, planes.intrinsics, splits)
        points, normals = pose[:3, :3] @ points + pose[:3, 3:], pose[:3, :3] @ normals
        layers = 1 + 2 * math.ceil(self.truncation / (0.75 * block))
        offsets = torch.linspace(-self.truncation, self.truncation, layers).tolist()
        return blocks_of_points((points.add(normals, alpha=offset) for offset in offsets), block)


def _cell(depth: Float[Tensor, "h w"], K: Float[Tensor, "3 3"], voxel_size: float) -> int:
    """Pixels that are as large as a voxel on most of the surface."""
    far = _far(depth.flatten(), 0.9)
    return max(1, int(voxel_size * float(K.diagonal()[:2].min()) / far)) if far > 0 else 1


def _far(depths: Float[Tensor, "n"], share: float) -> float:
    """What this share of the known depths is below, about; 0 without any."""
    some = depths[:: max(1, len(depths) // 4096)]
    some = some[(some > 0) & (some < torch.inf)]
    return float(some.quantile(share)) if len(some) else 0.0


def _between(
    points: Float[Tensor, "3 n"], normals: Float[Tensor, "3 n"], K: Float[Tensor, "3 3"], splits: int
) -> tuple[Float[Tensor, "3 m"], Float[Tensor, "3 m"]]:
    """Points on the planes within their pixels, `splits` along each side of a pixel."""
    shifts = (torch.arange(splits, device=points.device) + 0.5) / splits - 0.5
    rays = points / points[2]
    height = (normals * points).sum(dim=0)
    found = []
    for du in shifts / K[0, 0]:
        for dv in shifts / K[1, 1]:
            moved = rays + torch.stack([du, dv, torch.zeros_like(du)])[:, None]
            along = (normals * moved).sum(dim=0)
            found.append(torch.where(along < 0.5 * height / points[2], height / along, points[2]) * moved)
    return torch.cat(found, dim=1), normals.repeat(1, splits * splits)


class _Page:
    """Voxels of some blocks, in whole numbers where these take less room."""

    def __init__(self, blocks: int, colored: bool, device: torch.device) -> None:
        shape = (blocks, _VOXELS)
        self.distance = torch.zeros(shape, dtype=torch.int16, device=device)
        self.weight = torch.zeros(shape, dtype=torch.float16, device=device)
        self.color = torch.zeros((*shape, 3), dtype=torch.int16, device=device) if colored else None
        self.color_weight = torch.zeros(shape, dtype=torch.float16, device=device) if colored else None


class _Frame:
    """A depth map, ready to be added to voxels."""

    def __init__(self, planes: DepthPlanes, pose: Float[Tensor, "4 4"], voxel_size: float, truncation: float) -> None:
        # Homogeneous pixels (u z, v z, z) of a voxel serve to find its plane and to tell its distance.
        self._pixel_from_world = torch.eye(4, device=pose.device)
        self._pixel_from_world[:3] = planes.intrinsics @ invert_rigid(pose)[:3]
        (fx, _, cx), (_, fy, cy), _ = planes.intrinsics.tolist()
        x, y, z = planes.normals / truncation
        columns = [x / fx, y / fy, z - x * (cx / fx) - y * (cy / fy)]
        columns += [-(planes.normals * planes.points).sum(dim=0) / truncation, planes.weights]
        if planes.colors is not None:
            columns += ((planes.colors - _COLOR_ZERO) * _COLOR_UNIT).unbind()
        self._size = planes.weights.shape
        # One line of numbers per cell of pixels. The border around them is for voxels that are not in the image.
        height, width = self._size
        table = torch.zeros(height + 2, width + 2, len(columns), device=pose.device)
        table[1:-1, 1:-1] = torch.stack(columns, dim=-1)
        self._table = table.flatten(0, 1)
        self._block = SIDE * voxel_size
        self._color_falloff = truncation / (_COLOR_BAND * voxel_size)
        offsets = (voxel_offsets(pose.device) + 0.5) * voxel_size
        self._offsets = (offsets @ self._pixel_from_world[:3, :3].mT).unbind(dim=-1)

    def add_to(self, page: _Page, rows: Int[Tensor, "n"], blocks: Int[Tensor, "n 3"]) -> None:
        """Update the voxels of blocks, which are rows of the page."""
        corners = transform_points(self._pixel_from_world, blocks.float() * self._block)
        x, y, z = (corner[:, None] + offset for corner, offset in zip(corners.unbind(-1), self._offsets, strict=True))
        seen = self._table.index_select(0, self._lines(x, y, z).flatten()).unflatten(0, x.shape)
        a, b, c, offset, weight = seen[..., :5].unbind(dim=-1)
        distance = (x.mul_(a)).add_(y.mul_(b)).add_(z.mul_(c)).add_(offset)
        weight = weight * (distance > -1)
        total = page.weight.index_select(0, rows) + weight
        mean = page.distance.index_select(0, rows).float()
        share = weight / total.clamp(min=_TINY)
        mean += distance.clamp_(max=1).mul(_UNIT).sub_(mean).mul_(share)
        page.distance.index_copy_(0, rows, mean.round_().to(torch.int16))
        page.weight.index_copy_(0, rows, total.clamp_(max=_MOST_WEIGHT).to(torch.float16))
        if page.color is not None and page.color_weight is not None:
            # What a ray passes on its way does not have the colour of its end.
            weight *= distance < 1
            weight *= distance.abs_().mul_(-self._color_falloff).add_(1).clamp_(min=_LEAST_COLOR)
            total = page.color_weight.index_select(0, rows) + weight
            mean = page.color.index_select(0, rows).float()
            share = weight / total.clamp(min=_TINY)
            mean += (seen[..., 5:] - mean).mul_(share[..., None])
            page.color.index_copy_(0, rows, mean.round_().to(torch.int16))
            page.color_weight.index_copy_(0, rows, total.clamp_(max=_MOST_WEIGHT).to(torch.float16))

    def _lines(
        self, x: Float[Tensor, "n voxels"], y: Float[Tensor, "n voxels"], z: Float[Tensor, "n voxels"]
    ) -> Int[Tensor, "n voxels"]:
        """Line of the table for every voxel: of the cell on which it lies."""
        height, width = self._size
        # What is not in front of the camera goes far out.
        nearness = z.clamp(min=1e-6).reciprocal_()
        column = (x * nearness).add_(1.5).clamp_(0, width + 1.5).int()
        row = nearness.mul_(y).add_(1.5).clamp_(0, height + 1.5).int()
        return row.mul_(width + 2).add_(column)


def pinhole_matrix(intrinsics: Array) -> Float[Tensor, "3 3"]:
    """The float64 matrix.

    Raises:
        InputError: It is no pinhole K without skew.
    """
    K = torch.as_tensor(intrinsics).detach().cpu().double().clone()
    fits = K.shape == (3, 3) and bool(torch.isfinite(K).all()) and bool((K[0, 0] > 0) & (K[1, 1] > 0))
    rest = [] if not fits else [K[0, 1], K[1, 0], K[2, 0], K[2, 1], K[2, 2] - 1]
    if not fits or max(abs(float(value)) for value in rest) > 1e-6 * float(K[0, 0]):
        raise InputError(
            f"Intrinsics are {K.tolist() if K.numel() <= 9 else tuple(K.shape)}; expected a pinhole matrix "
            "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels of the depth map, with positive focal lengths."
        )
    return K


def rigid_pose(world_from_cam: Array) -> Float[Tensor, "4 4"]:
    """The float64 matrix.

    Raises:
        InputError: It is no rotation and translation.
    """
    pose = torch.as_tensor(world_from_cam).detach().cpu().double().clone()
    if pose.shape != (4, 4) or not bool(torch.isfinite(pose).all()):
        raise InputError(
            f"world_from_cam is {pose.tolist() if pose.numel() <= 16 else tuple(pose.shape)}; expected a finite (4, 4) "
            "matrix."
        )
    rotation = pose[:3, :3]
    off = float((rotation @ rotation.mT - torch.eye(3, dtype=torch.float64)).abs().max())
    last = float((pose[3] - torch.tensor([0.0, 0, 0, 1], dtype=torch.float64)).abs().max())
    if off > 1e-3 or last > 1e-6 or float(torch.linalg.det(rotation)) < 0:
        raise InputError(
            f"world_from_cam is not rigid: {pose.tolist()}. Expected a rotation without scale or mirroring and a "
            "translation, from the camera's frame (x right, y down, z forward) to the world's."
        )
    return pose


def depth_map(values: Array) -> Float[Tensor, "h w"]:
    """The float32 map.

    Raises:
        InputError: It has another shape than (h, w).
    """
    tensor = torch.as_tensor(values).detach().float()
    if tensor.ndim != 2 or not tensor.numel():
        raise InputError(f"A depth map has shape {tuple(tensor.shape)}; expected (h, w).")
    return tensor


def _map(values: Array | float, name: str, size: tuple[int, ...], device: torch.device) -> Float[Tensor, "h w"]:
    """float32 on the device; a single number is spread over the map."""
    tensor = torch.as_tensor(values).detach().to(device, torch.float32)
    if tensor.ndim and tuple(tensor.shape) != size:
        raise InputError(f"The {name} map has shape {tuple(tensor.shape)}; expected {size}, as the depth map has.")
    return tensor.expand(size)


def _colors(values: Array, size: tuple[int, ...], device: torch.device) -> Tensor:
    """As they are, on the device."""
    tensor = torch.as_tensor(values).detach().to(device)
    if tuple(tensor.shape) != (*size, 3):
        raise InputError(
            f"Colours have shape {tuple(tensor.shape)}; expected {(*size, 3)}, one per pixel of the depth map."
        )
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise InputError(f"Colours are of type {tensor.dtype}; expected uint8, or floats in [0, 1].")
    return tensor
