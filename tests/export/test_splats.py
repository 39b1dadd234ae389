import torch

from pointmap.export.splats import Splats, render_splats

K = torch.tensor([[100.0, 0, 30.0], [0, 100.0, 12.0], [0, 0, 1]])
RED, BLUE = [250, 0, 0], [0, 0, 250]


def draw(points, colors, width, **settings):
    splats = Splats(
        centres_world=torch.tensor(points),
        colors=torch.tensor(colors, dtype=torch.uint8),
        widths=torch.full((len(points),), width),
    )
    return render_splats([splats], torch.eye(4), K, (64, 40), **settings)


def test_a_point_appears_where_it_projects():
    image = draw([[0.1, 0.2, 2.0]], [RED], 0.0)

    assert image.shape == (40, 64, 3)
    assert image[22, 35].tolist() == RED  # v = 12 + 100 * 0.1, u = 30 + 100 * 0.05
    assert (image != 255).any(axis=-1).sum() == 1


def test_the_nearest_point_wins_in_any_order():
    near, far = [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]

    assert draw([near, far], [RED, BLUE], 0.0)[12, 30].tolist() == RED
    assert draw([far, near], [BLUE, RED], 0.0)[12, 30].tolist() == RED


def test_a_disc_is_as_wide_as_its_width_at_its_depth():
    image = draw([[0.0, 0.0, 2.0]], [RED], 0.1)  # a radius of 100 * 0.05 / 2 = 2.5 pixels

    drawn = (image != 255).any(axis=-1)
    assert drawn[12].sum() == 5
    assert drawn[:, 30].sum() == 5


def test_nothing_behind_the_eye_or_beside_the_image_is_drawn():
    image = draw([[0.0, 0.0, -2.0], [5.0, 0.0, 1.0], [0.0, -9.0, 1.0]], [RED] * 3, 0.1, background=(9, 9, 9))

    assert (image == 9).all()


def test_no_points_are_an_empty_image():
    nothing = Splats(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8), torch.zeros(0))

    assert (render_splats([nothing], torch.eye(4), K, (64, 40)) == 255).all()
