"""The photos as stereo sees them: grey, with their cameras, in several sizes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class StereoView:
    """A photo with its camera in one size of the pyramid."""

    color: Float[Tensor, "3 h w"]
    """RGB in [0, 1]."""
    grey: Float[Tensor, "h w"]
    """Brightness minus its mean over the photo: small numbers keep sums of squares exact."""
    intrinsics: Float[Tensor, "3 3"]
    """In pixels of this size."""
    world_from_cam: Float[Tensor, "4 4"]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.grey.shape[0], self.grey.shape[1]


def make_view(
    image: Tensor, intrinsics: Float[Tensor, "3 3"], world_from_cam: Float[Tensor, "4 4"], shape: tuple[int, int]
) -> StereoView:
    """A photo reduced to (height, width) `shape`.

    Args:
        image: (H, W, 3), uint8 or floats in [0, 1].
        intrinsics: In pixels of `image`.
    """
    color = image.permute(2, 0, 1)
    color = color.float() / 255 if color.dtype == torch.uint8 else color.float()
    full = (color.shape[1], color.shape[2])
    if shape != full:
        color = F.interpolate(color[None], shape, mode="area")[0]
    grey = (color * color.new_tensor(_LUMA)[:, None, None]).sum(0)
    return StereoView(color, grey - grey.mean(), scaled_intrinsics(intrinsics, full, shape), world_from_cam)


def scaled_intrinsics(
    intrinsics: Float[Tensor, "3 3"], shape: tuple[int, int], new_shape: tuple[int, int]
) -> Float[Tensor, "3 3"]:
    """K after resizing an image from (height, width) `shape` to `new_shape`."""
    y, x = new_shape[0] / shape[0], new_shape[1] / shape[1]
    resize = intrinsics.new_tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return resize @ intrinsics


def pyramid_shapes(shape: tuple[int, int], coarsest: int) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each half of the next, the first with a long side of about `coarsest` pixels."""
    shapes = [shape]
    while max(shapes[0]) >= 1.5 * coarsest:
        shapes.insert(0, (max(1, round(shapes[0][0] / 2)), max(1, round(shapes[0][1] / 2))))
    return shapes
