import numpy as np
import pytest
import roma
import torch
from scenes import make_scene

from pointmap.eval.ground_truth import GroundTruth
from pointmap.eval.studies.localization import world_of
from pointmap.geometry.similarity import move_cameras
from pointmap.geometry.transforms import rigid


def test_only_what_is_wrong_beyond_the_choice_of_the_world_counts():
    scene = make_scene(num_photos=5)
    turn = roma.rotvec_to_rotmat(torch.tensor([0.3, -1.2, 0.4], dtype=torch.float64))
    true_from_scene = rigid(3.0 * turn, torch.tensor([1.0, 2.0, -5.0], dtype=torch.float64))
    poses = torch.from_numpy(scene.world_from_cam)
    true = move_cameras(true_from_scene, poses)
    # One camera of the scene is wrong altogether, and is not asked.
    scene.world_from_cam[3, :3, :3] = scene.world_from_cam[3, :3, :3] @ np.diag([-1.0, 1, -1])
    truth = GroundTruth("room", (), scene.intrinsics, true.numpy(), (None,) * 5, (1.0,) * 5)

    world = world_of(scene, truth, np.arange(5))
    errors = world.errors(torch.from_numpy(scene.world_from_cam), true)

    np.testing.assert_allclose(errors[[0, 1, 2, 4]], 0, atol=1e-5)
    assert errors[3, 0] == pytest.approx(180)
    assert world.extent == pytest.approx(float(torch.cdist(true[:, :3, 3], true[:, :3, 3]).max()))
