"""Outputs of multi-view networks as groups: points in one frame, depths with cameras, or points of every camera.

| model | adapter | its fields | `confidence_kind` |
| --- | --- | --- | --- |
| DUSt3R, MASt3R | `group_from_points` | `pts3d`, `pts3d_in_other_view`, `conf` | "at_least_one" |
| VGGT | `group_from_depths` | `depth`, `depth_conf`; `pose_enc` decoded to extrinsics and intrinsics | "at_least_one" |
| VGGT | `group_from_points` | `world_points`, `world_points_conf` | "at_least_one" |
| Fast3R | `group_from_points` | `pts3d_in_other_view`, `conf` | "at_least_one" |
| Depth Anything 3 | `group_from_depths` | `depth`, `conf`, `extrinsics`, `intrinsics` | "at_least_one" |
| Pi3 | `group_from_local_points` | `local_points`, `camera_poses`, `conf` | "logit" |
| MapAnything | `group_from_local_points` | `pts3d_cam`, `camera_poses`, `conf`, `mask` | "at_least_one" |

Where a model has both, depths with cameras are usually more exact than its points in one frame (VGGT's README says so
of itself). Extrinsics of VGGT and Depth Anything 3 are `cam_from_world`, camera poses of Pi3 and MapAnything
`world_from_cam`. All of them have OpenCV's axes, as here.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.groups.arrays import (
    check_sizes,
    intrinsic_matrices,
    keep_maps,
    maps,
    point_maps,
    rigid_matrices,
    view_indices,
)
from pointmap.scene import Group
from pointmap.shapes import Bool, Float

ConfidenceKind = Literal["at_least_one", "positive", "probability", "logit"]
"""What a model means by a confidence c, and what it becomes here, where it is at least 1 and its logarithm the weight:
"at_least_one", c (1 + exp of something); "positive", from 0 upwards: 1 + c; "probability", in [0, 1]: 1 / (1 - c);
"logit", of such a probability: 1 + exp(c)."""

_EQUAL = math.e
"""Confidence where a model states none: a weight of 1."""

_MOST = 1e4
"""Largest confidence that a probability stands for; half precision rounds many to 1."""


def group_from_points(
    views: Sequence[int],
    points: Any,
    confidences: Any = None,
    *,
    world_from_first: Any = None,
    confidence_kind: ConfidenceKind = "at_least_one",
    masks: Any = None,
) -> Group:
    """A group from points that share one frame.

    Here and below, arrays are NumPy or torch on any device: one per view in a list, or stacked, also with a batch of
    one around them, (1, views, h, w, 3). Pixels that are not finite or masked out weigh nothing.

    Args:
        views: Indices of the views in the photo set; the first is the one whose camera frame the group gets.
        points: Per view (h, w, 3), all in one frame, up to scale.
        confidences: Per view (h, w) or (h, w, 1); None where all points count alike.
        world_from_first: (4, 4) or (3, 4) pose of the first view's camera in that frame; None where the frame is that
            camera's own, as with VGGT and Fast3R.
        confidence_kind: See `ConfidenceKind`.
        masks: Per view (h, w), True = keep.

    Raises:
        InputError: Shapes or values do not fit; the message says which.
    """
    indices = view_indices(views)
    found = point_maps("points", points, len(indices))
    pose = torch.eye(4) if world_from_first is None else world_from_first
    first_from_frame = invert_rigid(rigid_matrices("world_from_first", pose, 1)).expand(len(indices), 4, 4)
    return _group(indices, found, first_from_frame, confidences, confidence_kind, masks)


def group_from_depths(
    views: Sequence[int],
    depths: Any,
    intrinsics: Any,
    confidences: Any = None,
    *,
    world_from_cam: Any = None,
    cam_from_world: Any = None,
    confidence_kind: ConfidenceKind = "at_least_one",
    masks: Any = None,
) -> Group:
    """A group from depth maps with cameras.

    Args:
        views, confidences, confidence_kind, masks: See `group_from_points`.
        depths: Per view (h, w) or (h, w, 1), along the optical axis (z, not ray length); those that are not positive
            are left out.
        intrinsics: Per view 3x3 pinhole K, in pixels of these maps, as the model's own unprojection takes them.
        world_from_cam, cam_from_world: Per view a (4, 4) or (3, 4) rigid pose or its inverse ("extrinsics"): one of the
            two.

    Raises:
        InputError: Shapes or values do not fit; the message says which.
    """
    indices = view_indices(views)
    found = maps("depths", depths, len(indices))
    K = intrinsic_matrices(intrinsics, len(indices))
    return group_from_local_points(
        indices,
        [unproject_depth(depth.where(depth > 0, torch.nan), k.to(depth)) for depth, k in zip(found, K, strict=True)],
        confidences,
        world_from_cam=world_from_cam,
        cam_from_world=cam_from_world,
        confidence_kind=confidence_kind,
        masks=masks,
    )


def group_from_local_points(
    views: Sequence[int],
    points: Any,
    confidences: Any = None,
    *,
    world_from_cam: Any = None,
    cam_from_world: Any = None,
    confidence_kind: ConfidenceKind = "at_least_one",
    masks: Any = None,
) -> Group:
    """A group from points of every view in the frame of its own camera, with poses.

    Args:
        views, confidences, confidence_kind, masks: See `group_from_points`.
        points: Per view (h, w, 3), in the scale of the poses.
        world_from_cam, cam_from_world: Per view a (4, 4) or (3, 4) rigid pose or its inverse: one of the two.

    Raises:
        InputError: Shapes or values do not fit; the message says which.
    """
    indices = view_indices(views)
    found = point_maps("points", points, len(indices))
    first_from_cam = _first_from_cam(world_from_cam, cam_from_world, len(indices))
    return _group(indices, found, first_from_cam, confidences, confidence_kind, masks)


def _first_from_cam(world_from_cam: Any, cam_from_world: Any, count: int) -> Float[Tensor, "views 4 4"]:
    if (world_from_cam is None) == (cam_from_world is None):
        raise InputError(
            "Give the poses of the views either as world_from_cam (camera poses) or as cam_from_world (extrinsics)."
        )
    if cam_from_world is not None:
        extrinsics = rigid_matrices("cam_from_world", cam_from_world, count)
        return extrinsics[0] @ invert_rigid(extrinsics)
    poses = rigid_matrices("world_from_cam", world_from_cam, count)
    return invert_rigid(poses[0]) @ poses


def _group(
    views: tuple[int, ...],
    points: list[Float[Tensor, "_ _ 3"]],
    first_from_frame: Float[Tensor, "views 4 4"],
    confidences: Any,
    kind: ConfidenceKind,
    masks: Any,
) -> Group:
    """Points brought into the first view's camera frame, with confidences of at least 1, as float32 arrays."""
    shapes = [(int(point.shape[0]), int(point.shape[1])) for point in points]
    keep = [mask & point.isfinite().all(-1) for mask, point in zip(keep_maps(masks, shapes), points, strict=True)]
    if confidences is None:
        sure = [torch.full(shape, _EQUAL) for shape in shapes]
    else:
        given = maps("confidences", confidences, len(views))
        check_sizes("confidences", given, shapes)
        keep = [mask & confidence.isfinite() for mask, confidence in zip(keep, given, strict=True)]
        sure = [_at_least_one(confidence, mask, kind) for confidence, mask in zip(given, keep, strict=True)]
    moved = [
        transform_points(matrix, point.flatten(0, 1).double()).reshape(point.shape).float()
        for matrix, point in zip(first_from_frame, points, strict=True)
    ]
    return Group(
        views,
        [point.where(mask[..., None], 0.0).numpy() for point, mask in zip(moved, keep, strict=True)],
        [confidence.where(mask, 1.0).float().numpy() for confidence, mask in zip(sure, keep, strict=True)],
    )


