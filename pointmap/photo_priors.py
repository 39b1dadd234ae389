"""What is known of photos before, as people give it (of original photos), in pixels of the working images."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.alignment import Alignment
from pointmap.alignment.known_world import to_known_world
from pointmap.errors import InputError
from pointmap.geometry.cameras import working_intrinsics
from pointmap.images import LoadedPhotos
from pointmap.images.depths import working_depth
from pointmap.images.masks import per_photo, working_mask
from pointmap.posing import Beside, Priors
from pointmap.priors import KnownDistance, Soft
from pointmap.scene import View


@dataclass(frozen=True, eq=False)
class PhotoPriors:
    """Everything that is known of the photos that could be read."""

    exact: Priors
    """What is kept."""

    start: Priors
    """The same with focal lengths to begin with: soft ones, and those that EXIF states."""

    beside: Beside
    """What the aligner takes into account besides."""

    masks: list[Any] = field(repr=False)
    """As given: arrays or files of the upright originals, None where there is none."""

    keep: list[np.ndarray] = field(repr=False)
    """(h, w) masks of the working images, True = keep."""

    @property
    def tell_scale(self) -> bool:
        """Whether something known is in the caller's own unit of length."""
        poses = [*self.exact.world_from_cam, *self.beside.world_from_cam]
        lengths = [*self.beside.depths, *self.beside.distances]
        return sum(pose is not None for pose in poses) > 1 or any(length is not None for length in lengths)

    def settle(self, alignment: Alignment) -> Alignment:
        """A finished alignment in the world that is known; as it is, where nothing is said of that."""
        beside = self.beside
        poses = [
            soft if exact is None else exact
            for exact, soft in zip(self.exact.world_from_cam, beside.world_from_cam, strict=True)
        ]
        told = [*beside.world_from_cam, *beside.depths, *beside.gravity, *beside.distances]
        if all(entry is None for entry in told):
            return alignment
        return to_known_world(
            alignment,
            world_from_cam=poses,
            depths=beside.depths,
            gravity=beside.gravity,
            distances=beside.distances,
        )


def read_photo_priors(
    loaded: LoadedPhotos,
    *,
    intrinsics: Sequence[Any] | None = None,
    world_from_cam: Sequence[Any] | None = None,
    depths: Any = None,
    masks: Any = None,
    gravity: Sequence[Any] | None = None,
    distances: Sequence[KnownDistance] | None = None,
    shared_focal: bool | None = None,
) -> PhotoPriors:
    """See `pointmap.reconstruct`.

    Raises:
        InputError: Something has the wrong form, or is of another number of photos.
    """
    views = loaded.views
    names = {index: view.name for index, view in zip(loaded.indices, views, strict=True)}
    count = len(views) + len(loaded.skipped)
    listed = [names.get(index, "") for index in range(count)]
    given = {
        "intrinsics": intrinsics,
        "world_from_cam": world_from_cam,
        "depths": _soft_folder(depths, listed),
        "masks": per_photo("masks", masks, listed),
        "gravity": gravity,
    }
    for name, prior in given.items():
        if prior is not None and len(prior) != count:
            raise InputError(
                f"{name} has {len(prior)} entries for {count} photos. Give one per photo, None where it is not known."
            )
    known: dict[str, list[Any]] = {
        name: [None if prior is None else prior[index] for index in loaded.indices] for name, prior in given.items()
    }
    matrices = [_mapped(K, _working_K, view) for K, view in zip(known["intrinsics"], views, strict=True)]
    told = _exactly(matrices)
    first = [
        _exif_K(view) if K is None else K.value if isinstance(K, Soft) else K
        for K, view in zip(matrices, views, strict=True)
    ]
    keep = [
        np.ones(view.image.shape[:2], bool) if mask is None else working_mask(mask, view)
        for mask, view in zip(known["masks"], views, strict=True)
    ]
    cameras = _cameras(views, shared_focal)
    poses = _exactly(known["world_from_cam"])
    beside = Beside(
        intrinsics=_softly(matrices),
        world_from_cam=_softly(known["world_from_cam"]),
        depths=[_mapped(depth, working_depth, view) for depth, view in zip(known["depths"], views, strict=True)],
        gravity=known["gravity"],
        distances=[_working_distance(number, each, loaded, count) for number, each in enumerate(distances or [])],
    )
    return PhotoPriors(Priors(told, poses, cameras), Priors(first, poses, cameras), beside, known["masks"], keep)


def _exactly(values: Sequence[Any]) -> list[Any]:
    return [None if isinstance(value, Soft) else value for value in values]


def _softly(values: Sequence[Any]) -> list[Any]:
    return [value if isinstance(value, Soft) else None for value in values]


def _mapped(value: Any, function: Any, view: View) -> Any:
    """A function of what is known of a photo, as sure as that is."""
    if isinstance(value, Soft):
        return replace(value, value=function(value.value, view))
    return None if value is None else function(value, view)


def _working_K(K: Any, view: View) -> np.ndarray:
    return working_intrinsics(np.asarray(K, float), view.working_from_original)


def _exif_K(view: View) -> np.ndarray | None:
    """Working intrinsics with the focal length that EXIF states, about the photo's middle."""
    focal = view.focal_px_prior
    if focal is None:
        return None
    width, height = view.original_size
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return working_intrinsics(K, view.working_from_original)


def _cameras(views: list[View], shared_focal: bool | None) -> list[int]:
    """For each photo the number of its camera: as told, or as far as sizes and EXIF tell."""
    if shared_focal is not None:
        return [0 if shared_focal else index for index in range(len(views))]
    kinds = [(tuple(sorted(view.original_size)), view.focal_px_prior) for view in views]
    return [kinds.index(kind) for kind in kinds]


def _soft_folder(depths: Any, names: Sequence[str]) -> Any:
    """Per photo, also where a folder is given, or a folder that is not exact."""
    if isinstance(depths, Soft) and isinstance(depths.value, (str, Path)):
        files = per_photo("depths", depths.value, names) or []
        return [None if file is None else replace(depths, value=file) for file in files]
    return per_photo("depths", depths, names)


def _working_distance(number: int, known: KnownDistance, loaded: LoadedPhotos, count: int) -> KnownDistance:
    """The same between working images, which are numbered without the photos that could not be read."""
    if not isinstance(known, KnownDistance):
        raise InputError(f"distances[{number}] is a {type(known).__name__}; expected a pointmap.KnownDistance.")

    def working(place: Any) -> Any:
        photo = place[0] if isinstance(place, tuple) and len(place) == 3 else place
        if not isinstance(photo, int | np.integer) or not 0 <= photo < count:
            raise InputError(
                f"distances[{number}] is from or to {place!r}; expected the number of a photo (0 to {count - 1}), or "
                f"(photo, x, y)."
            )
        if photo not in loaded.indices:
            raise InputError(f"distances[{number}] names photo {photo}, which could not be read. Leave it out.")
        view = loaded.indices.index(int(photo))
        if not isinstance(place, tuple):
            return view
        x, y, _ = loaded.views[view].working_from_original @ [float(place[1]), float(place[2]), 1.0]
        height, width = loaded.views[view].image.shape[:2]
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise InputError(
                f"distances[{number}] names the pixel ({place[1]:g}, {place[2]:g}) of {loaded.views[view].name!r}, "
                f"which is cropped away. Choose one nearer to the middle of the photo."
            )
        return view, float(x), float(y)

    return replace(known, a=working(known.a), b=working(known.b))
