import pytest
import torch
from worlds import NUM_TEXTURES, textures

from pointmap.train.textures import SIZE, make_textures, sample_textures

TEXEL = 1 / SIZE


def look_up(texture: int, uv: list[float], footprint: float) -> torch.Tensor:
    color = sample_textures(
        textures(), NUM_TEXTURES, torch.tensor([texture]), torch.tensor([uv]), torch.tensor([footprint])
    )
    return color[0]


def finest(texture: int) -> torch.Tensor:
    """The texture itself, (row, column, rgb) in [0, 1]."""
    return textures()[: NUM_TEXTURES * SIZE**2].reshape(NUM_TEXTURES, SIZE, SIZE, 3)[texture].float() / 255


@pytest.mark.parametrize("texture", range(NUM_TEXTURES))
def test_a_look_up_at_the_middle_of_a_texel_returns_it(texture):
    row, column = 17, 90

    color = look_up(texture, [(column + 0.5) * TEXEL, (row + 0.5) * TEXEL], footprint=TEXEL)

    torch.testing.assert_close(color, finest(texture)[row, column], atol=1e-4, rtol=0)


def test_textures_repeat_every_tile():
    expected = look_up(2, [0.3, 0.7], TEXEL)

    for shift in ([1, 0], [0, -1], [-3, 5]):
        color = look_up(2, [0.3 + shift[0], 0.7 + shift[1]], TEXEL)
        torch.testing.assert_close(color, expected, atol=1e-3, rtol=0)


def test_at_the_border_of_a_tile_both_sides_are_mixed():
    row = 40

    color = look_up(1, [0.0, (row + 0.5) * TEXEL], TEXEL)

    torch.testing.assert_close(color, finest(1)[row, [0, -1]].mean(dim=0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("texture", range(NUM_TEXTURES))
def test_from_afar_a_texture_is_its_mean_colour(texture):
    color = look_up(texture, [0.5, 0.5], footprint=3.0)

    torch.testing.assert_close(color, finest(texture).mean(dim=(0, 1)), atol=0.01, rtol=0)


@pytest.mark.parametrize("level", range(1, 7))
def test_a_pixel_that_covers_a_block_of_texels_shows_its_mean(level):
    wide, texture = 2**level, NUM_TEXTURES - 1
    row, column = SIZE - wide, SIZE // 2

    color = look_up(texture, [(column + wide / 2) * TEXEL, (row + wide / 2) * TEXEL], footprint=wide * TEXEL)

    block = finest(texture)[row : row + wide, column : column + wide]
    torch.testing.assert_close(color, block.mean(dim=(0, 1)), atol=0.01, rtol=0)


def test_textures_are_those_of_their_seed():
    first, again, other = (make_textures(2, seed) for seed in (4, 4, 5))

    assert first.equal(again)
    assert not first.equal(other)