def _at_least_one(
    confidence: Float[Tensor, "h w"], keep: Bool[Tensor, "h w"], kind: ConfidenceKind
) -> Float[Tensor, "h w"]:
    ranges = {
        "at_least_one": (1.0, math.inf),
        "positive": (0.0, math.inf),
        "probability": (0.0, 1.0),
        "logit": (-math.inf, math.inf),
    }
    if kind not in ranges:
        raise InputError(f"Unknown confidence_kind {kind!r}; choose {', '.join(map(repr, ranges))}.")
    least, most = ranges[kind]
    values = confidence[keep]
    # Half precision rounds by a thousandth.
    if values.numel() and not least - 2e-3 <= float(values.min()) <= float(values.max()) <= most + 2e-3:
        raise InputError(
            f"Confidences from {float(values.min()):.4g} to {float(values.max()):.4g} are not of the kind {kind!r} "
            f"({least:g} to {most:g}). Say what they are with confidence_kind=: {', '.join(map(repr, ranges))}."
        )
    if kind == "at_least_one":
        return confidence.clamp_min(1.0)
    if kind == "positive":
        return 1 + confidence.clamp_min(0.0)
    if kind == "probability":
        return 1 / (1 - confidence.clamp(0.0, 1.0)).clamp_min(1 / _MOST)
    return 1 + confidence.clamp_max(math.log(_MOST)).exp()
