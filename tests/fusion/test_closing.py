import numpy as np
import pytest
from shapes import ball, ball_with_hole, sheet

from pointmap.fusion.closing import closed
from pointmap.fusion.simplify import simplified
from pointmap.fusion.triangles import Triangles

VOLUME = 4 / 3 * np.pi


@pytest.mark.parametrize(("radius", "share"), [(0.3, 0.97), (1.0, 0.84), (1.4, 0.5)])
def test_what_goes_around_something_becomes_a_full_body(radius: float, share: float):
    mesh = ball_with_hole(radius)

    body = closed(mesh)

    assert body.to_mesh().is_volume
    # What is cut off is a cap, which the skin over the hole gives back in part.
    assert share * VOLUME < body.to_mesh().volume < VOLUME
    seen = body.vertices[body.vertices[:, 2] < 1 - radius**2 / 2 - 0.2]
    assert np.abs(np.linalg.norm(seen, axis=1) - 1).max() < 0.5 * mesh.edge_length
    assert simplified(body, 2000).to_mesh().is_volume


def test_bodies_have_the_colours_of_their_surface():
    body = closed(ball(4))

    np.testing.assert_allclose(body.colors, 125 * (body.vertices + 1), atol=12)


def test_a_sheet_becomes_a_plate_behind_it():
    plate = closed(sheet())

    assert plate.to_mesh().is_volume
    low, high = plate.vertices.min(axis=0), plate.vertices.max(axis=0)
    assert abs(high[2]) < 0.5
    assert -8 < low[2] < -2
    np.testing.assert_allclose(low[:2], 0, atol=1.5)
    np.testing.assert_allclose(high[:2], [39, 29], atol=1.5)


def test_a_room_seen_from_within_becomes_its_walls():
    mesh = ball_with_hole(0.8)
    inwards = Triangles(mesh.vertices, mesh.faces[:, ::-1])

    walls = closed(inwards)

    assert walls.to_mesh().is_volume
    assert 0 < walls.to_mesh().volume < 2.5 * VOLUME
    distance = np.linalg.norm(walls.vertices, axis=1)
    assert distance.min() > 0.9  # nothing fills the room
    assert walls.vertices[distance < 1.1, 2].max() < 0.9  # and its opening stays open


def test_the_grid_is_as_fine_as_asked():
    coarse, fine = closed(ball(4), voxel_size=0.08), closed(ball(4), voxel_size=0.03)

    assert 5 < len(fine.faces) / len(coarse.faces) < 9


def test_next_to_nothing_is_closed_too():
    nothing = Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    triangle = Triangles(np.eye(3), np.array([[0, 1, 2]]))

    assert len(closed(nothing).faces) == 0
    assert closed(triangle).to_mesh().is_volume
