import numpy as np
import pytest
from shapes import ball, moved, sheet, together
from trimesh import Trimesh

from pointmap.fusion.manifold import border_loops, opposites, pieces
from pointmap.fusion.repair import large_pieces, repaired
from pointmap.fusion.triangles import Triangles


def closed_for_other_programs(mesh: Triangles) -> bool:
    """As they see it that read float32 from a file and merge vertices in one place."""
    return Trimesh(mesh.vertices.astype(np.float32), mesh.faces).is_volume


def soup(mesh: Triangles) -> Triangles:
    """Every face with vertices of its own."""
    return mesh.with_copies(mesh.faces.ravel(), np.arange(mesh.faces.size).reshape(-1, 3))


def test_a_proper_surface_stays_as_it_is():
    for mesh in (ball(2), sheet()):
        same = repaired(mesh)

        np.testing.assert_array_equal(same.vertices, mesh.vertices)
        np.testing.assert_array_equal(same.faces, mesh.faces)
        np.testing.assert_array_equal(same.colors, mesh.colors)


@pytest.mark.parametrize("faces", [[], [[0, 1, 2]]], ids=["no face", "one face"])
def test_next_to_nothing_stays_as_it_is(faces: list):
    mesh = Triangles(np.eye(3), np.array(faces, np.int64).reshape(-1, 3))

    np.testing.assert_array_equal(repaired(mesh).faces, mesh.faces)
    np.testing.assert_array_equal(large_pieces(repaired(mesh), 0.1).faces, mesh.faces)
    assert len(repaired(mesh).to_mesh().faces) == len(faces)


def test_vertices_in_one_place_become_one():
    mesh = repaired(soup(ball(2)))

    assert len(mesh.vertices) == len(ball(2).vertices)
    assert closed_for_other_programs(mesh)


def test_faces_at_vertices_that_are_not_finite_go():
    mesh = ball(2)
    mesh.vertices[7] = np.nan
    around = (mesh.faces == 7).any(axis=1)

    clean = repaired(mesh)

    assert len(clean.faces) == len(mesh.faces) - around.sum()
    assert np.isfinite(clean.vertices).all()


def test_a_face_that_is_there_twice_is_kept_once():
    mesh = ball(2)

    clean = repaired(Triangles(mesh.vertices, np.concatenate([mesh.faces, np.roll(mesh.faces[:9], 1, axis=1)])))

    assert len(clean.faces) == len(mesh.faces)
    assert closed_for_other_programs(clean)


def test_faces_back_to_back_go():
    mesh = ball(2)
    a, b, _ = mesh.faces[0]
    fin = [[a, b, len(mesh.vertices)], [b, a, len(mesh.vertices)]]
    vertices = np.concatenate([mesh.vertices, [[0, 0, 3.0]]])

    clean = repaired(Triangles(vertices, np.concatenate([mesh.faces, fin])))

    np.testing.assert_array_equal(clean.faces, mesh.faces)
    assert len(clean.vertices) == len(mesh.vertices)


def test_faces_without_area_leave_no_gap():
    mesh = ball(2)
    a, b, c = mesh.faces[0]
    # The edge ab gets a vertex in the middle on one side only; a face without area lies between.
    middle = len(mesh.vertices)
    vertices = np.concatenate([mesh.vertices, [mesh.vertices[[a, b]].mean(axis=0)]])
    faces = np.concatenate([mesh.faces[1:], [[a, middle, c], [middle, b, c], [a, b, middle]]])

    clean = repaired(Triangles(vertices, faces))

    assert clean.areas.min() > 0
    assert closed_for_other_programs(clean)
    assert len(clean.faces) == len(mesh.faces) + 2


def cubes_that_touch() -> Triangles:
    """Along an edge, and at a corner."""
    from trimesh.creation import box

    cube = Triangles(np.array(box().vertices), np.array(box().faces, np.int64))
    return together(cube, moved(cube, (1, 1, 0)), moved(cube, (-1, -1, -1)))


def test_bodies_that_touch_are_taken_apart():
    clean = repaired(cubes_that_touch())

    assert (opposites(clean) >= 0).all()
    assert len(np.unique(pieces(clean))) == 3
    assert closed_for_other_programs(clean)
    assert abs(clean.to_mesh().volume - 3) < 0.05


def test_a_body_that_touches_itself_along_an_edge_is_closed_for_all():
    # A ring of cubes, around a hole that two of them close by an edge: both ends of the edge are on one body.
    from trimesh.creation import box

    cube = Triangles(np.array(box().vertices), np.array(box().faces, np.int64))
    ring = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 2, 0), (2, 2, 0), (2, 1, 0), (1, 0, 0)]
    solid = repaired(together(*(moved(cube, place) for place in ring)))

    assert closed_for_other_programs(solid)
    assert len(np.unique(pieces(solid))) == 1


def test_faces_that_look_to_different_sides_are_cut_apart():
    mesh = sheet(3, 3)
    faces = mesh.faces.copy()
    faces[0] = faces[0, ::-1]

    clean = repaired(Triangles(mesh.vertices, faces))

    assert len(clean.faces) == len(faces)
    assert len(border_loops(clean)) == 2


def test_small_pieces_go():
    mesh = together(ball(2), moved(ball(2), (3, 0, 0), 0.5), moved(ball(2), (5, 0, 0), 0.2))

    assert len(large_pieces(mesh, 0.1).faces) == 2 * len(ball(2).faces)
    assert len(large_pieces(mesh, 0.01).faces) == 3 * len(ball(2).faces)
    assert len(large_pieces(mesh, 1.0).faces) == len(ball(2).faces)


def test_normals_look_outwards_and_weigh_faces_by_area():
    mesh = ball(3)
    np.testing.assert_allclose(mesh.vertex_normals, mesh.vertices, atol=0.02)

    # A corner between a floor and a wall twice as high; the floor is cut in two, the wall is not.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 2.0]])
    corner = Triangles(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4]]))
    np.testing.assert_allclose(corner.vertex_normals[0], np.array([1, 0, 1]) / np.sqrt(2))


def test_a_mesh_goes_to_arrays_and_back():
    mesh = ball(2)

    again = Triangles.of(mesh.to_mesh())

    np.testing.assert_array_equal(again.faces, mesh.faces)
    np.testing.assert_allclose(again.colors, mesh.colors, atol=0.51)
    assert Triangles.of(Trimesh(mesh.vertices, mesh.faces, process=False)).colors is None
