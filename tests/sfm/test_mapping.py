"""Cameras and points from matches of a scene that was made up."""

import numpy as np
import pytest
import torch
from sfm.sfm_scenes import FOCAL, orbit

from pointmap.metrics import pose_errors
from pointmap.sfm import map_photos

pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")


def worst_deg(found: np.ndarray, true: np.ndarray) -> float:
    errors = pose_errors(torch.from_numpy(found), torch.from_numpy(true))
    return float(torch.maximum(errors.rotation_deg, errors.direction_deg).max())


@pytest.mark.parametrize("method", ["incremental", "global"])
def test_mapping_finds_the_cameras_the_focal_length_and_the_points(method):
    scene = orbit(6, noise_px=0.1)

    (model,) = map_photos(scene.photos(focal=1.2 * FOCAL, known=False), method=method)

    assert model.registered.all()
    assert worst_deg(model.world_from_cam, scene.world_from_cam) < 0.3
    np.testing.assert_allclose(model.intrinsics[:, 0, 0], FOCAL, rtol=0.01)
    np.testing.assert_allclose(model.intrinsics[:, :2, 2], np.tile([300.0, 215.0], (6, 1)))
    assert len(model.points) > 200
    assert 0.02 < model.mean_error < 0.2
