"""Which pixels to trust: confidence, depth edges, other photos, sky. Masks are True where a pixel is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from pointmap.errors import InputError
from pointmap.fusion.sky import sky_masks
from pointmap.geometry.visibility import contradicted_points, count_votes
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float

_STEP_BY_NOISE = 4.0
"""Of the sigma of noise. At 2 % noise, the two leave out 0.1 % of a room beyond its edges, and 85 % of the edges."""
_FOLD_BY_NOISE = 4.0


def flying_pixels(
    depth: Float[Tensor, "h w"], *, max_step: float = 0.05, max_fold: float = 0.02, reach: int = 3
) -> Bool[Tensor, "h w"]:
    """True at pixels that hang between the surfaces on the two sides of a depth edge.

    A pixel flies where depth changes steeply and the surface folds nearby. Steepness alone would also take floors
    and walls seen at a grazing angle; but the inverse depth of a plane is affine in the pixel, whatever its slant,
    so the second difference of inverse depth tells an edge from a slope. Noise folds every surface: its level, by the
    median second difference, is added to both limits (at 2 % of the depth, half of a room would fly).

    Args:
        depth: z-depth in any unit; values that are not positive and finite are ignored.
        max_step: Depth range within 3x3 pixels that is steep, as a fraction of the nearest depth in it.
        max_fold: Second difference of inverse depth that is a fold, as a fraction of the inverse depth.
        reach: Pixels around a fold to which it counts; networks smear an edge over several pixels.
    """
    valid = torch.isfinite(depth) & (depth > 0)
    nearest = -_max_around(torch.where(valid, -depth, -torch.inf), 1)
    farthest = _max_around(torch.where(valid, depth, -torch.inf), 1)
    inverse = torch.where(valid, 1 / depth, torch.nan)
    across, down = _second_difference(inverse.mT).mT, _second_difference(inverse)
    # The median size of (1, -2, 1) times Gaussian noise is 0.6745 * sqrt(6) times its sigma.
    sigma = torch.cat([across.flatten(), down.flatten()]).nanmedian().nan_to_num() / 1.652
    steep = farthest - nearest > (max_step + _STEP_BY_NOISE * sigma) * nearest
    fold = torch.zeros_like(depth)
    fold[:, 1:-1] = across.nan_to_num()
    fold[1:-1] = torch.maximum(fold[1:-1], down.nan_to_num())
    return valid & steep & (_max_around(fold, reach) > max_fold + _FOLD_BY_NOISE * sigma)


def robust_min_confidence(confidences: Sequence[np.ndarray]) -> float:
    """The default threshold: a quarter of the median confidence, both counted from 1, the value of "no idea".

    A fraction of the median adapts to networks whose confidences differ in scale, keeps at least half of the
    pixels, and all of them where the network is equally sure everywhere; a fixed percentile would always cut.

    Args:
        confidences: Maps or lists of values, at least 1; NaN and 0 are ignored.
    """
    values = np.concatenate([np.ravel(values) for values in confidences] or [np.zeros(0)])
    values = values[values > 0]
    return 1.0 if len(values) == 0 else float(1 + (np.median(values) - 1) / 4)


def scene_masks(
    scene: Scene,
    min_confidence: float | None = None,
    visibility_tolerance: float | None = None,
    *,
    confidence_percentile: float | None = None,
    consistency: float | None = None,
    mask_sky: bool = False,
) -> list[np.ndarray]:
    """N arrays (h, w) bool: see `Scene.masks`."""
    _check(min_confidence, confidence_percentile, visibility_tolerance, consistency)
    usable = [
        registered & np.isfinite(depth) & (depth > 0) & (confidence > 0)
        for registered, depth, confidence in zip(scene.registered, scene.depths, scene.confidences, strict=True)
    ]
    if min_confidence is None:
        known = [confidence[keep] for confidence, keep in zip(scene.confidences, usable, strict=True)]
        if confidence_percentile is None:
            min_confidence = robust_min_confidence(known)
        else:
            values = np.concatenate(known or [np.zeros(0)])
            min_confidence = float(np.percentile(values, confidence_percentile)) if len(values) else 1.0
    masks = [
        keep & (confidence >= min_confidence) & ~flying_pixels(torch.from_numpy(np.asarray(depth, np.float32))).numpy()
        for keep, confidence, depth in zip(usable, scene.confidences, scene.depths, strict=True)
    ]
    if mask_sky:
        masks = [keep & ~sky for keep, sky in zip(masks, sky_masks(scene), strict=True)]
    if visibility_tolerance is not None or consistency is not None:
        cameras = _Cameras.of(scene)
        if visibility_tolerance is not None:
            masks = cameras.without_contradicted(scene, masks, visibility_tolerance)
        if consistency is not None:
            masks = cameras.without_outvoted(scene, masks, consistency)
    return masks


def _check(
    min_confidence: float | None,
    confidence_percentile: float | None,
    visibility_tolerance: float | None,
    consistency: float | None,
) -> None:
    if min_confidence is not None and confidence_percentile is not None:
        raise InputError(
            f"Both min_confidence ({min_confidence}) and confidence_percentile ({confidence_percentile}) are given. "
            "Give one: they are two ways to say which confidence is enough."
        )
    if min_confidence is not None and np.isnan(min_confidence):
        raise InputError("min_confidence is NaN. Give a number; confidences begin at 1.")
    if confidence_percentile is not None and not 0 <= confidence_percentile < 100:
        raise InputError(
            f"confidence_percentile is {confidence_percentile}. It is the part of all pixels that is left out, in "
            "percent: give 0 or more, and less than 100."
        )
    for name, share, example in (
        ("visibility_tolerance", visibility_tolerance, 0.01),
        ("consistency", consistency, 0.03),
    ):
        if share is not None and not 0 <= share < 1:
            raise InputError(
                f"{name} is {share}. It is a share of the depth: give 0 or more, and less than 1, such as {example}."
            )


@dataclass(frozen=True)
class _Cameras:
    """The registered ones."""

    views: list[int]
    intrinsics: Float[Tensor, "n 3 3"]
    world_from_cam: Float[Tensor, "n 4 4"]

    @staticmethod
    def of(scene: Scene) -> "_Cameras":
        views = np.flatnonzero(scene.registered)
        K, poses = (array[views].astype(np.float32) for array in (scene.working_intrinsics, scene.world_from_cam))
        return _Cameras(views.tolist(), torch.from_numpy(K), torch.from_numpy(poses))

    def without_contradicted(self, scene: Scene, masks: list[np.ndarray], tolerance: float) -> list[np.ndarray]:
        """What is kept already and lies in front of nothing that a surer pixel, itself kept, sees."""
        confidences = [torch.from_numpy(np.asarray(scene.confidences[view], np.float32)) for view in self.views]
        wrong = contradicted_points(
            self._depths(scene, masks), confidences, self.intrinsics, self.world_from_cam, tolerance=tolerance
        )
        return self._without(masks, wrong)

    def without_outvoted(self, scene: Scene, masks: list[np.ndarray], tolerance: float) -> list[np.ndarray]:
        """What is kept already and is confirmed by no fewer photos, by pixels that are kept, than see past it."""
        votes = count_votes(self._depths(scene, masks), self.intrinsics, self.world_from_cam, tolerance=tolerance)
        return self._without(masks, [votes_of_view < 0 for votes_of_view in votes])

    def _depths(self, scene: Scene, masks: list[np.ndarray]) -> list[Tensor]:
        return [
            torch.from_numpy(np.where(masks[view], scene.depths[view], 0).astype(np.float32)) for view in self.views
        ]

    def _without(self, masks: list[np.ndarray], wrong: list[Bool[Tensor, "_ _"]]) -> list[np.ndarray]:
        masks = list(masks)
        for view, left_out in zip(self.views, wrong, strict=True):
            masks[view] = masks[view] & ~left_out.numpy()
        return masks


def _max_around(values: Float[Tensor, "h w"], reach: int) -> Float[Tensor, "h w"]:
    rows = max_pool2d(values[None, None], (2 * reach + 1, 1), stride=1, padding=(reach, 0))
    return max_pool2d(rows, (1, 2 * reach + 1), stride=1, padding=(0, reach))[0, 0]


def _second_difference(inverse: Float[Tensor, "n m"]) -> Float[Tensor, "n-2 m"]:
    """Size of the second difference along the first axis, relative to the middle value; NaN beside invalid pixels."""
    before, middle, after = inverse[:-2], inverse[1:-1], inverse[2:]
    return (before - 2 * middle + after).abs() / middle
