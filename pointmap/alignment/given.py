"""What the caller of the aligner knows already, read and checked: cameras, depths, gravity, distances."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import radians
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.per_view import PerView, as_array, as_map, entries, value_and_sigmas
from pointmap.alignment.state import Fixed
from pointmap.errors import InputError
from pointmap.geometry.cameras import image_centres
from pointmap.geometry.focal import default_focal
from pointmap.priors import KnownDistance, Soft
from pointmap.shapes import Float, Int

_SPARSE, _WANTED = 0.2, 100
"""Where depths are known at a smaller share of the pixels, so many of these are looked at in any case."""
_RIGID = 1e-3
"""By how much the axes of a given pose may fail to be of length 1 and at right angles."""


@dataclass(frozen=True)
class Given:
    """What the caller knows, as float64 tensors. A sigma is 0 where a value is exact, infinite where none is known."""

    centres: Float[Tensor, "views 2"]
    """Principal points in pixels."""
    aspects: Float[Tensor, "views"]
    """Horizontal over vertical focal length."""
    focals: Float[Tensor, "views"]
    """In pixels; a guess where unknown."""
    focal_sigmas: Float[Tensor, "views"]
    """Of the logarithm."""

    known_poses: Float[Tensor, "views 4 4"]
    """NaN where unknown."""
    pose_sigmas: Float[Tensor, "views 2"]
    """Of the rotation in radians, and of the camera's centre in world units."""

    depths: list[Float[Tensor, "_ _"] | None]
    """z-depths in world units; 0 at pixels where unknown."""
    depth_sigmas: Float[Tensor, "views"]
    """Of the logarithm."""

    gravity: Float[Tensor, "views 3"]
    """Of length 1, in the camera frame; NaN where unknown."""
    gravity_sigmas: Float[Tensor, "views"]
    """In radians."""

    distances: list[KnownDistance]
    fixed: Fixed

    def cpu(self) -> "Given":
        """The same on the CPU."""
        moved: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        moved |= {name: value.cpu() for name, value in moved.items() if isinstance(value, Tensor)}
        moved["depths"] = [None if depth is None else depth.cpu() for depth in self.depths]
        fixed = self.fixed
        moved["fixed"] = Fixed(fixed.poses.cpu(), fixed.focals.cpu(), fixed.cameras.cpu(), fixed.scale)
        return Given(**moved)


def read_known(
    shapes: Sequence[tuple[int, int]],
    intrinsics: PerView = None,
    world_from_cam: PerView = None,
    principal_points: np.ndarray | None = None,
    shared_focal: bool | Sequence[int] = False,
    *,
    depths: PerView = None,
    gravity: PerView = None,
    distances: Any = None,
    device: torch.device | str = "cpu",
) -> Given:
    """Everything that `align` takes as known; masks are read by `read_masks`, before there is a problem.

    Args:
        shapes: (height, width) of the working images.

    Raises:
        InputError: Something has the wrong form, contradicts itself, or is of another number of views.
    """
    device, count = torch.device(device), len(shapes)
    matrices, focal_sigmas = _matrices("intrinsics", intrinsics, count, (3, 3), device)
    poses, pose_sigmas = _matrices("world_from_cam", world_from_cam, count, (4, 4), device)
    _check_pinholes(matrices)
    _check_rigid(poses)
    maps, depth_sigmas = _read_depths(depths, shapes, device)
    down, gravity_sigmas = _read_gravity(gravity, count, device)
    known = matrices[:, 0, 0].isfinite()
    if principal_points is None:
        centres = image_centres(list(shapes), device=device)
    else:
        centres = torch.as_tensor(np.asarray(principal_points), dtype=torch.float64, device=device)
        if centres.shape != (count, 2):
            raise InputError(
                f"principal_points has the shape {tuple(centres.shape)}; expected ({count}, 2), x and y in pixels of "
                f"each working image."
            )
    guesses = torch.tensor([default_focal(max(h, 1), max(w, 1)) for h, w in shapes], dtype=torch.float64)
    return Given(
        centres=torch.where(known[:, None], matrices[:, :2, 2], centres),
        aspects=torch.where(known, matrices[:, 0, 0] / matrices[:, 1, 1], 1.0),
        focals=torch.where(known, matrices[:, 0, 0], guesses.to(device)),
        focal_sigmas=focal_sigmas[:, 0],
        known_poses=poses,
        pose_sigmas=torch.stack([torch.deg2rad(pose_sigmas[:, 0]), pose_sigmas[:, 1]], dim=1),
        depths=maps,
        depth_sigmas=depth_sigmas,
        gravity=down,
        gravity_sigmas=gravity_sigmas,
        distances=_checked_distances(distances, shapes),
        fixed=Fixed(
            poses=(pose_sigmas == 0).all(1),
            focals=focal_sigmas[:, 0] == 0,
            cameras=shared_cameras(shared_focal, count).to(device),
        ),
    )


