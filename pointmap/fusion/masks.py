"""Which pixels to trust: confidence and depth edges. Masks are True where a pixel is kept."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from pointmap.geometry.visibility import contradicted_points
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float


def flying_pixels(
    depth: Float[Tensor, "h w"], *, max_step: float = 0.05, max_fold: float = 0.02, reach: int = 3
) -> Bool[Tensor, "h w"]:
    """True at pixels that hang between the surfaces on the two sides of a depth edge.

    A pixel flies where depth changes steeply and the surface folds nearby. Steepness alone would also take floors
    and walls seen at a grazing angle; but the inverse depth of a plane is affine in the pixel, whatever its slant,
    so the second difference of inverse depth tells an edge from a slope.

    Args:
        depth: z-depth in any unit; values that are not positive and finite are ignored.
        max_step: Depth range within 3x3 pixels that is steep, as a fraction of the nearest depth in it.
        max_fold: Second difference of inverse depth that is a fold, as a fraction of the inverse depth.
        reach: Pixels around a fold to which it counts; networks smear an edge over several pixels.
    """
    valid = torch.isfinite(depth) & (depth > 0)
    nearest = -_max_around(torch.where(valid, -depth, -torch.inf), 1)
    farthest = _max_around(torch.where(valid, depth, -torch.inf), 1)
    steep = farthest - nearest > max_step * nearest

    inverse = torch.where(valid, 1 / depth, torch.nan)
    fold = torch.zeros_like(depth)
    fold[:, 1:-1] = _second_difference(inverse.mT).mT
    fold[1:-1] = torch.maximum(fold[1:-1], _second_difference(inverse))
    return valid & steep & (_max_around(fold, reach) > max_fold)


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
    usable = [
        registered & np.isfinite(depth) & (depth > 0) & (confidence > 0)
        for registered, depth, confidence in zip(scene.registered, scene.depths, scene.confidences, strict=True)
    ]
    if min_confidence is None:
        min_confidence = robust_min_confidence(
            [confidence[keep] for confidence, keep in zip(scene.confidences, usable, strict=True)]
        )
    masks = [
        keep & (confidence >= min_confidence) & ~flying_pixels(torch.from_numpy(np.asarray(depth, np.float32))).numpy()
        for keep, confidence, depth in zip(usable, scene.confidences, scene.depths, strict=True)
    ]
    if visibility_tolerance is not None:
        masks = _without_contradicted(scene, masks, visibility_tolerance)
    return masks


def _without_contradicted(scene: Scene, masks: list[np.ndarray], tolerance: float) -> list[np.ndarray]:
    """What is kept already and lies in front of nothing that a surer pixel, itself kept, sees."""
    registered = np.flatnonzero(scene.registered)
    contradicted = contradicted_points(
        [torch.from_numpy(np.where(masks[view], scene.depths[view], 0).astype(np.float32)) for view in registered],
        [torch.from_numpy(np.asarray(scene.confidences[view], np.float32)) for view in registered],
        torch.from_numpy(scene.working_intrinsics[registered].astype(np.float32)),
        torch.from_numpy(scene.world_from_cam[registered].astype(np.float32)),
        tolerance=tolerance,
    )
    masks = list(masks)
    for view, wrong in zip(registered, contradicted, strict=True):
        masks[view] = masks[view] & ~wrong.numpy()
    return masks


def _max_around(values: Float[Tensor, "h w"], reach: int) -> Float[Tensor, "h w"]:
    rows = max_pool2d(values[None, None], (2 * reach + 1, 1), stride=1, padding=(reach, 0))
    return max_pool2d(rows, (1, 2 * reach + 1), stride=1, padding=(0, reach))[0, 0]


def _second_difference(inverse: Float[Tensor, "n m"]) -> Float[Tensor, "n-2 m"]:
    """Size of the second difference along the first axis, relative to the middle value; 0 beside invalid pixels."""
    before, middle, after = inverse[:-2], inverse[1:-1], inverse[2:]
    return torch.nan_to_num((before - 2 * middle + after).abs() / middle, nan=0.0)
