"""Rotation vectors and matrices, up to half a turn."""

import math

import pytest
import torch

from pointmap.geometry.rotations import quaternion_from_rotation, rotation_from_vector, vector_from_rotation


def test_a_quarter_turn_about_z_takes_x_to_y():
    rotation = rotation_from_vector(torch.tensor([0.0, 0.0, math.pi / 2]))

    torch.testing.assert_close(rotation @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 1.0, 3.0, math.pi - 1e-6])
def test_the_vector_of_a_rotation_gives_the_rotation_back(angle):
    generator = torch.Generator().manual_seed(0)
    axes = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64, generator=generator), dim=-1)

    rotations = rotation_from_vector(angle * axes)

    identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(rotations @ rotations.mT, identity)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(vector_from_rotation(rotations), angle * axes, rtol=1e-9, atol=1e-15)


def test_the_quaternion_of_a_rotation_has_its_w_last():
    quaternion = quaternion_from_rotation(rotation_from_vector(torch.tensor([[0.0, 0.0, math.pi / 2], [0.0, 0, 0]])))

    half = math.sqrt(0.5)
    torch.testing.assert_close(quaternion, torch.tensor([[0.0, 0.0, half, half], [0.0, 0.0, 0.0, 1.0]]))
