import numpy as np
import torch
from scenes import BALL_CENTRE, make_scene

from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.normals import pointmap_normals, vertex_normals

K = torch.tensor([[30.0, 0, 13.0], [0, 33.0, 9.5], [0, 0, 1]])


def plane(normal, distance, height=20, width=31):
    """Points of the plane normal . x = distance that each pixel sees."""
    rays = unproject_depth(torch.ones(height, width), K)
    return rays * (distance / (rays @ torch.tensor(normal)))[..., None]


def test_a_plane_has_one_normal_which_points_to_the_camera():
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.2, 1.0]), dim=0)

    normals = pointmap_normals(plane(normal.tolist(), 2.0), torch.ones(20, 31, dtype=torch.bool))

    torch.testing.assert_close(normals, (-normal).expand(20, 31, 3), atol=1e-4, rtol=0)


def test_at_a_depth_edge_each_side_keeps_its_normal():
    points = plane([0.0, 0.0, 1.0], 2.0)
    points[:, 15:] = plane([0.0, 0.0, 1.0], 4.0)[:, 15:]

    normals = pointmap_normals(points, torch.ones(20, 31, dtype=torch.bool))

    assert (normals[..., 2] < -0.99).all()


def test_unknown_points_spoil_nothing_and_lonely_ones_face_the_camera():
    points, valid = plane([0.0, 0.0, 1.0], 2.0), torch.ones(20, 31, dtype=torch.bool)
    valid[:, 20:] = False
    valid[5, 25] = True
    points[~valid] = torch.nan

    normals = pointmap_normals(points, valid)

    assert normals.isfinite().all()
    torch.testing.assert_close(normals[:, :20], torch.tensor([0.0, 0, -1]).expand(20, 20, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normals[5, 25], -torch.nn.functional.normalize(points[5, 25], dim=0))


def test_points_of_a_ball_in_a_room_point_away_from_its_centre():
    cloud = make_scene(scale=4, num_photos=3).point_cloud()
    points, normals = np.asarray(cloud.vertices), cloud.metadata["normal"]
    outward = points - BALL_CENTRE
    radius = np.linalg.norm(outward, axis=-1)
    on_ball = np.abs(radius - 0.45) < 1e-3

    cosine = (normals * outward).sum(-1)[on_ball] / radius[on_ball]

    assert on_ball.sum() > 1000
    assert np.median(cosine) > 0.999
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)


def test_vertices_at_one_place_share_their_normal_however_small_the_mesh():
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [5, 5, 5]])
    faces = torch.tensor([[0, 1, 2], [5, 4, 3]])

    normals = vertex_normals(1e-9 * corners, faces)

    torch.testing.assert_close(normals[0], torch.tensor([0.0, 1, 1]) / 2**0.5)
    torch.testing.assert_close(normals[0], normals[5])
    assert normals[6].tolist() == [0, 0, 1]
