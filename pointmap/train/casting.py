"""Rays against all solids of a batch of scenes: first hits, soft shadows, and how much of the surroundings is near.

Rays come in groups (tiles of an image): only the solids that can matter to a group are intersected with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train import relief, solids
from pointmap.train.fused import fusible
from pointmap.train.layout import BODIES, CUT_BOXES, KINDS, NUM_OBJECTS, ROOM
from pointmap.train.solids import FAR

if TYPE_CHECKING:
    from pointmap.train.scenes import Scenes

_NEAREST = 1e-4


@dataclass(frozen=True)
class Rays:
    """Rays in groups of rays that lie close together."""

    origin: Float[Tensor, "scenes groups 3 _"]
    """One per group, or one per ray."""
    direction: Float[Tensor, "scenes groups 3 rays"]


@dataclass(frozen=True)
class _Meeting:
    """The solids of one kind, each with a group of rays that may meet it."""

    kind: str
    group: Int[Tensor, "n"]
    """Scene times groups plus group."""
    slot: Int[Tensor, "n"]
    scene: Int[Tensor, "n"]
    linear: Float[Tensor, "n 3 3"]
    centre: Float[Tensor, "n 3"]
    half: Float[Tensor, "n 3"]

    def local(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Origins and directions in the solids' unit frames."""
        origin = rays.origin.flatten(0, 1)[self.group] - self.centre[..., None]
        return self.linear @ origin, self.linear @ rays.direction.flatten(0, 1)[self.group]


_CONVEX: dict[str, Callable[[Tensor, Tensor], solids.Interval]] = {
    "box": solids.box,
    "ball": solids.ball,
    "cylinder": solids.cylinder,
    "cone": solids.cone,
    "gable": solids.gable,
}


def nearest(
    scenes: "Scenes", rays: Rays, candidates: Bool[Tensor, "scenes groups objects"]
) -> tuple[Float[Tensor, "scenes groups rays"], Int[Tensor, "scenes groups rays"]]:
    """Distance to the first surface in units of the directions, `FAR` in the sky; and its slot, ROOM if no object's."""
    distance = surroundings(scenes, rays)
    # Positive floats sort like the integers of their bits: distance and slot travel in one number.
    best = _packed(distance, torch.full_like(distance, ROOM, dtype=torch.long)).flatten(0, 1)
    for meeting in _meetings(scenes, candidates):
        o, d = meeting.local(rays)
        if meeting.kind == "body":
            t, _ = relief.body_distance(scenes.body[meeting.scene], o, d)
        elif meeting.kind == "cut_box":
            t, _ = solids.cut_box(o, d, _cuts(scenes, meeting))
        else:
            near, far = _CONVEX[meeting.kind](o, d)
            t = torch.where(near < far, near, FAR)
        t = torch.where(t > _NEAREST, t, FAR)
        key = _packed(t, meeting.slot[:, None].expand_as(t))
        best.scatter_reduce_(0, meeting.group[:, None].expand_as(key), key, "amin")
    best = best.unflatten(0, distance.shape[:2])
    return (best >> 32).int().view(torch.float32), best & 0xFFFFFFFF


def surroundings(scenes: "Scenes", rays: Rays) -> Float[Tensor, "scenes groups rays"]:
    """Distance to the walls of the room or to the ground; `FAR` in the sky."""
    linear, centre = scenes.object_from_world[:, ROOM, None], scenes.centre[:, ROOM, None]
    o = linear @ (rays.origin - centre[..., None])
    d = linear @ rays.direction
    _, distance = solids.box(o, d)
    open_air = (o[..., 1, :] + distance * d[..., 1, :] < 0.9999) & scenes.outdoor[:, None, None]
    distance = torch.where(open_air, FAR, distance)
    hilly = scenes.hilly.nonzero()[:, 0]
    if len(hilly) > 0:
        direction = rays.direction[hilly]
        origin = rays.origin[hilly].expand_as(direction).transpose(2, 3).flatten(1, 2)
        ground = relief.ground_distance(scenes.ground[hilly], origin, direction.transpose(2, 3).flatten(1, 2))
        distance = distance.index_copy(0, hilly, ground.reshape(len(hilly), *distance.shape[1:]))
    return distance


