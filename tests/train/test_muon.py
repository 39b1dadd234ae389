import pytest
import torch

from pointmap.train.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(3, 24, 60), (2, 60, 24), (4, 32, 16)], ids=["wide", "tall", "many"])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    matrices = torch.randn(shape) * 37

    values = torch.linalg.svdvals(orthogonalize(matrices).float())

    assert values.min() > 0.6
    assert values.max() < 1.3


def test_orthogonalizing_keeps_the_singular_vectors():
    U, _, Vh = torch.linalg.svd(torch.randn(20, 50), full_matrices=False)
    matrix = U @ torch.diag(torch.linspace(0.5, 2, 20)) @ Vh

    rotated = U.mT @ orthogonalize(matrix[None])[0].float() @ Vh.mT

    off_diagonal = rotated - torch.diag(rotated.diagonal())
    assert off_diagonal.abs().max() < 0.05


def test_no_gradient_gives_no_step_and_no_nan():
    assert (orthogonalize(torch.zeros(1, 4, 6)) == 0).all()


def test_muon_solves_a_least_squares_problem():
    x, truth = torch.randn(200, 16), torch.randn(16, 12)
    weight = torch.nn.Parameter(torch.zeros(16, 12))
    optimizer = Muon([weight], lr=0.2, weight_decay=0.0)

    losses = []
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 - step / 150)
        loss = (x @ (weight - truth)).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert losses[-1] < 0.01 * losses[0]


def test_a_step_is_as_large_as_one_of_adam():
    weight = torch.nn.Parameter(torch.zeros(64, 64))
    weight.grad = 1e-4 * torch.randn(64, 64)

    Muon([weight], lr=1.0).step()

    # An orthogonal n x n matrix has entries of root mean square n^-1/2, which is scaled to 0.2 (Liu et al. 2025).
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)


def test_weight_decay_shrinks_what_has_no_gradient_to_speak_of():
    weight = torch.nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)

    Muon([weight], lr=0.1, weight_decay=0.5).step()

    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))
