"""Each effect on a picture for which its result can be said beforehand."""

import math

import pytest
import torch
from torch import Tensor

from pointmap.train.effects_optics import defocus, distort, fringe, obstacle, shake, soil, vignette

HEIGHT, WIDTH = 60, 80


def ramp() -> Tensor:
    """Red says the column, green the row, both in pixels: a photo that shows where its pixels come from."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([columns, rows, columns], dim=0)[None].float()


def dot() -> Tensor:
    image = torch.zeros(1, 3, 21, 31)
    image[..., 10, 15] = 1
    return image


def noise(count: int = 2) -> Tensor:
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


def test_distortion_displaces_corners_by_the_stated_share_of_the_width_and_the_middle_not_at_all():
    image = ramp()

    moved = (distort(image, torch.tensor([-0.015])) - image)[0]

    displacement = moved[:2, 0, 0].norm() / WIDTH
    assert displacement == pytest.approx(0.015, rel=0.05)  # the corner pixel's centre is half a pixel within the corner
    assert moved[:2, HEIGHT // 2 - 1 : HEIGHT // 2 + 1, WIDTH // 2 - 1 : WIDTH // 2 + 1].abs().max() < 1e-3


def test_a_line_through_the_middle_stays_straight_and_one_at_the_border_bends():
    shown_column = distort(ramp(), torch.tensor([-0.015]))[0, 0]
    shown_row = distort(ramp(), torch.tensor([-0.015]))[0, 1]

    def bend(row: int) -> float:
        """How much the line that shows in this row at its ends is off in its middle."""
        return (shown_row[row, WIDTH // 2] - shown_row[row, 0]).abs().item()

    # The radial term moves the ends of a row by its height, times its half width squared, over the half diagonal cubed.
    corner = math.hypot(HEIGHT, WIDTH) / 2
    assert bend(5) == pytest.approx(0.015 * WIDTH * (HEIGHT / 2 - 5.5) * (WIDTH / 2 - 0.5) ** 2 / corner**3, rel=0.05)
    middle = (shown_row[HEIGHT // 2 - 1] + shown_row[HEIGHT // 2]) / 2
    torch.testing.assert_close(middle, torch.full((WIDTH,), (HEIGHT - 1) / 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(shown_column, (WIDTH - 1) - shown_column.flip(1), atol=1e-3, rtol=0)


def test_fringes_displace_red_and_blue_in_opposite_directions_and_leave_green():
    image = ramp()

    seen = fringe(image, torch.tensor([-0.01]))[0]

    row, column = 5, 70
    red, blue = (seen[[0, 2], row, column] - column).tolist()
    assert red < -0.2
    assert red == pytest.approx(-blue, rel=1e-3)
    assert torch.equal(seen[1], image[0, 1])


def test_shake_draws_a_point_out_to_a_line_of_the_stated_length_and_direction():
    seen = shake(dot(), torch.tensor([8.0]), torch.tensor([0.0]), longest=8)[0, 0]

    assert seen.sum() == pytest.approx(1, abs=1e-5)
    assert seen[10].sum() == pytest.approx(1, abs=1e-5)  # all of it in its row
    torch.testing.assert_close(seen[10, 12:19], torch.full((7,), 1 / 8))
    tilted = shake(dot(), torch.tensor([8.0]), torch.tensor([math.pi / 4]), longest=8)[0, 0]
    assert tilted[12, 17] > 0.05
    assert tilted[8, 13] > 0.05
    assert tilted[12, 13] == 0


def test_defocus_makes_a_disc():
    seen = defocus(dot(), torch.tensor([4.0]), largest=5)[0, 0]

    assert seen.sum() == pytest.approx(1, abs=1e-5)
    area = (seen / seen[10, 15]).sum()
    assert area == pytest.approx(math.pi * 4**2, rel=0.05)
    torch.testing.assert_close(seen, seen.flip(0))
    torch.testing.assert_close(seen[:, 5:26], seen[:, 5:26].mT)  # round


def test_blur_gives_every_photo_its_own_kernel():
    images = dot().expand(2, -1, -1, -1)

    both = defocus(images, torch.tensor([0.0, 3.0]), largest=3)

    assert torch.equal(both[:1], dot())
    torch.testing.assert_close(both[1:], defocus(dot(), torch.tensor([3.0]), largest=3))


def test_vignetting_darkens_corners_by_the_stated_amount():
    seen = vignette(torch.ones(1, 3, HEIGHT, WIDTH), torch.tensor([0.4]))[0, 0]

    assert seen[0, 0] == pytest.approx(0.6, abs=0.02)
    assert seen[HEIGHT // 2, WIDTH // 2] == pytest.approx(1, abs=1e-3)
    assert seen[0, WIDTH // 2] == pytest.approx(1 - 0.4 * (HEIGHT / WIDTH) ** 2 / (1 + (HEIGHT / WIDTH) ** 2), abs=0.02)


def test_an_insect_on_the_lens_is_dark_where_it_sits_and_a_drop_blurs_what_is_behind():
    images, centre = noise(), torch.tensor([[[0.25, -0.1]], [[0.25, -0.1]]])
    radius, opacity, tone = torch.full((2, 1), 0.15), torch.ones(2, 1), torch.tensor([0.0, 1.0])

    insect, drop = soil(images, centre, radius, opacity, tone)

    row, column = round(HEIGHT / 2 - 0.5 - 0.1 * WIDTH), round(WIDTH / 2 - 0.5 + 0.25 * WIDTH)
    assert insect[:, row, column].max() == 0
    near = (slice(None), slice(row - 3, row + 4), slice(column - 3, column + 4))
    assert drop[near].std() < 0.3 * images[1][near].std()
    assert drop[near].mean() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(insect[..., :40], images[0][..., :40])  # elsewhere the lens is clean


def test_an_obstacle_is_opaque_along_its_axis_and_absent_beyond_its_radius():
    blank = torch.zeros(2, 2, HEIGHT, WIDTH)
    start, end = torch.tensor([[-0.6, 0.0], [-0.6, 0.0]]), torch.tensor([[-0.1, 0.0], [-0.1, 0.0]])

    cover, bright = obstacle(blank, start, end, torch.tensor([0.1, 0.0]), torch.tensor([0.02, 0.02])).unbind(1)

    assert cover[0, HEIGHT // 2, :28].min() == 1
    assert cover[0, :, 42:].max() == 0  # it ends a radius after its end at column 31.5
    assert cover[0, : HEIGHT // 2 - 10].max() == 0
    assert bright[0, HEIGHT // 2, 10] > bright[0, HEIGHT // 2 - 6, 10]  # round
    assert cover[1].max() == 0  # a radius of 0 is none


@pytest.mark.parametrize("effect", [distort, fringe, vignette])
def test_a_strength_of_zero_changes_nothing(effect):
    images = noise()

    torch.testing.assert_close(effect(images, torch.zeros(2)), images, atol=1e-5, rtol=0)
