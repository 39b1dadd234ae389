"""COLMAP on photos of a textured plane with relief, rendered from cameras that we chose; and when it fails."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.ground_truth import GroundTruth
from pointmap.eval.studies import colmap_baseline
from pointmap.eval.studies.colmap_baseline import is_available, run_colmap

needs_colmap = pytest.mark.skipif(not is_available(), reason="needs pycolmap, which is not installed")
FOCAL, SIZE = 330.0, (320, 240)


def photos_of_two_walls(folder: Path, count: int) -> GroundTruth:
    """Random texture on a wall at depth 4 with a box in front of it at depth 3; the camera goes round by steps."""
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(0, 255, (200, 200)), np.ones((4, 4))).astype(np.uint8)
    K = np.array([[FOCAL, 0, (SIZE[0] - 1) / 2], [0, FOCAL, (SIZE[1] - 1) / 2], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T
    poses, files = [], []
    for index in range(count):
        angle = 0.2 * (index - count / 2)
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
        pose[:3, 3] = [3.5 * np.sin(angle), 0.1 * index, 3.5 - 3.5 * np.cos(angle)]
        world = rays @ pose[:3, :3].T
        image = np.zeros(SIZE[::-1], np.uint8)
        for depth, half in ((4.0, 9.0), (3.0, 0.6)):  # the nearer one is painted last
            points = pose[:3, 3] + world * ((depth - pose[2, 3]) / world[..., 2])[..., None]
            place = ((points[..., :2] + depth) * 50).astype(int) % 800
            inside = (np.abs(points[..., :2]) < half).all(axis=-1)
            image[inside] = texture[place[..., 1], place[..., 0]][inside]
        files.append(folder / f"{index}.png")
        Image.fromarray(image).save(files[-1])
        poses.append(pose)
    nothing = (None,) * count, (1.0,) * count
    return GroundTruth("walls", tuple(files), np.tile(K, (count, 1, 1)), np.stack(poses), *nothing)


@needs_colmap
def test_colmap_finds_the_cameras_and_a_blank_photo_is_not_registered(tmp_path: Path):
    truth = photos_of_two_walls(tmp_path, 4)
    Image.new("L", SIZE, 128).save(truth.files[3])

    everything, part = run_colmap(truth, [np.arange(3)], time_limit=120)

    assert everything.error is None
    assert (everything.registered, part.registered) == (3, 3)
    assert part.rra_15 == 1
    assert everything.rra_15 == pytest.approx(3 / 6)
    assert part.focal_error < 0.1
    assert everything.seconds > part.seconds > 0


@needs_colmap
def test_too_little_time_becomes_rows_that_say_so(tmp_path: Path):
    rows = run_colmap(photos_of_two_walls(tmp_path, 3), [np.arange(2)], time_limit=0.01)

    assert [row.error for row in rows] == ["TimeoutError: gave up after 0 s"] * 2
    assert [row.auc_30 for row in rows] == [0, 0]


def test_without_pycolmap_it_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(colmap_baseline, "is_available", lambda: False)

    with pytest.raises(InputError, match="pip install pycolmap"):
        run_colmap(photos_of_two_walls(tmp_path, 2), [])
