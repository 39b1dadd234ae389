import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.errors import InputError
from pointmap.models.heads.activations import activate_confidence, activate_descriptors, activate_points


@pytest.fixture
def golden(golden_dir) -> dict[str, Tensor]:
    return load_file(golden_dir / "post/activations.safetensors")


@pytest.mark.parametrize("mode", ["exp", "square", "linear"])
def test_points_are_those_of_the_reference(golden, mode):
    torch.testing.assert_close(activate_points(golden["xyz"], mode), golden[f"depth.{mode}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "limits"),
    [("exp", (0, math.inf)), ("exp", (1, math.inf)), ("exp", (1, 10)), ("sigmoid", (0, 1)), ("sigmoid", (1, 5))],
)
def test_confidences_are_those_of_the_reference(golden, mode, limits):
    expected = golden[f"conf.{mode}_{limits[0]}_{limits[1]}"]

    confidence = activate_confidence(golden["conf_logit"], mode, limits)

    torch.testing.assert_close(confidence, expected, rtol=1e-6, atol=1e-6)
    assert limits[0] <= confidence.min()
    assert confidence.max() <= limits[1]


def test_descriptors_are_those_of_the_reference(golden):
    descriptors = activate_descriptors(golden["desc"])

    torch.testing.assert_close(descriptors, golden["desc.norm"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(descriptors.norm(dim=-1), torch.ones(descriptors.shape[:-1]))


@pytest.mark.parametrize(("mode", "distance"), [("exp", math.e**5 - 1), ("square", 25.0), ("linear", 5.0)])
def test_a_point_keeps_its_direction_and_gets_another_distance(mode, distance):
    point = activate_points(torch.tensor([3.0, -4.0, 0.0]), mode)

    torch.testing.assert_close(point, torch.tensor([0.6, -0.8, 0.0]) * distance)


@pytest.mark.parametrize("mode", ["exp", "square", "linear"])
def test_a_raw_vector_of_zero_is_the_camera_centre_and_has_a_finite_gradient(mode):
    raw = torch.zeros(3, requires_grad=True)

    point = activate_points(raw, mode)
    point.sum().backward()

    assert (point == 0).all()
    assert raw.grad.isfinite().all()


def test_unknown_activations_are_refused_with_the_choices():
    raw = torch.zeros(2, 3)

    with pytest.raises(InputError, match=r"'cube'.*'exp', 'square' or 'linear'"):
        activate_points(raw, "cube")
    with pytest.raises(InputError, match=r"'tanh'.*'exp'"):
        activate_confidence(raw, "tanh", (1, math.inf))
    with pytest.raises(InputError, match=r"'sigmoid' in \(1, inf\)"):
        activate_confidence(raw, "sigmoid", (1, math.inf))
