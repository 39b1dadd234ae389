"""The bundled network does what its model card says, on scenes that it never saw."""

import pytest
import torch
from conftest import ROOT

import pointmap
from pointmap.metrics import pose_errors
from pointmap.models import PRESETS
from pointmap.train.held_out import validation_pairs
from pointmap.train.settings import TrainSettings
from pointmap.train.validation import validate

# On these pairs the mean pointmap has 0.41, 0.61 and 0.31; no motion at all has 40 degrees.
BOUNDS = {"small": (0.29, 0.43, 0.21, 18.0), "tiny": (0.35, 0.52, 0.25, 26.0)}
"""Of the errors of points i, points j, depth and rotation."""


@pytest.fixture(scope="module", params=list(BOUNDS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def network(name):
    return pointmap.load_model(name, device="cpu", precision="fp32")


def test_small_is_the_default():
    assert pointmap.load_model(device="cpu").config == PRESETS["small"]


def test_it_is_its_preset_and_predicts_finite_points(name, network):
    assert network.config == PRESETS[name]
    image = torch.rand(1, 3, 80, 112) * 2 - 1

    with torch.no_grad():
        prediction = network(image, image)

    assert prediction.points_i.isfinite().all()
    assert (prediction.confidence_j >= 1).all()


def test_it_beats_the_predictors_that_do_not_look(name, network, tmp_path):
    settings = TrainSettings(tmp_path, validation_pairs=32)

    scores = validate(network, validation_pairs(settings, [(80, 112)]))

    points_i, points_j, depth, rotation = BOUNDS[name]
    assert scores.points_i < points_i
    assert scores.points_j < points_j
    assert scores.depth_absrel < depth
    assert scores.rotation_deg < rotation


def test_the_example_photos_become_a_scene(name):
    from pointmap.eval.ground_truth import load_ground_truth

    folder = ROOT / "demo" / "photos" / "room"
    truth = load_ground_truth(folder)

    scene = pointmap.reconstruct(folder, model=name, progress=False)

    assert scene.registered.all()
    errors = pose_errors(torch.from_numpy(truth.poses_of(scene)), torch.from_numpy(truth.world_from_cam))
    assert errors.rra(15) > 0.9
    assert errors.rta(15) > 0.8
    assert len(scene.point_cloud().vertices) > 20_000
