import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from worlds import NUM_TEXTURES, textures, warp

from pointmap.geometry.transforms import invert_rigid
from pointmap.train.habits import TOUR, Motion, Roll
from pointmap.train.pairs import PairBatch
from pointmap.train.random import Random
from pointmap.train.views import SceneViews, make_views

LANDSCAPE, PORTRAIT = (40, 56), (56, 40)


@cache
def tour(num_views: int = 7, size: tuple[int, int] = LANDSCAPE, seed: int = 1) -> SceneViews:
    return make_views(num_views, size, Random(seed), textures(), NUM_TEXTURES)


def as_pairs(views: SceneViews, first: list[int], second: list[int]) -> PairBatch:
    def both(values: torch.Tensor) -> torch.Tensor:
        return torch.stack([values[first], values[second]], dim=1)

    return PairBatch(
        images=both(views.images),
        depths=both(views.depths),
        intrinsics=both(views.intrinsics),
        first_from_second=invert_rigid(views.world_from_cam[first]) @ views.world_from_cam[second],
        overlap=views.overlap[first, second],
        metric=torch.zeros(len(first), dtype=torch.bool),
    )


def connected(adjacent: torch.Tensor) -> bool:
    reached = torch.zeros(len(adjacent), dtype=torch.bool)
    reached[0] = True
    for _ in range(len(adjacent)):
        reached = reached | adjacent[reached].any(dim=0)
    return bool(reached.all())


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_a_tour_has_as_many_photos_of_the_size_that_was_asked_for(size):
    views = tour(3, size)
    height, width = size

    assert len(views) == 3
    assert views.images.shape == (3, height, width, 3)
    assert views.depths.shape == (3, height, width)
    assert views.intrinsics.shape == (3, 3, 3)
    assert views.overlap.shape == (3, 3)


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_connect_all_photos(seed):
    views = tour(seed=seed)

    torch.testing.assert_close(views.overlap, views.overlap.mT)
    assert connected(views.overlap >= TOUR.min_overlap)


def test_all_photos_are_of_one_world():
    views = tour()
    first, second = (index.tolist() for index in (views.overlap > 0.25).triu(1).nonzero(as_tuple=True))
    batch = as_pairs(views, first, second)
    index, depth, framed = warp(batch)

    surface = batch.depths[:, 1].flatten(1).gather(1, index)
    agrees = framed & ((depth - surface).abs() < 0.02 * surface)
    colour = batch.images[:, 1].flatten(1, 2).float().gather(1, index[..., None].expand(-1, -1, 3))
    difference = (batch.images[:, 0].flatten(1, 2).float() - colour).abs().mean(dim=-1) / 255

    assert len(first) >= 4
    assert agrees[framed].float().mean() > 0.6  # the others are hidden
    assert difference[agrees].mean() < 0.06
    shown = agrees.float().mean(dim=1)
    assert (shown > batch.overlap - 0.15).all()  # overlap is the smaller of two shares, measured on few pixels


def test_one_photographer_has_one_camera():
    views = tour()

    focal = views.intrinsics[:, 0, 0]
    torch.testing.assert_close(focal, focal[:1].expand_as(focal))


def test_a_walk_around_goes_on_in_one_direction():
    motions = (Motion("around", 1.0, orbit_deg=(20, 20)),)
    settings = replace(TOUR, motions=motions, rolls=(Roll("level", 1.0),))
    turned = []
    for seed in range(6):
        views = make_views(3, LANDSCAPE, Random(seed), textures(), NUM_TEXTURES, settings=settings)
        yaw = torch.atan2(views.world_from_cam[:, 0, 2], views.world_from_cam[:, 2, 2])
        turned.append(torch.remainder(yaw[2] - yaw[0] + math.pi, 2 * math.pi) - math.pi)

    degrees = torch.rad2deg(torch.stack(turned)).abs()
    assert ((degrees - 40).abs() < 3).sum() >= 4  # 20 twice; the others met a wall and turned round


def test_the_same_seed_gives_the_same_tour():
    again = make_views(7, LANDSCAPE, Random(1), textures(), NUM_TEXTURES)

    for name in vars(again):
        assert getattr(again, name).equal(getattr(tour(), name)), name
    assert not again.images.equal(tour(seed=2).images)
