"""From an alignment of working images to a scene of the photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pointmap.alignment import Alignment
from pointmap.alignment.known_world import at_predicted_scale
from pointmap.geometry.cameras import original_intrinsics
from pointmap.inference import SkyMaps
from pointmap.photo_priors import PhotoPriors
from pointmap.scene import Scene, View
from pointmap.shapes import Bool


@dataclass(frozen=True, eq=False)
class SceneMaker:
    """Makes scenes of alignments of one set of photos."""

    views: Sequence[View]
    keep: Sequence[Bool[np.ndarray, "_ _"]]
    """Per view the working pixels that take part; elsewhere depth is 0."""
    priors: PhotoPriors
    metric_network: bool
    sky: SkyMaps
    """What the network has said of the sky so far."""

    def __call__(self, alignment: Alignment, report: dict[str, Any]) -> Scene:
        """The scene in the world that is known; in metres where only a metric network tells a scale."""
        metric = self.metric_network and not self.priors.tell_scale
        alignment = self.priors.settle(at_predicted_scale(alignment) if metric else alignment)
        views = self.views
        intrinsics = [
            original_intrinsics(K, view.working_from_original)
            for K, view in zip(alignment.intrinsics, views, strict=True)
        ]
        return Scene(
            names=tuple(view.name for view in views),
            paths=tuple(view.path for view in views),
            image_sizes=np.array([view.original_size for view in views]),
            intrinsics=np.stack(intrinsics),
            world_from_cam=alignment.world_from_cam,
            depths=[np.where(mask, depth, 0) for depth, mask in zip(alignment.depths, self.keep, strict=True)],
            confidences=alignment.confidences,
            colors=[view.image for view in views],
            working_intrinsics=alignment.intrinsics,
            registered=alignment.registered,
            metric=metric,
            sky=self.sky.maps(views),
            report=report,
        )
