import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from scenes import make_scene, without_registration

from pointmap.demo.page.cameras import cameras_map, cameras_table, placed_cameras
from pointmap.demo.visitors.scaling import scaled

SVG = "{http://www.w3.org/2000/svg}"


class Table(HTMLParser):
    """The cells of the body, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html.partition("<tbody>")[2])

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def drawing(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def level_scene(num_photos: int = 3):
    """Cameras that are turned about the vertical only, so that the floor of the map is that of the world."""
    scene = make_scene(num_photos=num_photos)
    poses = scene.world_from_cam.copy()
    for index, angle in enumerate(np.linspace(0, 1.5, num_photos)):
        c, s = np.cos(angle), np.sin(angle)
        poses[index, :3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    return replace(scene, world_from_cam=poses)


def test_the_field_of_view_counts_from_edge_to_edge_wherever_the_middle_is():
    scene = make_scene(num_photos=1)
    K = np.array([[100.0, 0, 99.5], [0, 100, 30], [0, 0, 1]])  # 100 pixels to the left of it, 200 to the right
    scene = replace(scene, image_sizes=np.array([[300, 100]]), intrinsics=K[None])

    (camera,) = placed_cameras(scene)

    assert camera.fov_deg == pytest.approx(45 + np.degrees(np.arctan(2)))
    assert camera.focal_px == 100


def test_the_table_has_a_row_for_every_photo():
    scene = without_registration(make_scene(num_photos=3), 1)
    scene = replace(scene, names=("<script>alert(1)</script>.jpg", *scene.names[1:]))

    html = cameras_table(scene, "m")
    first, missing, third = Table(html).rows

    assert "<script" not in html
    assert first[0] == "1 <script>alert(1)</script>.jpg"
    assert first[1] == "yes"
    assert first[4:] == ["0.000", "0.000", "0.000", "0.00", "0.00", "1.00"]
    assert missing[1:] == ["no", "not tied to the other photos"]
    position, direction = scene.world_from_cam[2, :3, 3], scene.world_from_cam[2, :3, 2]
    numbers = [float(cell.replace("\N{MINUS SIGN}", "-")) for cell in third[4:]]
    np.testing.assert_allclose(numbers, [*position, *direction], atol=0.006)


def test_the_map_shows_the_cameras_from_above():
    scene = level_scene()
    root = drawing(cameras_map(scene, "units"))

    eyes = [(float(eye.get("cx")), float(eye.get("cy"))) for eye in root.iter(f"{SVG}circle")]

    assert [title.text for title in root.iter(f"{SVG}title")] == [f"{n + 1}: photo {n}.jpg" for n in range(3)]
    # Distances on the map are those on the floor, up to one factor.
    floor = scene.world_from_cam[:, :3, 3][:, [0, 2]]
    on_map = [np.linalg.norm(np.subtract(eyes[a], eyes[b])) for a, b in ((0, 1), (1, 2), (0, 2))]
    on_floor = [np.linalg.norm(floor[a] - floor[b]) for a, b in ((0, 1), (1, 2), (0, 2))]
    np.testing.assert_allclose(np.divide(on_map, on_floor), on_map[0] / on_floor[0], rtol=0.01)


def test_the_scale_bar_is_as_long_as_it_says():
    scene = level_scene()

    def per_unit(svg: str, unit: str) -> float:
        bar = drawing(svg).find(f"{SVG}g[@class='pm-bar-of-length']")
        text = bar.find(f"{SVG}text").text
        assert text.endswith(f" {unit}")
        left, right = re.match(r"M([\d.]+) .*H([\d.]+)", bar.find(f"{SVG}path").get("d")).groups()
        return (float(right) - float(left)) / float(text.split()[0])

    root = drawing(cameras_map(scene, "units"))
    eyes = np.array([(float(eye.get("cx")), float(eye.get("cy"))) for eye in root.iter(f"{SVG}circle")])
    distance = np.linalg.norm(scene.world_from_cam[1, [0, 2], 3] - scene.world_from_cam[0, [0, 2], 3])
    factor = per_unit(cameras_map(scene, "units"), "units")
    assert np.linalg.norm(eyes[1] - eyes[0]) / distance == pytest.approx(factor, rel=0.01)
    assert per_unit(cameras_map(scaled(scene, 100, False), "cm"), "cm") == pytest.approx(factor / 100, rel=0.01)


def test_a_camera_far_off_does_not_make_the_rest_small():
    scene = make_scene(num_photos=4)
    away = scene.world_from_cam.copy()
    away[3, :3, 3] = [1000, 0, 0]

    dots = drawing(cameras_map(replace(scene, world_from_cam=away), "units")).find(f"{SVG}path").get("d")

    across = [float(x) for x in re.findall(r"M([\d.]+)", dots)]
    assert max(across) - min(across) > 300  # of 640


def test_a_map_of_nothing_is_empty_and_of_one_camera_is_none_the_less_a_map():
    scene = make_scene(num_photos=1)

    assert cameras_map(without_registration(scene, 0), "units") == ""
    assert len(list(drawing(cameras_map(scene, "units")).iter(f"{SVG}polygon"))) == 1
