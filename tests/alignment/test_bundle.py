"""Bundle adjustment in a room whose cameras we chose, from wrong starts and with wrong matches."""

import pytest
import torch
from bundle_scenes import (
    Room,
    all_matches,
    direction_errors,
    disturbed,
    false_depths,
    make_room,
    match,
    rotation_errors,
    turned,
)
from torch import Tensor

from pointmap.alignment.bundle import Adjusted, adjust
from pointmap.alignment.bundle_equations import NormalEquations, Structure, _moved, number_columns
from pointmap.alignment.bundle_problem import Reprojection, Unknowns, lay_out
from pointmap.errors import Cancelled, InputError
from pointmap.geometry.matching import PairMatches


def with_focals(intrinsics: Tensor, factors: Tensor | float) -> Tensor:
    changed = intrinsics.clone()
    changed[:, 0, 0] *= factors
    changed[:, 1, 1] *= factors
    return changed


def adjust_from_afar(room: Room, matches: list[PairMatches], **settings) -> Adjusted:
    """From poses 8 degrees and 15 % of a baseline off, focal lengths 15 % off, depths 20 % off."""
    start = {"intrinsics": with_focals(room.intrinsics, 1.15), "world_from_cam": disturbed(room)}
    return adjust(matches, **({**start, "depths": false_depths(room)} | settings))


def focal_errors(found: Adjusted, room: Room) -> Tensor:
    return (found.intrinsics[:, 0, 0] / room.intrinsics[:, 0, 0] - 1).abs()


@pytest.mark.parametrize("outliers", [0.0, 0.4])
def test_cameras_are_found_in_spite_of_wrong_matches_and_a_wrong_start(outliers):
    room = make_room(8, seed=5)

    found = adjust_from_afar(room, all_matches(room, outliers=outliers))

    assert rotation_errors(found.world_from_cam, room.world_from_cam).max() < 0.5
    assert direction_errors(found.world_from_cam, room.world_from_cam).median() < 1
    assert direction_errors(found.world_from_cam, room.world_from_cam).max() < 3  # of neighbours
    assert focal_errors(found, room).max() < 0.02
    assert found.took_part.all()
    assert found.rms_px < 1.0
    share = torch.cat(found.inliers).double().mean()
    assert 0.85 * (1 - outliers) < share < (1 - outliers) + 0.05


def test_mixed_shapes_and_principal_points_off_the_centre():
    shapes = [(160, 224), (224, 160), (128, 224), (224, 160), (160, 224), (160, 160)]
    room = make_room(6, shapes=shapes, offset=(9.0, -14.0), seed=1)

    found = adjust_from_afar(room, all_matches(room, noise=0.05))

    assert rotation_errors(found.world_from_cam, room.world_from_cam).max() < 0.1
    assert focal_errors(found, room).max() < 5e-3
    torch.testing.assert_close(found.intrinsics[:, :2, 2], room.intrinsics[:, :2, 2])


def test_what_stays_stays_and_the_scale_is_that_of_the_depth_maps():
    room = make_room(5, seed=2)
    factors = torch.tensor([1.3, 0.8, 1.0, 1.1, 0.9], dtype=torch.float64)
    depths = [factor * depth for factor, depth in zip(factors, room.depths, strict=True)]

    found = adjust_from_afar(room, all_matches(room, noise=0.05), depths=depths)

    assert torch.equal(found.world_from_cam[0], room.world_from_cam[0])
    ratio = found.depth_scales * factors
    torch.testing.assert_close(ratio / ratio[0], torch.ones_like(ratio), rtol=0.01, atol=0)
    centres, true = (poses[:, :3, 3] - poses[0, :3, 3] for poses in (found.world_from_cam, room.world_from_cam))
    torch.testing.assert_close(centres, ratio[0] * true, rtol=0.02, atol=0.02)
    assert 0.8 < ratio[0] < 1.3
    x, y = match(room, 1, 2).pixels_i[0].long()
    torch.testing.assert_close(found.point_depths[5][0], ratio[0] * room.depths[1][y, x], rtol=0.02, atol=0)


