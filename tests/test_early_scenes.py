"""A callback sees the scene grow, and what is returned does not depend on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import make_scene

import pointmap
from pointmap import early_scenes, pipeline
from pointmap.checkpoints import save_model
from pointmap.early_scenes import EarlyScenes
from pointmap.errors import InputError
from pointmap.images import load_views
from pointmap.inference import SkyMaps, predict_pairs
from pointmap.models import PRESETS, Network
from pointmap.photo_priors import read_photo_priors
from pointmap.scene import Group
from pointmap.scene_maker import SceneMaker


@pytest.fixture(scope="module")
def truth():
    """The test room, at a size where pointmaps are coarse; one photo is portrait."""
    return make_scene(scale=2, num_photos=4)


@pytest.fixture(scope="module")
def make(truth):
    photos = [Image.fromarray(c).resize(size) for c, size in zip(truth.colors, truth.image_sizes, strict=True)]
    loaded = load_views(photos, image_size=64, patch_size=16)
    priors = read_photo_priors(loaded, intrinsics=list(truth.intrinsics))
    return SceneMaker(loaded.views, priors.keep, priors, metric_network=False, sky=SkyMaps())


def group_of(truth, i: int, j: int) -> Group:
    """What a perfect network says of two photos, in a scale of its own."""
    world = truth.pointmaps
    i_from_world = np.linalg.inv(truth.world_from_cam[i])
    points = [3 * (world[view] @ i_from_world[:3, :3].T + i_from_world[:3, 3]) for view in (i, j)]
    return Group((i, j), points, [np.full(p.shape[:2], 3.0, np.float32) for p in points])


def shown_by(early_calls):
    return [scene for *_, scene in early_calls if scene is not None]


def test_the_first_pair_is_a_scene_of_two_photos(truth, make):
    calls = []
    early = EarlyScenes(lambda *call: calls.append(call), make, seed=0)

    early("predict", 0, 12)
    early.add([group_of(truth, 1, 2), group_of(truth, 2, 1)])
    early("predict", 2, 12)

    assert calls[0] == ("predict", 0, 12, None)
    assert calls[1][:3] == ("predict", 2, 12)
    scene = calls[1][3]
    assert len(scene) == 4
    assert scene.registered.tolist() == [False, True, True, False]
    assert scene.report == {"early": True, "pairs": 2}
    np.testing.assert_allclose(scene.working_intrinsics[1], truth.working_intrinsics[1], rtol=1e-6)
    np.testing.assert_allclose(scene.intrinsics[1], truth.intrinsics[1], rtol=1e-6)
    apart = np.linalg.inv(scene.world_from_cam[1]) @ scene.world_from_cam[2]
    true_apart = np.linalg.inv(truth.world_from_cam[1]) @ truth.world_from_cam[2]
    np.testing.assert_allclose(apart[:3, :3], true_apart[:3, :3], atol=0.02)
    for index in (1, 2):
        ratio = scene.depths[index] / truth.depths[index]
        assert np.ptp(ratio[truth.depths[index] > 0]) < 0.1 * np.median(ratio)
    assert (scene.depths[0] == 0).all()
    assert set(scene.point_cloud(max_points=500).metadata["photo"]) == {1, 2}


def test_scenes_grow_with_what_is_predicted(truth, make, monkeypatch):
    monkeypatch.setattr(early_scenes, "_SHARE", np.inf)
    calls = []
    early = EarlyScenes(lambda *call: calls.append(call), make, seed=0)

    for done, (i, j) in enumerate([(1, 0), (2, 1), (3, 2)], 1):
        early.add([group_of(truth, i, j), group_of(truth, j, i)])
        early("predict", 2 * done, 6)
    early("keypoints", 0, 4)  # nothing new

    assert [scene.registered.sum() for scene in shown_by(calls)] == [2, 3, 4]
    assert calls[-1] == ("keypoints", 0, 4, None)


def test_scenes_take_a_small_share_of_the_time(truth, make, monkeypatch):
    """With a clock on which a scene takes a second, as a prediction does."""
    clock = [0.0]
    monkeypatch.setattr(early_scenes.time, "perf_counter", lambda: clock[0])
    spent = []

    def receive(stage, done, total, scene):
        if scene is not None:
            clock[0] += 1.0
            spent.append(clock[0])

    early = EarlyScenes(receive, make, seed=0)
    monkeypatch.setattr(early, "_scene", lambda groups: truth)
    group = group_of(truth, 1, 0)
    for done in range(60):
        clock[0] += 1.0
        early.add([group])
        early("predict", done, 60)

    assert spent[0] == 2.0  # the first is always made
    assert len(spent) > 6
    assert all(count <= 0.15 * now + 1 for count, now in enumerate(spent[1:], 1))


def test_predictions_that_tell_nothing_make_no_scene_until_others_do(truth, make, monkeypatch):
    monkeypatch.setattr(early_scenes, "_SHARE", np.inf)
    calls = []
    early = EarlyScenes(lambda *call: calls.append(call), make, seed=0)
    silent = group_of(truth, 1, 0)

    early.add(
        [replace(silent, points=[0 * p for p in silent.points], confidences=[0 * c + 1 for c in silent.confidences])]
    )
    early("predict", 1, 3)
    early.add([group_of(truth, 2, 0), group_of(truth, 0, 2)])
    early("predict", 3, 3)

    assert calls[0] == ("predict", 1, 3, None)
    assert calls[1][3].registered.tolist() == [True, False, True, False]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    return save_model(Network(PRESETS["nano"]), tmp_path_factory.mktemp("weights") / "nano")


def test_a_callback_changes_nothing_of_the_scene(truth, weights, monkeypatch):
    monkeypatch.setattr(pipeline, "STEREO_SIZE", 64)
    photos, scenes = [Image.fromarray(color) for color in truth.colors], []
    settings = {"model": weights, "image_size": 64, "poses": "network", "refine": "align", "depth": "stereo"}

    watched = pointmap.reconstruct(photos, progress=lambda *call: scenes.append((call[0], call[3])), **settings)
    alone = pointmap.reconstruct(photos, progress=False, **settings)

    np.testing.assert_array_equal(watched.world_from_cam, alone.world_from_cam)
    np.testing.assert_array_equal(watched.intrinsics, alone.intrinsics)
    for of_watched, of_alone in zip(watched.depths, alone.depths, strict=True):
        np.testing.assert_array_equal(of_watched, of_alone)
    assert alone.report["notes"] == []
    seen = [(stage, scene) for stage, scene in scenes if scene is not None]
    assert seen[0][0] == "predict"
    assert seen[0][1].registered.sum() == 2
    assert [stage for stage, _ in seen[-2:]] == ["align", "done"]
    assert seen[-2][1].report == {"early": True}
    assert seen[-1][1] is watched


def test_without_a_callback_no_early_scene_is_made(truth, weights, monkeypatch):
    def never(*_, **__):
        raise AssertionError("made for nobody")

    monkeypatch.setattr(EarlyScenes, "__init__", never)

    pointmap.reconstruct([Image.fromarray(truth.colors[0])], model=weights, progress=False)


def test_memory_that_ran_out_is_noted_in_the_report(truth, weights, monkeypatch):
    def of_three(network, *arguments, **settings):
        settings["notes"].append("Memory ran out: pairs were predicted 1 at a time instead of 3.")
        return predict_pairs(network, *arguments, **settings)

    monkeypatch.setattr(pipeline, "predict_pairs", of_three)

    scene = pointmap.reconstruct([Image.fromarray(truth.colors[0])], model=weights, progress=False)

    assert scene.report["notes"] == ["Memory ran out: pairs were predicted 1 at a time instead of 3."]


def test_memory_that_runs_out_in_any_stage_costs_advice(truth, weights, monkeypatch):
    def no_memory(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(pipeline, "densify", no_memory)

    with pytest.raises(InputError, match=r"in the stage 'stereo'.*smaller image_size"):
        pointmap.reconstruct([Image.fromarray(truth.colors[0])], model=weights, depth="stereo", progress=False)
