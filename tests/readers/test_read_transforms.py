"""transforms.json of four tools."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from readers.posed_files import assert_same_scene, one_camera_scene, posed_scene_of_files, save_depth, save_photo
from scenes import without_registration

from pointmap.errors import InputError
from pointmap.scene import Scene

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def blender_set(folder: Path, scene: Scene, **top: object) -> Path:
    """As Blender's exporter lays it out: no endings, one angle of view for all."""
    frames = []
    for view, color in enumerate(scene.colors):
        save_photo(folder / "train" / f"r_{view}.png", color)
        frames.append(
            {"file_path": f"./train/r_{view}", "transform_matrix": (scene.world_from_cam[view] @ OPENGL).tolist()}
        )
    angle = 2 * np.arctan(scene.colors[0].shape[1] / 2 / scene.intrinsics[0, 0, 0])
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": angle, **top, "frames": frames}))
    return folder


@pytest.mark.parametrize("size", [1.0, 0.003, 4000.0])
def test_what_we_write_comes_back_whatever_the_unit(tmp_path, size):
    scene = posed_scene_of_files(tmp_path / "photos")
    poses = scene.world_from_cam.copy()
    poses[:, :3, 3] *= size
    scene = replace(scene, world_from_cam=poses, depths=[depth * np.float32(size) for depth in scene.depths])
    kept = [np.where(mask, depth, 0) for mask, depth in zip(scene.masks(), scene.depths, strict=True)]

    found = Scene.read(scene.export(tmp_path / "out", format="nerfstudio"))

    largest = max(depth.max() for depth in kept)
    assert_same_scene(found, replace(scene, depths=kept), depth_atol=largest / 32000)
    assert found.names == scene.names
    assert found.metric is False
    assert found.report["read"] == {"source": "transforms.json", "photos": 4, "posed": 4, "with_depth": 4}


def test_photos_that_are_not_registered_stay_out_and_metres_stay_metres(tmp_path):
    scene = replace(without_registration(posed_scene_of_files(tmp_path / "photos"), 1), metric=True)

    found = Scene.read(scene.export(tmp_path / "out", format="nerfstudio"))

    assert found.names == ("0.png", "2.png", "3.png")
    assert found.metric is True


def test_blender_gives_an_angle_and_no_endings(tmp_path):
    scene = one_camera_scene()
    centred = np.array([[30.0, 0, 19.5], [0, 30.0, 11.5], [0, 0, 1]])

    found = Scene.read(blender_set(tmp_path, scene))

    np.testing.assert_allclose(found.intrinsics[1], centred, atol=1e-6)
    np.testing.assert_allclose(found.world_from_cam, scene.world_from_cam, atol=1e-9)
    assert all((depth == 0).all() for depth in found.depths)


def test_nerfstudio_turned_and_scaled_the_world_and_we_turn_it_back(tmp_path):
    scene = one_camera_scene()
    turn = np.array([[0.0, 1, 0, 0.5], [1, 0, 0, 0], [0, 0, -1, 2], [0, 0, 0, 1]])
    frames = []
    for view, (color, depth) in enumerate(zip(scene.colors, scene.depths, strict=True)):
        save_photo(tmp_path / "images" / f"frame_{view}.png", color)
        save_depth(tmp_path / "depths" / f"{view}.png", depth)
        saved = turn @ scene.world_from_cam[view] @ OPENGL
        saved[:3, 3] *= 0.25
        frame = {"file_path": f"images/frame_{view}.png", "depth_file_path": f"depths/{view}.png"}
        frames.append(frame | {"transform_matrix": saved.tolist()})
    camera = {"fl_x": 30.0, "fl_y": 31.0, "cx": 18.0, "cy": 10.8, "w": 40, "h": 24, "k1": 0.0, "camera_model": "OPENCV"}
    content = camera | {"applied_transform": turn[:3].tolist(), "applied_scale": 0.25, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(content))

    assert_same_scene(Scene.read(tmp_path), scene)


def test_instant_ngp_states_the_unit_of_its_depths(tmp_path):
    scene = one_camera_scene(1)
    save_photo(tmp_path / "a.png", scene.colors[0])
    save_depth(tmp_path / "a.depth.png", scene.depths[0], unit=0.0005)
    frame = {"file_path": "a.png", "depth_path": "a.depth.png"}
    frame["transform_matrix"] = (scene.world_from_cam[0] @ OPENGL).tolist()
    content = {"fl_x": 30.0, "fl_y": 31.0, "cx": 18.0, "cy": 10.8, "integer_depth_scale": 0.0005, "frames": [frame]}
    (tmp_path / "transforms.json").write_text(json.dumps(content))

    assert_same_scene(Scene.read(tmp_path / "transforms.json"), scene)


def test_a_lens_is_taken_out_of_photo_and_depth(tmp_path):
    """A photo whose column says where it comes from: the undistorted pixel shows the ray's distorted column."""
    k1, shape = -0.2, (240, 400)
    K = np.array([[300.0, 0, 180.0], [0, 310.0, 125.0], [0, 0, 1]])
    columns = np.tile(np.arange(shape[1]) * 0.6, (shape[0], 1))
    save_photo(tmp_path / "images" / "a.png", np.repeat(columns[..., None], 3, -1).astype(np.uint8))
    save_depth(tmp_path / "a.png", columns * 0.1 + 1)
    camera = {"fl_x": 300.0, "fl_y": 310.0, "cx": 180.5, "cy": 125.5, "w": 400, "h": 240, "k1": k1}
    frame = {"file_path": "images/a.png", "depth_file_path": "a.png", "transform_matrix": np.eye(4).tolist()}
    (tmp_path / "transforms.json").write_text(json.dumps(camera | {"frames": [frame]}))

    scene = Scene.read(tmp_path)

    np.testing.assert_allclose(scene.intrinsics[0], K)
    np.testing.assert_allclose(scene.distortion, [[k1, 0, 0, 0, 0]])
    u, v = 330, 60
    x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    column = K[0, 0] * x * (1 + k1 * (x * x + y * y)) + K[0, 2]
    assert abs(column - u) > 5
    assert abs(scene.colors[0][v, u, 0] - column * 0.6) <= 1.5
    assert abs(scene.depths[0][v, u] - (column * 0.06 + 1)) <= 0.05
    np.testing.assert_array_equal(scene.photo(0).image, scene.colors[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "OPENCV_FISHEYE"),
        ({"is_fisheye": True}, "fisheye"),
        ({"k4": 0.1}, "k4"),
        ({"w": 41, "h": 24}, r"40x24 pixels, its camera is for 41x24"),
        ({"frames": []}, "no frames"),
        ({"frames": [{"file_path": "train/r_0"}]}, "transform_matrix"),
        ({"frames": [{"file_path": "gone.png", "transform_matrix": np.eye(4).tolist()}]}, "'gone.png' is missing"),
        ({"frames": [{"file_path": "train/r_0", "transform_matrix": (2 * np.eye(4)).tolist()}]}, "no rigid"),
        ({"depth_file_path": "gone.png"}, "depth map .*gone.png' is missing"),
        ({"camera_angle_x": None}, "Expected `frames`"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, change, message):
    folder = blender_set(tmp_path, one_camera_scene(1))
    file = folder / "transforms_train.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    with pytest.raises(InputError, match=message):
        Scene.read(folder)


def test_a_file_that_is_no_json_is_said_to_be_so(tmp_path):
    (tmp_path / "transforms.json").write_text("{")

    with pytest.raises(InputError, match=r"Cannot read .*transforms.json"):
        Scene.read(tmp_path)