def test_one_camera_has_one_focal_length():
    room = make_room(4, focals=torch.tensor([190.0, 190.0, 230.0, 190.0]).double(), seed=3)
    start = with_focals(room.intrinsics, torch.tensor([1.2, 0.9, 1.1, 1.1]).double())

    found = adjust_from_afar(room, all_matches(room, noise=0.3), intrinsics=start, cameras=torch.tensor([4, 4, 0, 4]))

    focals = found.intrinsics[:, 0, 0]
    assert focals[0] == focals[1] == focals[3]
    assert focal_errors(found, room).max() < 0.02


def test_known_poses_and_focal_lengths_are_kept_to_the_last_digit():
    room = make_room(4, seed=4)
    start = disturbed(room)
    start[2] = room.world_from_cam[2]
    fixed = torch.tensor([True, False, True, False])
    intrinsics = with_focals(room.intrinsics, torch.tensor([1.15, 1.0, 1.15, 1.15]).double())

    found = adjust_from_afar(
        room,
        all_matches(room, noise=0.3),
        world_from_cam=start,
        intrinsics=intrinsics,
        fixed_poses=fixed,
        fixed_focals=torch.tensor([False, True, False, False]),
        cameras=torch.zeros(4, dtype=torch.long),
    )

    assert torch.equal(found.world_from_cam[fixed], room.world_from_cam[fixed])
    assert torch.equal(found.intrinsics[1], intrinsics[1])
    # Two known places set the scale.
    torch.testing.assert_close(found.world_from_cam[:, :3, 3], room.world_from_cam[:, :3, 3], rtol=0, atol=0.05)
    assert focal_errors(found, room).max() < 0.02


@pytest.mark.parametrize("with_depths", [True, False])
def test_a_turn_on_the_spot_stays_finite(with_depths):
    room = make_room(5, spread=0.0)
    start = room.world_from_cam.clone()
    start[1:, :3, :3] = turned(torch.tensor([4.0, -3.0, 2.0]).double()) @ start[1:, :3, :3]
    depths = room.depths if with_depths else [torch.zeros_like(depth) for depth in room.depths]

    found = adjust(
        all_matches(room),
        intrinsics=room.intrinsics,
        world_from_cam=start,
        depths=depths,
        fixed_focals=torch.ones(5, dtype=torch.bool),
    )

    assert found.took_part.all()
    assert found.world_from_cam.isfinite().all()
    # Depths that are free to fit the noise leave a small motion, which a rotation makes up for.
    assert rotation_errors(found.world_from_cam, room.world_from_cam).max() < 3
    assert (found.world_from_cam[:, :3, 3] - room.world_from_cam[:, :3, 3]).norm(dim=1).max() < 0.5


def test_views_without_matches_and_with_nothing_but_wrong_ones_keep_their_start():
    room = make_room(6, seed=5)
    matches = [pair for pair in all_matches(room) if 2 not in (pair.view_i, pair.view_j)]
    matches = [
        match(room, pair.view_i, pair.view_j, outliers=1.0) if 4 in (pair.view_i, pair.view_j) else pair
        for pair in matches
    ]
    start = disturbed(room)
    intrinsics = with_focals(room.intrinsics, 1.15)

    found = adjust_from_afar(room, matches, world_from_cam=start, intrinsics=intrinsics)

    assert found.took_part.tolist() == [True, True, False, True, False, True]
    for view in (2, 4):
        assert torch.equal(found.world_from_cam[view], start[view])
        assert torch.equal(found.intrinsics[view], intrinsics[view])
        assert found.depth_scales[view] == 1
    for pair, inliers in zip(matches, found.inliers, strict=True):
        assert bool(inliers.any()) != (4 in (pair.view_i, pair.view_j))
    rest = [0, 1, 3, 5]
    assert rotation_errors(found.world_from_cam[rest], room.world_from_cam[rest]).max() < 0.7


