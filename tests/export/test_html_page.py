"""What scene.html holds, without a browser."""

import json
import re
import tomllib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from scenes import make_scene

from pointmap import InputError
from pointmap.export.html import pack_scene
from pointmap.export.html_page import Packer, fill_page, live_page

ROOT = Path(__file__).parents[2]


def about_of(page: Path) -> dict:
    return json.loads(re.search(r'id="about">(.*?)</script>', page.read_text())[1])


def data_of(page: Path) -> bytes:
    return b64decode(re.search(r'id="data">(.*?)</script>', page.read_text())[1])


def unpacked_positions(entry: dict, data: bytes) -> np.ndarray:
    """As data.js does it."""
    packed = entry["packed"]
    coded = np.frombuffer(data, "<i2", packed["count"], packed["offset"]).reshape(-1, 3)
    return entry["unit"] * np.sinh(coded * entry["reach"] / 32767)


def test_positions_keep_a_ten_thousandth_of_the_scene_though_a_point_is_far_off():
    positions = np.random.default_rng(0).normal(size=(1000, 3))
    positions[0] = (2000, 0, -3000)
    packer = Packer()

    back = unpacked_positions(packer.positions(positions, 1.0), bytes(packer.content))

    assert np.abs(back - positions)[1:].max() < 6e-4
    np.testing.assert_allclose(back[0], positions[0], rtol=2e-4)


def test_without_its_data_the_page_is_small_and_asks_for_nothing():
    page = fill_page({}, b"").decode()

    assert len(page) < 100_000
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nobody fetches
    assert "default-src 'none'" in page


def test_the_surest_points_come_first_and_every_percent_has_its_count(tmp_path):
    scene = make_scene(num_photos=2)
    for confidence in scene.confidences:
        confidence[:] = np.linspace(3, 9, confidence.size).reshape(confidence.shape)
    page = scene.export(tmp_path / "scene.html", mesh=False, min_confidence=0.0)
    cloud, data = about_of(page)["cloud"], data_of(page)

    placed = unpacked_positions(cloud["positions"], data)
    expected = scene.point_cloud(min_confidence=0.0)
    order = np.argsort(-expected.metadata["confidence"], kind="stable")
    photos = np.frombuffer(data, "<u4", cloud["count"], cloud["photos"]["offset"])
    # Distances do not depend on the frame; photo 0 and 1 have equal confidences, which chance may order.
    first = np.flatnonzero(photos == 0)[[0, -1]]
    truth = np.asarray(expected.vertices)[order][expected.metadata["photo"][order] == 0][[0, -1]]
    assert np.linalg.norm(np.diff(placed[first], axis=0)) == pytest.approx(
        np.linalg.norm(np.diff(truth, axis=0)), rel=1e-3
    )
    assert [ground for ground, sky in cloud["shown"]] == [
        cloud["count"] - cloud["count"] * percent // 100 for percent in range(100)
    ]


def test_a_surface_that_is_there_already_is_taken_as_it_is(tmp_path):
    scene = make_scene(num_photos=2)
    surface = scene.mesh(method="grid")

    page = scene.export(tmp_path / "scene.html", mesh=surface)

    packed = about_of(page)["surface"]
    faces = np.frombuffer(data_of(page), "<u4", packed["faces"]["count"], packed["faces"]["offset"])
    np.testing.assert_array_equal(faces.reshape(-1, 3), surface.faces)


@pytest.mark.parametrize("settings", [{}, {"mesh": False}, {"texture": False}, {"max_points": 10}])
def test_settings_choose_what_is_in_it(tmp_path, settings):
    about = about_of(make_scene(num_photos=1).export(tmp_path / "scene.html", **settings))

    surface = about["surface"]
    assert (surface is not None) == settings.get("mesh", True)
    assert surface is None or ("texture" in surface) == settings.get("texture", True)
    assert about["cloud"]["count"] == settings.get("max_points", about["cloud"]["count"])


def test_a_scene_far_from_the_origin_keeps_its_detail(tmp_path):
    """Poses in a map's metres have six digits before the point."""
    scene = make_scene(num_photos=2)
    near = about_of(scene.export(tmp_path / "near.html", mesh=False))
    scene.world_from_cam[:, :3, 3] += [400_000.0, -70.0, 5_600_000.0]
    far = about_of(scene.export(tmp_path / "far.html", mesh=False))

    between = [np.subtract(*[photo["camera"]["position"] for photo in about["photos"]]) for about in (near, far)]
    np.testing.assert_allclose(between[0], between[1], atol=1e-6)


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "scene.html").mkdir()

    with pytest.raises(InputError, match=r"Cannot write .*scene\.html"):
        make_scene(num_photos=1).export(tmp_path / "scene.html", mesh=False)

    assert [path.name for path in tmp_path.iterdir()] == ["scene.html"]


def test_the_viewer_is_part_of_the_package():
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]

    folder = ROOT / "pointmap" / "export"
    found = {path for pattern in packed["pointmap.export"] for path in folder.glob(pattern)}
    assert set((folder / "viewer").iterdir()) <= found


def test_a_packed_scene_holds_what_the_page_holds(tmp_path):
    scene = make_scene(num_photos=2)
    surface = scene.mesh(method="grid", texture=True)
    page = scene.export(tmp_path / "scene.html", mesh=surface)

    block = pack_scene(scene, surface=surface)

    length = int.from_bytes(block[:4], "little")
    assert length % 4 == 0  # so that arrays in it are where browsers want them
    assert json.loads(block[4 : 4 + length]) == about_of(page)
    assert block[4 + length :] == data_of(page)
    assert about_of(page)["final"] is True
    growing = pack_scene(scene, max_points=10, final=False)
    about = json.loads(growing[4 : 4 + int.from_bytes(growing[:4], "little")])
    assert (about["final"], about["surface"], about["cloud"]["count"]) == (False, None, 10)


def test_the_live_page_may_ask_its_own_host_and_nobody_else(tmp_path):
    page = live_page("somewhere?key=</script>").decode()

    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "connect-src 'self'" in policy
    assert "connect-src" not in fill_page({}, b"").decode().split("<style>")[0]
    about = re.search(r'id="about">(.*?)</script>', page)[1]
    assert json.loads(about) == {"follow": "somewhere?key=</script>"}
