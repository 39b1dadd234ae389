from dataclasses import replace

import pytest
import torch
from worlds import NUM_TEXTURES, rendered_pairs, textures, warp

from pointmap.train.habits import TRAINING, Roll
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random

LANDSCAPE, PORTRAIT = (40, 56), (56, 40)


ODD = replace(
    TRAINING,
    rolls=(Roll("odd", 1.0, common_deg=(20, 60), relative_deg=(30, 90)),),
    zoomed=1.0,
    off_centre=1.0,
    apart=0.0,
    min_overlap=0.3,
)
"""Every pair is rolled, has two focal lengths and principal points off the middle."""


@pytest.mark.parametrize("settings", [replace(TRAINING, apart=0.0, min_overlap=0.3), ODD], ids=["training", "odd"])
@pytest.mark.parametrize("size", [(80, 112), (112, 80)])
def test_points_of_the_first_view_lie_on_the_surfaces_of_the_second(size, settings):
    batch = make_pairs(8, size, Random(7), textures(), NUM_TEXTURES, settings=settings)
    index, depth, framed = warp(batch)

    surface = batch.depths[:, 1].float().flatten(1).gather(1, index)

    agrees = (depth - surface).abs() < 0.01 * surface
    floats = framed & (surface > 0) & (depth < 0.9 * surface)  # before all that the second view sees: impossible
    assert framed.float().mean() > 0.4
    assert agrees[framed].float().mean() > 0.65  # the others are hidden, or slanted within the nearest pixel
    assert floats[framed].float().mean() < 0.02  # at edges, where the nearest pixel is on the other side


@pytest.mark.parametrize("settings", [TRAINING, ODD], ids=["training", "odd"])
def test_corresponding_pixels_have_the_same_colour(settings):
    batch = make_pairs(12, LANDSCAPE, Random(7), textures(), NUM_TEXTURES, settings=settings)
    index, depth, framed = warp(batch)
    first, second = (batch.images[:, view].flatten(1, 2).float() / 255 for view in (0, 1))
    surface = batch.depths[:, 1].float().flatten(1).gather(1, index)
    same = framed & ((depth - surface).abs() < 0.01 * surface)

    difference = (first - second.gather(1, index[..., None].expand_as(first))).abs().mean(dim=-1)
    elsewhere = (first - second.roll(batch.depths[0, 0].numel() // 2 + 13, dims=1)).abs().mean(dim=-1)

    assert difference[same].mean() < 0.05
    assert difference[same].mean() < elsewhere[same].mean() / 3


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_a_batch_has_the_size_that_was_asked_for(size):
    batch = rendered_pairs(size, count=24)
    height, width = size

    assert batch.images.shape == (24, 2, height, width, 3)
    assert batch.depths.shape == (24, 2, height, width)
    focal = batch.intrinsics[..., 0, 0] / 56  # in long sides
    assert focal.min() > 0.25
    assert focal.max() < 3.7


def test_poses_are_rigid_and_views_differ():
    first_from_second = rendered_pairs().first_from_second

    rotation = first_from_second[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand_as(rotation), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(len(rotation)), atol=1e-5, rtol=0)
    assert ((first_from_second - torch.eye(4)).abs().amax(dim=(1, 2)) > 1e-3).all()


def test_the_same_seed_renders_the_same_pairs_and_another_seed_others():
    first, again, other = (
        make_pairs(3, LANDSCAPE, Random(seed), textures(), NUM_TEXTURES, chunk=chunk)
        for seed, chunk in ((1, 4), (1, 4), (2, 4))
    )

    for name in vars(first):
        assert getattr(first, name).equal(getattr(again, name)), name
    assert not first.images.equal(other.images)
    assert not first.first_from_second.equal(other.first_from_second)


def test_how_many_worlds_are_rendered_together_changes_nothing():
    one, all_at_once = (
        make_pairs(5, LANDSCAPE, Random(1), textures(), NUM_TEXTURES, chunk=chunk) for chunk in (1, 128)
    )

    # But for rounding, which moves a few pixels at edges.
    assert (one.depths == all_at_once.depths).float().mean() > 0.98
    torch.testing.assert_close(one.first_from_second, all_at_once.first_from_second)


def seen_share(batch: PairBatch) -> torch.Tensor:
    """Share of the first view that the second sees, from the renderings."""
    index, depth, framed = warp(batch)
    surface = batch.depths[:, 1].float().flatten(1).gather(1, index)
    return (framed & ((depth - surface).abs() < 0.05 * surface)).float().mean(dim=1)


def test_pairs_overlap_by_at_least_what_was_asked_for():
    batch = make_pairs(16, LANDSCAPE, Random(3), textures(), NUM_TEXTURES, min_overlap=0.5)

    assert batch.overlap.min() >= 0.5
    assert seen_share(batch).min() > 0.4  # overlap is measured on few pixels


def test_overlap_is_what_the_renderings_show():
    batch = rendered_pairs(LANDSCAPE, count=24)
    other_way = PairBatch(
        images=batch.images.flip(1),
        depths=batch.depths.flip(1),
        intrinsics=batch.intrinsics.flip(1),
        first_from_second=torch.linalg.inv(batch.first_from_second),
        overlap=batch.overlap,
        metric=batch.metric,
    )

    shown = torch.minimum(seen_share(batch), seen_share(other_way))

    assert (shown - batch.overlap).abs().median() < 0.06


def test_parts_of_a_batch_can_be_joined_again():
    batch = rendered_pairs()

    joined = PairBatch.cat([batch[:3], batch[3:]])

    assert len(batch[:3]) == 3
    for name in vars(batch):
        assert getattr(joined, name).equal(getattr(batch, name)), name
