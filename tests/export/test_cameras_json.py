import json

import numpy as np
from scenes import make_scene, without_registration


def cameras_of(scene, tmp_path):
    return json.loads(scene.export(tmp_path / "cameras.json").read_text("utf-8"))


def test_a_point_projects_onto_the_pixel_that_shows_it(tmp_path):
    scene = make_scene()
    photo, row, column = 2, 20, 7  # upright; the original is 7 times larger
    camera = cameras_of(scene, tmp_path)["images"][photo]

    x, y, z, _ = np.array(camera["cam_from_world"]) @ [*scene.pointmaps[photo][row, column], 1]

    u, v = camera["fx"] * x / z + camera["cx"], camera["fy"] * y / z + camera["cy"]
    np.testing.assert_allclose([u, v], [7 * column + 3, 7 * row + 3], atol=1e-3)
    assert (camera["file"], camera["width"], camera["height"]) == ("photo 2.jpg", 7 * 24, 7 * 32)


def test_an_unregistered_photo_keeps_its_place_with_null(tmp_path):
    scene = without_registration(make_scene(num_photos=3), 1)

    poses = [image["cam_from_world"] for image in cameras_of(scene, tmp_path)["images"]]

    assert [pose is None for pose in poses] == [False, True, False]


def test_the_keys_are_those_of_the_data_sets(tmp_path, shared_dir):
    content = cameras_of(make_scene(), tmp_path)
    given = json.loads((shared_dir / "data/fox/cameras.json").read_text("utf-8"))

    assert content.keys() <= given.keys()
    assert content["images"][0].keys() == given["images"][0].keys()


def test_unknown_numbers_are_null_since_json_has_no_nan(tmp_path):
    scene = without_registration(make_scene(num_photos=2), 1)
    scene.intrinsics[1] = np.nan

    assert cameras_of(scene, tmp_path)["images"][1]["fx"] is None
