import io

import numpy as np
import pytest
import trimesh
from glb_reader import read_glb
from meshes import ball, use_mesh
from PIL import Image
from scenes import distance_to_surface, make_scene, without_registration

from pointmap import InputError
from pointmap.export.frusta import make_frusta
from pointmap.images.srgb import linear_from_srgb

GLTF_FROM_OPENCV = np.array([1, -1, -1])


def test_points_are_those_of_the_cloud_with_y_up_and_the_first_camera_looking_along_minus_z(tmp_path):
    scene = make_scene()
    glb = read_glb(scene.export(tmp_path / "scene.glb"))

    first_cam = np.asarray(scene.point_cloud().vertices) - scene.world_from_cam[0, :3, 3]  # its axes are the world's
    cloud = glb.mesh("cloud")

    assert cloud["mode"] == 0
    np.testing.assert_allclose(cloud["POSITION"], first_cam * GLTF_FROM_OPENCV, atol=1e-5)


def test_the_first_registered_camera_is_upright_at_the_origin(tmp_path):
    scene = without_registration(make_scene(), 0)
    glb = read_glb(scene.export(tmp_path / "scene.glb"))

    matrix = np.array(glb.tree["nodes"][0]["matrix"]).reshape(4, 4).T
    gltf_from_cam = matrix @ scene.world_from_cam[1]

    np.testing.assert_allclose(gltf_from_cam, np.diag([1, -1, -1, 1]), atol=1e-6)


def test_colours_are_linear_light_and_nothing_shines_on_them(tmp_path):
    scene = make_scene()
    glb = read_glb(scene.export(tmp_path / "scene.glb"))
    cloud = glb.mesh("cloud")

    srgb = np.asarray(scene.point_cloud().colors)[:, :3] / 255
    back = np.where(
        cloud["COLOR_0"] <= 0.0031308, 12.92 * cloud["COLOR_0"], 1.055 * cloud["COLOR_0"] ** (1 / 2.4) - 0.055
    )

    np.testing.assert_allclose(back, srgb, atol=1e-4)
    assert glb.tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert all("KHR_materials_unlit" in material["extensions"] for material in glb.tree["materials"])


def test_linear_light_of_known_levels():
    levels = np.array([0, 1, 2, 12, 188, 255], np.uint8)

    expected = [0, 1 / 255 / 12.92, 2 / 255 / 12.92, 0.0037, 0.5029, 1]
    np.testing.assert_allclose(linear_from_srgb(levels), expected, atol=5e-5)
    assert len(np.unique(linear_from_srgb(np.arange(256, dtype=np.uint8)))) == 256  # also the dark ones


def test_trimesh_opens_it_with_cloud_cameras_and_photos(tmp_path):
    scene = make_scene(num_photos=4)
    loaded = trimesh.load(scene.export(tmp_path / "scene.glb"))

    assert set(loaded.geometry) == {"cloud", "cameras", "photos"}
    cloud = loaded.geometry["cloud"]
    linear = linear_from_srgb(np.asarray(scene.point_cloud().colors)[:, :3])
    np.testing.assert_allclose(np.asarray(cloud.colors)[:, :3], 255 * linear, atol=0.51)
    points = trimesh.PointCloud(cloud.vertices).apply_transform(loaded.graph.get("cloud")[0]).vertices
    world = points * GLTF_FROM_OPENCV + scene.world_from_cam[0, :3, 3]
    assert distance_to_surface(world).max() < 1e-4


def test_every_pyramid_has_its_tip_at_its_camera(tmp_path):
    scene = without_registration(make_scene(num_photos=4), 2)
    cameras = read_glb(scene.export(tmp_path / "scene.glb")).mesh("cameras")

    # A rod is 8 vertices, the first four around its start; a pyramid is 10 rods, the first from the tip.
    tips = cameras["POSITION"].reshape(3, 10, 8, 3)[:, 0, :4].mean(axis=1)

    centres = scene.world_from_cam[[0, 1, 3], :3, 3] - scene.world_from_cam[0, :3, 3]
    np.testing.assert_allclose(tips, centres * GLTF_FROM_OPENCV, atol=1e-6)


def test_the_base_of_a_pyramid_is_the_outline_of_its_photo():
    scene = make_scene(num_photos=3)
    photo = 2  # upright
    corners = make_frusta(scene).corners_world[photo, 1:5]

    world_from_cam = scene.world_from_cam[photo]
    pixels = (corners - world_from_cam[:3, 3]) @ world_from_cam[:3, :3] @ scene.intrinsics[photo].T
    pixels = pixels[:, :2] / pixels[:, 2:]

    width, height = scene.image_sizes[photo]
    expected = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


def test_a_card_shows_its_photo_upright(tmp_path):
    scene = make_scene(scale=4, num_photos=3)
    glb = read_glb(scene.export(tmp_path / "scene.glb"))
    cards = glb.mesh("photos")
    view = glb.tree["images"][glb.tree["textures"][0]["source"]]["bufferView"]
    texture = np.asarray(Image.open(io.BytesIO(glb.view(view))))

    uv = cards["TEXCOORD_0"].reshape(3, 4, 2)[1]  # top left, top right, bottom right, bottom left; v down
    left, top = uv[0] * texture.shape[1::-1]
    right, bottom = uv[2] * texture.shape[1::-1]
    shown = Image.fromarray(texture).crop((round(left), round(top), round(right), round(bottom)))

    shown = np.asarray(shown.resize(scene.colors[1].shape[1::-1])).astype(float)
    assert np.abs(shown - scene.colors[1]).mean() < 6
    assert np.abs(shown[::-1] - scene.colors[1]).mean() > 30


@pytest.mark.parametrize("texture", [True, False])
def test_the_mesh_is_written_alone_on_request(tmp_path, monkeypatch, texture):
    use_mesh(monkeypatch, ball(textured=texture))
    scene = make_scene(num_photos=2)
    path = scene.export(tmp_path / "mesh.glb", cloud=False, mesh=True, cameras=False, texture=texture)
    mesh = read_glb(path).mesh("mesh")

    assert len(mesh["faces"]) == len(ball(textured=texture).faces)
    assert ("baseColorTexture" in mesh["material"]["pbrMetallicRoughness"]) == texture
    assert set(trimesh.load(path).geometry) == {"mesh"}


def test_texture_coordinates_start_at_the_top_left(tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=True))
    path = make_scene(num_photos=1).export(tmp_path / "mesh.glb", cloud=False, mesh=True, cameras=False)

    uv = read_glb(path).mesh("mesh")["TEXCOORD_0"]
    np.testing.assert_allclose(uv * [1, -1] + [0, 1], ball(textured=True).visual.uv, atol=1e-6)


def test_a_scene_without_registered_photos_is_an_empty_but_valid_file(tmp_path):
    scene = without_registration(make_scene(num_photos=2), 0, 1)
    glb = read_glb(scene.export(tmp_path / "scene.glb", mesh=True))

    assert "meshes" not in glb.tree
    assert glb.tree["scenes"] == [{}]


def test_max_points_thins_the_cloud(tmp_path):
    path = make_scene().export(tmp_path / "scene.glb", max_points=50)

    assert len(read_glb(path).mesh("cloud")["POSITION"]) == 50


def test_an_unknown_setting_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"no setting max_point\. Its settings: .*max_points"):
        make_scene(num_photos=1).export(tmp_path / "scene.glb", max_point=50)


def test_an_unknown_ending_lists_the_formats(tmp_path):
    with pytest.raises(InputError, match=r"'\.glbx'.*glb, ply, obj"):
        make_scene(num_photos=1).export(tmp_path / "scene.glbx")
