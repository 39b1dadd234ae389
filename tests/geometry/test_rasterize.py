import numpy as np
import pytest
import torch

from pointmap.geometry.cameras import camera_rays, project_points, unproject_depth
from pointmap.geometry.rasterize import rasterize, rasterize_flat

WIDTH, HEIGHT = 37, 23
K = torch.tensor([[30.0, 0.0, 15.3], [0.0, 33.0, 13.1], [0.0, 0.0, 1.0]], dtype=torch.float64)


def sheet(columns: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (x, y) of a grid over [-1, 1]^2, and its triangles."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows + 1), torch.linspace(-1, 1, columns + 1), indexing="ij")
    corner = torch.arange((rows + 1) * (columns + 1)).view(rows + 1, columns + 1)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    faces = torch.cat([torch.stack([a, c, b], dim=-1).view(-1, 3), torch.stack([b, c, d], dim=-1).view(-1, 3)])
    return torch.stack([x, y], dim=-1).view(-1, 2).double(), faces


def test_a_tilted_plane_has_the_depth_of_the_plane():
    xy, faces = sheet(7, 5)
    points = torch.cat([8 * xy, 5 + 2 * xy[:, :1] + xy[:, 1:]], dim=-1)  # z = 5 + x / 4 + y / 8

    raster = rasterize(points, faces, K, (WIDTH, HEIGHT))

    rays = camera_rays(HEIGHT, WIDTH, K)
    expected = 5 / (1 - rays[..., 0] / 4 - rays[..., 1] / 8)
    assert (raster.faces >= 0).all()
    torch.testing.assert_close(raster.depth, expected)


def test_a_ball_has_the_depth_of_a_ball():
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=5)
    centre = torch.tensor([0.3, -0.1, 4.0], dtype=torch.float64)
    points = torch.from_numpy(np.array(ball.vertices)) + centre

    raster = rasterize(points, torch.from_numpy(np.array(ball.faces)), K, (WIDTH, HEIGHT))

    rays = camera_rays(HEIGHT, WIDTH, K)
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - 1
    root = b**2 - a * c
    expected = (b - root.clamp(min=0).sqrt()) / a
    clear = root > 0.2  # the silhouette of a polyhedron is not a ball's
    torch.testing.assert_close(raster.depth[clear], expected[clear], atol=2e-3, rtol=0)
    assert (raster.faces[root < 0] == -1).all()
    assert (raster.depth[root < 0] == 0).all()


def test_barycentric_weights_are_those_of_points_in_space():
    xy, faces = sheet(3, 2)
    points = torch.cat([4 * xy, 5 + 3 * xy[:, :1]], dim=-1)

    raster = rasterize(points, faces, K, (WIDTH, HEIGHT))

    shown = raster.faces >= 0
    seen = raster.interpolate(points[faces])
    torch.testing.assert_close(seen[shown], unproject_depth(raster.depth, K)[shown])
    torch.testing.assert_close(
        raster.barycentric.sum(dim=-1), shown.double(), msg="weights sum to one, or to zero where there is no face"
    )


def test_every_pixel_of_a_sheet_belongs_to_exactly_one_triangle():
    # Corners on the centres of pixels, between them, and anywhere: each triangle drawn alone.
    xy, faces = sheet(6, 4)
    generator = torch.Generator().manual_seed(3)
    pixels = (xy + 1) * torch.tensor([WIDTH / 2, HEIGHT / 2]) - 0.5
    inner = xy.abs().amax(dim=-1) < 1
    pixels[inner] += torch.rand(int(inner.sum()), 2, generator=generator) * 2 - 1
    pixels[::3] = (pixels[::3] * 2).round() / 2
    covered = sum((rasterize_flat(pixels[face][None], (WIDTH, HEIGHT)).faces == 0).int() for face in faces)

    assert covered.unique().tolist() == [1]


