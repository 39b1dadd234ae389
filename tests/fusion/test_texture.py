"""Textures of a cube whose sides have known colours, from photos drawn of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from pointmap.errors import Cancelled, InputError
from pointmap.fusion.texture import TexturePhoto, texture_mesh
from pointmap.fusion.texture.bake import grown
from pointmap.fusion.texture.levels import agree
from pointmap.geometry.rasterize import rasterize, rasterize_flat
from pointmap.images.srgb import linear_from_srgb, srgb_from_linear
from pointmap.scene import Photo

WIDTH, HEIGHT = 150, 110
K = np.array([[140.0, 0.0, 71.3], [0.0, 145.0, 58.2], [0.0, 0.0, 1.0]])
SIDES = np.array([[200, 60, 50], [60, 190, 70], [60, 90, 210], [220, 190, 60], [180, 80, 190], [70, 190, 200]])
DIRECTIONS = [(0.9, 0.5, 0.8), (-0.8, -0.6, 0.9), (0.7, -0.8, -0.9), (-0.9, 0.7, -0.6), (0.1, 0.2, 1), (1, -0.1, 0.3)]


def cube(cuts: int = 3) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((1.0, 1.0, 1.0))
    for _ in range(cuts):
        mesh = mesh.subdivide()
    return mesh


def side_colors(mesh: trimesh.Trimesh) -> np.ndarray:
    """(f, 3) the colour of the cube's side that a face lies on."""
    axis = np.abs(mesh.face_normals).argmax(axis=1)
    return SIDES[2 * axis + (np.take_along_axis(mesh.face_normals, axis[:, None], axis=1)[:, 0] > 0)]


def looking(position: tuple[float, ...], distance: float) -> np.ndarray:
    """Pose of a camera that looks at the origin from a direction."""
    z = -np.array(position) / np.linalg.norm(position)
    x = np.cross([0.05, 1.0, 0.1], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3] = np.stack([x, np.cross(z, x), z, -distance * z], axis=1)
    return pose


def draw(
    mesh: trimesh.Trimesh, colors: np.ndarray, pose: np.ndarray, *, light: float = 1.0, background: int = 0
) -> np.ndarray:
    """What a camera shows of a mesh whose faces have colours, with so much light."""
    local = (mesh.vertices - pose[:3, 3]) @ pose[:3, :3]
    raster = rasterize(torch.tensor(local), torch.tensor(mesh.faces), torch.tensor(K), (WIDTH, HEIGHT))
    image = np.append(colors, [[background] * 3], axis=0)[raster.faces.numpy()].astype(np.uint8)
    lit = srgb_from_linear(torch.from_numpy(linear_from_srgb(image)) * light)
    return (lit * 255).round().clamp(0, 255).byte().numpy()


def photo(image: np.ndarray, pose: np.ndarray) -> TexturePhoto:
    return TexturePhoto(lambda: Photo(image, K), (WIDTH, HEIGHT), K, pose)


def photos_of(mesh: trimesh.Trimesh, colors: np.ndarray, lights: tuple[float, ...] = (1.0,)) -> list[TexturePhoto]:
    poses = [looking(direction, 2.4) for direction in DIRECTIONS]
    return [photo(draw(mesh, colors, pose, light=lights[i % len(lights)]), pose) for i, pose in enumerate(poses)]


def image_of(mesh: trimesh.Trimesh) -> np.ndarray:
    return np.asarray(mesh.visual.material.baseColorTexture)


def shown(mesh: trimesh.Trimesh) -> np.ndarray:
    """(f, 3) what the texture has in the middle of every face."""
    image = image_of(mesh)
    uv = mesh.visual.uv[mesh.faces].mean(axis=1)
    column = (uv[:, 0] * image.shape[1]).astype(int).clip(0, image.shape[1] - 1)
    row = ((1 - uv[:, 1]) * image.shape[0]).astype(int).clip(0, image.shape[0] - 1)
    return image[row, column].astype(int)


def assert_about(colors: np.ndarray, expected: np.ndarray) -> None:
    """The same within three levels, but for a few at the edges of the cube, where pixels mix two sides."""
    off = np.abs(colors - expected).max(axis=1)
    assert np.mean(off <= 3) > 0.99
    assert off.max() <= 25


@pytest.mark.parametrize("cuts", [0, 3])
def test_every_side_of_a_cube_has_its_color(cuts):
    mesh = cube(cuts)

    textured = texture_mesh(mesh, photos_of(mesh, side_colors(mesh)), texture_size=512)

    np.testing.assert_allclose(textured.triangles, mesh.triangles, err_msg="faces keep their order and place")
    assert_about(shown(textured), side_colors(mesh))


