from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial

from pointmap.eval.studies.mesh_picture import draw_mesh, draw_views, picture

K = np.array([[40.0, 0, 15.5], [0, 40.0, 11.5], [0, 0, 1]])
LEFT, RIGHT = [200, 30, 20], [10, 60, 220]


def card(*, texture: bool) -> trimesh.Trimesh:
    """A rectangle that fills a picture of 32x24 pixels but for a border of 4, two units before the camera."""
    x, y = 12 / 40 * 2, 8 / 40 * 2
    vertices = [[-x, -y, 2], [0, -y, 2], [x, -y, 2], [-x, y, 2], [0, y, 2], [x, y, 2]]
    mesh = trimesh.Trimesh(vertices, [[0, 3, 4], [0, 4, 1], [1, 4, 5], [1, 5, 2]], process=False)
    if texture:
        image = np.repeat([[LEFT] * 8 + [RIGHT] * 8], 16, axis=0).astype(np.uint8)
        uv = [[0, 1], [0.5, 1], [1, 1], [0, 0], [0.5, 0], [1, 0]]
        mesh.visual = TextureVisuals(uv=uv, material=PBRMaterial(baseColorTexture=Image.fromarray(image)))
    else:
        mesh.visual = ColorVisuals(mesh, vertex_colors=[LEFT, LEFT, RIGHT, LEFT, LEFT, RIGHT])
    return mesh


def test_a_textured_card_is_seen_as_its_texture_is():
    image = picture(card(texture=True), K, np.eye(4), (32, 24))

    np.testing.assert_array_equal(image[4:20, 4:15], np.broadcast_to(LEFT, (16, 11, 3)))
    np.testing.assert_array_equal(image[4:20, 17:28], np.broadcast_to(RIGHT, (16, 11, 3)))
    assert (image[:4] == 255).all()
    assert (image[:, 28:] == 255).all()


def test_colours_of_vertices_fade_into_each_other():
    image = picture(card(texture=False), K, np.eye(4), (32, 24))

    np.testing.assert_array_equal(image[4:20, 4:15], np.broadcast_to(LEFT, (16, 11, 3)))
    np.testing.assert_allclose(image[10, 21], np.mean([LEFT, RIGHT], axis=0), atol=12)


def test_fronts_are_grey_and_backs_are_not():
    mesh = card(texture=False)
    front = picture(mesh, K, np.eye(4), (32, 24), grey=True)[12, 8].astype(int)
    mesh.invert()
    back = picture(mesh, K, np.eye(4), (32, 24), grey=True)[12, 8].astype(int)

    assert front[0] == front[1] == front[2] > 150
    assert back[0] > back[2] + 30


def test_rows_of_views_become_one_file(tmp_path: Path):
    ball = trimesh.creation.icosphere()

    draw_mesh(ball, tmp_path / "around.png", up=np.array([0, -1.0, 0]), sides=3, size=60)
    draw_views(card(texture=True), tmp_path / "views.png", [K, K], [np.eye(4)] * 2, [(32, 24)] * 2)

    around = np.asarray(Image.open(tmp_path / "around.png"))
    assert around.shape == (120, 180, 3)
    covered = (around != 255).any(axis=-1)
    assert 0.2 < covered.mean() < 0.8
    assert not covered[0].any()
    assert Image.open(tmp_path / "views.png").size == (64, 48)
