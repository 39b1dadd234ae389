"""This package: `pointmap.reconstruct`, and `Scene.localize` for queries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

import pointmap
from pointmap.checkpoints import load_model
from pointmap.errors import InputError
from pointmap.inference import network_fingerprint
from pointmap.localization import NEIGHBOURS
from pointmap.scene import Scene

from ..code import code_digest
from ..estimate import Estimate, photo_sizes
from ..task import Inputs
from .given_world import given_matrix
from .method import Method
from .options import named, option_types

_NOT_OPTIONS = frozenset(
    {"photos", "model", "intrinsics", "world_from_cam", "depths", "masks", "gravity", "distances"}
    | {"cache", "progress", "seed"}
)
"""Of `reconstruct`: what the task, the runner or `network` say."""
_LISTED = 10
"""Lines of each kind that the record keeps."""


class Engine(Method):
    """`pointmap.reconstruct` with any of its settings that are plain values (`poses=network`, `refine=none`, ...).

    Given intrinsics and poses are priors that it keeps. Photos of a "single" task are reconstructed one by one, each in
    the frame of its own camera unless its pose is given. Frames of a video are treated as photos in any order: pairs by
    content find neighbours in time as well, and the places to which the camera returns.

    Localisation: the photos of the map are reconstructed with their given cameras, then every query is localised in
    that scene. Of a map with more than `map_photos` photos that many are taken: those that the protocol's retrieval
    names for the queries, the best ones of every query first, and where it names none, evenly over the map.
    """

    def __init__(
        self,
        network: str = "small",
        device: str | None = None,
        precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
        map_photos: int = 200,
        neighbours: int = NEIGHBOURS,
        mesh: Literal["none", "open", "watertight"] = "none",
        **options: Any,
    ) -> None:
        """
        Args:
            network: What `reconstruct` takes for `model`.
            map_photos: Of localisation: see the class.
            neighbours: Of localisation: photos of the map that a query is matched with.
            mesh: Make one for protocols that compare meshes (`Scene.mesh`).
            options: Of `pointmap.reconstruct`.
        """
        if min(map_photos, neighbours) < 1:
            raise InputError(f"pointmap: map_photos={map_photos}, neighbours={neighbours}: both must be at least 1.")
        own = {"precision": precision, "map_photos": map_photos, "neighbours": neighbours, "mesh": mesh}
        usual = {"precision": "auto", "map_photos": 200, "neighbours": NEIGHBOURS, "mesh": "none"}
        changed = {name: value for name, value in own.items() if value != usual[name]}
        self.name = named(f"pointmap-{_called(network)}", changed | options)
        self.gives = frozenset({"poses", "depths", "points", "localization"} | ({"mesh"} if mesh != "none" else set()))
        self._map_photos, self._neighbours, self._mesh = map_photos, neighbours, mesh
        self._options = options
        self._network: Any = None
        if network != "classical":
            self._network = load_model(network, device=device, precision=precision)
        weights = "classical" if self._network is None else network_fingerprint(self._network)
        self._settings = {
            "options": own | options,
            "network": _called(network),
            "weights": weights,
            "device": str(device) if self._network is None else str(self._network.device),
            "precision": None if self._network is None else str(self._network.precision),
            "code": code_digest(),
        }

    @classmethod
    def options(cls) -> dict[str, Any]:
        """See `Method`."""
        own = option_types(cls.__init__)
        del own["options"]
        theirs = option_types(pointmap.reconstruct)
        return own | {name: kind for name, kind in theirs.items() if name not in own and name not in _NOT_OPTIONS}

    def settings(self) -> dict[str, Any]:
        """See `Method`."""
        return self._settings

    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """See `Method`."""
        if inputs.queries:
            return self._localized(inputs, seed)
        everything = range(len(inputs.photos))
        if inputs.kind != "single":
            return _estimate(inputs, [self._reconstructed(inputs, everything, seed)], self._mesh)
        scenes, refused = [], []
        for index in everything:
            try:
                scenes.append(self._reconstructed(inputs, [index], seed))
            except InputError as error:
                refused.append(str(error))
        if not scenes:
            raise InputError(refused[0])
        estimate = _estimate(inputs, scenes, "none")
        estimate.notes["refused"] = refused[:_LISTED]
        return estimate

    def _reconstructed(self, inputs: Inputs, index: Sequence[int], seed: int) -> tuple[Sequence[int], Scene]:
        """The scene of some photos, and which photo of the task each of its photos is."""
        photos = [inputs.photos[i] for i in index]
        priors: dict[str, Any] = {}
        for name in ("intrinsics", "world_from_cam"):
            known = [given_matrix(getattr(inputs, name), i) for i in index]
            if any(matrix is not None for matrix in known):
                priors[name] = known
        scene = pointmap.reconstruct(
            photos,
            model="classical" if self._network is None else self._network,
            seed=seed,
            progress=False,
            **priors,
            **self._options,
        )
        # A photo that could not be read is left out; names of files need not be unique, their order is kept.
        places, rest = [], iter(index)
        for path in scene.paths:
            places.append(next(i for i in rest if inputs.photos[i].expanduser() == path))
        return places, scene

    def _localized(self, inputs: Inputs, seed: int) -> Estimate:
        chosen = choose_map(inputs, self._map_photos)
        places, scene = self._reconstructed(inputs, chosen, seed)
        found = scene.localize(
            [inputs.photos[query] for query in inputs.queries],
            model=self._network,
            intrinsics=[given_matrix(inputs.intrinsics, query) for query in inputs.queries],
            neighbours=self._neighbours,
        )
        assert isinstance(found, list)
        estimate = _estimate(inputs, [(places, scene)], self._mesh)
        assert estimate.intrinsics is not None
        if inputs.world_from_cam is not None:
            the_map = np.setdiff1d(np.arange(len(inputs.photos)), inputs.queries)
            estimate.world_from_cam[the_map] = inputs.world_from_cam[the_map]
        for query, localization in zip(inputs.queries, found, strict=True):
            estimate.world_from_cam[query] = localization.world_from_cam
            estimate.intrinsics[query] = localization.intrinsics
        estimate.notes["query_confidence"] = [localization.num_inliers for localization in found]
        lost = [localization for localization in found if not localization.registered]
        estimate.notes["localization"] = {
            "map": len(chosen),
            "localised": len(found) - len(lost),
            "lost": [f"{localization.name}: {localization.reason}" for localization in lost[:_LISTED]],
        }
        return estimate


def _called(network: str) -> str:
    """The bundled or the hub's name; of a file its stem, or its folder where all files are called `model`."""
    path = Path(network)
    if path.suffix not in (".safetensors", ".pth"):
        return path.name
    return path.resolve().parent.name if path.stem == "model" else path.stem


