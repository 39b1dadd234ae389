"""Many photos of one world, as somebody takes them who walks around in it, with exact geometry."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float, UInt8
from pointmap.train.cameras import Plans, first_cameras, next_cameras, rolled, sample_plans
from pointmap.train.habits import TOUR, CameraSettings
from pointmap.train.random import Random
from pointmap.train.renderer import render
from pointmap.train.scenes import Scenes, sample_scenes
from pointmap.train.sight import judge, mutual_overlap, probe_size

_TRIES = 24  # next photos to choose from
_DETOURS = 8  # earlier photos to go on from before the world is given up


@dataclass(frozen=True)
class SceneViews:
    """Photos of one world."""

    images: UInt8[Tensor, "views h w 3"]
    depths: Float[Tensor, "views h w"]
    """z-depth in metres, 0 in the sky."""
    intrinsics: Float[Tensor, "views 3 3"]
    world_from_cam: Float[Tensor, "views 4 4"]
    overlap: Float[Tensor, "views views"]
    """Share of each photo of a pair that the other sees, the smaller of the two; symmetric."""

    def __len__(self) -> int:
        return len(self.images)


def make_views(
    num_views: int,
    size: tuple[int, int],
    random: Random,
    texels: UInt8[Tensor, "texels 3"],
    num_textures: int,
    *,
    settings: CameraSettings = TOUR,
    chunk: int = 2,
) -> SceneViews:
    """Photograph one new world from `num_views` places.

    Every photo but the first shares at least `settings.min_overlap` with an earlier one, mostly with the one before:
    the graph of overlaps is connected.

    Args:
        size: Height and width.
        settings: How photos are taken; one motion of its table leads through the whole tour where it can.
        chunk: Photos that are rendered together.
    """
    tour = None
    while tour is None:
        tour = _walk(num_views, size, random, num_textures, settings)
    scene, world_from_cam, plan, overlap = tour
    intrinsics = plan.intrinsics(size)
    images, depths = [], []
    for start in range(0, num_views, chunk):
        part = slice(start, start + chunk)
        rendering = render(scene, world_from_cam[None, part], intrinsics[:, part], size, texels, num_textures)
        images.append((rendering.images[0] * 255).round().to(torch.uint8))
        depths.append(rendering.depths[0])
    return SceneViews(torch.cat(images), torch.cat(depths), intrinsics[0], world_from_cam, overlap)


@dataclass(frozen=True)
class _Photos:
    """Cameras in copies of one scene, and what probes of them see."""

    level: Tensor
    camera: Tensor
    K: Tensor
    depth: Tensor
    median: Tensor
    good: Tensor

    def __getitem__(self, index: Tensor) -> "_Photos":
        return _Photos(*(value[index] for value in vars(self).values()))

    @staticmethod
    def cat(parts: "list[_Photos]") -> "_Photos":
        return _Photos(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))


def _walk(
    num_views: int, size: tuple[int, int], random: Random, num_textures: int, settings: CameraSettings
) -> tuple[Scenes, Tensor, Plans, Tensor] | None:
    """One world, its cameras, their plan and their overlaps; None where the walk came to an end too early."""
    probe = probe_size(size)
    plan = sample_plans(1, random, settings, views=num_views)
    K = plan.intrinsics(probe)[0]
    copies = torch.zeros(_TRIES, dtype=torch.long, device=random.device)
    worlds = sample_scenes(_TRIES, random, num_textures)
    level, reach = first_cameras(worlds, plan[copies], random, settings)
    photos = _probe(worlds, level, plan.roll_rad[0, 0], K[0], probe)
    start = (photos.good & (photos.median > 0.3 * reach)).nonzero()[:1, 0]
    if len(start) == 0:
        return None
    scene = worlds[start]
    scenes, taken = scene[copies], photos[start]
    side = _sides(random, 1)
    # What the first photo shows is the subject: who photographs a place does not lose sight of it without need.
    subject = taken.camera[0, :3, 3] + taken.median * taken.camera[0, :3, 2]
    # The first half of the tries goes on as the whole tour does, the others do something else.
    steady = torch.arange(_TRIES, device=random.device) < _TRIES // 2
    for index in range(1, num_views):
        for detour in range(_DETOURS):
            back = 0 if detour == 0 else int(random.integers(0, index, 1))
            last = taken[copies + index - 1 - back]
            motion = torch.where(steady, plan.motion, sample_plans(_TRIES, random, settings).motion)
            moved = next_cameras(
                last.level,
                last.camera,
                last.depth,
                last.median,
                last.K,
                motion,
                random,
                settings,
                side=torch.where(steady, side, _sides(random, _TRIES)),
            )
            photos = _probe(scenes, moved, plan.roll_rad[0, index], K[index], probe)
            good = photos.good & (_overlap(scenes, last, photos) >= settings.min_overlap)
            if good.any():
                break
        else:
            return None
        to_subject = F.normalize(subject - photos.camera[:, :3, 3], dim=-1)
        aim = (photos.camera[:, :3, 2] * to_subject).sum(dim=-1)
        best = torch.where(good, aim + 2 * steady, -torch.inf).argmax()
        taken = _Photos.cat([taken, photos[best[None]]])
    copies = torch.zeros(num_views, dtype=torch.long, device=random.device)
    overlaps = [_overlap(scene[copies], taken[copies + index], taken) for index in range(num_views)]
    return scene, taken.camera, plan, torch.stack(overlaps)


def _probe(scenes: Scenes, level: Tensor, roll_rad: Tensor, K: Tensor, probe: tuple[int, int]) -> _Photos:
    count = len(level)
    camera, K = rolled(level, roll_rad.expand(count)), K.expand(count, 3, 3)
    bare_walls = torch.zeros(count, dtype=torch.bool, device=level.device)
    good, depth, median = judge(scenes, camera, K, probe, bare_walls)
    return _Photos(level, camera, K, depth, median, good)


def _overlap(scenes: Scenes, one: _Photos, other: _Photos) -> Tensor:
    """Shares that both see, the smaller of the two."""
    return mutual_overlap(scenes, (one.camera, other.camera), (one.depth, other.depth), (one.K, other.K))


def _sides(random: Random, count: int) -> Tensor:
    return torch.where(random.uniform(0, 1, count) < 0.5, -1.0, 1.0)
