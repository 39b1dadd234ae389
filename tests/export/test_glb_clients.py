"""What other programs say of our .glb files, and how large they are."""

import numpy as np
import pytest
import trimesh
from glb_reader import read_glb
from gltf_validator import assert_valid_gltf
from meshes import ball, photo_like, use_mesh
from scenes import make_scene, without_registration

from pointmap.export.textures import encode_texture

SMALL_ENOUGH = 15_000_000
ALL = {"cloud": True, "mesh": True, "cameras": True}
MESH = {"cloud": False, "mesh": True, "cameras": False}


@pytest.mark.parametrize(
    "settings",
    [{}, MESH, MESH | {"texture": False}, ALL],
    ids=["cloud and cameras", "textured mesh", "coloured mesh", "everything"],
)
def test_the_validator_of_khronos_has_nothing_to_say(tmp_path, monkeypatch, settings):
    use_mesh(monkeypatch, ball(textured=settings.get("texture", True)))
    scene = without_registration(make_scene(num_photos=4), 1)

    path = scene.export(tmp_path / "scene.glb", **settings)

    assert_valid_gltf(path, infos=("IMAGE_NPOT_DIMENSIONS",))  # sizes that are no powers of two are common


def test_meshes_of_scenes_are_valid(tmp_path):
    for texture in (True, False):
        path = make_scene(num_photos=2).export(tmp_path / "mesh.glb", texture=texture, **MESH)
        assert_valid_gltf(path, infos=("IMAGE_NPOT_DIMENSIONS",))


@pytest.mark.parametrize("points", [0, 1])
def test_scenes_of_no_point_and_of_one_are_valid(tmp_path, points):
    scene = make_scene(num_photos=1)
    scene.depths[0][:] = np.nan
    scene.depths[0].flat[:points] = 1.0

    path = scene.export(tmp_path / "scene.glb", **ALL)

    assert_valid_gltf(path)
    meshes = {mesh["name"] for mesh in read_glb(path).tree["meshes"]}
    assert meshes == {"cameras", "photos"} | ({"cloud"} if points else set())


def test_a_scene_without_cameras_is_valid(tmp_path):
    scene = without_registration(make_scene(num_photos=2), 0, 1)

    assert_valid_gltf(scene.export(tmp_path / "scene.glb", **ALL))


def test_normals_are_those_of_the_surface_and_seams_do_not_show(tmp_path, monkeypatch):
    mesh = ball(textured=True)
    mesh.unmerge_vertices()
    use_mesh(monkeypatch, mesh)

    written = read_glb(make_scene(num_photos=1).export(tmp_path / "mesh.glb", **MESH)).mesh("mesh")

    centre = np.array([0.1, 0.2, 1.5]) * [1, -1, -1]
    outward = written["POSITION"] - centre
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    # Normals are in the frame of the node, which turns the axes of the cameras to those of glTF.
    np.testing.assert_allclose(written["NORMAL"] * [1, -1, -1], outward, atol=0.05)


def test_faces_that_are_no_triangles_are_left_out(tmp_path, monkeypatch):
    mesh = ball(textured=False)
    mesh.vertices[5] = np.nan
    mesh = trimesh.Trimesh(mesh.vertices, np.vstack([mesh.faces, [[3, 3, 4], [6, 7, 6]]]), process=False)
    use_mesh(monkeypatch, mesh)

    path = make_scene(num_photos=1).export(tmp_path / "mesh.glb", **MESH)

    assert_valid_gltf(path)
    left = len(mesh.faces) - 2 - (mesh.faces == 5).any(axis=1).sum()
    assert len(read_glb(path).mesh("mesh")["faces"]) == left


def test_trimesh_reads_the_textured_mesh_back(tmp_path, monkeypatch):
    mesh = ball(textured=True)
    use_mesh(monkeypatch, mesh)
    scene = make_scene(num_photos=1)

    loaded = trimesh.load(scene.export(tmp_path / "mesh.glb", **MESH), process=False)

    found = loaded.geometry["mesh"]
    np.testing.assert_array_equal(found.faces, mesh.faces)
    places = trimesh.transform_points(found.vertices, loaded.graph.get("mesh")[0]) * [1, -1, -1]
    np.testing.assert_allclose(places + scene.world_from_cam[0, :3, 3], mesh.vertices, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.visual.uv, mesh.visual.uv, atol=1e-6)
    texture = np.asarray(found.visual.material.baseColorTexture).astype(int)
    assert np.abs(texture - np.asarray(mesh.visual.material.baseColorTexture)).mean() < 1.5


def test_files_of_ten_photos_are_small_enough_for_a_phone(tmp_path, monkeypatch):
    scene = make_scene(scale=10, num_photos=10)  # 320x240
    # 200000 faces in charts: half as many vertices, and half as many again at the seams. The texture is a hard one.
    vertices = np.random.default_rng(0).random((150_000, 3))
    faces = np.arange(600_000).reshape(-1, 3) % 150_000
    uv, hard = vertices[:, :2], np.tile(photo_like(1024, 1024, noise=25), (4, 4, 1))
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=ball(textured=True, texture=hard).visual.material)
    use_mesh(monkeypatch, mesh)

    cloud = scene.export(tmp_path / "scene.glb")
    surface = scene.export(tmp_path / "mesh.glb", **MESH)

    assert len(read_glb(cloud).mesh("cloud")["POSITION"]) == 500_000
    assert len(read_glb(surface).mesh("mesh")["faces"]) == 200_000
    assert cloud.stat().st_size < SMALL_ENOUGH
    assert surface.stat().st_size < SMALL_ENOUGH


def test_photos_become_jpeg_and_drawings_png():
    drawing = np.zeros((100, 90, 3), np.uint8)
    drawing[:50, 30:] = (200, 30, 60)

    assert encode_texture(drawing)[1] == ".png"
    content, ending = encode_texture(photo_like(100, 90))
    assert ending == ".jpg"
    assert len(encode_texture(photo_like(100, 90), most_bytes=len(content) // 2)[0]) <= len(content) // 2
