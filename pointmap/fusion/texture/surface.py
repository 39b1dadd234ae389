"""The mesh as texturing sees it: corners welded by place, faces that know their neighbours, points spread over them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int

if TYPE_CHECKING:
    import trimesh

_POINTS = 40_000
"""Large faces are looked at in many places, so that the whole mesh has at least about so many."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in the world frame. All tensors are on one device."""

    points: Float[Tensor, "n 3"]
    """Vertices, each place once, in double precision."""

    faces: Int[Tensor, "f 3"]
    """As indices into the points."""

    given: Int[np.ndarray, "f 3"]
    """The same as indices into the vertices of the mesh as it was given."""

    normals: Float[Tensor, "f 3"]
    """Unit, by the order of the corners; zero for faces without area."""

    areas: Float[Tensor, "f"]

    sound: Bool[Tensor, "f"]
    """False for faces without area, or with corners that are not finite."""

    open: Bool[Tensor, "f"]
    """True for faces at a border of the surface."""

    edges: Int[Tensor, "e 2"]
    """Pairs of faces that share an edge."""

    edge_sides: Int[Tensor, "e 2"]
    """Which side of each it is: the one from this corner to the next."""

    spread: Float[Tensor, "p 3"]
    """Points on the faces, evenly over each, at least its centroid."""

    spread_face: Int[Tensor, "p"]
    """The face that each lies on; ascending."""

    def face_mean(self, values: Float[Tensor, "n channels"]) -> Float[Tensor, "f channels"]:
        """Mean over the corners."""
        return values[self.faces].mean(dim=1)

    def point_sum(self, values: Float[Tensor, "f channels"]) -> Float[Tensor, "n channels"]:
        """Sum over the faces around every point."""
        total = torch.zeros(len(self.points), values.shape[1], dtype=values.dtype, device=values.device)
        for corner in range(3):
            total.index_add_(0, self.faces[:, corner], values)
        return total


def make_surface(mesh: "trimesh.Trimesh", device: torch.device | str) -> Surface:
    """Weld the vertices that lie in one place (texture seams and normals split them) and find neighbours."""
    given = np.array(mesh.faces, dtype=np.int64).reshape(-1, 3)
    vertices = np.array(mesh.vertices, dtype=np.float64).reshape(-1, 3)
    finite = np.asarray(np.isfinite(vertices).all(axis=1))
    places, welded = np.unique(vertices, axis=0, return_inverse=True)
    points, faces = torch.from_numpy(places).to(device), torch.from_numpy(welded.reshape(-1)[given]).to(device)
    corners = points[faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = normals.norm(dim=-1)
    longest = (corners - corners.roll(1, dims=1)).norm(dim=-1).amax(dim=1)
    sound = (doubled > 1e-9 * longest**2) & torch.from_numpy(finite[given].all(axis=1)).to(device)
    normals = torch.where(sound[:, None], normals / doubled.clamp(min=1e-300)[:, None], 0.0)
    edges, sides = _neighbours(faces)
    border = torch.ones_like(faces, dtype=torch.bool)
    border[edges, sides] = False
    loose = torch.zeros(len(points), dtype=torch.bool, device=device)
    loose[faces[border]] = loose[faces.roll(-1, dims=1)[border]] = True
    spread, spread_face = _spread(corners)
    return Surface(
        points, faces, given, normals, doubled / 2, sound, loose[faces].any(dim=1), edges, sides, spread, spread_face
    )


def _neighbours(faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e 2"], Int[Tensor, "e 2"]]:
    """Pairs of faces with a common edge, and the sides that it is. Where more than two meet, two and two are paired."""
    ends = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).view(-1, 2)
    ends, _ = ends.sort(dim=1)
    keys = ends[:, 0] * (int(faces.max()) + 1 if len(faces) else 1) + ends[:, 1]
    keys, order = keys.sort(stable=True)
    same = keys[1:] == keys[:-1]
    # The place of an edge in the run of equal keys: even ones pair with their successor.
    place = torch.arange(len(keys), device=faces.device)
    start = torch.cat([torch.ones(1, dtype=torch.bool, device=faces.device)[: len(keys)], ~same])
    place = place - torch.where(start, place, 0).cummax(0).values if len(keys) else place
    first = torch.nonzero(same & (place[:-1] % 2 == 0)).flatten()
    halves = torch.stack([order[first], order[first + 1]], dim=-1)
    pairs = halves // 3
    apart = pairs[:, 0] != pairs[:, 1]
    return pairs[apart], (halves % 3)[apart]


def _spread(corners: Float[Tensor, "f 3 3"]) -> tuple[Float[Tensor, "p 3"], Int[Tensor, "p"]]:
    """The centroids of all n**2 parts of every face, whose sides are cut in n."""
    count = len(corners)
    cuts = max(1, int(np.ceil(np.sqrt(_POINTS / count)))) if count else 1
    weights = []
    for i in range(cuts):
        for j in range(cuts - i):
            weights.append((i + 1 / 3, j + 1 / 3))
            if i + j < cuts - 1:
                weights.append((i + 2 / 3, j + 2 / 3))
    second, third = torch.tensor(weights, dtype=corners.dtype, device=corners.device).unbind(dim=1)
    shares = torch.stack([cuts - second - third, second, third], dim=-1) / cuts
    face = torch.arange(count, device=corners.device).repeat_interleave(len(shares))
    return torch.einsum("pk,fkc->fpc", shares, corners).reshape(-1, 3), face
