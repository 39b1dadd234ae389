"""How a photo becomes a working image, and how pixels and intrinsics map between the two."""

import json

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.geometry.cameras import original_intrinsics, pinhole, project_points, working_intrinsics
from pointmap.images import working_size


def test_sizes_agree_with_the_reference(golden_dir):
    rows = json.loads((golden_dir / "post/preprocess_sizes.json").read_text())["rows"]

    for row in rows:
        size = working_size(
            tuple(row["input_wh"]),
            image_size=row["size"],
            patch_size=row.get("patch_size", 16),
            square_ok=row["square_ok"],
        )
        left, top, right, bottom = size.crop_box

        assert list(size.resized) == row["resized_wh"], row
        assert [left, top, right, bottom] == row["crop_box"], row
        assert [bottom - top, right - left] == row["true_shape_hw"], row
        assert ("lanczos" if size.shrinks else "bicubic") == row["filter"], row
    assert len(rows) > 100


@pytest.mark.parametrize("image_size", [96, 224, 288, 500, 512, 518])
@pytest.mark.parametrize("patch_size", [8, 14, 16])
@pytest.mark.parametrize("square_ok", [False, True])
@pytest.mark.parametrize("original", [(1000, 1000), (4032, 3024), (37, 91), (1241, 376), (9, 8)])
def test_working_images_are_whole_patches_cut_from_the_resized_photo(image_size, patch_size, square_ok, original):
    size = working_size(original, image_size=image_size, patch_size=patch_size, square_ok=square_ok)
    left, top, right, bottom = size.crop_box

    assert (right - left) % patch_size == (bottom - top) % patch_size == 0
    assert 0 <= left < right <= size.resized[0]
    assert 0 <= top < bottom <= size.resized[1]


def test_the_corners_of_the_crop_map_back_into_the_photo():
    size = working_size((2048, 1365), image_size=512, patch_size=16)  # resized to 512 x 341, 2 rows cut off on top
    original_from_working = np.linalg.inv(size.working_from_original)

    u, v, _ = original_from_working @ [-0.5, -0.5, 1.0]

    assert u == pytest.approx(-0.5)
    assert v == pytest.approx(2 * 1365 / 341 - 0.5)


def test_intrinsics_of_the_working_image_see_what_those_of_the_photo_see():
    size = working_size((1296, 968), image_size=512, patch_size=16)  # 512 x 382: the two scales differ a little
    K_original = pinhole(torch.tensor(1100.0), torch.tensor([630.0, 500.0])).double()
    point = torch.tensor([[0.3, -0.2, 2.0]]).double()

    K_working = working_intrinsics(K_original, size.working_from_original)

    u, v = project_points(point, K_original)[0]
    expected = size.working_from_original @ [u, v, 1.0]
    np.testing.assert_allclose(project_points(point, K_working)[0], expected[:2], atol=1e-9)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_intrinsics_come_back_from_the_working_image(convert):
    size = working_size((519, 512), image_size=512, patch_size=16)
    K_original = np.array([[700.0, 0.0, 250.0], [0.0, 710.0, 270.0], [0.0, 0.0, 1.0]])

    K_working = working_intrinsics(convert(K_original), size.working_from_original)
    K_back = original_intrinsics(K_working, size.working_from_original)

    assert type(K_back) is type(convert(K_original))
    np.testing.assert_allclose(K_back, K_original, rtol=1e-12, atol=1e-12)


def test_several_intrinsics_are_mapped_at_once():
    size = working_size((640, 480), image_size=224, patch_size=16)
    K_working = np.stack([np.diag([200.0, 200.0, 1.0]), np.diag([300.0, 310.0, 1.0])])

    K_original = original_intrinsics(K_working, size.working_from_original)

    np.testing.assert_allclose(K_original[1], original_intrinsics(K_working[1], size.working_from_original))


@pytest.mark.parametrize("image_size", [224, 512])
def test_a_photo_too_narrow_for_one_patch_is_refused(image_size):
    with pytest.raises(InputError, match="too narrow: 4000 x 100 pixels do not leave one whole patch of 16 pixels"):
        working_size((4000, 100), image_size=image_size, patch_size=16)


def test_an_image_size_below_one_patch_is_refused():
    with pytest.raises(InputError, match="image size 8 is below one patch of 16 pixels"):
        working_size((640, 480), image_size=8, patch_size=16)
