import numpy as np
import pytest
import torch

from pointmap.eval.studies import turntable_scenes
from pointmap.eval.studies.turntable import mesh_errors
from pointmap.eval.studies.turntable_scenes import make_turntable, surface_points, true_mesh
from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import transform_points
from pointmap.train.textures import make_textures


@pytest.fixture(autouse=True)
def _few_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = make_textures(1, 0)
    monkeypatch.setattr(turntable_scenes, "_TEXTURES", 1)
    monkeypatch.setattr(turntable_scenes, "make_textures", lambda count, seed: bank)


def test_depths_and_masks_of_the_figure_lie_on_its_true_surface():
    from scipy.spatial import KDTree

    made = make_turntable("turning", count=3, size=(60, 80))
    surface = KDTree(surface_points(60_000))

    assert made.masks.any(dim=-1).any(dim=-1).all()
    for depth, K, pose, mask in zip(
        made.views.depths, made.views.intrinsics, made.views.world_from_cam, made.masks, strict=True
    ):
        points = transform_points(pose, unproject_depth(depth, K)[mask])
        assert np.quantile(surface.query(points.numpy())[0], 0.99) < 0.005


def test_the_background_of_a_turntable_stands_still_and_that_of_a_walk_does_not():
    turning, walking = (make_turntable(kind, count=2, size=(48, 64)).views for kind in ("turning", "walking"))

    corner = np.s_[:, :8, :8]
    change = [(views.depths[corner][0] - views.depths[corner][1]).abs().max() for views in (turning, walking)]
    assert change[0] == 0
    assert change[1] > 0.01
    torch.testing.assert_close(turning.world_from_cam, walking.world_from_cam)


def test_the_true_mesh_is_on_the_true_surface_but_for_what_is_inside():
    from dataclasses import dataclass

    @dataclass
    class Cameras:
        world_from_cam: np.ndarray
        registered: np.ndarray
        posed: np.ndarray

    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = np.random.default_rng(0).normal(size=(3, 3))
    cameras = Cameras(poses, np.ones(3, bool), np.ones(3, bool))

    _, f_score = mesh_errors(true_mesh(), cameras, cameras)  # type: ignore[arg-type]

    assert f_score > 0.8