def test_pixels_are_those_whose_centres_are_inside():
    corners = torch.rand(40, 3, 2, generator=torch.Generator().manual_seed(1)).double() * 50 - 8
    v, u = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    for triangle in corners:
        a, b, c = triangle.unbind()
        sides = torch.stack(
            [(q[0] - p[0]) * (v - p[1]) - (q[1] - p[1]) * (u - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        )
        inside = (sides > 0).all(dim=0) | (sides < 0).all(dim=0)
        assert torch.equal(rasterize_flat(triangle[None], (WIDTH, HEIGHT)).faces == 0, inside)


def test_a_centre_on_an_edge_belongs_to_the_triangle_right_of_it_or_below():
    square = torch.tensor([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])

    raster = rasterize_flat(square[torch.tensor([[0, 1, 2], [0, 2, 3]])], (6, 5))

    expected = torch.zeros(5, 6, dtype=torch.bool)
    expected[1:3, 1:4] = True
    assert torch.equal(raster.faces >= 0, expected)


def test_the_nearest_face_is_seen_and_of_equals_the_first():
    corners = torch.tensor([[-1.0, -1.0], [40.0, -1.0], [-1.0, 40.0]]).expand(4, 3, 2)
    depth = torch.tensor([2.0, -3.0, -4.0, -4.0])[:, None].expand(4, 3)

    raster = rasterize_flat(corners, (8, 6), depth=depth)

    assert raster.faces.unique().tolist() == [2]
    assert raster.depth.unique().tolist() == [-4.0]
    assert rasterize_flat(corners, (8, 6)).faces.unique().tolist() == [0]


def test_what_is_behind_the_camera_is_cut_away_and_the_rest_of_the_face_stays():
    # A floor one unit below the camera that reaches far behind it.
    floor = torch.tensor([[-500.0, 1.0, -500.0], [500.0, 1.0, -500.0], [500.0, 1.0, 500.0], [-500.0, 1.0, 500.0]])
    floor = floor.double()

    raster = rasterize(floor, torch.tensor([[0, 1, 2], [0, 2, 3]]), K, (WIDTH, HEIGHT))

    below = camera_rays(HEIGHT, WIDTH, K)[..., 1]
    assert torch.equal(raster.faces >= 0, below > 1 / 500)
    torch.testing.assert_close(raster.depth[below > 0.01], 1 / below[below > 0.01])


def test_one_corner_behind_the_camera_leaves_two():
    points = torch.tensor([[0.0, 0.0, -2.0], [-3.0, 0.5, 2.0], [3.0, 0.2, 2.0]], dtype=torch.float64)

    raster = rasterize(points, torch.tensor([[0, 1, 2]]), K, (WIDTH, HEIGHT))

    shown = raster.faces == 0
    assert shown.any()
    seen = raster.interpolate(points[None])[shown]
    torch.testing.assert_close(seen[:, 2], raster.depth[shown])
    v, u = torch.nonzero(shown).unbind(dim=-1)
    torch.testing.assert_close(project_points(seen, K), torch.stack([u, v], dim=-1).double())


def test_nothing_and_faces_without_area_or_place_show_nothing():
    points = torch.tensor([[0.0, 0.0, 1.0], [0.1, 0.1, 1.0], [0.2, 0.2, 1.0], [torch.nan, 0.0, 1.0]])
    for faces in (torch.zeros(0, 3, dtype=torch.int64), torch.tensor([[0, 1, 2], [0, 0, 1], [0, 1, 3]])):
        raster = rasterize(points, faces, K.float(), (WIDTH, HEIGHT))

        assert (raster.faces == -1).all()
        assert not raster.depth.any()
        assert not raster.interpolate(torch.ones(len(faces), 3, 2)).any()
    assert (rasterize_flat(torch.zeros(0, 3, 2), (4, 3)).faces == -1).all()


def test_work_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    generator = torch.Generator().manual_seed(5)
    points = torch.randn(60, 3, generator=generator) + torch.tensor([0.0, 0.0, 3.0])
    faces = torch.randint(0, 60, (80, 3), generator=generator)
    whole = rasterize(points, faces, K.float(), (WIDTH, HEIGHT))

    monkeypatch.setattr("pointmap.geometry.rasterize._ROWS", 7)
    monkeypatch.setattr("pointmap.geometry.rasterize._FRAGMENTS", 11)
    parts = rasterize(points, faces, K.float(), (WIDTH, HEIGHT))

    assert torch.equal(whole.faces, parts.faces)
    assert torch.equal(whole.depth, parts.depth)
    assert torch.equal(whole.barycentric, parts.barycentric)