def test_charts_lie_inside_the_texture_and_not_on_each_other():
    mesh = trimesh.creation.torus(1.0, 0.4, major_sections=30, minor_sections=14)
    mesh.apply_scale(0.4)

    textured = texture_mesh(mesh, photos_of(mesh, np.full((len(mesh.faces), 3), 90)), texture_size=256)

    uv, size = textured.visual.uv, textured.visual.material.baseColorTexture.size
    assert max(size) <= 256
    assert uv.min() >= 0
    assert uv.max() <= 1
    places = torch.tensor(uv[textured.faces] * size - 0.5)
    height = torch.arange(len(mesh.faces))[:, None].expand(-1, 3).double()
    upper = rasterize_flat(places, size, depth=height).faces
    lower = rasterize_flat(places, size, depth=-height).faces
    assert (upper != lower).float().mean() < 1e-4
    assert (upper >= 0).float().mean() > 0.3


def test_photos_of_other_exposure_and_white_balance_are_brought_to_one():
    mesh = cube()
    grey = np.full((len(mesh.faces), 3), 110)

    textured = texture_mesh(mesh, photos_of(mesh, grey, (1.0, 2.0)), texture_size=256)

    colors = shown(textured)
    assert colors.std(axis=0).max() < 1.5
    # Twice the light of 110 is 152; the common exposure is between.
    assert np.all((colors.mean(axis=0) > 115) & (colors.mean(axis=0) < 145))


def test_gains_are_medians_over_common_points_and_keep_the_mean():
    rng = np.random.default_rng(0)
    true = np.array([0.5, -0.2, -0.3])
    logs = rng.normal(size=(1, 400, 1)) + true[:, None, None]
    logs[0, :120] += 2  # something passed by
    logs[2, 300:] = np.nan

    np.testing.assert_allclose(agree(logs)[:, 0], true, atol=0.02)


def test_grey_stays_grey_also_where_no_photo_looks():
    mesh = cube()
    pose = looking((0.1, 0.2, 1.0), 2.4)
    image = draw(mesh, np.full((len(mesh.faces), 3), 128), pose, background=128)

    textured = texture_mesh(mesh, [photo(image, pose)], texture_size=256)

    assert np.abs(image_of(textured).astype(int) - 128).max() <= 2


