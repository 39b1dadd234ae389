"""Points for known cameras, and cameras that were disturbed and find back."""

from dataclasses import replace

import numpy as np
import pytest
from sfm.sfm_scenes import FOCAL, orbit
from sfm.test_mapping import worst_deg

from pointmap.errors import InputError
from pointmap.sfm import adjust, triangulate
from pointmap.sfm.model import reprojection_errors

pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")


def disturbed(world_from_cam: np.ndarray, *, degrees: float = 1.0, shift: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(0)
    poses = world_from_cam.copy()
    for pose in poses:
        x, y, z = np.radians(degrees) * rng.normal(size=3)
        turn = np.linalg.qr(np.eye(3) + np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]))[0]
        pose[:3, :3] = pose[:3, :3] @ turn * np.sign(np.diag(turn))
        pose[:3, 3] += shift * rng.normal(size=3)
    return poses


def test_triangulated_points_lie_where_they_were_put():
    scene = orbit(4, points=100)

    model = triangulate(scene.photos(), scene.world_from_cam)

    np.testing.assert_allclose(model.world_from_cam, scene.world_from_cam, atol=1e-12)
    nearest = np.linalg.norm(model.points[:, None] - scene.points, axis=-1).min(axis=1)
    assert len(model.points) == 100
    assert nearest.max() < 1e-3
    assert reprojection_errors(model).max() < 0.05


def test_adjustment_finds_back_to_the_true_cameras_and_their_focal_length():
    scene = orbit(6, noise_px=0.2)
    start = disturbed(scene.world_from_cam)

    adjusted = adjust(scene.photos(focal=1.05 * FOCAL), start)

    assert worst_deg(start, scene.world_from_cam) > 2
    assert worst_deg(adjusted.model.world_from_cam, scene.world_from_cam) < 0.3
    assert adjusted.after_px < 0.3 < 1.0 < adjusted.before_px
    np.testing.assert_allclose(adjusted.model.intrinsics[:, 0, 0], FOCAL, rtol=0.01)
    np.testing.assert_allclose(adjusted.model.errors.mean(), reprojection_errors(adjusted.model).mean(), rtol=0.05)


def test_what_is_fixed_stays_and_a_photo_without_a_pose_takes_no_part():
    scene = orbit(5)
    start = disturbed(scene.world_from_cam)
    start[1] = scene.world_from_cam[1]
    start[2] = scene.world_from_cam[2]
    start[4] = np.nan
    photos = replace(scene.photos(focal=1.02 * FOCAL), cameras=np.array([0, 1, 1, 1, 1]))
    photos.intrinsics[0] = scene.K

    model = adjust(photos, start, fixed_poses=[False, True, True, False, False], fixed=[True] + [False] * 4).model

    np.testing.assert_allclose(model.world_from_cam[[1, 2]], start[[1, 2]], atol=1e-12)
    assert model.intrinsics[0, 0, 0] == pytest.approx(FOCAL)
    assert model.intrinsics[3, 0, 0] == pytest.approx(FOCAL, rel=0.002)
    assert model.registered.tolist() == [True, True, True, True, False]
    assert np.isnan(model.world_from_cam[4]).all()
    # Two fixed poses hold the frame and the scale.
    np.testing.assert_allclose(model.world_from_cam[3], scene.world_from_cam[3], atol=0.05)


def test_one_pose_is_not_enough():
    scene = orbit(3)
    poses = np.full((3, 4, 4), np.nan)
    poses[0] = scene.world_from_cam[0]

    with pytest.raises(InputError, match="1 of 3 photos have a pose"):
        triangulate(scene.photos(), poses)
    with pytest.raises(InputError, match=r"shape \(2, 4, 4\); expected \(3, 4, 4\)"):
        adjust(scene.photos(), poses[:2])
