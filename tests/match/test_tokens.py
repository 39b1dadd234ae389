"""Matches from similarities that we chose: exact between tokens, in both directions, and only where both agree."""

import torch

from pointmap.geometry.tokens import token_pixels
from pointmap.match import match_tokens

PATCH = 16
GRID_I, GRID_J = (9, 14), (12, 8)


def similarity_of(linear, offset):
    """Logits whose best place in j for a token of i is `linear` x its pixel + `offset`."""
    nodes_i, nodes_j = token_pixels(GRID_I, PATCH), token_pixels(GRID_J, PATCH)
    there = nodes_i @ torch.tensor(linear).mT + torch.tensor(offset)
    # A Gaussian of this width has its mean in the right place however it is sampled.
    return -0.5 * ((there[:, None] - nodes_j) / (0.5 * PATCH)).square().sum(-1)


def test_a_shift_is_found_in_both_directions_between_tokens():
    shift = torch.tensor([-22.0, 37.0])

    pixels_i, pixels_j, weights, from_i = match_tokens(
        similarity_of([[1.0, 0.0], [0.0, 1.0]], shift.tolist()), GRID_I, GRID_J, PATCH
    )

    inner_j = ((pixels_j > PATCH) & (pixels_j < torch.tensor([7 * PATCH, 11 * PATCH]))).all(1)
    inner = inner_j & ((pixels_i > PATCH) & (pixels_i < torch.tensor([13 * PATCH, 8 * PATCH]))).all(1)
    assert (inner & from_i).sum() > 20
    assert (inner & ~from_i).sum() > 20
    assert (pixels_j - pixels_i - shift)[inner].abs().max() < 1.0
    assert ((weights > 0.05) & (weights <= 1)).all()


def test_matches_begin_at_tokens_of_the_side_that_is_told():
    pixels_i, pixels_j, _, from_i = match_tokens(
        similarity_of([[0.8, 0.3], [-0.2, 1.1]], [-20.0, 25.0]), GRID_I, GRID_J, PATCH
    )

    assert ((pixels_i[from_i] - PATCH // 2) % PATCH == 0).all()
    assert ((pixels_j[~from_i] - PATCH // 2) % PATCH == 0).all()
    found = pixels_i[from_i] @ torch.tensor([[0.8, 0.3], [-0.2, 1.1]]).mT + torch.tensor([-20.0, 25.0])
    inner = ((found > PATCH) & (found < torch.tensor([7 * PATCH, 11 * PATCH]))).all(1)
    assert inner.sum() > 20
    assert (pixels_j[from_i] - found)[inner].abs().max() < 1.0


def test_turning_the_similarity_over_exchanges_the_views():
    similarity = similarity_of([[0.8, 0.3], [-0.2, 1.1]], [-20.0, 25.0])

    pixels_i, pixels_j, _, _ = match_tokens(similarity, GRID_I, GRID_J, PATCH)
    swapped_j, swapped_i, _, _ = match_tokens(similarity.mT, GRID_J, GRID_I, PATCH)

    assert {tuple(row) for row in torch.cat([pixels_i, pixels_j], 1).tolist()} == {
        tuple(row) for row in torch.cat([swapped_i, swapped_j], 1).tolist()
    }


def test_places_that_do_not_find_each_other_are_no_match():
    similarity = torch.full((126, 96), -20.0)
    similarity[:, 40] = 0.0  # all tokens of i point at one token of j,
    similarity[70, 40] = 5.0  # which points at one of them

    pixels_i, pixels_j, _, from_i = match_tokens(similarity, GRID_I, GRID_J, PATCH)

    nodes_i, nodes_j = token_pixels(GRID_I, PATCH), token_pixels(GRID_J, PATCH)
    assert 1 <= from_i.sum() <= 5
    assert (pixels_i[from_i] - nodes_i[70]).norm(dim=1).max() < 1.01 * PATCH
    assert (pixels_j[from_i] - nodes_j[40]).norm(dim=1).max() < 1


def test_tokens_that_could_lie_anywhere_are_no_match():
    pixels_i, *_ = match_tokens(torch.zeros(30 * 30, 30 * 30), (30, 30), (30, 30), PATCH)

    assert len(pixels_i) == 0


def test_numbers_that_are_not_finite_are_no_match():
    similarity = similarity_of([[1.0, 0.0], [0.0, 1.0]], [-22.0, 37.0])
    similarity[30] = torch.nan

    pixels_i, pixels_j, weights, _ = match_tokens(similarity, GRID_I, GRID_J, PATCH)

    for part in (pixels_i, pixels_j, weights):
        assert part.isfinite().all()
