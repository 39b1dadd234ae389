import numpy as np
import pytest
from shapes import ball, ball_with_hole, moved, sheet, together

from pointmap.fusion.holes import fill_holes
from pointmap.fusion.manifold import border_loops, opposites
from pointmap.fusion.polygons import triangulated
from pointmap.fusion.triangles import Triangles


def nothing_forbidden(chosen: np.ndarray) -> np.ndarray:
    return np.zeros((len(chosen), len(chosen)), bool)


def area(points: np.ndarray, faces: np.ndarray) -> float:
    return float(Triangles(points, faces).areas.sum())


def test_a_polygon_is_cut_into_triangles_that_run_the_same_way():
    # An L: a fan from some corners would leave it.
    points = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0], [1, 3, 0], [0, 3, 0.0]])

    faces = triangulated(points, nothing_forbidden)

    assert len(faces) == 4
    assert area(points, faces) == pytest.approx(4)
    assert (Triangles(points, faces).crosses[:, 2] > 0).all()


def test_corners_that_are_joined_elsewhere_are_not_joined_again():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])

    def joined(*pairs: tuple[int, int]) -> np.ndarray:
        never = np.zeros((4, 4), bool)
        for i, j in pairs:
            never[i, j] = never[j, i] = True
        return never

    assert all({0, 2} <= set(face) for face in triangulated(square, lambda _: joined((1, 3))).tolist())
    assert all({1, 3} <= set(face) for face in triangulated(square, lambda _: joined((0, 2))).tolist())
    assert triangulated(square, lambda _: joined((0, 2), (1, 3))) is None


def test_a_polygon_of_a_thousand_corners_is_cut_too():
    angle = np.arange(1000) * (2 * np.pi / 1000)
    points = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)

    faces = triangulated(points, nothing_forbidden)

    assert len(faces) == 998
    assert area(points, faces) == pytest.approx(np.pi, rel=1e-3)


@pytest.mark.parametrize("radius", [0.1, 0.3, 0.6])
def test_a_hole_is_closed_and_goes_on_as_the_surface_around_it(radius: float):
    mesh = ball_with_hole(radius)

    filled = fill_holes(mesh, 10 * radius)

    assert filled.to_mesh().is_volume
    np.testing.assert_array_equal(filled.faces[: len(mesh.faces)], mesh.faces)
    new = filled.vertices[len(mesh.vertices) :]
    assert np.abs(np.linalg.norm(new, axis=1) - 1).max(initial=0) < 0.5 * radius**2
    # Faces are about as large as those around the hole.
    assert filled.areas[len(mesh.faces) :].max() < 4 * mesh.areas.max()


def test_fillings_have_the_colours_around_them():
    mesh = ball_with_hole(0.3)

    filled = fill_holes(mesh, 3.0)

    new = filled.vertices[len(mesh.vertices) :]
    assert len(new) > 20
    np.testing.assert_allclose(filled.colors[len(mesh.vertices) :], 125 * (new + 1), atol=10)


def test_larger_holes_stay():
    mesh = ball_with_hole(0.3)

    assert len(fill_holes(mesh, 1.5).faces) == len(mesh.faces)


def test_a_sheet_keeps_its_outline_and_loses_its_holes():
    whole = sheet()
    middle = np.abs(whole.vertices - [20, 15, 0]).max(axis=1) < 2
    mesh = whole.with_faces(~middle[whole.faces].any(axis=1))

    filled = fill_holes(mesh, 1000.0)

    assert len(border_loops(mesh)) == 2
    assert len(border_loops(filled)) == 1
    assert filled.areas.sum() == pytest.approx(29 * 39)
    np.testing.assert_allclose(filled.crosses[:, 2], np.linalg.norm(filled.crosses, axis=1))  # flat, and all face up


def test_holes_beside_each_other_and_in_several_pieces_are_filled_at_once():
    mesh = together(*(moved(ball_with_hole(0.2), (3 * i, 0, 0)) for i in range(3)))

    assert (opposites(fill_holes(mesh, 2.0)) >= 0).all()


def on_a_ball(mesh: Triangles) -> Triangles:
    """The mesh and a large ball have their first vertices in common, so that holes are small for the whole of it."""
    both = together(mesh, moved(ball(1), (9, 0, 0), 5))
    return Triangles(both.vertices, np.where(both.faces == len(mesh.vertices), 0, both.faces))


def faces_at_edges(mesh: Triangles) -> np.ndarray:
    edges = np.sort(np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def test_a_filling_does_not_take_edges_that_the_surface_has():
    # Without two faces of a tetrahedron: across the hole the short way lies an edge already.
    a, b, c, d = range(4)
    mesh = Triangles(np.array([[0, 3, 1], [1, 0, 0], [0, -3, 1], [-1, 0, 0.0]]), np.array([[a, d, b], [b, d, c]]))

    filled = fill_holes(on_a_ball(mesh), 100.0)

    assert (faces_at_edges(filled) == 2).all()


def test_a_line_that_cannot_be_cut_gets_a_vertex_in_its_middle():
    # On the torus of seven vertices all are neighbours (Csaszar); so are those around a hole where one was.
    i = np.arange(7)
    faces = np.concatenate([np.stack([i, i + 1, i + 3], -1), np.stack([i, i + 3, i + 2], -1)]) % 7
    torus = Triangles(np.random.default_rng(0).normal(size=(7, 3)), faces)
    mesh = on_a_ball(torus.with_faces((faces > 0).all(axis=1)))
    assert (opposites(torus) >= 0).all()

    filled = fill_holes(mesh, 100.0)

    assert (faces_at_edges(filled) == 2).all()
    assert len(filled.vertices) > len(mesh.vertices)


@pytest.mark.parametrize("faces", [[], [[0, 1, 2]]], ids=["no face", "one face"])
def test_next_to_nothing_stays_as_it_is(faces: list):
    mesh = Triangles(np.eye(3), np.array(faces, np.int64).reshape(-1, 3))

    assert len(fill_holes(mesh, 100.0).faces) == len(faces)


def test_a_closed_surface_stays_as_it_is():
    np.testing.assert_array_equal(fill_holes(ball(2), 100.0).faces, ball(2).faces)
