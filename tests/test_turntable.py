import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointmap.images import load_views
from pointmap.scene import Scene, View
from pointmap.turntable import MASK_SIZE, find_subject, object_mesh, object_report, plan_orbit

PHOTOS = 9


def ball_scene(paths: list[Path] | None = None) -> tuple[Scene, list[np.ndarray]]:
    """A ball on a ring of cameras, 32x24, with no depth but on the ball; and its masks."""
    K = np.array([[40.0, 0, 16.0], [0, 40.0, 11.0], [0, 0, 1]])
    v, u = np.mgrid[:24, :32]
    rays = np.stack([(u - 16) / 40, (v - 11) / 40, np.ones(u.shape)], axis=-1)
    a, b = (rays**2).sum(-1), -2.0 * rays[..., 2]
    root = b**2 - a * (4 - 0.4**2)
    depth = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, 0).astype(np.float32)
    poses = []
    for turn in np.arange(PHOTOS) * (2 * np.pi / PHOTOS):
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        pose[:3, 3] = -2 * pose[:3, 2]
        poses.append(pose)
    scene = Scene(
        names=tuple(f"{index}.png" for index in range(PHOTOS)),
        paths=tuple(paths or [None] * PHOTOS),
        image_sizes=np.array([[320, 240]] * PHOTOS),
        intrinsics=np.stack([np.array([[10, 0, 4.5], [0, 10, 4.5], [0, 0, 1]]) @ K] * PHOTOS),
        world_from_cam=np.stack(poses),
        depths=[depth] * PHOTOS,
        confidences=[np.full((24, 32), 3.0, np.float32)] * PHOTOS,
        colors=[np.full((24, 32, 3), 90, np.uint8)] * PHOTOS,
        working_intrinsics=np.stack([K] * PHOTOS),
        registered=np.ones(PHOTOS, bool),
    )
    return scene, [depth > 0] * PHOTOS


def photos_of_the_ball(folder: Path) -> list[Path]:
    """Files 320x240: the ball with a pattern that turns, before a plain wall."""
    mask = np.asarray(Image.fromarray(ball_scene()[1][0]).resize((320, 240), Image.Resampling.NEAREST))
    patches = np.random.default_rng(0).integers(20, 120, (30, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    paths = []
    for index in range(PHOTOS):
        image = np.where(mask[..., None], np.roll(patches, 16 * index, axis=1), np.uint8(220))
        paths.append(folder / f"{index}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


def ring_similarity() -> np.ndarray:
    apart = np.abs(np.subtract.outer(np.arange(PHOTOS), np.arange(PHOTOS)))
    return np.exp(-np.minimum(apart, PHOTOS - apart).astype(float))


def test_the_object_is_isolated_in_photos_of_any_size(tmp_path: Path):
    paths = photos_of_the_ball(tmp_path)
    subject = find_subject(load_views(paths, image_size=MASK_SIZE, patch_size=8).views)

    small = load_views(paths, image_size=160, patch_size=8).views[4]
    isolated, keep = subject.isolated(small), subject.keep(small)

    true = np.asarray(Image.fromarray(ball_scene()[1][0]).resize((160, 120), Image.Resampling.NEAREST))
    assert isolated.image.shape == small.image.shape
    assert (keep & true).sum() / (keep | true).sum() > 0.9
    assert (isolated.image[~keep] == 127).all()
    np.testing.assert_array_equal(isolated.image[keep], small.image[keep])


def test_given_masks_are_of_the_original_photos():
    view = View("a.png", np.zeros((12, 16, 3), np.uint8), (32, 24), np.diag([0.5, 0.5, 1]))
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255

    subject = find_subject([view], [mask])

    assert subject.found.way == "given"
    np.testing.assert_array_equal(subject.keep(view), np.arange(16) < 8 + np.zeros((12, 1)))


def test_the_report_says_how_masks_and_orbit_came_out_in_plain_values(tmp_path: Path):
    scene, _ = ball_scene()
    subject = find_subject(load_views(photos_of_the_ball(tmp_path), image_size=160, patch_size=8).views)
    orbit = plan_orbit(ring_similarity())

    report = json.loads(json.dumps(object_report(subject, orbit, scene)))

    assert report["masks"]["way"] == "plain backdrop"
    assert report["orbit"]["looks_closed"]
    assert report["orbit"]["closed"]
    assert report["orbit"]["turn_deg"] == pytest.approx(360, abs=0.1)
    assert report["orbit"]["step_deg"] == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("way", ["plain backdrop", "given", "nothing"])
def test_the_mesh_is_closed_and_as_large_as_the_object(tmp_path: Path, way: str):
    scene, _ = ball_scene(photos_of_the_ball(tmp_path))
    scene = replace(scene, report={"object": {"masks": {"way": way}}})

    mesh = object_mesh(scene, resolution=32)

    assert mesh.is_watertight
    width = mesh.bounds[1] - mesh.bounds[0]
    # Without masks the outline, which depth maps of 32 pixels do not have, is lost.
    np.testing.assert_allclose(width[[0, 2]], 0.8, atol=0.3 if way == "nothing" else 0.1)


def test_photos_that_are_gone_leave_the_masks_of_the_depth_maps():
    scene, _ = ball_scene()

    mesh = object_mesh(replace(scene, report={"object": {"masks": {"way": "static background"}}}), resolution=24)

    assert mesh.is_watertight
