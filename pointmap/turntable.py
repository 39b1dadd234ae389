"""Object mode: photos of one thing on a turntable, or taken around it. Joins masks, pairs, cameras and the closed mesh.

The background of a turntable stands still and would tell every matcher that nothing moves; so it goes first. Photos
meet along the orbit, across its seam too. What comes out is checked (does the orbit close?) and becomes a watertight
mesh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.fusion.subject import subject_masks
from pointmap.fusion.watertight import watertight_mesh
from pointmap.geometry.orbit import fit_orbit
from pointmap.images.masks import working_mask
from pointmap.object_masks import ObjectMasks, isolate, object_masks, transfer
from pointmap.pairs.orbit import is_closed, orbit_order, orbit_pairs
from pointmap.scene import Scene, View
from pointmap.shapes import Bool, Float

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

    def keep(self, views: Sequence[View]) -> list[Bool[np.ndarray, "_ _"]]:
        """Masks of the same photos in another size."""
        own = {view.name: (view, mask) for view, mask in zip(self.views, self.found.masks, strict=True)}
        return [transfer(own[view.name][1], own[view.name][0], view) for view in views]

    def isolated(self, views: Sequence[View]) -> list[View]:
        """The same photos in another size, grey where the background is, for networks and keypoints to look at."""
        if self.found.way == "nothing":
            return list(views)
        return [isolate(view, mask) for view, mask in zip(views, self.keep(views), strict=True)]


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


def object_mesh(scene: Scene, subject: Subject, *, resolution: int = 128, depth: bool = True) -> "trimesh.Trimesh":
    """The watertight mesh of the object, coloured by the photos.

    By the masks of `subject`; where the background was kept, by what stands in the place that all cameras look at.

    Raises:
        InputError: Masks and cameras leave nothing.
    """
    if subject.found.way == "nothing":
        return watertight_mesh(scene, subject_masks(scene).masks, resolution=resolution, depth=depth)
    own = {view.name: (view, mask) for view, mask in zip(subject.views, subject.found.masks, strict=True)}
    views, masks = zip(*(own[name] for name in scene.names), strict=True)
    return watertight_mesh(
        scene,
        masks,
        resolution=resolution,
        depth=depth,
        images=[view.image for view in views],
        intrinsics=np.stack([view.working_from_original @ K for view, K in zip(views, scene.intrinsics, strict=True)]),
    )