def test_unregistered_views_and_no_matches_at_all():
    room = make_room(3)
    poses = room.world_from_cam.clone()
    poses[1] = torch.nan

    found = adjust(
        [match(room, 0, 1), match(room, 1, 2)],
        intrinsics=room.intrinsics,
        world_from_cam=poses,
        depths=room.depths,
        registered=torch.tensor([True, False, True]),
    )

    assert not found.took_part.any()
    torch.testing.assert_close(found.world_from_cam, poses, rtol=0, atol=0, equal_nan=True)


def test_the_same_input_gives_the_same_cameras():
    room = make_room(4)
    matches = all_matches(room, outliers=0.3)

    first, second = (adjust_from_afar(room, matches) for _ in range(2))

    assert torch.equal(first.world_from_cam, second.world_from_cam)
    assert first.history == second.history


def test_slopes_of_the_cost_agree_with_differences():
    room = make_room(3, shapes=[(60, 80), (80, 60), (60, 80)], focals=torch.full((3,), 70.0).double(), offset=(5, -7))
    matched = lay_out(
        all_matches(room, outliers=0.3),
        room.intrinsics,
        false_depths(room),
        noise_px=1.5,
        depth_sigma=0.3,
        focal_sigma=0.3,
    )
    at = Unknowns(
        disturbed(room, turn=3),
        room.intrinsics[:, 0, 0].log() + 0.1,
        torch.tensor([0.1, -0.1, 0.2]).double(),
        matched.log_prior + 0.1,
    )
    everything, cameras = torch.ones(3, dtype=torch.bool), torch.tensor([0, 0, 1])
    columns = number_columns(torch.tensor([False, True, True]), everything, everything, cameras)
    equations = NormalEquations(Reprojection(matched, at), Structure(matched, cameras, columns), 20.0)

    def slope(views: Tensor, points: Tensor) -> float:
        costs = [Reprojection(matched, _moved(at, s * views, s * points)).cost(20.0, cameras) for s in (1e-5, -1e-5)]
        return (costs[0] - costs[1]) / 4e-5  # the equations are of half the cost

    nothing, still = torch.zeros(3, 8).double(), torch.zeros(len(matched.host)).double()
    for column in range(columns.count):
        expected = slope((columns.of_view == column).double(), still)
        assert float(equations.slope[column]) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    for point in (0, 7, len(still) - 1):
        expected = slope(nothing, (torch.arange(len(still)) == point).double())
        assert float(equations.point_slope[point]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_progress_ends_where_it_says_and_may_stop_the_work():
    room = make_room(3)
    calls = []

    adjust_from_afar(room, all_matches(room), progress=lambda *call: calls.append(call))

    assert {call[0] for call in calls} == {"adjust"}
    assert all(done <= total for _, done, total in calls)

    def cancel(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        adjust_from_afar(room, all_matches(room), progress=cancel)


def test_contradictions_are_refused():
    room = make_room(3)
    K, poses, depths = room.intrinsics, room.world_from_cam, room.depths

    with pytest.raises(InputError, match="depths has 2 entries for 3"):
        adjust([], intrinsics=K, world_from_cam=poses, depths=depths[:2])
    with pytest.raises(InputError, match=r"views \(0, 0\)"):
        adjust(
            [PairMatches(0, 0, *[torch.zeros(1, 2)] * 2, torch.ones(1))],
            intrinsics=K,
            world_from_cam=poses,
            depths=depths,
        )
    with pytest.raises(InputError, match=r"views \(0, 3\)"):
        adjust(
            [PairMatches(0, 3, *[torch.zeros(1, 2)] * 2, torch.ones(1))],
            intrinsics=K,
            world_from_cam=poses,
            depths=depths,
        )
    with pytest.raises(InputError, match="noise_px is 0"):
        adjust([], intrinsics=K, world_from_cam=poses, depths=depths, noise_px=0.0)
