from dataclasses import replace

import numpy as np
import pytest
import trimesh
from meshes import ball, use_mesh
from PIL import Image
from scenes import make_scene, without_registration

from pointmap import InputError

GLTF_FROM_OPENCV = np.array([1, -1, -1])


def test_the_ply_has_the_cloud_in_the_frame_of_the_cameras(tmp_path):
    scene = make_scene()
    cloud = scene.point_cloud()

    loaded = trimesh.load(scene.export(tmp_path / "points.ply"))

    np.testing.assert_allclose(loaded.vertices, cloud.vertices, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(loaded.colors)[:, :3], np.asarray(cloud.colors)[:, :3])


def test_the_ply_is_what_its_header_says(tmp_path):
    scene = replace(make_scene(num_photos=2, confidence=2.5), metric=True)
    cloud = scene.point_cloud()

    header, _, body = scene.export(tmp_path / "points.ply").read_bytes().partition(b"end_header\n")

    assert f"element vertex {len(cloud.vertices)}".encode() in header
    assert b"unit: metre" in header
    columns = [("xyz", "<f4", 3), ("normal", "<f4", 3), ("rgb", "u1", 3), ("confidence", "<f4")]
    record = np.frombuffer(body, np.dtype(columns))
    assert len(record) == len(cloud.vertices)
    assert (record["confidence"] == 2.5).all()
    np.testing.assert_array_equal(record["normal"], cloud.metadata["normal"])
    centres = scene.world_from_cam[cloud.metadata["photo"], :3, 3]
    assert (((centres - record["xyz"]) * record["normal"]).sum(axis=1) > 0).all()  # towards the camera


