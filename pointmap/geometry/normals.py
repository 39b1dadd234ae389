"""Normals of surfaces: of pointmaps, pixel by pixel, and of triangle meshes."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from pointmap.shapes import Bool, Float, Int


def pointmap_normals(points_cam: Float[Tensor, "h w 3"], valid: Bool[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Unit normal of the surface at every pixel, on the camera's side of it.

    Along rows and columns, the step to the next pixel counts the more the shorter it is, so that a pixel at a depth
    edge gets the normal of the surface that it is on. A pixel without valid neighbours faces the camera.

    Args:
        points_cam: In the frame of the camera that sees them.
        valid: False where a point is not known; its normal has no meaning, but is finite.
    """
    points = torch.where(valid[..., None], points_cam, 0.0).double()
    ahead = normalize(points, dim=-1)
    normals = torch.linalg.cross(_mean_step(points, valid, 1), _mean_step(points, valid, 0))
    normals = torch.where((normals * ahead).sum(-1, keepdim=True) > 0, -normals, normals)
    length = torch.linalg.norm(normals, dim=-1, keepdim=True)
    to_camera = torch.where(valid[..., None], -ahead, ahead.new_tensor([0.0, 0.0, -1.0]))
    return torch.where(length > 0, normals / length.clamp_min(1e-60), to_camera).to(points_cam.dtype)


def vertex_normals(vertices: Float[Tensor, "n 3"], faces: Int[Tensor, "m 3"]) -> Float[Tensor, "n 3"]:
    """Unit normals of a mesh, by the area of the faces around a vertex; (0, 0, 1) where they have none.

    Vertices at the same place share theirs, so that the seams of a texture do not show in the shading.
    """
    places, place = torch.unique(vertices, dim=0, return_inverse=True)
    corners = places[place[faces]].double()
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = area.new_zeros(len(places), 3)
    normals.index_add_(0, place[faces].reshape(-1), area.repeat_interleave(3, dim=0))
    length = torch.linalg.norm(normals, dim=-1, keepdim=True)
    normals = torch.where(length > 0, normals / length.clamp_min(1e-60), normals.new_tensor([0.0, 0.0, 1.0]))
    return normals[place].to(vertices.dtype)


def _mean_step(points: Float[Tensor, "h w 3"], valid: Bool[Tensor, "h w"], axis: int) -> Float[Tensor, "h w 3"]:
    """From a pixel to its successor along an axis, by both neighbours; 0 where none of them is valid."""
    step = points.diff(dim=axis)
    both = valid.narrow(axis, 1, step.shape[axis]) & valid.narrow(axis, 0, step.shape[axis])
    weight = (both / step.square().sum(-1).clamp_min(1e-60))[..., None]
    before, after = ((0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 1)) if axis == 0 else ((0, 0, 1, 0), (0, 0, 0, 1))
    total = pad(weight, before) + pad(weight, after)
    mean = pad(weight * step, before) + pad(weight * step, after)
    return torch.where(total > 0, mean / total.clamp_min(1e-60), 0.0)
