"""Posed depth maps, of any origin, become one surface."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.fusion.tsdf import Array, TsdfVolume, depth_map, pinhole_matrix, rigid_pose
from pointmap.geometry.transforms import transform_points
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene
from pointmap.shapes import Bool

if TYPE_CHECKING:
    import trimesh

FINEST = 1 / 256
"""Smallest voxel that is chosen by itself, as a share of the longest side of what is seen. With exact depth a half of
it is a little better, with noise of 1 % it is far worse (`eval/studies/fusion.py`)."""
_LOOKED_AT = 16
"""Depth maps of a list that choose the voxel size, evenly spread over it."""
_PIXELS = 5000
"""Of each of them."""


def fuse(
    depths: Iterable[Array],
    intrinsics: Array | Iterable[Array],
    world_from_cam: Iterable[Array],
    colors: Iterable[Array] | None = None,
    voxel_size: float | None = None,
    *,
    weights: Iterable[Array | float] | None = None,
    truncation: float | None = None,
    max_depth: float | None = None,
    min_weight: float = 0.0,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
) -> "trimesh.Trimesh":
    """One surface from depth maps with known cameras: a truncated signed distance volume and its marching cubes.

        mesh = pointmap.fuse(depths, K, world_from_cam, colors)
        mesh.export("mesh.ply")

    What there is one of per depth map may be a list, an array or a generator: maps are taken one by one, so a stream of
    any length can be fused. Arrays are NumPy's or torch's; maps may differ in size.

    Args:
        depths: (h, w) z-depth, in the units of the poses; 0, NaN and infinite values are unknown.
        intrinsics: (3, 3) pinhole K in pixels of the depth maps, one per map or one for all; the centre of the first
            pixel is (0, 0).
        world_from_cam: (4, 4) rigid poses of cameras with x right, y down, z forward. Maps with a pose of NaN take no
            part.
        colors: (h, w, 3) RGB uint8, or floats in [0, 1]; without them, the mesh has no colours.
        voxel_size: Edge of a voxel, in the units of the poses. Default: the typical distance of neighbouring pixels on
            the surface, but at least 1/256 of the longest side of what is seen, which bounds memory to some ten
            megabytes and suits the noise of depth maps. A generator is judged by its first map with a known depth; give
            the size if that is not typical.
        weights: (h, w) maps, or numbers: how much pixels count, for instance their confidences.
        truncation: How far from a surface distances are told; default 3 voxels. Should exceed the noise of depths.
        max_depth: Pixels further away take no part.
        min_weight: Surface that was seen with less weight in all, where a pixel seen frontally has its weight (1 by
            default), is left out.
        device: Where to compute, "cpu" or "cuda".
        progress: Called with ("fuse", done, total) after each map; the total of a generator is what was done.

    Returns:
        The mesh in the world frame, faces towards the cameras; open where nothing was seen. Without a known depth it is
        empty.

    Raises:
        InputError: There is no depth map; numbers or shapes do not go together; or a K or pose is none.
    """
    sources = _Sources.of(depths, intrinsics, world_from_cam, colors, weights)
    if max_depth is not None and not max_depth > 0:
        raise InputError(f"max_depth is {max_depth}; give a distance above 0, or None.")
    volume = None
    if voxel_size is not None:
        volume = TsdfVolume(voxel_size, truncation, device)
    elif sources.indexable:
        spread = np.linspace(0, sources.total - 1, min(sources.total, _LOOKED_AT)).round().astype(int).tolist()
        volume = _volume(voxel_size_for((sources.at(i) for i in spread), max_depth), truncation, device)
    done = 0
    for done, entry in enumerate(sources, start=1):
        if volume is None:
            volume = _volume(voxel_size_for([entry], max_depth), truncation, device)
        if volume is not None:
            try:
                _add(volume, entry, max_depth)
            except InputError as error:
                raise InputError(f"Depth map {done - 1}: {error}") from error
        if progress is not None:
            progress("fuse", done, max(done, sources.total))
    if done == 0:
        raise InputError("There are no depth maps to fuse. Give one at least.")
    return _empty() if volume is None else volume.mesh(min_weight)


def fuse_scene(
    scene: Scene,
    *,
    masks: Sequence[Bool[np.ndarray, "_ _"]] | None = None,
    voxel_size: float | None = None,
    truncation: float | None = None,
    min_weight: float = 0.0,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> "trimesh.Trimesh":
    """The fused surface of a scene's registered photos, with vertex colours; empty where nothing is kept.

    Pixels count by their confidence, in units of the median of those that are kept.

    Args:
        masks: What `Scene.masks` gave; instead of settings of it.
        voxel_size, truncation, min_weight, device, progress: See `fuse`.
        keep: See `Scene.masks`.
    """
    masks = scene.masks(**keep) if masks is None else masks
    chosen = [i for i in np.flatnonzero(scene.registered).tolist() if masks[i].any()]
    if not chosen:
        return _empty()
    usual = float(np.median(np.concatenate([scene.confidences[i][masks[i]] for i in chosen])))
    return fuse(
        _Lazy(chosen, lambda i: np.where(masks[i], scene.depths[i], 0)),
        scene.working_intrinsics[chosen],
        scene.world_from_cam[chosen],
        _Lazy(chosen, lambda i: scene.colors[i]),
        voxel_size,
        weights=_Lazy(chosen, lambda i: scene.confidences[i] / usual),
        truncation=truncation,
        min_weight=min_weight,
        device=device,
        progress=progress,
    )


def voxel_size_for(entries: "Iterable[Entry]", max_depth: float | None = None) -> float | None:
    """Typical distance of neighbouring pixels on the surface, and at least `FINEST`; None without a known depth."""
    spacings, points = [], []
    for entry in entries:
        if entry.absent:
            continue
        depth, known = _known(entry, max_depth)
        rows, columns = torch.nonzero(known, as_tuple=True)
        step = max(1, len(rows) // _PIXELS)
        rows, columns = rows[::step], columns[::step]
        K, pose = pinhole_matrix(entry.intrinsics), rigid_pose(entry.world_from_cam)
        z = depth[rows, columns].double()
        rays = torch.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], torch.ones_like(z)], dim=-1)
        spacings.append(z / torch.minimum(K[0, 0], K[1, 1]))
        points.append(transform_points(pose, z[:, None] * rays))
    if not spacings or not sum(map(len, spacings)):
        return None
    seen = torch.cat(points)
    # A few wrong depths far away must not coarsen the whole.
    low, high = (seen.kthvalue(max(1, round(share * len(seen))), dim=0).values for share in (0.01, 0.99))
    return max(float(torch.cat(spacings).median()), FINEST * float((high - low).max()))


@dataclass(frozen=True, eq=False)
class Entry:
    """All that is given of one depth map."""

    depth: Array
    intrinsics: Array
    world_from_cam: Array
    color: Array | None
    weight: Array | float | None

    @property
    def absent(self) -> bool:
        """The pose says so."""
        return bool(torch.as_tensor(self.world_from_cam).isnan().any())


@dataclass(frozen=True, eq=False)
class _Sources:
    """What is given of all depth maps, one by one."""

    columns: dict[str, Iterable[Any]]
    total: int
    """0 where unknown."""

    @staticmethod
    def of(
        depths: Iterable[Array],
        intrinsics: Array | Iterable[Array],
        world_from_cam: Iterable[Array],
        colors: Iterable[Array] | None,
        weights: Iterable[Array | float] | None,
    ) -> "_Sources":
        """Raises InputError where numbers of things differ."""
        columns: dict[str, Iterable[Any]] = {"depth": depths, "world_from_cam": world_from_cam}
        columns |= {} if colors is None else {"color": colors}
        columns |= {} if weights is None else {"weight": weights}
        columns["intrinsics"] = _One(intrinsics) if _is_matrix(intrinsics) else intrinsics
        counts = {name: len(column) for name, column in columns.items() if isinstance(column, Sized)}
        if len(set(counts.values())) > 1:
            raise InputError(f"Every depth map needs one of each, but the numbers differ: {counts}.")
        return _Sources(columns, next(iter(counts.values()), 0))

    @property
    def indexable(self) -> bool:
        """Any entry can be had at any time."""
        return self.total > 0 and all(hasattr(column, "__getitem__") for column in self.columns.values())

    def at(self, index: int) -> Entry:
        """One entry, where they are indexable."""
        return self._entry({name: column[index] for name, column in self.columns.items()})  # type: ignore[index]

    def __iter__(self) -> Iterator[Entry]:
        """Raises InputError where one generator ends before another."""
        iterators = {name: iter(column) for name, column in self.columns.items()}
        one_for_all = isinstance(self.columns["intrinsics"], _One)
        for number in itertools.count():
            values = {name: next(iterator, _END) for name, iterator in iterators.items()}
            ended = [name for name, value in values.items() if value is _END]
            if len(ended) >= len(values) - one_for_all:
                return
            if ended:
                raise InputError(
                    f"Every depth map needs one of each, but there are only {number} of {', '.join(ended)}."
                )
            yield self._entry(values)

    @staticmethod
    def _entry(values: dict[str, Any]) -> Entry:
        return Entry(**({"color": None, "weight": None} | values))


class _One:
    """The same for every index."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getitem__(self, index: int) -> Any:
        return self._value

    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat(self._value)


