"""Focal lengths from pointmaps whose camera we chose, and the reference's numbers."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.cameras import pinhole, unproject_depth
from pointmap.geometry.focal import default_focal, estimate_focal

CENTRE = torch.tensor([14.0, 7.5])


def pointmap_of_focal(focal_px: Tensor) -> Tensor:
    """Pointmaps of 20x30 pixels with random depth and an off-centre principal point."""
    depth = torch.rand(*focal_px.shape, 20, 30) + 1.0
    return unproject_depth(depth, pinhole(focal_px, CENTRE.expand(*focal_px.shape, 2)))


@pytest.mark.parametrize("method", ["weiszfeld", "median"])
def test_an_exact_pointmap_gives_back_its_focal_length(method: str):
    focal = torch.tensor([[18.0, 25.0], [40.0, 90.0]])

    torch.testing.assert_close(estimate_focal(pointmap_of_focal(focal), CENTRE, method=method), focal)


@pytest.mark.parametrize("method", ["weiszfeld", "median"])
def test_masked_pixels_have_no_say_even_if_they_are_nan(method: str):
    points = pointmap_of_focal(torch.tensor(25.0))
    points[:8] = torch.randn(8, 30, 3)
    points[8:10] = torch.nan
    mask = torch.ones(20, 30, dtype=torch.bool)
    mask[:10] = False

    focal = estimate_focal(points, CENTRE, method=method, mask=mask)

    torch.testing.assert_close(focal, torch.tensor(25.0))


@pytest.mark.parametrize("method", ["weiszfeld", "median"])
def test_a_fifth_of_wrong_points_hardly_moves_the_focal_length(method: str):
    points = pointmap_of_focal(torch.tensor(25.0))
    points[::5] = torch.rand(4, 30, 3) * 2 + torch.tensor([-1.0, -1.0, 1.0])

    assert abs(estimate_focal(points, CENTRE, method=method) - 25) < 1


def test_limits_are_multiples_of_the_sixty_degree_focal_length():
    usual = default_focal(20, 30)

    assert usual == pytest.approx(15 * math.sqrt(3))
    focals = estimate_focal(pointmap_of_focal(torch.tensor([usual / 4, usual, 4 * usual])), CENTRE, limits=(0.5, 2.0))
    torch.testing.assert_close(focals, torch.tensor([usual / 2, usual, 2 * usual]))


@pytest.mark.parametrize("method", ["weiszfeld", "median"])
def test_where_no_pixel_counts_the_focal_length_is_nan(method: str):
    nothing = torch.zeros(20, 30, dtype=torch.bool)

    assert estimate_focal(pointmap_of_focal(torch.tensor(25.0)), CENTRE, method=method, mask=nothing).isnan()


def test_an_unknown_method_is_an_input_error_that_lists_the_methods():
    with pytest.raises(InputError, match=r"'mean'.*'weiszfeld' or 'median'"):
        estimate_focal(pointmap_of_focal(torch.tensor(25.0)), CENTRE, method="mean")


@pytest.mark.parametrize("case", [0, 1, 2])
@pytest.mark.parametrize("method", ["weiszfeld", "median"])
def test_focal_lengths_agree_with_the_reference(golden_dir: Path, method: str, case: int):
    golden = load_file(golden_dir / "post" / "focal.safetensors")
    points, centre = golden[f"{case}.pts3d"], golden[f"{case}.pp"]

    torch.testing.assert_close(
        estimate_focal(points, centre, method=method), golden[f"{case}.{method}"], rtol=1e-5, atol=0
    )
    torch.testing.assert_close(
        estimate_focal(points.double(), centre.double(), method=method),
        golden[f"{case}.{method}.f64"],
        rtol=1e-9,
        atol=0,
    )
    torch.testing.assert_close(
        estimate_focal(points, centre, method=method, limits=(0.9, 1.02)),
        golden[f"{case}.{method}.clipped"],
        rtol=1e-5,
        atol=0,
    )


def test_focal_lengths_of_a_pair_are_those_of_the_reference_viewer(golden_dir):
    data = load_file(golden_dir / "post" / "pair_viewer.safetensors")

    for edge, (view, _) in enumerate(data["edges"].tolist()):
        points = data[f"pred.{edge}.pts_i"]
        height, width = points.shape[:2]
        focal = estimate_focal(points, torch.tensor([width / 2, height / 2]))
        torch.testing.assert_close(focal, data["focals"][view], rtol=1e-5, atol=0)