def wanted_pixels(depths: PerView, distances: Any) -> dict[int, list[tuple[int, int]]]:
    """Pixels (row, column) of views that the solver must look at: ends of known distances, and some of the pixels
    with known depths where they are few. What is malformed is left to `read_known`."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for known in distances or []:
        for place in (getattr(known, "a", None), getattr(known, "b", None)):
            if isinstance(place, tuple) and len(place) == 3:
                wanted.setdefault(int(place[0]), []).append((round(place[2]), round(place[1])))
    for view, entry in enumerate(depths if hasattr(depths, "__len__") else []):
        value = entry.value if isinstance(entry, Soft) else entry
        depth = np.asarray(value.cpu() if isinstance(value, Tensor) else value)
        if depth.ndim == 2 and depth.dtype.kind in "fiu":
            found = np.argwhere(np.nan_to_num(depth, posinf=0) > 0)
            if len(found) < _SPARSE * depth.size:
                step = len(found) // _WANTED + 1
                wanted.setdefault(view, []).extend(map(tuple, found[::step].tolist()))
    return wanted


def tied(given: Given, registered: list[int]) -> Fixed:
    """Which exact poses hold the solution: those of registered views; one alone, that nothing else speaks about but
    where the world is, is not among them."""
    here = torch.zeros_like(given.fixed.poses)
    here[registered] = True
    poses = given.fixed.poses & here
    others = (given.pose_sigmas.isfinite().any(1) | given.gravity_sigmas.isfinite()) & here & ~poses
    if int(poses.sum()) < 2 and not bool(others.any()):
        poses = torch.zeros_like(poses)
    if not bool(poses.any()):
        return replace(given.fixed, poses=poses)
    centres = given.known_poses[poses][:, :3, 3]
    apart = bool((centres - centres[0]).norm(dim=-1).max() > 1e-9 * (1 + centres.norm(dim=-1).max()))
    return replace(given.fixed, poses=poses, scale=apart)


def matrices(focals: Float[Tensor, "views"], given: Given) -> Float[Tensor, "views 3 3"]:
    """Pinhole K of all views with these focal lengths."""
    matrices = torch.zeros(len(focals), 3, 3, dtype=torch.float64, device=focals.device)
    matrices[:, 0, 0], matrices[:, 1, 1] = focals, focals / given.aspects
    matrices[:, :2, 2] = given.centres
    matrices[:, 2, 2] = 1.0
    return matrices


def _matrices(
    name: str, values: PerView, count: int, shape: tuple[int, int], device: torch.device
) -> tuple[Float[Tensor, "views rows columns"], Float[Tensor, "views sigmas"]]:
    """One matrix per view, NaN where there is none, and how sure each is."""
    parts = 2 if shape == (4, 4) else 1
    matrices = torch.full((count, *shape), torch.nan, dtype=torch.float64)
    sigmas = torch.full((count, parts), torch.inf, dtype=torch.float64)
    for view, entry in entries(name, values, count):
        value, doubt = value_and_sigmas(name, view, entry, parts)
        matrix = as_array(name, view, value)
        if tuple(matrix.shape) != shape:
            raise InputError(f"{name}[{view}] has the shape {tuple(matrix.shape)}; expected {shape}, or None.")
        if not bool(matrix[:2].isfinite().any()):
            continue
        if not bool(matrix.isfinite().all()):
            raise InputError(f"{name}[{view}] is NaN or infinite in places. Give None where it is not known.")
        matrices[view], sigmas[view] = matrix, torch.tensor(doubt)
    return matrices.to(device), sigmas.to(device)


def _check_pinholes(matrices: Float[Tensor, "views 3 3"]) -> None:
    for view in matrices[:, 0, 0].isfinite().nonzero()[:, 0].tolist():
        K = matrices[view]
        fx, fy = float(K[0, 0]), float(K[1, 1])
        rest = torch.stack([K[0, 1], K[1, 0], K[2, 0], K[2, 1], K[2, 2] - 1])
        if fx <= 0 or fy <= 0 or float(rest.abs().max()) > 1e-3 * max(fx, 1.0):
            raise InputError(
                f"intrinsics[{view}] is {[[round(x, 3) for x in row] for row in K.tolist()]}; expected a pinhole "
                f"[[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels, with positive focal lengths and without skew."
            )


def _check_rigid(poses: Float[Tensor, "views 4 4"]) -> None:
    for view in poses[:, 0, 0].isfinite().nonzero()[:, 0].tolist():
        pose, rotation = poses[view], poses[view, :3, :3]
        skewed = float((rotation.mT @ rotation - torch.eye(3).to(rotation)).abs().max())
        bottom = float((pose[3] - torch.eye(4).to(pose)[3]).abs().max())
        if skewed > _RIGID or bottom > _RIGID or float(torch.linalg.det(rotation)) < 0:
            why = "its last row is not (0, 0, 0, 1)" if bottom > _RIGID else "its upper left 3x3 is no rotation"
            raise InputError(
                f"world_from_cam[{view}] is not rigid: {why}. Give 4x4 matrices that take points of the camera (x "
                f"right, y down, z forward) to the world, without scale or mirroring."
            )


def _read_depths(
    depths: PerView, shapes: Sequence[tuple[int, int]], device: torch.device
) -> tuple[list[Float[Tensor, "_ _"] | None], Float[Tensor, "views"]]:
    maps: list[Tensor | None] = [None] * len(shapes)
    sigmas = torch.full((len(shapes),), torch.inf, dtype=torch.float64)
    for view, entry in entries("depths", depths, len(shapes)):
        value, doubt = value_and_sigmas("depths", view, entry)
        depth = as_map("depths", view, value, shapes[view], device)
        depth = torch.where(depth.isfinite() & (depth > 0), depth, 0.0)
        if not bool(depth.any()):
            raise InputError(
                f"depths[{view}] holds no positive value. Give z-depths in world units, 0 or NaN at pixels where they "
                f"are not known, or None for the whole view."
            )
        maps[view], sigmas[view] = depth, doubt[0]
    return maps, sigmas.to(device)


def _read_gravity(
    gravity: PerView, count: int, device: torch.device
) -> tuple[Float[Tensor, "views 3"], Float[Tensor, "views"]]:
    down = torch.full((count, 3), torch.nan, dtype=torch.float64)
    sigmas = torch.full((count,), torch.inf, dtype=torch.float64)
    for view, entry in entries("gravity", gravity, count):
        value, doubt = value_and_sigmas("gravity", view, entry)
        vector = as_array("gravity", view, value)
        if vector.shape != (3,) or not bool(vector.isfinite().all()) or float(vector.norm()) == 0:
            raise InputError(
                f"gravity[{view}] is {value!r}; expected the direction in which things fall as a vector (x right, y "
                f"down, z forward) in the frame of that view's camera: (0, 1, 0) for a level camera."
            )
        down[view], sigmas[view] = vector / vector.norm(), radians(doubt[0])
    return down.to(device), sigmas.to(device)


def _checked_distances(distances: Any, shapes: Sequence[tuple[int, int]]) -> list[KnownDistance]:
    exact: dict[frozenset[Any], float] = {}
    for number, known in enumerate(distances or []):
        if not isinstance(known, KnownDistance):
            raise InputError(f"distances[{number}] is a {type(known).__name__}; expected a pointmap.KnownDistance.")
        for place in (known.a, known.b):
            _check_place(number, place, shapes)
        if known.a == known.b:
            raise InputError(f"distances[{number}] is from {known.a!r} to itself; name two places.")
        if not (0 < known.length < np.inf):
            raise InputError(f"The length of distances[{number}] is {known.length!r}; it must be positive.")
        if known.sigma is not None and not known.sigma > 0:
            raise InputError(
                f"The sigma of distances[{number}] is {known.sigma!r}; it must be positive, or None where the length "
                f"is exact."
            )
        if known.sigma is None:
            before = exact.setdefault(frozenset([known.a, known.b]), known.length)
            if abs(np.log(before / known.length)) > 1e-6:
                raise InputError(
                    f"The exact distance between {known.a!r} and {known.b!r} is given as {before!r} and as "
                    f"{known.length!r}. Give one, or both with a sigma."
                )
    return list(distances or [])


def _check_place(number: int, place: Any, shapes: Sequence[tuple[int, int]]) -> None:
    if not isinstance(place, int | np.integer) and not (isinstance(place, tuple) and len(place) == 3):
        raise InputError(f"distances[{number}] is from or to {place!r}; expected a view's index, or (view, x, y).")
    view = int(place[0]) if isinstance(place, tuple) else int(place)
    if not 0 <= view < len(shapes):
        raise InputError(
            f"distances[{number}] names view {view}, but there are {len(shapes)} (0 to {len(shapes) - 1})."
        )
    height, width = shapes[view]
    if isinstance(place, tuple) and (height, width) != (0, 0):
        x, y = float(place[1]), float(place[2])
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise InputError(
                f"distances[{number}] names the pixel ({x:g}, {y:g}) of view {view}, which has {width}x{height} pixels "
                f"(width x height)."
            )


def shared_cameras(shared_focal: bool | Sequence[int], count: int) -> Int[Tensor, "views"]:
    """For each view the number of its camera, below the number of views."""
    if isinstance(shared_focal, bool):
        return torch.zeros(count, dtype=torch.long) if shared_focal else torch.arange(count)
    if len(shared_focal) != count:
        raise InputError(f"shared_focal has {len(shared_focal)} entries for {count} views; give True, or one per view.")
    return torch.unique(torch.tensor(shared_focal), return_inverse=True)[1]
