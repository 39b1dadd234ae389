from dataclasses import replace

import numpy as np
import trimesh
from scenes import make_scene, without_registration


def test_the_ply_has_the_cloud_in_the_frame_of_the_cameras(tmp_path):
    scene = make_scene()
    cloud = scene.point_cloud()

    loaded = trimesh.load(scene.export(tmp_path / "points.ply"))

    np.testing.assert_allclose(loaded.vertices, cloud.vertices, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(loaded.colors)[:, :3], np.asarray(cloud.colors)[:, :3])


def test_the_ply_is_what_its_header_says(tmp_path):
    scene = replace(make_scene(num_photos=2, confidence=2.5), metric=True)

    header, _, body = scene.export(tmp_path / "points.ply").read_bytes().partition(b"end_header\n")

    count = len(scene.point_cloud().vertices)
    assert f"element vertex {count}".encode() in header
    assert b"unit: metre" in header
    record = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3), ("confidence", "<f4")]))
    assert len(record) == count
    assert (record["confidence"] == 2.5).all()


def test_an_empty_cloud_is_a_valid_ply(tmp_path):
    path = without_registration(make_scene(num_photos=2), 0, 1).export(tmp_path / "points.ply")

    assert b"element vertex 0\n" in path.read_bytes()


def test_an_empty_mesh_is_a_valid_obj(tmp_path):
    path = without_registration(make_scene(num_photos=2), 0, 1).export(tmp_path / "mesh.obj")

    assert path.read_text() == "# no surface\n"


def test_the_obj_finds_its_texture_beside_it(tmp_path):
    scene = make_scene(num_photos=2)
    path = scene.export(tmp_path / "my mesh.obj")

    assert {file.name for file in tmp_path.iterdir()} == {"my mesh.obj", "my_mesh.mtl", "my_mesh.png"}
    loaded = trimesh.load(path, process=False, force="mesh")
    assert len(loaded.faces) == len(scene.mesh().faces)
    assert loaded.visual.material.image.size == scene.mesh(texture=True).visual.material.baseColorTexture.size
    first_cam = scene.mesh().vertices - scene.world_from_cam[0, :3, 3]
    np.testing.assert_allclose(loaded.bounds[0], (first_cam * [1, -1, -1]).min(axis=0), atol=1e-5)
