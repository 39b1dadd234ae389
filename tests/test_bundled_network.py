"""The bundled network does what its model card says, on scenes that it never saw."""

import pytest
import torch
from conftest import ROOT

import pointmap
from pointmap.metrics import pose_errors
from pointmap.train.held_out import validation_pairs
from pointmap.train.settings import TrainSettings
from pointmap.train.validation import validate


@pytest.fixture(scope="module")
def network():
    return pointmap.load_model("small", device="cpu", precision="fp32")


def test_it_is_the_default_and_predicts_finite_points(network):
    image = torch.rand(1, 3, 80, 112) * 2 - 1

    with torch.no_grad():
        prediction = network(image, image)

    assert prediction.points_i.isfinite().all()
    assert (prediction.confidence_j >= 1).all()


def test_it_beats_the_predictors_that_do_not_look(network, tmp_path):
    settings = TrainSettings(tmp_path, validation_pairs=32)

    scores = validate(network, validation_pairs(settings, [(80, 112)]))

    # On these pairs the mean pointmap has 0.41, 0.61 and 0.31; no motion at all has 40 degrees.
    assert scores.points_i < 0.33
    assert scores.points_j < 0.51
    assert scores.depth_absrel < 0.24
    assert scores.rotation_deg < 22


def test_the_example_photos_become_a_scene():
    from eval.ground_truth import load_ground_truth

    folder = ROOT / "demo" / "photos" / "room"
    truth = load_ground_truth(folder)

    scene = pointmap.reconstruct(folder, progress=False)

    assert scene.registered.all()
    errors = pose_errors(torch.from_numpy(truth.poses_of(scene)), torch.from_numpy(truth.world_from_cam))
    assert errors.rra(15) > 0.9
    assert errors.rta(15) > 0.8
    assert len(scene.point_cloud().vertices) > 20_000