def visibility(
    scenes: "Scenes",
    lamp: Float[Tensor, "scenes 3"],
    radius: Float[Tensor, "scenes"],
    points: Float[Tensor, "scenes groups 3 rays"],
    used: Bool[Tensor, "scenes groups"],
) -> Float[Tensor, "scenes groups rays"]:
    """Share of a lamp that points see past the objects.

    The lamp is a ball; how far the straight way clears an object, or misses to clear it, says how much of it is hidden.
    """
    apex = lamp[:, None, :, None].expand(-1, points.shape[1], -1, -1)
    from_lamp = points - apex
    way = length(from_lamp)
    candidates = in_cone(scenes, Rays(apex, from_lamp), used, way.amax(dim=-1), radius)
    # From the points to the lamp: small numbers near the points keep the sun, far away, from blurring them.
    rays = Rays(points, -from_lamp / way[:, :, None])
    result = torch.ones_like(way).flatten(0, 1)
    flat_way = way.flatten(0, 1)
    for meeting in _meetings(scenes, candidates):
        o, d = meeting.local(rays)
        metres = flat_way[meeting.group]
        spread = radius[meeting.scene][:, None] / metres
        if meeting.kind == "body":
            near, closest = relief.body_distance(scenes.body[meeting.scene], o, d)
            hit = near < FAR
            clearance = torch.where(hit, -FAR, closest * meeting.half[:, :1])
            beside = -(o * d).sum(dim=-2) / (d * d).sum(dim=-2)
            near = torch.where(hit, near, beside)
        elif meeting.kind == "box":
            near, clearance = _box_shadow(o, d, meeting.half)
        else:
            if meeting.kind == "cut_box":
                near, far = solids.cut_box(o, d, _cuts(scenes, meeting))
            else:
                near, far = _CONVEX[meeting.kind](o, d)
            # Near the outline of a round solid the way through it is short.
            clearance = spread * near.clamp(min=0) - (far - near)
        seen = _share_past(near, clearance, spread, metres)
        result.scatter_reduce_(0, meeting.group[:, None].expand_as(seen), seen, "amin")
    return result.view_as(way)


def openness(
    scenes: "Scenes",
    points: Float[Tensor, "scenes groups 3 rays"],
    normals: Float[Tensor, "scenes groups 3 rays"],
    used: Bool[Tensor, "scenes groups"],
) -> Float[Tensor, "scenes groups rays"]:
    """Share of the light from all around that reaches points, by how large and near the objects before them are."""
    middle = points.mean(dim=-1)
    spread = length(points - middle[..., None]).amax(dim=-1)
    bound = bounds(scenes)
    gap = torch.cdist(middle, scenes.centre[:, :NUM_OBJECTS]) - spread[..., None]
    candidates = (gap < 2 * bound[:, None]) & scenes.active[:, None] & used[..., None]
    candidates[..., CUT_BOXES] = False  # they are mostly air
    hidden = torch.zeros_like(points[:, :, 0]).flatten(0, 1)
    rays = Rays(points, normals)
    for meeting in _meetings(scenes, candidates):
        local, normal = meeting.local(rays)
        share = _hidden_share(local, normal, meeting.half, 1.0 if meeting.kind == "box" else 0.8)
        hidden.index_add_(0, meeting.group, share)
    near_walls = torch.ones_like(points[:, :, 0])
    room_half, room_centre = scenes.half_size[:, ROOM], scenes.centre[:, ROOM]
    for axis in range(3):
        for sign in (-1.0, 1.0):
            wall = room_centre[:, axis] + sign * room_half[:, axis]
            gap = sign * (wall[:, None, None] - points[:, :, axis])
            near_walls = near_walls * (1 - 0.4 * torch.exp(-gap.abs() / 0.3) * (gap > 2e-3))
    return near_walls * torch.exp(-0.9 * hidden).view_as(near_walls)


