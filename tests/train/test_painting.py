import math

import pytest
import torch

from pointmap.train.painting import SIZE, Stamps, cells, colours, grid, lettering, noise, ramp, stamp
from pointmap.train.random import Random


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_amplitudes_of_noise_fall_as_stated(slope):
    field = noise(Random(0), slope)

    amplitude = torch.fft.rfft2(field).abs()[0, 1:]  # along x
    low, high = amplitude[3:10].square().mean(), amplitude[30:100].square().mean()
    fall = math.log(low / high) / 2 / math.log(60 / 6)  # of the amplitude, between the middles of both bands
    assert fall == pytest.approx(slope, abs=0.35)
    assert field.mean().abs() < 1e-4
    assert field.std() == pytest.approx(1, abs=1e-3)


def test_noise_has_nothing_coarser_than_asked_for():
    amplitude = torch.fft.rfft2(noise(Random(0), 1.0, lowest=8)).abs()

    assert amplitude[:5, :5].max() < 1e-2 < amplitude[:, 8:12].mean()


def test_stretched_noise_is_smoother_along_its_grain():
    field = noise(Random(0), 1.0, stretch_x=8)

    assert field.diff(dim=1).std() < 0.5 * field.diff(dim=0).std()


def test_a_stamp_covers_its_area_and_wraps_around():
    area = {0: math.pi, 1: 4.0, 2: 8 / 3}  # of the unit ellipse, square and leaf (1 - u^2 above and below the axis)
    for shape, unit in area.items():
        for centre in (torch.tensor([[0.5, 0.5]]), torch.tensor([[0.99, 0.02]])):
            laid = stamp(Stamps(centre, torch.tensor([[0.2, 0.1]]), torch.tensor([0.7]), torch.tensor([shape])))

            assert laid.cover.mean() == pytest.approx(unit * 0.2 * 0.1, rel=0.02)


def test_stamps_of_all_sizes_lie_on_top_of_earlier_ones():
    sizes = torch.tensor([0.4, 0.25, 0.1, 0.05, 0.02, 0.006])
    count = len(sizes)
    half = sizes[:, None].expand(count, 2)
    stamps = Stamps(torch.full((count, 2), 0.5), half, torch.zeros(count), torch.zeros(count).long())

    laid = stamp(stamps)

    x, y = grid()
    distance = ((x - 0.5) ** 2 + (y - 0.5) ** 2).sqrt()
    expected = (distance[..., None] < sizes).sum(dim=-1) - 1
    assert torch.equal(laid.index, expected)
    backwards = Stamps(stamps.centre, half.flip(0), stamps.angle, stamps.shape)
    assert stamp(backwards).index.max() == stamp(backwards).index[SIZE // 2, SIZE // 2] == count - 1
    assert (stamp(backwards).index >= 0).float().mean() == pytest.approx(math.pi * 0.4**2, rel=0.01)


def test_stamps_say_where_in_them_a_texel_lies():
    angle = math.pi / 6
    laid = stamp(
        Stamps(torch.tensor([[0.3, 0.6]]), torch.tensor([[0.2, 0.1]]), torch.tensor([angle]), torch.tensor([1]))
    )

    tip = (0.3 + 0.15 * math.cos(angle), 0.6 + 0.15 * math.sin(angle))
    column, row = int(tip[0] * SIZE), int(tip[1] * SIZE)
    assert laid.u[row, column] == pytest.approx(0.75, abs=0.03)
    assert laid.v[row, column] == pytest.approx(0, abs=0.06)


def test_cells_without_jitter_are_equal_and_their_borders_in_the_middle_between_points():
    x, y = grid()
    diagram = cells(Random(0), x, y, rows=4, columns=4, jitter=0.0)

    shades, counts = diagram.shade.unique(return_counts=True)
    assert len(shades) == 16
    assert counts.float().std() < 0.03 * counts.float().mean()
    assert diagram.border.min() >= 0
    assert diagram.border[SIZE // 8, SIZE // 4] < 0.06  # halfway between two points of a row


def test_letters_cover_some_of_the_paper_and_words_have_gaps():
    x, y = grid()

    ink = lettering(Random(0), 24 * x, 12 * y)

    assert 0.05 < ink.mean() < 0.5
    assert ink.max() == 1
    written = ink[ink.sum(dim=1).argmax()]  # a row of texels through a full line
    gaps = (written.reshape(-1, 8) == 0).all(dim=1)
    assert 0 < gaps.float().mean() < 0.8


def test_colours_are_mostly_muted():
    random = Random(0)

    drawn = torch.cat([colours(random, 3) for _ in range(300)])

    saturation = 1 - drawn.amin(dim=-1) / drawn.amax(dim=-1).clamp(min=1e-6)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert saturation.median() < 0.35
    assert saturation.quantile(0.95) > 0.6  # and some are vivid


def test_ramps_start_at_their_first_colour_and_end_at_their_last():
    stops = torch.tensor([[0.0, 0.1, 0.2], [1.0, 0.0, 0.0], [0.3, 0.4, 0.5]])

    image = ramp(torch.tensor([[-2.0, -1.0, 0.0, 2.0, 9.0]]), stops)

    torch.testing.assert_close(image[0, [0, 2, 3, 4]], stops[[0, 1, 2, 2]])
    torch.testing.assert_close(image[0, 1], (stops[0] + stops[1]) / 2)
