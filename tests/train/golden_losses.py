"""The stored pair of pointmaps, the losses of the reference for it, and how the two are compared."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid, transform_points


@dataclass
class GoldenLosses:
    """Everything is in the camera frame of `i`; predictions require gradients."""

    points: tuple[Tensor, Tensor]
    confidences: tuple[Tensor, Tensor]
    descriptors: tuple[Tensor, Tensor]
    descriptor_confidences: tuple[Tensor, Tensor]
    targets: tuple[Tensor, Tensor]
    valids: tuple[Tensor, Tensor]
    skies: tuple[Tensor, Tensor]
    metric: Tensor
    pixels: tuple[Tensor, Tensor]
    matched: Tensor
    gradients: dict[str, Tensor]
    expected: dict[str, dict]

    def check(self, criterion: str, losses: list[Tensor], **predictions: tuple[Tensor, Tensor]) -> None:
        """The sum of `losses` has the value and the gradients that the reference has stored under `criterion`."""
        loss, expected = sum(losses), self.expected[criterion]
        assert loss.item() == pytest.approx(expected["loss"], rel=1e-5)

        names = [f"{name}_{k}" for name in predictions for k in (1, 2)]
        assert sorted(names) == expected["grads"]
        gradients = torch.autograd.grad(loss, [tensor for pair in predictions.values() for tensor in pair])
        for name, gradient in zip(names, gradients, strict=True):
            assert gradient.abs().sum(dtype=torch.float64).item() == pytest.approx(
                expected["grad_abs_sum"][name], rel=1e-5
            )
            reference = self.gradients.get(f"{criterion}.grad.{name}")  # some are stored as their sum only
            if reference is not None:
                torch.testing.assert_close(gradient, reference, rtol=1e-6, atol=1e-6)
                assert (gradient - reference).norm() <= 1e-4 * reference.norm()


def read_golden_losses(folder: Path) -> GoldenLosses:
    tensors = load_file(folder / "losses.safetensors")

    def predicted(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"pred.{name}_1"].requires_grad_(), tensors[f"pred.{name}_2"].requires_grad_()

    def given(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"gt1.{name}"], tensors[f"gt2.{name}"]

    i_from_world = invert_rigid(tensors["gt1.camera_pose"])
    target_i, target_j = (
        transform_points(i_from_world, points.flatten(1, 2)).view_as(points) for points in given("pts3d")
    )
    return GoldenLosses(
        points=predicted("pts3d"),
        confidences=predicted("conf"),
        descriptors=predicted("desc"),
        descriptor_confidences=predicted("desc_conf"),
        targets=(target_i, target_j),
        valids=given("valid_mask"),
        skies=given("sky_mask"),
        metric=tensors["gt1.is_metric_scale"],
        pixels=given("corres"),
        matched=tensors["gt1.valid_corres"],
        gradients={name: tensor for name, tensor in tensors.items() if ".grad." in name},
        expected=json.loads((folder / "losses.json").read_text()),
    )