@fusible
def _box_shadow(o: Tensor, d: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    near, _ = solids.box(o, d)
    return near, solids.box_clearance(o, d, half)


@fusible
def _share_past(near: Tensor, clearance: Tensor, spread: Tensor, metres: Tensor) -> Tensor:
    """Share of a lamp that is seen past an edge: all or nothing where the lamp is small or the edge is near."""
    seen = (0.5 + 0.5 * clearance / (spread * near).clamp(min=1e-4)).clamp(0, 1)
    # The surface itself, and what lies beyond the lamp, hides nothing.
    return torch.where((near > 3e-3) & (near < metres), seen, 1.0)


@fusible
def _hidden_share(local: Tensor, normal: Tensor, half: Tensor, fill: float) -> Tensor:
    """Share of the light from all around that a solid takes away, as if it were a box `fill` of its size."""
    half = fill * half[..., None]
    local, normal = local / fill, normal / fill
    way = (local.clamp(-1, 1) - local) * half
    square = (way * way).sum(dim=-2)
    facing = (normal * half * way).sum(dim=-2) / (square + 1e-9).sqrt()
    x, y, z = half.unbind(-2)
    area = (x * y + y * z + z * x) / 3
    share = facing.clamp(0, 1) * area / (area + square)
    # Nothing at the distance where solids cease to be candidates, so that tiles do not show.
    fade = (1 - square / (x * x + y * y + z * z)).clamp(min=0)
    return torch.where(square > 4e-6, share * fade, 0.0)


def in_cone(
    scenes: "Scenes",
    rays: Rays,
    used: Bool[Tensor, "scenes groups"],
    reach: Float[Tensor, "scenes groups"] | None = None,
    apex_radius: Float[Tensor, "scenes"] | None = None,
) -> Bool[Tensor, "scenes groups objects"]:
    """Which objects the cones around groups of rays of common origin touch.

    Args:
        reach: Nothing farther away matters.
        apex_radius: The rays start from anywhere in a ball, and all end `reach` away from its middle.
    """
    apex = rays.origin[..., 0]
    direction = rays.direction / length(rays.direction)[:, :, None]
    axis = F.normalize(direction.mean(dim=-1), dim=-1)
    along = (direction * axis[..., None]).sum(dim=2, keepdim=True)
    sine = length(direction - along * axis[..., None]).amax(dim=-1).clamp(max=0.9999)
    cosine = (1 - sine * sine).sqrt()
    # Component by component, which is many times faster than sums over an axis of three.
    offset = [scenes.centre[:, None, :NUM_OBJECTS, i] - apex[:, :, None, i] for i in range(3)]
    along = offset[0] * axis[..., None, 0] + offset[1] * axis[..., None, 1] + offset[2] * axis[..., None, 2]
    square = [(offset[i] - along * axis[..., None, i]).square() for i in range(3)]
    across = (square[0] + square[1] + square[2]).sqrt()
    bound = bounds(scenes)[:, None]
    near = bound
    if reach is not None and apex_radius is not None:
        near = bound + apex_radius[:, None, None] * (1 - (along - bound) / reach[..., None]).clamp(0, 1)
    touched = across * cosine[..., None] - along * sine[..., None] < near * 1.001 + 1e-3
    if reach is not None:
        touched = touched & (along - bound < reach[..., None])
    return touched & scenes.active[:, None] & used[..., None]


def bounds(scenes: "Scenes") -> Float[Tensor, "scenes objects"]:
    """Radii of balls around objects."""
    half = scenes.half_size[:, :NUM_OBJECTS]
    radius = half.norm(dim=-1)
    balls = slice(KINDS["ball"].start, KINDS["ball"].stop)
    radius[:, balls] = half[:, balls].amax(dim=-1)
    radius[:, BODIES] = half[:, BODIES].amax(dim=-1)
    return radius


def length(vectors: Float[Tensor, "scenes groups 3 rays"]) -> Float[Tensor, "scenes groups rays"]:
    """Of vectors whose components lie along the last axis but one."""
    x, y, z = vectors.unbind(-2)
    return (x * x + y * y + z * z).sqrt()


def _cuts(scenes: "Scenes", meeting: _Meeting) -> Float[Tensor, "n 12"]:
    return scenes.cut[meeting.scene, meeting.slot - CUT_BOXES.start]


def _packed(distance: Float[Tensor, "*n"], slot: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    return (distance.view(torch.int32).long() << 32) | slot


def _meetings(scenes: "Scenes", candidates: Bool[Tensor, "scenes groups objects"]) -> Iterator[_Meeting]:
    groups = candidates.shape[1]
    # Sorted by slot, so that each kind is one stretch: one read by the host for all kinds.
    slot, scene, group = candidates.permute(2, 0, 1).nonzero().unbind(-1)
    stops = torch.tensor([kind.stop for kind in KINDS.values()], device=slot.device)
    ends = torch.searchsorted(slot, stops).tolist()
    start = 0
    for kind, end in zip(KINDS, ends, strict=True):
        if end > start:
            part = slice(start, end)
            s, k = scene[part], slot[part]
            yield _Meeting(
                kind=kind,
                group=s * groups + group[part],
                slot=k,
                scene=s,
                linear=scenes.object_from_world[s, k],
                centre=scenes.centre[s, k],
                half=scenes.half_size[s, k],
            )
        start = end
