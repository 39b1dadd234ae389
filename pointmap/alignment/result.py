"""What an alignment gives back."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from pointmap.alignment.covariance import CameraInformation, pose_covariances
from pointmap.alignment.state import mean_scale
from pointmap.geometry.visibility import contradicted_points


def _empty() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Cameras and depth maps of N views in one world frame, in pixels of the working images.

    The world is the frame of the first registered view's camera, unless poses were given, or turned about it so that
    gravity is along y. Its scale is arbitrary unless given positions, depths or distances set it.
    """

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses; NaN where a view is not registered."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K; the centre of the first pixel is (0, 0). A guess where a view is not registered."""

    depths: list[np.ndarray]
    """N arrays (h, w) float32: z-depth in world units; 0 where no group says anything, NaN if not registered."""

    confidences: list[np.ndarray]
    """N arrays (h, w) float32: the largest that any group predicts, at least 1."""

    registered: np.ndarray
    """(N,) bool."""

    world_from_group: np.ndarray
    """(G, 4, 4) similarities of the groups; NaN for those left out."""

    loss: float
    """The objective over all pixels, with log-confidence weights and a geometric mean of the groups' scales of 0.5."""

    history: list[float] = field(default_factory=list)
    """The loss over the sampled pixels, at the start and after every pass."""

    times: list[float] = field(default_factory=list)
    """Seconds since the optimisation began, of each entry of `history`."""

    dropped: list[str] = field(default_factory=list)
    """What was left out or hardly counts, and why: lines for people."""

    reasons: dict[int, str] = field(default_factory=dict)
    """Of every view that is not registered: why not."""

    group_views: list[tuple[int, ...]] = field(default_factory=list)
    """G tuples: the views of each group."""

    group_weights: np.ndarray = field(default_factory=_empty)
    """(G,) in [0, 1]: how much each group counts; 1 unless it contradicts the others, 0 where left out."""

    group_residuals: np.ndarray = field(default_factory=_empty)
    """(G,) typical distance between prediction and scene, by the depth there; NaN where left out."""

    view_residuals: np.ndarray = field(default_factory=_empty)
    """(N,) the same over all groups that show the view; NaN where not registered."""

    information: CameraInformation | None = field(default=None, repr=False)
    """What `pose_covariances` comes from; None where cameras were changed after the alignment."""

    @cached_property
    def pose_covariances(self) -> np.ndarray:
        """(N, 6, 6) covariance of every camera's rotation vector (radians) and centre, along the axes of the world.

        Relative to the first registered camera (or the first whose pose was given), which has none, at the scale that
        the predictions have on average. It counts the pixels of a pointmap as the few independent measurements that
        smooth errors leave of them (`pointmap.alignment.covariance`), and knows nothing of errors that all predictions
        share. NaN for views that are not registered, and where nothing is predicted twice, so that no difference shows
        how wrong predictions are.

        Computed when first asked for: milliseconds for tens of views, about a minute and 6 GB for a thousand.
        """
        if self.information is None:
            return np.full((len(self.world_from_cam), 6, 6), np.nan)
        counts = self.group_weights > 0
        unit = mean_scale(torch.from_numpy(self.world_from_group[counts]), torch.from_numpy(self.group_weights[counts]))
        return pose_covariances(self.information, self.world_from_cam, float(unit))

    def cleaned_confidences(self, *, tolerance: float = 0.001) -> list[np.ndarray]:
        """Confidences with 0 where a point hangs in front of what a surer view sees, as DUSt3R cleans point clouds.

        Only views that a group shows together are compared. Costs about a millisecond per two views of 224x168 pixels.

        Args:
            tolerance: How far in front a point must be, as a share of the depth that the other view sees.
        """
        place = {int(view): number for number, view in enumerate(np.flatnonzero(self.registered))}
        neighbours: list[set[int]] = [set() for _ in place]
        for views in self.group_views:
            present = [place[view] for view in views if view in place]
            for number in present:
                neighbours[number].update(present)
        contradicted = contradicted_points(
            [torch.from_numpy(self.depths[view]) for view in place],
            [torch.from_numpy(self.confidences[view]) for view in place],
            torch.from_numpy(self.intrinsics[self.registered]).float(),
            torch.from_numpy(self.world_from_cam[self.registered]).float(),
            tolerance=tolerance,
            neighbours=neighbours,
        )
        cleaned = list(self.confidences)
        for view, wrong in zip(place, contradicted, strict=True):
            cleaned[view] = np.where(wrong.numpy(), 0, self.confidences[view])
        return cleaned
