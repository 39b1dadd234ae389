"""Nearest neighbours and reciprocal matches: known shifts, masks, and the reference's indices exactly."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.geometry.cameras import pixel_grid
from pointmap.geometry.matching import PixelMatches, match_maps, mutual_neighbours, nearest_neighbours


def shifted_maps(shift: int = 3) -> tuple[Tensor, Tensor]:
    """Descriptor maps of 20x28 and 20x30 pixels: j shows what i shows, `shift` pixels further right."""
    world = torch.nn.functional.normalize(torch.randn(20, 30 + shift, 16), dim=-1)
    return world[:, shift : 28 + shift], world[:, :30]


@pytest.mark.parametrize("step", [1, 2, 8])
@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_a_shifted_image_matches_at_the_shift(step: int, metric: str):
    features_i, features_j = shifted_maps(shift=3)

    matches = match_maps(features_i, features_j, step=step, metric=metric, both_ways=False)

    assert len(matches.pixels_i) >= 0.8 * (20 // step) * (28 // step)
    inside = matches.pixels_i[:, 0] < 27
    expected = matches.pixels_i[inside] + torch.tensor([3, 0])
    torch.testing.assert_close(matches.pixels_j[inside], expected)


def test_pointmaps_of_one_surface_match_where_they_overlap():
    surface = torch.cat([pixel_grid(20, 40), torch.rand(20, 40, 1)], dim=-1)

    matches = match_maps(surface[:, :25], surface[:, 10:], step=1, metric="l2")

    overlap = matches.pixels_i[:, 0] >= 10
    torch.testing.assert_close(matches.pixels_j[overlap], matches.pixels_i[overlap] - torch.tensor([10, 0]))
    assert overlap.sum() == 20 * 15


def test_masked_and_missing_pixels_are_never_matched():
    features_i, features_j = shifted_maps()
    mask_i = torch.ones(20, 28, dtype=torch.bool)
    mask_i[:, :10] = False
    features_j = features_j.clone()
    features_j[5:] = torch.nan

    matches = match_maps(features_i, features_j, step=1, mask_i=mask_i)

    assert len(matches.pixels_i) > 0
    assert matches.pixels_i[:, 0].min() >= 10
    assert matches.pixels_j[:, 1].max() < 5


def test_where_nothing_may_be_matched_there_are_no_matches():
    features_i, features_j = shifted_maps()
    nowhere = torch.zeros(20, 30, dtype=torch.bool)

    assert match_maps(features_i, features_j, mask_j=nowhere).pixels_i.shape == (0, 2)


def test_every_seed_settles_on_a_pair_of_mutual_neighbours():
    features_i, features_j = torch.nn.functional.normalize(torch.randn(2, 20, 30, 8), dim=-1)
    index_i, index_j = mutual_neighbours(features_i.flatten(0, 1), features_j.flatten(0, 1), metric="dot")
    mutual = set(zip(index_i.tolist(), index_j.tolist(), strict=True))

    complete = match_maps(features_i, features_j, step=1)
    seeded = match_maps(features_i, features_j, step=4)

    assert as_pairs(complete, 30, 30) == mutual
    assert as_pairs(seeded, 30, 30) < mutual


@pytest.mark.parametrize("dimensions", [2, 3, 8])
def test_nearest_points_are_those_of_an_exhaustive_search_also_far_from_the_origin(dimensions: int):
    offset = 100 if dimensions <= 3 else 0
    points, targets = torch.rand(200, dimensions) + offset, torch.rand(300, dimensions) + offset

    exhaustive = torch.cdist(points.double(), targets.double()).argmin(dim=1)

    assert torch.equal(nearest_neighbours(points, targets), exhaustive)


def test_large_searches_in_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    queries, targets = torch.randn(50, 8), torch.randn(40, 8)
    at_once = nearest_neighbours(queries, targets, metric="dot")

    monkeypatch.setattr("pointmap.geometry.matching._BLOCK_ELEMENTS", 7 * 40)

    torch.testing.assert_close(nearest_neighbours(queries, targets, metric="dot"), at_once)


def test_empty_sets_have_no_mutual_neighbours():
    assert [len(index) for index in mutual_neighbours(torch.zeros(0, 3), torch.rand(5, 3))] == [0, 0]


def as_pairs(matches: PixelMatches, width_i: int, width_j: int) -> set[tuple[int, int]]:
    index_i = matches.pixels_i[:, 0] + width_i * matches.pixels_i[:, 1]
    index_j = matches.pixels_j[:, 0] + width_j * matches.pixels_j[:, 1]
    return set(zip(index_i.tolist(), index_j.tolist(), strict=True))


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, Tensor]:
    return load_file(golden_dir / "post" / "matching.safetensors")


def assert_same(matches: PixelMatches, golden: dict[str, Tensor], case: str) -> None:
    assert torch.equal(matches.pixels_i, golden[f"{case}.xy1"])
    assert torch.equal(matches.pixels_j, golden[f"{case}.xy2"])


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_nearest_descriptors_are_the_references(golden: dict[str, Tensor], metric: str):
    all_i, all_j = golden["desc.A"].flatten(0, 1), golden["desc.B"].flatten(0, 1)

    assert torch.equal(nearest_neighbours(all_i, all_j, metric=metric), golden[f"desc.brute.{metric}.nn_A"])
    assert torch.equal(nearest_neighbours(all_j, all_i, metric=metric), golden[f"desc.brute.{metric}.nn_B"])


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("step", [8, 4, 2])
def test_seeded_matches_are_the_references(golden: dict[str, Tensor], metric: str, step: int):
    matches = match_maps(golden["desc.A"], golden["desc.B"], step=step, metric=metric, both_ways=False)

    assert_same(matches, golden, f"desc.fast.{metric}.S{step}")


@pytest.mark.parametrize("step", [8, 4, 2])
def test_matches_from_both_images_are_the_references(golden: dict[str, Tensor], step: int):
    assert_same(match_maps(golden["desc.A"], golden["desc.B"], step=step), golden, f"desc.nonsym.S{step}")


def test_matches_with_a_pixel_tolerance_are_the_references(golden: dict[str, Tensor]):
    matches = match_maps(golden["desc.A"], golden["desc.B"], step=4, tolerance_px=5.0)

    assert_same(matches, golden, "desc.nonsym_tol5.S4")


def test_mutual_nearest_points_are_the_references(golden: dict[str, Tensor]):
    points_i, points_j = golden["pts.P1"], golden["pts.P2"]

    _, index_j = mutual_neighbours(points_i, points_j)

    assert torch.equal(nearest_neighbours(points_j, points_i), golden["pts.nn2_in_P1"])
    assert torch.equal(index_j.sort().values, golden["pts.reciprocal_in_P2"].nonzero()[:, 0])


@pytest.mark.parametrize("step", [4, 2])
def test_seeded_matches_of_points_are_the_references(golden: dict[str, Tensor], step: int):
    shape = (*golden["pts.shape_hw"].tolist(), 3)
    points_i, points_j = golden["pts.P1"].reshape(shape), golden["pts.P2"].reshape(shape)

    matches = match_maps(points_i, points_j, step=step, metric="l2", both_ways=False)

    assert_same(matches, golden, f"pts.fast.S{step}")