def test_the_ply_of_the_mesh_has_its_faces_and_colours(tmp_path, monkeypatch):
    mesh = ball(textured=False)
    use_mesh(monkeypatch, mesh)

    loaded = trimesh.load(make_scene(num_photos=1).export(tmp_path / "mesh.ply", mesh=True), process=False)

    np.testing.assert_array_equal(loaded.faces, mesh.faces)
    np.testing.assert_allclose(loaded.vertices, mesh.vertices, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(loaded.visual.vertex_colors[:, :3], mesh.visual.vertex_colors[:, :3])
    np.testing.assert_allclose(loaded.vertex_normals, mesh.vertex_normals, atol=0.02)


def test_an_empty_cloud_and_an_empty_mesh_are_valid_files(tmp_path):
    scene = without_registration(make_scene(num_photos=2), 0, 1)

    assert b"element vertex 0\n" in scene.export(tmp_path / "points.ply").read_bytes()
    content = scene.export(tmp_path / "mesh.ply", mesh=True).read_bytes()
    assert b"element vertex 0\n" in content
    assert b"element face 0\n" in content
    assert scene.export(tmp_path / "mesh.obj").read_text() == "# no surface\n"
    assert np.frombuffer(scene.export(tmp_path / "mesh.stl", watertight=False).read_bytes()[80:84], "<u4")[0] == 0


def parsed_obj(path):
    """Rows by keyword, and the settings of the material."""
    rows = {}
    for line in path.read_text("utf-8").splitlines():
        keyword, *values = line.split(" ")
        rows.setdefault(keyword, []).append(values)
    material = {}
    if "mtllib" in rows:
        text = path.with_name(" ".join(rows["mtllib"][0])).read_text("utf-8")
        material = dict(line.split(" ", 1) for line in text.splitlines())
    return rows, material


@pytest.mark.parametrize("name", ["mesh.obj", "my mesh.obj", "模型 é.OBJ"])
def test_the_obj_finds_its_material_and_texture_beside_it(tmp_path, monkeypatch, name):
    mesh = ball(textured=True)
    use_mesh(monkeypatch, mesh)

    path = make_scene(num_photos=1).export(tmp_path / "new folder" / name)

    rows, material = parsed_obj(path)
    (beside,) = {*path.parent.iterdir()} - {path, path.with_name(" ".join(rows["mtllib"][0]))}
    assert material["map_Kd"] == beside.name
    assert rows["usemtl"] == [[material["newmtl"]]]
    np.testing.assert_array_equal([[int(c.split("/")[0]) for c in face] for face in rows["f"]], mesh.faces + 1)
    np.testing.assert_allclose(np.array(rows["vt"], float), mesh.visual.uv, atol=1e-6)
    texture = np.asarray(Image.open(beside)).astype(int)
    assert np.abs(texture - np.asarray(mesh.visual.material.baseColorTexture)).mean() < 1.5


def test_trimesh_reads_the_obj_back_with_its_texture(tmp_path, monkeypatch):
    mesh = ball(textured=True)
    use_mesh(monkeypatch, mesh)
    scene = make_scene(num_photos=1)

    loaded = trimesh.load(scene.export(tmp_path / "my mesh.obj"), process=False, force="mesh", maintain_order=True)

    first_cam = mesh.vertices - scene.world_from_cam[0, :3, 3]
    corners = (first_cam * GLTF_FROM_OPENCV)[mesh.faces]
    np.testing.assert_allclose(loaded.vertices[loaded.faces], corners, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(loaded.visual.uv[loaded.faces], mesh.visual.uv[mesh.faces], atol=1e-6)
    assert loaded.visual.material.image.size == mesh.visual.material.baseColorTexture.size


def test_an_obj_without_texture_has_coloured_vertices_and_no_other_file(tmp_path, monkeypatch):
    mesh = ball(textured=False)
    use_mesh(monkeypatch, mesh)

    path = make_scene(num_photos=1).export(tmp_path / "mesh.obj", texture=False)

    assert list(tmp_path.iterdir()) == [path]
    loaded = trimesh.load(path, process=False)
    assert np.abs(loaded.visual.vertex_colors.astype(int) - mesh.visual.vertex_colors).max() <= 1


def test_an_interrupted_obj_leaves_the_three_old_files(tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=True))
    scene = make_scene(num_photos=1)
    scene.export(tmp_path / "mesh.obj")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    use_mesh(monkeypatch, ball(textured=True, detail=1, texture=np.full((8, 8, 3), 200, np.uint8)))

    def full(self, content):
        if self.suffix == ".png":  # the last of the three
            raise OSError(28, "No space left on device")
        return write(self, content)

    write = type(tmp_path).write_bytes
    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        scene.export(tmp_path / "mesh.obj")

    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("settings", "metric", "side"), [({}, False, 100), ({}, True, 1000), ({"size_mm": 7.0}, True, 7)]
)
def test_the_stl_is_closed_and_in_millimetres_with_z_up(tmp_path, monkeypatch, settings, metric, side):
    use_mesh(monkeypatch, ball(textured=False))  # a ball of diameter 1

    path = replace(make_scene(num_photos=1), metric=metric).export(tmp_path / "mesh.stl", **settings)
    loaded = trimesh.load(path)

    assert loaded.is_watertight
    assert loaded.volume > 0
    np.testing.assert_allclose(loaded.extents.max(), side, rtol=1e-5)
    # The ball is to the right of, below and before the camera at the origin: x, z down, y before it.
    assert (np.sign(loaded.centroid) == [1, 1, -1]).all()


def test_a_print_needs_a_size(tmp_path):
    with pytest.raises(InputError, match=r"size_mm is 0\.0"):
        make_scene(num_photos=1).export(tmp_path / "mesh.stl", size_mm=0.0)


@pytest.mark.parametrize("ending", ["obj", "stl"])
def test_a_mesh_that_is_there_already_is_written_as_it_is(tmp_path, monkeypatch, ending):
    monkeypatch.setattr("pointmap.surface.scene_mesh", lambda scene, **settings: pytest.fail("made another one"))
    mesh = ball(textured=True, detail=1)

    loaded = trimesh.load(make_scene(num_photos=1).export(tmp_path / f"mesh.{ending}", mesh=mesh), process=False)

    assert len(loaded.faces) == len(mesh.faces)