class _Lazy(Sequence[Any]):
    """Maps that are made when they are needed."""

    def __init__(self, indices: list[int], make: Callable[[int], Any]) -> None:
        self._indices, self._make = indices, make

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Any:
        return self._make(self._indices[index])


_END = object()


def _is_matrix(intrinsics: Any) -> bool:
    """One K, not one per map."""
    if isinstance(intrinsics, np.ndarray | Tensor):
        return intrinsics.ndim == 2
    return isinstance(intrinsics, Sequence) and np.shape(intrinsics) == (3, 3)


def _known(entry: Entry, max_depth: float | None) -> tuple[Tensor, Tensor]:
    """The depth map, and True where it is to be used."""
    depth = depth_map(entry.depth)
    known = torch.isfinite(depth) & (depth > 0)
    return depth, known if max_depth is None else known & (depth <= max_depth)


def _add(volume: TsdfVolume, entry: Entry, max_depth: float | None) -> None:
    if entry.absent:
        return
    mask = None if max_depth is None else _known(entry, max_depth)[1]
    volume.integrate(entry.depth, entry.intrinsics, entry.world_from_cam, entry.color, entry.weight, mask)


def _volume(voxel_size: float | None, truncation: float | None, device: str | torch.device) -> TsdfVolume | None:
    return None if voxel_size is None else TsdfVolume(voxel_size, truncation, device)


def _empty() -> "trimesh.Trimesh":
    import trimesh

    return trimesh.Trimesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64), process=False)
