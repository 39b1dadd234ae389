"""The photos of a finished scene, for comparing new photos with them; each is opened when it is first asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from pointmap.geometry.matching import PairMatches
from pointmap.images import iter_views
from pointmap.inference import predict_matches
from pointmap.match.keypoints import (
    KEYPOINT_SIZE,
    LEAST_KEYPOINT_SIZE,
    WEIGHT,
    Keypoints,
    find_keypoints,
    match_keypoints,
    to_working,
)
from pointmap.models import Encoding, Network
from pointmap.photo_similarity import encode_thumbnails, similarity_to
from pointmap.resection import KnownCameras
from pointmap.scene import Scene, View


@dataclass(frozen=True)
class NewPhoto:
    """A photo that is not in the scene."""

    view: View
    """In working size; only its place within the original counts."""
    keypoints: Keypoints
    """In pixels of `view`."""
    to_match: View | None
    """In the size that the network matches in."""


def new_photo(view: View, large: View, to_match: View | None) -> NewPhoto:
    """Find what can be found again in a photo, given in three sizes."""
    return NewPhoto(view, _keypoints(view, large), to_match)


class ScenePhotos:
    """What is known of the registered photos of a scene.

    Originals are read where `Scene.paths` says; where they are gone or changed, the scene's own small images serve.
    """

    def __init__(self, scene: Scene, network: Network | None) -> None:
        self.scene = scene
        self.network = network
        self.usable = np.flatnonzero(scene.registered).tolist()
        self.size = max(max(scene.colors[index].shape[:2]) for index in self.usable)
        """Long side of the working images."""
        self._keypoints: dict[int, Keypoints] = {}
        self._to_match: dict[int, View] = {}

    def neighbours(self, photo: NewPhoto, count: int) -> list[int]:
        """The most similar photos, most similar first: by the network, else by their number of matching keypoints."""
        if len(self.usable) <= count:
            return self.usable
        if self.network is not None and photo.to_match is not None:
            thumbnail = encode_thumbnails(self.network, [photo.to_match])[0]
            alike = similarity_to(self.network, thumbnail, self._thumbnails)
        else:
            alike = np.array([len(match.weights) for match in self.keypoint_matches(self.usable, photo)])
        return [self.usable[place] for place in np.argsort(-alike, kind="stable")[:count]]

    def keypoint_matches(self, indices: Sequence[int], photo: NewPhoto) -> list[PairMatches]:
        """Of each of these photos, numbered from 0, with the new one, which comes after them."""
        found = []
        for place, index in enumerate(indices):
            pixels, pixels_new = match_keypoints(self._keypoints_of(index), photo.keypoints)
            weights = torch.full((len(pixels),), WEIGHT)
            found.append(PairMatches(place, len(indices), pixels, pixels_new, weights))
        return found

    def token_matches(self, indices: Sequence[int], photo: NewPhoto) -> list[PairMatches]:
        """The same by the network; none without a match read-out."""
        if self.network is None or photo.to_match is None or not self.network.config.match_dim:
            return []
        return predict_matches(
            self.network,
            [*(self._view(index) for index in indices), photo.view],
            [*(self._to_match_of(index) for index in indices), photo.to_match],
            [(place, len(indices)) for place in range(len(indices))],
        )

    def cameras(self, indices: Sequence[int]) -> KnownCameras:
        """Cameras and trusted depths of these photos."""
        scene = self.scene
        depths = [np.where(self._trusted[index], scene.depths[index], 0) for index in indices]
        return KnownCameras(
            torch.from_numpy(scene.working_intrinsics[indices]).double(),
            torch.from_numpy(scene.world_from_cam[indices]).double(),
            [torch.from_numpy(depth).double() for depth in depths],
        )

    @cached_property
    def _trusted(self) -> list[np.ndarray]:
        return self.scene.masks()

    @cached_property
    def _thumbnails(self) -> list[Encoding]:
        assert self.network is not None
        return encode_thumbnails(self.network, [self._view(index) for index in self.usable])

    def _keypoints_of(self, index: int) -> Keypoints:
        if index not in self._keypoints:
            view = self._view(index)
            found = _keypoints(view, self._original(index, (LEAST_KEYPOINT_SIZE, KEYPOINT_SIZE)))
            # Pixels without depth were masked out, unless the whole scene has none.
            height, width = view.image.shape[:2]
            x, y = found.pixels.round().long().unbind(-1)
            inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
            known = self.scene.depths[index] > 0
            kept = torch.from_numpy(known | ~known.any())
            inside &= kept[y.clamp(0, height - 1), x.clamp(0, width - 1)]
            self._keypoints[index] = Keypoints(found.pixels[inside], found.looks[inside])
        return self._keypoints[index]

    def _to_match_of(self, index: int) -> View:
        if index not in self._to_match:
            assert self.network is not None
            size = match_size(self.network)
            self._to_match[index] = self._original(index, (size, size), self.network.config.patch_size)
        return self._to_match[index]

    def _original(self, index: int, size: tuple[int, int], patch_size: int = 8) -> View:
        """The photo in another size (see `iter_views`) from its file, or as the scene has it."""
        view = self._view(index)
        if view.path is None or not Path(view.path).is_file():
            return view
        found = next(iter_views(view.path, image_size=size, patch_size=patch_size), None)
        return found if found is not None and found.original_size == view.original_size else view

    def _view(self, index: int) -> View:
        scene = self.scene
        return View(
            name=scene.names[index],
            image=scene.colors[index],
            original_size=(int(scene.image_sizes[index, 0]), int(scene.image_sizes[index, 1])),
            working_from_original=scene.working_intrinsics[index] @ np.linalg.inv(scene.intrinsics[index]),
            path=scene.paths[index],
        )


def match_size(network: Network) -> int:
    """Long side of the photos in which a network matches."""
    return network.config.match_size or network.config.working_size


def _keypoints(view: View, large: View) -> Keypoints:
    found = find_keypoints(large.image)
    return Keypoints(to_working(found.pixels, large, view), found.looks)
