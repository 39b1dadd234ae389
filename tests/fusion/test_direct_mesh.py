from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import distance_to_surface, make_scene

from pointmap import InputError
from pointmap.fusion.mesh import grid_triangles


def test_a_full_grid_has_two_triangles_to_a_cell():
    pixels, triangles = grid_triangles(np.ones((3, 4), bool))

    assert len(pixels) == 12
    assert len(triangles) == 2 * 2 * 3


def test_an_untrusted_pixel_opens_the_cells_around_it():
    mask = np.ones((5, 6), bool)
    mask[2, 3] = False

    pixels, triangles = grid_triangles(mask)

    assert 2 * 6 + 3 not in pixels
    assert len(triangles) == 2 * (4 * 5 - 4)


def test_an_untrusted_pixel_inside_a_wide_cell_opens_it():
    mask = np.ones((7, 10), bool)
    mask[1, 4] = False  # inside the cell of rows 0 to 3, columns 3 to 6

    _, triangles = grid_triangles(mask, step=3)

    assert len(triangles) == 2 * (2 * 3 - 1)


def test_the_last_row_and_column_take_part_at_any_step():
    pixels, _ = grid_triangles(np.ones((6, 8), bool), step=4)

    assert {6 * 8 - 1, 7, 5 * 8} <= set(pixels)


def test_faces_look_at_the_camera():
    scene = make_scene(num_photos=1)
    mesh = scene.mesh(method="grid")

    centroids = mesh.vertices[mesh.faces].mean(axis=1)

    assert ((mesh.face_normals * (scene.world_from_cam[0, :3, 3] - centroids)).sum(axis=-1) > 0).all()


def test_no_face_bridges_the_gap_between_the_ball_and_the_wall():
    scene = make_scene(scale=8, num_photos=1)
    mesh = scene.mesh(method="grid")

    assert len(mesh.faces) > 80_000
    assert distance_to_surface(mesh.vertices[mesh.faces].mean(axis=1)).max() < 1e-2


def test_target_faces_is_kept():
    scene = make_scene(scale=4)

    assert 500 < len(scene.mesh(method="grid", target_faces=3000).faces) <= 3000
    with pytest.raises(InputError, match="target_faces is 0"):
        scene.mesh(method="grid", target_faces=0)


def test_vertices_have_the_colours_of_their_pixels():
    scene = make_scene(num_photos=2)
    mesh = scene.mesh(method="grid")

    nearest = np.linalg.norm(scene.pointmaps[1] - mesh.vertices[-1], axis=-1)
    row, column = np.unravel_index(nearest.argmin(), nearest.shape)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[-1, :3], scene.colors[1][row, column])


def test_the_texture_shows_every_vertex_the_colour_of_its_pixel():
    scene = make_scene(num_photos=3)
    plain, textured = scene.mesh(method="grid"), scene.mesh(method="grid", texture=True)

    image = np.asarray(textured.visual.material.baseColorTexture)
    height, width = image.shape[:2]
    column = np.floor(textured.visual.uv[:, 0] * width).astype(int)
    row = np.floor((1 - textured.visual.uv[:, 1]) * height).astype(int)

    np.testing.assert_array_equal(image[row, column], plain.visual.vertex_colors[:, :3])


def test_the_texture_is_that_of_the_original_photos_as_far_as_there_is_room(tmp_path: Path):
    scene = make_scene(num_photos=2)
    paths, originals = [], []
    for index, color in enumerate(scene.colors):
        width, height = scene.image_sizes[index]
        paths.append(tmp_path / f"{index}.png")
        originals.append(Image.fromarray(color).resize((int(width), int(height)), Image.Resampling.NEAREST))
        originals[-1].save(paths[-1])
    scene = replace(scene, paths=tuple(paths))

    mesh = scene.mesh(method="grid", texture=True)
    small = scene.mesh(method="grid", texture=True, texture_size=64)

    image = np.asarray(mesh.visual.material.baseColorTexture)
    assert image.shape[0] > originals[1].height
    height, width = image.shape[:2]
    column = np.floor(mesh.visual.uv[:, 0] * width).astype(int)
    row = np.floor((1 - mesh.visual.uv[:, 1]) * height).astype(int)
    np.testing.assert_array_equal(image[row, column], scene.mesh(method="grid").visual.vertex_colors[:, :3])
    assert max(small.visual.material.baseColorTexture.size) <= 64
    with pytest.raises(InputError, match="no room for 2 photos"):
        scene.mesh(method="grid", texture=True, texture_size=16)
