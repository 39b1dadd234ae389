"""Posed RGB-D recordings in the layouts of four data sets, and meshes of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from readers.posed_files import (
    K_SHARED,
    assert_same_scene,
    one_camera_scene,
    posed_scene_of_files,
    save_depth,
    save_photo,
)
from scenes import distance_to_surface, without_registration
from scipy.spatial.transform import Rotation

from pointmap.errors import InputError
from pointmap.export.cameras import cameras_dict
from pointmap.export.depth import write_depths
from pointmap.scene import Scene


def seven_scenes(folder: Path, scene: Scene) -> Path:
    for view, (color, depth) in enumerate(zip(scene.colors, scene.depths, strict=True)):
        save_photo(folder / "seq-01" / f"frame-{view:06}.color.png", color)
        save_depth(folder / "seq-01" / f"frame-{view:06}.depth.png", depth, invalid=65535)
        np.savetxt(folder / "seq-01" / f"frame-{view:06}.pose.txt", scene.world_from_cam[view])
    np.savetxt(folder / "camera-intrinsics.txt", scene.intrinsics[0])
    return folder / "seq-01"


def scannet(folder: Path, scene: Scene) -> Path:
    for view, (color, depth) in enumerate(zip(scene.colors, scene.depths, strict=True)):
        save_photo(folder / "color" / f"{10 * view}.png", color)
        save_depth(folder / "depth" / f"{10 * view}.png", depth)
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{10 * view}.txt", scene.world_from_cam[view])
    (folder / "intrinsic").mkdir()
    for kind in ("color", "depth"):
        four = np.eye(4)
        four[:3, :3] = scene.intrinsics[0]
        np.savetxt(folder / "intrinsic" / f"intrinsic_{kind}.txt", four)
    return folder


def tum(folder: Path, scene: Scene) -> Path:
    rgb, depth_lines, truth = ["# color images"], ["# depth maps"], ["# timestamp tx ty tz qx qy qz qw"]
    for view, (color, depth) in enumerate(zip(scene.colors, scene.depths, strict=True)):
        time = 1305031102.175304 + view
        save_photo(folder / "rgb" / f"{time:.6f}.png", color)
        save_depth(folder / "depth" / f"{time - 0.015:.6f}.png", depth, unit=1 / 5000)
        rgb.append(f"{time:.6f} rgb/{time:.6f}.png")
        depth_lines.append(f"{time - 0.015:.6f} depth/{time - 0.015:.6f}.png")
        pose = scene.world_from_cam[view]
        words = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        truth += [f"{time + late:.4f} " + " ".join(f"{w + late:.9f}" for w in words) for late in (-0.01, 0.0, 0.01)]
    for name, lines in (("rgb", rgb), ("depth", depth_lines), ("groundtruth", truth)):
        (folder / f"{name}.txt").write_text("\n".join([*lines, ""]))
    K = scene.intrinsics[0]
    (folder / "camera.txt").write_text(f"{K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}\n")
    return folder


def listed(folder: Path, scene: Scene) -> Path:
    """cameras.json as our data sets have it."""
    content = cameras_dict(scene)
    for view, entry in enumerate(content["images"]):
        save_photo(folder / "images" / f"{view}.png", scene.colors[view])
        save_depth(folder / "depth" / f"{view}.png", scene.depths[view])
        entry |= {"file": f"images/{view}.png", "depth": f"depth/{view}.png", "depth_scale": 0.001}
    content["world_unit"] = "metre"
    (folder / "cameras.json").write_text(json.dumps(content))
    return folder


LAYOUTS = {"7-Scenes": seven_scenes, "ScanNet": scannet, "TUM": tum, "cameras.json": listed}


@pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS)
def test_cameras_depths_and_photos_come_as_they_are(tmp_path, write):
    scene = one_camera_scene()

    found = Scene.read(write(tmp_path, scene))

    assert_same_scene(found, scene)
    assert found.metric is True
    assert found.report["read"]["with_depth"] == 3
    assert found.paths[2].is_file()
    assert not found.masks()[0][:3, 5:9].any()


@pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS)
def test_what_was_read_becomes_cloud_and_files(tmp_path, write):
    found = Scene.read(write(tmp_path, one_camera_scene()))

    cloud = found.point_cloud()
    path = found.export(tmp_path / "out.ply")

    assert len(cloud.vertices) > 1000
    assert np.quantile(distance_to_surface(np.asarray(cloud.vertices)), 0.99) < 0.002
    assert path.stat().st_size > 10_000


def test_posed_depth_maps_become_a_mesh_of_the_room(tmp_path):
    found = Scene.read(seven_scenes(tmp_path, one_camera_scene(5)))

    mesh = found.mesh()

    assert len(mesh.faces) > 100
    assert np.median(distance_to_surface(np.asarray(mesh.vertices))) < 0.1


def test_lost_poses_are_not_registered(tmp_path):
    folder = scannet(tmp_path, one_camera_scene())
    np.savetxt(folder / "pose" / "10.txt", np.full((4, 4), -np.inf))
    (folder / "pose" / "20.txt").unlink()

    found = Scene.read(folder)

    np.testing.assert_array_equal(found.registered, [True, False, False])
    assert np.isnan(found.world_from_cam[1:]).all()


def test_times_that_are_far_apart_do_not_belong_together(tmp_path):
    folder = tum(tmp_path, one_camera_scene())
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    (folder / "groundtruth.txt").write_text("\n".join(lines[:4]))
    (folder / "depth.txt").write_text("# nothing\n")

    found = Scene.read(folder)

    np.testing.assert_array_equal(found.registered, [True, False, False])
    assert found.report["read"]["with_depth"] == 0


def test_a_depth_camera_of_its_own_is_looked_up_by_its_own_pinhole(tmp_path):
    """Half the resolution, another focal length and centre: every colour pixel takes the depth of its own ray."""
    scene = one_camera_scene(1)
    folder = scannet(tmp_path, scene)
    K = np.array([[12.0, 0, 9.0], [0, 13.0, 4.0], [0, 0, 1]])
    v, u = np.indices((12, 20))
    save_depth(folder / "depth" / "0.png", 1 + 0.1 * u + 0.01 * v)
    np.savetxt(folder / "intrinsic" / "intrinsic_depth.txt", K)

    depth = Scene.read(folder).depths[0]

    for row, column in ((5, 3), (20, 35), (0, 0)):
        x, y = (column - K_SHARED[0, 2]) / K_SHARED[0, 0], (row - K_SHARED[1, 2]) / K_SHARED[1, 1]
        assert abs(depth[row, column] - (1 + 0.1 * round(12 * x + 9) + 0.01 * round(13 * y + 4))) < 1e-6


def test_tum_without_a_camera_file_has_the_camera_that_its_page_recommends(tmp_path):
    folder = tum(tmp_path, one_camera_scene(1))
    (folder / "camera.txt").unlink()

    assert Scene.read(folder).intrinsics[0].tolist() == [[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]]


def test_our_own_depth_folder_is_read_with_its_own_pinholes(tmp_path):
    scene = posed_scene_of_files(tmp_path / "images")
    write_depths(scene, tmp_path / "depth")
    (tmp_path / "cameras.json").write_text(json.dumps(cameras_dict(scene)))
    kept = [np.where(mask, depth, 0) for mask, depth in zip(scene.masks(), scene.depths, strict=True)]

    found = Scene.read(tmp_path)

    assert_same_scene(found, replace(scene, depths=kept), depth_atol=1e-4)


def test_photos_without_a_pose_and_with_a_lens_keep_both(tmp_path):
    scene = without_registration(posed_scene_of_files(tmp_path), 2)
    scene = replace(scene, distortion=np.tile([0.01, -0.02, 0.001, 0.002, 0.003], (4, 1)))
    (tmp_path / "cameras.json").write_text(json.dumps(cameras_dict(scene)))

    found = Scene.read(tmp_path / "cameras.json")

    np.testing.assert_array_equal(found.registered, scene.registered)
    np.testing.assert_allclose(found.distortion, scene.distortion)
    np.testing.assert_allclose(found.intrinsics, scene.intrinsics)


def test_turned_photos_follow_our_cameras_and_not_those_of_others(tmp_path):
    """Ours are of the upright photo; recordings know nothing of EXIF."""
    scene = one_camera_scene(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = listed(tmp_path / "ours", scene)
    stored = Image.fromarray(scene.colors[0]).transpose(Image.Transpose.ROTATE_90)
    stored.save(upright / "images" / "0.png", exif=exif)
    plain = scannet(tmp_path / "theirs", scene)
    Image.fromarray(scene.colors[0]).save(plain / "color" / "0.png", exif=exif)

    for folder in (upright, plain):
        found = Scene.read(folder)
        assert_same_scene(found, scene)
        np.testing.assert_array_equal(found.photo(0).image, scene.colors[0])


def test_larger_photos_are_shrunk_to_the_size_asked_for(tmp_path):
    from pointmap.formats import read

    scene = one_camera_scene(1)
    found = read(listed(tmp_path, scene), image_size=20)

    assert found.colors[0].shape == (12, 20, 3)
    assert found.photo(0).image.shape == (24, 40, 3)
    np.testing.assert_allclose(found.working_intrinsics[0, :2, 2], (K_SHARED[:2, 2] + 0.5) / 2 - 0.5)


@pytest.mark.parametrize(
    ("write", "damage", "message"),
    [
        (scannet, ("intrinsic/intrinsic_color.txt", None), "intrinsic_color.txt"),
        (scannet, ("pose/0.txt", "1 2 3"), r"0.txt.*matrix"),
        (seven_scenes, ("frame-000000.pose.txt", "1 0 0 0\n" * 4), "no rigid"),
        (seven_scenes, ("frame-000000.depth.png", "no image"), "depth map .* cannot be read"),
        (seven_scenes, ("frame-000001.color.png", "no image"), "photo .* cannot be read"),
        (tum, ("rgb.txt", "# nothing"), "lists no photos"),
        (tum, ("groundtruth.txt", "1305031102.1753 1 2 3"), "tx ty tz"),
        (tum, ("rgb.txt", "1305031102.1753 rgb/gone.png"), "'rgb/gone.png' is missing"),
        (tum, ("camera.txt", "525 525"), "fx fy cx cy"),
        (listed, ("images/1.png", None), "'images/1.png' is missing"),
        (listed, ("cameras.json", "[]"), "Expected a list `images`"),
    ],
)
def test_damaged_folders_are_said_to_be_so(tmp_path, write, damage, message):
    folder = write(tmp_path, one_camera_scene())
    name, content = damage
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)

    with pytest.raises(InputError, match=message):
        Scene.read(folder)


def test_what_is_nothing_of_this_is_answered_with_what_can_be_read(tmp_path):
    with pytest.raises(InputError, match="It is empty"):
        Scene.read(tmp_path)
    (tmp_path / "color").mkdir()
    (tmp_path / "cameras.bin").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"It holds cameras.bin, color/.*\n.*scene.npz\n(.*\n)*.*COLMAP.*sparse/0(.*\n)*.*TUM"
    ):
        Scene.read(tmp_path)
    with pytest.raises(InputError, match="no file or folder"):
        Scene.read(tmp_path / "gone")


def test_a_scene_npz_is_read_from_its_folder_first(tmp_path):
    scene = one_camera_scene()
    scene.save(listed(tmp_path, scene) / "scene.npz")

    assert "read" not in Scene.read(tmp_path).report


def test_the_developers_sets_are_read(shared_dir):
    found = Scene.read(shared_dir / "data" / "motorcycle")

    assert (found.metric, len(found)) == (True, 2)
    assert (found.depths[0] > 0).mean() > 0.5
