import math

import torch

from pointmap.train.random import Random, axis_rotation

IDENTITY = torch.eye(3)


def test_random_rotations_are_proper():
    for rotations in (Random(0).rotation(50, 2), Random(0).yaw(50, 2)):
        torch.testing.assert_close(rotations @ rotations.mT, IDENTITY.expand(50, 2, 3, 3), atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50, 2), atol=1e-5, rtol=0)


def test_random_rotations_favour_no_direction():
    mean = Random(0).rotation(4000).mean(dim=0)

    assert mean.abs().max() < 0.05


def test_yaw_leaves_the_vertical_axis_where_it_is():
    vertical = torch.tensor([0.0, 1.0, 0.0])

    torch.testing.assert_close(Random(0).yaw(20) @ vertical, vertical.expand(20, 3))


def test_a_quarter_turn_about_an_axis_takes_the_next_axis_to_the_one_after():
    for axis in range(3):
        turned = axis_rotation(axis, torch.tensor(math.pi / 2)) @ IDENTITY[(axis + 1) % 3]

        torch.testing.assert_close(turned, IDENTITY[(axis + 2) % 3], atol=1e-6, rtol=0)


def test_the_same_seed_draws_the_same_numbers_and_another_seed_others():
    first, again, other = (Random(seed).normal(5) for seed in (7, 7, 8))

    assert first.equal(again)
    assert not first.equal(other)


def test_log_uniform_draws_halve_and_double_equally_often():
    draws = Random(0).log_uniform(0.5, 8.0, 4000)

    assert draws.min() >= 0.5
    assert draws.max() <= 8.0
    assert abs((draws < 2).float().mean() - 0.5) < 0.03  # 2 is two doublings from either end
