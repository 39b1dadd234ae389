"""Localisation: a map of posed photos, queries whose pose is asked for, and what a retrieval found for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.sfm.cameras import quaternion_from

from ..estimate import Estimate
from ..task import Inputs, Task, Truth
from .tree import require_file

LOST = np.full((4, 4), np.nan)
"""Pose of a photo of which it is not known, or not public."""


@dataclass(frozen=True, eq=False)
class KnownPhoto:
    """A photo of a map, or a query."""

    name: str
    """As the benchmark writes it in its lists."""

    path: Path

    intrinsics: np.ndarray
    """(3, 3) pinhole K in pixels of the photo, NaN where unknown."""

    world_from_cam: np.ndarray
    """(4, 4); `LOST` where unknown."""


def localization_task(
    name: str,
    mapped: Sequence[KnownPhoto],
    queries: Sequence[KnownPhoto],
    *,
    retrieved: Mapping[str, Sequence[str]] | None = None,
    top: int = 20,
    submit: Mapping[str, str] | None = None,
) -> Task:
    """A task whose photos are the map and, after it, the queries; their poses are in the truth alone.

    `Truth.extra["query_names"]` has the names of queries for a submission, by their places among the photos.

    Args:
        retrieved: Names of the map's photos for each query, best first; None where the method retrieves by itself.
        top: How many of them are used.
        submit: Names of queries as the benchmark's evaluation server wants them, where they differ.

    Raises:
        InputError: There is nothing to localise, a query is not in `retrieved`, or what was retrieved is not in the
            map.
    """
    if not mapped or not queries:
        raise InputError(
            f"{name} has {len(mapped)} photos in its map and {len(queries)} queries; expected some of both."
        )
    photos = [*mapped, *queries]
    places = tuple(range(len(mapped), len(photos)))
    poses = np.stack([photo.world_from_cam for photo in photos])
    intrinsics = np.stack([photo.intrinsics for photo in photos])
    given = poses.copy()
    given[list(places)] = np.nan
    neighbours: tuple[tuple[int, ...], ...] = ()
    if retrieved is not None:
        index = {photo.name: place for place, photo in enumerate(mapped)}
        neighbours = tuple(_neighbours(name, query.name, retrieved, index, top) for query in queries)
    inputs = Inputs(
        tuple(photo.path for photo in photos),
        intrinsics=intrinsics,
        world_from_cam=given,
        queries=places,
        neighbours=neighbours,
    )
    names = {place: (submit or {}).get(photo.name, photo.name) for place, photo in zip(places, queries, strict=True)}
    return Task(name, inputs, Truth(intrinsics, poses, extra={"query_names": names}))


def _neighbours(
    scene: str, query: str, retrieved: Mapping[str, Sequence[str]], index: Mapping[str, int], top: int
) -> tuple[int, ...]:
    if query not in retrieved:
        raise InputError(f"The retrieval list of {scene} says nothing of the query {query!r}.")
    names = retrieved[query][:top]
    if unknown := [name for name in names if name not in index]:
        raise InputError(f"The retrieval list of {scene} names {unknown[0]!r} for {query!r}, which is not in the map.")
    return tuple(index[name] for name in names)


def read_retrieval(path: Path) -> dict[str, list[str]]:
    """Photos of the map for each query, best first.

    Two layouts are read: hloc's `query map` (best first; `cvg/Hierarchical-Localization:hloc/utils/parsers.py`), and
    kapture's `query, map, score` (comma separated, `#` begins a comment; ordered here by falling score, equal ones as
    they come; `naver/kapture-localization`).
    """
    found: dict[str, list[tuple[float, str]]] = {}
    lines = require_file(path, "what a retrieval found").read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = [word.strip() for word in line.split(",")] if "," in line else line.split()
        try:
            query, name, *score = words
            found.setdefault(query, []).append((float(score[0]) if score else 0.0, name))
        except ValueError as error:
            raise InputError(
                f"Line {number} of {str(path)!r} names no pair of photos: {line!r}. Expected `query map`, or "
                "`query, map, score`."
            ) from error
    return {query: [name for _, name in sorted(rows, key=lambda row: -row[0])] for query, rows in found.items()}


def submission_lines(task: Task, estimate: Estimate) -> list[str]:
    """What https://www.visuallocalization.net/submission/ takes: `name qw qx qy qz tx ty tz` of cam_from_world, a line
    a query; queries without a pose are left out. The task is one of `localization_task`."""
    lines = []
    for place in task.inputs.queries:
        world_from_cam = np.asarray(estimate.world_from_cam[place], np.float64)
        if not np.isfinite(world_from_cam).all():
            continue
        cam_from_world = np.linalg.inv(world_from_cam)
        numbers = [*quaternion_from(cam_from_world[:3, :3]), *cam_from_world[:3, 3]]
        name = task.truth.extra["query_names"][place]
        lines.append(" ".join([name, *(repr(float(number)) for number in numbers)]))
    return lines


def read_poses(path: Path) -> dict[str, np.ndarray]:
    """(4, 4) world_from_cam by name, of a file in the layout of `submission_lines`."""
    from pointmap.sfm.cameras import rotation_from

    poses = {}
    for number, line in enumerate(require_file(path, "poses of queries").read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *words = line.split()
        try:
            values = np.array(words, np.float64)
            if values.shape != (7,) or not np.isfinite(values).all() or not values[:4].any():
                raise ValueError(f"{len(words)} numbers")
        except ValueError as error:
            raise InputError(
                f"Line {number} of {str(path)!r} is no pose: expected a name and qw qx qy qz tx ty tz. {error}"
            ) from error
        cam_from_world = np.eye(4)
        cam_from_world[:3, :3], cam_from_world[:3, 3] = rotation_from(values[:4]), values[4:]
        poses[name] = np.linalg.inv(cam_from_world)
    return poses