def choose_map(inputs: Inputs, count: int) -> list[int]:
    """At most so many photos of the map, in their order; see `Engine`."""
    queries = set(inputs.queries)
    if not any(inputs.neighbours):
        the_map = [index for index in range(len(inputs.photos)) if index not in queries]
        if len(the_map) <= count:
            return the_map
        return [the_map[place] for place in np.linspace(0, len(the_map) - 1, count).round().astype(int)]
    longest = max(map(len, inputs.neighbours))
    ranked = [names[rank] for rank in range(longest) for names in inputs.neighbours if rank < len(names)]
    return sorted([index for index in dict.fromkeys(ranked) if index not in queries][:count])


def _estimate(inputs: Inputs, scenes: Sequence[tuple[Sequence[int], Scene]], mesh: str) -> Estimate:
    """Scenes of parts of the photos, side by side; the notes are those of the first one."""
    count = len(inputs.photos)
    world_from_cam, intrinsics = np.full((count, 4, 4), np.nan), np.full((count, 3, 3), np.nan)
    regions, sizes = np.full((count, 4), np.nan), np.zeros((count, 2), np.int64)
    depths: list[np.ndarray | None] = [None] * count
    confidences: list[np.ndarray | None] = [None] * count
    for places, scene in scenes:
        for place, index in enumerate(places):
            sizes[index] = scene.image_sizes[place]
            if scene.registered[place]:
                world_from_cam[index] = scene.world_from_cam[place]
                intrinsics[index] = scene.intrinsics[place]
                depths[index], confidences[index] = scene.depths[place], scene.confidences[place]
                regions[index] = _region(
                    scene.working_intrinsics[place], scene.intrinsics[place], scene.depths[place].shape
                )
    for lost in np.flatnonzero(sizes[:, 0] == 0):
        try:
            sizes[lost] = photo_sizes((inputs.photos[lost],))[0]
        except (OSError, ValueError):  # that is why it is missing
            sizes[lost] = 1
    first = scenes[0][1]
    return Estimate(
        world_from_cam,
        intrinsics,
        tuple(depths),
        tuple(confidences),
        regions=regions,
        sizes=sizes,
        metric=all(scene.metric for _, scene in scenes),
        mesh=None if mesh == "none" else first.mesh(watertight=mesh == "watertight"),
        notes=_notes(first),
    )


def _region(working: np.ndarray, original: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Edges of a working image in pixels of its photo: both K belong to the same rays."""
    original_from_working = original @ np.linalg.inv(working)
    first, last = np.array([-0.5, -0.5, 1]), np.array([shape[1] - 0.5, shape[0] - 0.5, 1])
    return np.concatenate([(original_from_working @ corner)[:2] + 0.5 for corner in (first, last)])


def _notes(scene: Scene) -> dict[str, Any]:
    report = scene.report
    kept = ("seconds", "photos", "registered", "pairs", "depth")
    notes: dict[str, Any] = {name: report[name] for name in kept if name in report}
    if "poses" in report:
        notes["poses"] = {name: report["poses"][name] for name in ("source", "why") if name in report["poses"]}
    for name in ("not_registered", "skipped", "dropped", "notes"):
        if report.get(name):
            notes[name] = list(report[name])[:_LISTED]
    return notes
