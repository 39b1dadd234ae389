from dataclasses import replace

import numpy as np
import pytest
import torch
from object_scenes import CENTRE, DENT, DENT_RADIUS, RADIUS, bowl_scene

from pointmap.errors import InputError
from pointmap.fusion.visual_hull import hull_field, signed_distances
from pointmap.fusion.watertight import watertight_mesh
from pointmap.geometry.transforms import invert_rigid

RESOLUTION = 48
VOXEL = 2.2 * RADIUS / RESOLUTION


def test_masks_alone_give_a_closed_hull_around_the_object():
    scene, masks = bowl_scene()

    mesh = watertight_mesh(scene, masks, resolution=RESOLUTION, depth=False)

    assert mesh.is_watertight
    assert mesh.volume > 4 / 3 * np.pi * RADIUS**3 * 0.95
    equator = np.abs(mesh.vertices[:, 1] - CENTRE[1]) < 0.1
    distance = np.linalg.norm(mesh.vertices[equator] - CENTRE, axis=1)
    assert abs(np.median(distance) - RADIUS) < VOXEL


def test_depth_hollows_out_what_no_outline_shows():
    scene, masks = bowl_scene()

    hull = watertight_mesh(scene, masks, resolution=RESOLUTION, depth=False)
    bowl = watertight_mesh(scene, masks, resolution=RESOLUTION)

    bottom = DENT + np.array([0, DENT_RADIUS, 0])  # of the dent
    assert bowl.is_watertight
    assert np.linalg.norm(bowl.vertices - bottom, axis=1).min() < 2 * VOXEL
    assert np.linalg.norm(hull.vertices - bottom, axis=1).min() > 4 * VOXEL
    assert bowl.volume < hull.volume


def test_faces_look_outwards_and_vertices_have_the_colours_of_the_photos():
    scene, masks = bowl_scene()

    mesh = watertight_mesh(scene, masks, resolution=RESOLUTION)

    assert mesh.volume > 0
    colors = mesh.visual.vertex_colors[:, :3].astype(int)
    side = mesh.vertices[:, 0] - CENTRE[0]
    left, right = side < -2 * VOXEL, side > 2 * VOXEL
    assert (colors[left, 0] > colors[left, 2]).mean() > 0.97
    assert (colors[right, 2] > colors[right, 0]).mean() > 0.97


def test_what_was_never_seen_ends_in_a_plane_below():
    scene, masks = bowl_scene(floor=True)

    mesh = watertight_mesh(scene, masks, resolution=RESOLUTION)

    lowest = mesh.vertices[:, 1].max()
    seen = max(float(scene.pointmaps[i][mask][:, 1].max()) for i, mask in enumerate(masks))
    assert mesh.is_watertight
    assert lowest < seen + 2 * VOXEL


def test_one_wrong_mask_of_many_cuts_nothing_off():
    scene, masks = bowl_scene(photos=20)
    masks[3] = masks[3] & (np.arange(80) < 40)

    mesh = watertight_mesh(scene, masks, resolution=32, depth=False)

    assert mesh.volume > 4 / 3 * np.pi * RADIUS**3 * 0.95


def test_photos_that_are_not_registered_take_no_part():
    scene, masks = bowl_scene(photos=8)
    poses, registered = scene.world_from_cam.copy(), scene.registered.copy()
    poses[2], registered[2] = np.nan, False

    mesh = watertight_mesh(replace(scene, world_from_cam=poses, registered=registered), masks, resolution=24)

    assert mesh.is_watertight


def test_masks_larger_than_the_depth_maps_are_used_as_they_are():
    scene, masks = bowl_scene(photos=8)
    twice = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    large = [np.kron(mask, np.ones((2, 2))) > 0 for mask in masks]
    images = [np.repeat(np.repeat(color, 2, axis=0), 2, axis=1) for color in scene.colors]

    mesh = watertight_mesh(scene, large, resolution=32, images=images, intrinsics=twice @ scene.working_intrinsics)

    same = watertight_mesh(scene, masks, resolution=32)
    assert mesh.is_watertight
    assert abs(mesh.volume / same.volume - 1) < 0.05


def test_hull_depth_is_the_distance_to_the_outline_in_scene_units():
    scene, masks = bowl_scene(photos=12, pitch_deg=0)
    K = torch.tensor(scene.working_intrinsics, dtype=torch.float32)
    cam_from_world = invert_rigid(torch.tensor(scene.world_from_cam, dtype=torch.float32))
    points = torch.tensor(CENTRE + np.array([[0, 0.2, 0], [0, 0.3, 0], [0.9, 0, 0]]), dtype=torch.float32)

    field = hull_field(points, signed_distances(masks, K.device), K, cam_from_world)

    assert abs(float(field[0]) - 0.3) < 0.04
    assert abs(float(field[1]) - 0.2) < 0.04
    assert field[2] < 0


def test_what_does_not_belong_together_is_refused():
    scene, masks = bowl_scene(photos=4)
    nothing = [np.zeros_like(mask) for mask in masks]

    with pytest.raises(InputError, match="0 of 4 masks show an object"):
        watertight_mesh(scene, nothing)
    with pytest.raises(InputError, match="3 masks for a scene of 4"):
        watertight_mesh(scene, masks[:3])
    with pytest.raises(InputError, match="has shape"):
        watertight_mesh(scene, [mask[:-1] for mask in masks])
    with pytest.raises(InputError, match="at least 8"):
        watertight_mesh(scene, masks, resolution=4)
