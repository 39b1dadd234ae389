"""Depth maps with smooth errors, bent through points of a room whose geometry we chose."""

import torch
from bundle_scenes import Room, all_matches, false_depths, make_room
from torch import Tensor

from pointmap.alignment.anchoring import anchor_depths
from pointmap.alignment.bundle import Adjusted, adjust
from pointmap.geometry.matching import PairMatches

SHAPES = [(160, 224), (224, 160), (128, 224), (160, 160)]


def adjusted_room(room: Room, matches: list[PairMatches], depths: list[Tensor]) -> Adjusted:
    fixed = torch.ones(len(depths), dtype=torch.bool)
    known = {"fixed_poses": fixed, "fixed_focals": fixed}
    return adjust(matches, intrinsics=room.intrinsics, world_from_cam=room.world_from_cam, depths=depths, **known)


def typical_error(depths: list[Tensor], true: list[Tensor]) -> float:
    return float(torch.cat([(d / t).log().abs().flatten() for d, t in zip(depths, true, strict=True)]).median())


def test_maps_go_through_the_points_in_spite_of_wrong_matches():
    room = make_room(4, shapes=SHAPES, offset=(5.0, -7.0), seed=3)
    depths = [depth.float() for depth in false_depths(room)]
    matches = all_matches(room, outliers=0.3)

    bent = anchor_depths(depths, matches, adjusted_room(room, matches, depths))

    assert all(depth.dtype == torch.float32 for depth in bent)
    assert typical_error(depths, room.depths) > 0.1
    assert typical_error(bent, room.depths) < 0.02


def test_a_step_in_depth_stays_where_it_is():
    room = make_room(4, shapes=SHAPES, seed=3)
    depths = [depth.clone() for depth in room.depths]
    nearer = torch.zeros_like(depths[0], dtype=torch.bool)
    nearer[40:90, 60:130] = True
    depths[0][nearer] *= 0.5  # something that no match lies on
    matches = [match.select(~_inside(match, nearer)) for match in all_matches(room, noise=0.1)]

    bent = anchor_depths(depths, matches, adjusted_room(room, matches, depths))[0]

    torch.testing.assert_close(bent, depths[0], rtol=0.03, atol=0)


def test_unknown_depths_stay_unknown_and_views_without_points_as_they_are():
    room = make_room(3, seed=1)
    depths = [depth.clone() for depth in false_depths(room)]
    depths[0][:50], depths[1][:, :60] = 0.0, torch.nan
    matches = [match for match in all_matches(room) if 2 not in (match.view_i, match.view_j)]

    bent = anchor_depths(depths, matches, adjusted_room(room, matches, depths))

    assert (bent[0][:50] == 0).all()
    assert bent[1][:, :60].isnan().all()
    assert bent[1][:, 60:].isfinite().all()
    assert torch.equal(bent[2], depths[2])


def test_points_that_hardly_move_between_photos_say_nothing():
    room = make_room(3, spread=1e-4, seed=1)
    depths = false_depths(room, sigma=0.05)
    matches = all_matches(room)
    adjusted = adjusted_room(room, matches, depths)
    random = torch.Generator().manual_seed(0)
    wild = [d * (0.5 * torch.randn(d.shape, generator=random).double()).exp() for d in adjusted.point_depths]

    bent = anchor_depths(depths, matches, Adjusted(**{**vars(adjusted), "point_depths": wild}))

    for before, after in zip(depths, bent, strict=True):
        ratio = after / before
        torch.testing.assert_close(ratio, ratio.median().expand_as(ratio), rtol=0.05, atol=0)


def _inside(match: PairMatches, mask: Tensor) -> Tensor:
    """True where either end is of view 0 and in the mask."""
    found = torch.zeros(len(match.weights), dtype=torch.bool)
    for view, pixels in ((match.view_i, match.pixels_i), (match.view_j, match.pixels_j)):
        if view == 0:
            x, y = pixels.round().long().unbind(-1)
            found |= mask[y.clamp(0, mask.shape[0] - 1), x.clamp(0, mask.shape[1] - 1)]
    return found
