"""Where the points on a photo's rays appear in another photo."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Float
from pointmap.stereo.views import StereoView


@dataclass(frozen=True)
class Projection:
    """The point at depth z on a pixel's ray has the homogeneous pixel `z * slope + origin` in the other view."""

    slope: Float[Tensor, "h w 3"]
    origin: Float[Tensor, "3"]

    @classmethod
    def between(cls, view: StereoView, other: StereoView) -> "Projection":
        """As the cameras say."""
        other_from_view = invert_rigid(other.world_from_cam) @ view.world_from_cam
        rays = camera_rays(*view.shape, view.intrinsics)
        return cls(rays @ (other.intrinsics @ other_from_view[:3, :3]).mT, other.intrinsics @ other_from_view[:3, 3])

    def pixels(self, depths: Float[Tensor, "*n h w"]) -> tuple[Float[Tensor, "*n h w"], ...]:
        """Pixel (u, v) in the other view, and depth there; u and v mean nothing where that is not positive."""
        u, v, z = (depths * self.slope[..., axis] + self.origin[axis] for axis in range(3))
        inverse = z.clamp_min(1e-6).reciprocal()
        return u.mul_(inverse), v.mul_(inverse), z

    def speed(self, depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w 2"]:
        """How far the pixel in the other view moves per unit of log depth."""
        near, far = (self.pixels(depth * factor) for factor in (0.995, 1.005))
        moved = torch.stack([far[0] - near[0], far[1] - near[1]], dim=-1) / 0.01
        return torch.where((near[2] > 0)[..., None], moved, 0.0)
