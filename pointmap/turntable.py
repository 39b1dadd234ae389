"""Object mode: photos of one thing on a turntable, or taken around it. Joins masks, pairs, cameras and the closed mesh.

The background of a turntable stands still and would tell every matcher that nothing moves; so it goes first. Photos
meet along the orbit, across its seam too. What comes out is checked (does the orbit close?) and becomes a watertight
mesh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.fusion.subject import subject_masks
from pointmap.fusion.watertight import watertight_mesh
from pointmap.geometry.cameras import working_intrinsics
from pointmap.geometry.orbit import fit_orbit
from pointmap.images import load_views
from pointmap.images.masks import working_mask
from pointmap.object_masks import ObjectMasks, isolate, object_masks, transfer
from pointmap.pairs.orbit import is_closed, orbit_order, orbit_pairs
from pointmap.scene import Scene, View
from pointmap.shapes import Bool, Float, UInt8

if TYPE_CHECKING:
    import trimesh

MASK_SIZE = 512
"""Long side of the working images to find masks in."""


@dataclass(frozen=True)
class Subject:
    """The object of a photo set: its masks, for the photos in any working size."""

    found: ObjectMasks
    views: list[View]
    """The photos in the size of the masks."""

    @cached_property
    def _own(self) -> dict[str, tuple[View, np.ndarray]]:
        return {view.name: (view, mask) for view, mask in zip(self.views, self.found.masks, strict=True)}

    def keep(self, view: View) -> Bool[np.ndarray, "_ _"]:
        """The mask of a photo in another size."""
        own, mask = self._own[view.name]
        return transfer(mask, own, view)

    def isolated(self, view: View) -> View:
        """The photo in another size, grey where the background is, for networks and keypoints to look at."""
        return view if self.found.way == "nothing" else isolate(view, self.keep(view))


@dataclass(frozen=True)
class OrbitPairs:
    """Which photos meet, and what is known of the orbit."""

    pairs: list[tuple[int, int]]
    """One direction of each."""
    order: list[int]
    """Of the photos around the object."""
    closed: bool
    """Whether the last photo of the order looks like the first."""


def find_subject(views: Sequence[View], masks: Sequence[np.ndarray | str | Path | None] | None = None) -> Subject:
    """The object in photos of it.

    Args:
        views: In working images of about `MASK_SIZE` pixels.
        masks: Per photo a mask of the upright original, or its file, non-zero = object; None where it is to be found.
    """
    given = None
    if masks is not None:
        given = [None if mask is None else working_mask(mask, view) for mask, view in zip(masks, views, strict=True)]
    return Subject(object_masks(views, given), list(views))


def plan_orbit(similarity: Float[np.ndarray, "_ _"]) -> OrbitPairs:
    """Pairs along the orbit, from the similarity of photos without their background (`photo_similarity`)."""
    order = orbit_order(similarity)
    return OrbitPairs(orbit_pairs(similarity), order, is_closed(order, similarity))


def object_report(subject: Subject, orbit: OrbitPairs, scene: Scene) -> dict[str, Any]:
    """How object mode went, as plain JSON values for `scene.report["object"]`."""
    shares = [float(mask.mean()) for mask in subject.found.masks]
    report: dict[str, Any] = {
        "masks": {
            "way": subject.found.way,
            "reason": subject.found.reason,
            "share": {name: round(share, 4) for name, share in zip(scene.names, shares, strict=True)},
        },
        "orbit": {"order": [scene.names[view] for view in orbit.order], "looks_closed": orbit.closed},
    }
    ordered = [view for view in orbit.order if scene.registered[view]]
    if len(ordered) >= 3:
        fitted = fit_orbit(scene.world_from_cam[ordered])
        steps = fitted.steps_deg
        report["orbit"] |= {
            "turn_deg": round(fitted.turn_deg, 2),
            "closed": fitted.closed,
            "step_deg": round(float(np.median(steps)), 2),
            "step_across_seam_deg": round(float(steps[-1]), 2),
            "largest_step_deg": round(float(np.abs(steps).max()), 2),
            "unevenness": round(min(fitted.unevenness, 1e3), 3),
        }
    return report


@dataclass(frozen=True)
class ObjectPhotos:
    """The photos of a scene's object, in the size of its masks."""

    masks: list[Bool[np.ndarray, "_ _"]]
    images: list[UInt8[np.ndarray, "_ _ 3"]]
    intrinsics: Float[np.ndarray, "n 3 3"]
    """Pinhole K in pixels of the masks."""


def object_mesh(
    scene: Scene, *, resolution: int = 128, depth: bool = True, photos: ObjectPhotos | None = None
) -> "trimesh.Trimesh":
    """The watertight mesh of the object of a scene, coloured by the photos.

    Args:
        scene: From object mode; in others the object is what stands in the place that all cameras look at.
        resolution: Voxels along the longest side of the object.
        depth: False for what masks alone say.
        photos: Those of the object if they are at hand; otherwise `object_photos` finds them.

    Raises:
        InputError: Masks and cameras leave nothing.
    """
    photos = object_photos(scene) if photos is None else photos
    return watertight_mesh(
        scene, photos.masks, resolution=resolution, depth=depth, images=photos.images, intrinsics=photos.intrinsics
    )


def object_photos(scene: Scene) -> ObjectPhotos:
    """Masks of the object of a scene and the photos they belong to.

    In a scene from object mode the masks that were used, found once more in the photos if these are still there; in
    others what stands in the place that all cameras look at.
    """
    way = scene.report.get("object", {}).get("masks", {}).get("way", "nothing")
    if way == "nothing":
        return ObjectPhotos(subject_masks(scene).masks, scene.colors, scene.working_intrinsics)
    subject = None if way == "given" else _found_again(scene)
    if subject is None or subject.found.way != way:
        # What was not kept has no depth.
        return ObjectPhotos([depth > 0 for depth in scene.depths], scene.colors, scene.working_intrinsics)
    K = [
        working_intrinsics(K, view.working_from_original)
        for K, view in zip(scene.intrinsics, subject.views, strict=True)
    ]
    return ObjectPhotos(subject.found.masks, [view.image for view in subject.views], np.stack(K))


def _found_again(scene: Scene) -> Subject | None:
    """The object in the photos that the scene was made of; None where they are gone."""
    paths = [path for path in scene.paths if path is not None and path.is_file()]
    if len(paths) < len(scene):
        return None
    return find_subject(load_views(paths, image_size=MASK_SIZE, patch_size=8).views)