def test_what_is_hidden_does_not_take_the_color_of_what_hides_it():
    wall = trimesh.Trimesh([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    for _ in range(4):
        wall = wall.subdivide()
    plate = trimesh.creation.box((0.5, 0.5, 0.02))
    plate.apply_translation([0, 0, 0.4])
    mesh = trimesh.util.concatenate([wall, plate])
    colors = np.repeat([[60, 90, 210], [220, 40, 30]], [len(wall.faces), len(plate.faces)], axis=0)
    poses = [looking((x, 0.1, 1.0), 2.4) for x in (-0.2, 0.2)]

    textured = texture_mesh(mesh, [photo(draw(mesh, colors, pose), pose) for pose in poses], texture_size=512)

    behind = shown(textured)[: len(wall.faces)]
    assert np.abs(behind - [60, 90, 210]).max() <= 4


def test_a_large_face_behind_a_small_thing_is_tested_texel_by_texel():
    wall = trimesh.Trimesh([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    plate = trimesh.creation.box((0.3, 0.3, 0.02))
    plate.apply_translation([0, 0, 0.6])
    mesh = trimesh.util.concatenate([wall, plate])
    colors = np.repeat([[60, 90, 210], [220, 40, 30]], [2, len(plate.faces)], axis=0)
    poses = [looking((x, 0.1, 1.0), 3.6) for x in (-0.7, 0.7)]

    textured = texture_mesh(mesh, [photo(draw(mesh, colors, pose), pose) for pose in poses], texture_size=512)

    image, uv = image_of(textured), textured.visual.uv[textured.faces[:2]]
    size = (image.shape[1], image.shape[0])
    flat = (uv * [1, -1] + [0, 1]) * size - 0.5
    raster = rasterize_flat(torch.tensor(flat), size)
    place = raster.interpolate(torch.tensor(wall.triangles)).numpy()
    on_wall = (raster.faces.numpy() >= 0) & (np.abs(place).max(axis=2) < 0.95)
    assert np.abs(image[on_wall].astype(int) - [60, 90, 210]).max() <= 6


def test_a_photo_that_shows_something_else_is_not_asked():
    mesh = cube()
    photos = photos_of(mesh, side_colors(mesh))
    pose = photos[4].world_from_cam
    clean = photos[4].load().image
    stained = clean.copy()
    stained[45:70, 55:85] = 255
    others = [looking((x, y, 1.0), 2.6) for x, y in ((0.5, 0.1), (-0.4, 0.3), (0.1, -0.5))]
    views = [photo(draw(mesh, side_colors(mesh), other), other) for other in others]

    textured = texture_mesh(mesh, [photo(stained, pose), *views], texture_size=512)

    front = mesh.face_normals[:, 2] > 0.9
    assert np.abs(shown(textured) - side_colors(mesh))[front].max() <= 6


def test_masked_pixels_are_not_used():
    mesh = cube()
    photos = photos_of(mesh, side_colors(mesh))
    image = photos[4].load().image.copy()
    image[:, 75:] = 255
    mask = np.zeros((11, 30), bool)
    mask[:, :15] = True
    spoilt = replace(photo(image, photos[4].world_from_cam), mask=mask)

    textured = texture_mesh(mesh, [spoilt], texture_size=256)

    assert image_of(textured).max() < 240


def test_an_image_may_be_a_smaller_part_of_the_photo_that_was_announced():
    mesh = cube(2)
    colors = side_colors(mesh)

    def half_without_border(given: TexturePhoto) -> TexturePhoto:
        image = given.load().image[4:-4, 6:-6]
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        image = image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
        change = np.array([[0.5, 0, -6 / 2 - 0.25], [0, 0.5, -4 / 2 - 0.25], [0, 0, 1]])
        return replace(given, load=lambda: Photo(image, change @ K))

    textured = texture_mesh(mesh, [half_without_border(given) for given in photos_of(mesh, colors)], texture_size=512)

    assert np.mean(np.abs(shown(textured) - colors).max(axis=1) <= 6) > 0.97


def test_textures_are_the_same_every_time():
    mesh = cube()
    photos = photos_of(mesh, side_colors(mesh), (1.0, 0.8))

    first, second = (texture_mesh(mesh, photos, texture_size=256) for _ in range(2))

    assert np.array_equal(image_of(first), image_of(second))
    assert np.array_equal(first.visual.uv, second.visual.uv)


def test_faces_without_area_or_place_stay_and_disturb_nothing():
    mesh = cube()
    vertices = np.concatenate([mesh.vertices, [[np.nan, 0.0, 0.0]]])
    bad = [[0, 0, 1], [2, 2, 2], [0, 1, len(mesh.vertices)]]
    spoilt = trimesh.Trimesh(vertices, np.concatenate([mesh.faces, bad]), process=False)

    textured = texture_mesh(spoilt, photos_of(mesh, side_colors(mesh)), texture_size=256)

    assert len(textured.faces) == len(spoilt.faces)
    assert np.isfinite(textured.visual.uv).all()
    assert_about(shown(textured)[: len(mesh.faces)], side_colors(mesh))


def test_nothing_to_texture_and_nothing_to_texture_from():
    mesh = cube(0)
    away = looking((0, 0, 1), 3.0)
    away[:3, 2] *= -1
    away[:3, 0] *= -1
    seeing_nothing = replace(
        photos_of(mesh, side_colors(mesh))[0], world_from_cam=away, load=lambda: pytest.fail("read")
    )

    assert image_of(texture_mesh(mesh, [seeing_nothing], texture_size=64)).min() == 128
    empty = texture_mesh(trimesh.Trimesh(), [seeing_nothing])
    assert len(empty.faces) == 0
    assert empty.visual.kind == "texture"
    with pytest.raises(InputError, match="No photos"):
        texture_mesh(mesh, [])
    with pytest.raises(InputError, match="texture_size is 3"):
        texture_mesh(mesh, [seeing_nothing], texture_size=3)


def test_a_texture_too_small_for_the_charts_says_so():
    loose = [trimesh.creation.icosahedron().apply_scale(0.01).apply_translation(at) for at in np.eye(3).repeat(9, 0)]

    with pytest.raises(InputError, match="charts of the mesh do not fit"):
        texture_mesh(trimesh.util.concatenate(loose), photos_of(cube(0), SIDES.repeat(2, axis=0)), texture_size=16)


def test_progress_counts_photos_and_may_stop_the_work():
    mesh = cube(1)
    photos = photos_of(mesh, side_colors(mesh))
    told = []

    texture_mesh(mesh, photos, texture_size=64, progress=lambda *news: told.append(news))

    assert told[:2] == [("look at photos", 1, 6), ("look at photos", 2, 6)]
    assert told[-1][0] == "paint"
    assert told[-1][1] == told[-1][2]

    def stop(*news):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        texture_mesh(mesh, photos, texture_size=64, progress=stop)


def test_colors_reach_over_the_border_of_charts():
    image = np.zeros((40, 61, 3), np.uint8)
    covered = np.zeros((40, 61), bool)
    covered[10:20, 10:20] = covered[30:35, 50:61] = True
    image[10:20, 10:20], image[30:35, 50:61] = [200, 30, 40], [20, 90, 220]

    texture = grown(image, covered, 3)

    assert (texture[7:23, 7:23] == [200, 30, 40]).all()
    assert (texture[27:38, 47:61] == [20, 90, 220]).all()
    assert texture.min() >= 20


def test_bytes_go_to_light_and_back():
    grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    light = torch.from_numpy(linear_from_srgb(grey))

    assert light[8, 0, 0] == pytest.approx(0.2159, abs=1e-4)  # 128
    assert np.array_equal((srgb_from_linear(light) * 255).round().byte().numpy(), grey)
