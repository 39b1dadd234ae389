"""How the aligner stores translations and turns confidences into weights (golden/post/activations)."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.alignment.objective import signed_expm1, signed_log1p
from pointmap.alignment.problem import make_problem
from pointmap.scene import Group


@pytest.fixture
def golden(golden_dir) -> dict[str, Tensor]:
    return load_file(golden_dir / "post/activations.safetensors")


def test_signed_logarithms_are_those_of_the_reference(golden):
    torch.testing.assert_close(signed_log1p(golden["xyz"]), golden["signed_log1p"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(signed_expm1(golden["xyz"]), golden["signed_expm1"], rtol=1e-6, atol=1e-6)


def test_the_signed_exponential_undoes_the_signed_logarithm():
    translations = torch.tensor([0.0, -3.0, 1e-6, 250.0])

    torch.testing.assert_close(signed_expm1(signed_log1p(translations)), translations)


@pytest.mark.parametrize(
    ("weighting", "name"), [("log", "log"), ("sqrt", "sqrt"), ("minus_one", "m1"), ("confidence", "id")]
)
def test_weights_are_those_of_the_reference(golden, weighting, name):
    confidences = golden["conf.exp_1_inf"]
    points = [torch.ones(*confidence.shape, 3) for confidence in confidences]
    group = Group(views=(0, 1), points=points, confidences=list(confidences))

    problem = make_problem([group], weighting=weighting)

    for obs, expected in enumerate(golden[f"conf_trf.{name}"]):
        torch.testing.assert_close(problem.observation(obs).weights, expected, rtol=1e-6, atol=1e-6)
