"""Focal lengths and fields of view."""

import torch
from torch import Tensor

from pointmap.shapes import Float


def focal_errors(
    intrinsics: Float[Tensor, "views 3 3"], true_intrinsics: Float[Tensor, "views 3 3"]
) -> Float[Tensor, "views"]:
    """Relative errors |f / f_true - 1|, the mean over the two axes; NaN where one side is unknown.

    Args:
        intrinsics: Pinhole K of photos of the same size as those of `true_intrinsics`, in pixels.
    """
    focal = torch.diagonal(intrinsics, dim1=1, dim2=2)[:, :2].double()
    true_focal = torch.diagonal(true_intrinsics, dim1=1, dim2=2)[:, :2].double()
    return (focal / true_focal - 1).abs().mean(dim=1)


def fov_errors_deg(
    intrinsics: Float[Tensor, "views 3 3"], true_intrinsics: Float[Tensor, "views 3 3"], widths: Float[Tensor, "views"]
) -> Float[Tensor, "views"]:
    """Errors of the horizontal field of view 2 atan(width / 2 fx) in degrees; NaN where one side is unknown.

    The principal point takes no part: the field is that of a photo whose principal point is in its middle.

    Args:
        widths: Of the photos, in the pixels of both intrinsics.
    """
    return (_fov_deg(intrinsics, widths) - _fov_deg(true_intrinsics, widths)).abs()


def _fov_deg(intrinsics: Float[Tensor, "views 3 3"], widths: Float[Tensor, "views"]) -> Float[Tensor, "views"]:
    return torch.rad2deg(2 * torch.atan(widths.double() / (2 * intrinsics[:, 0, 0].double())))
