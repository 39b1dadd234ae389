"""Cameras of the network and of structure from motion, judged by keypoints."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_posing import SHAPES, all_matches, complete, make_groups, make_truth, misled, priors

from pointmap import structure as structure_module
from pointmap.errors import InputError
from pointmap.match import EpipolarMatches
from pointmap.pose_sources import pose_photos
from pointmap.scene import View
from pointmap.sfm import SfmModel

pytest.importorskip("pycolmap")


def make_views():
    return [
        View(f"{index}.png", np.zeros((*shape, 3), np.uint8), (shape[1], shape[0]), np.eye(3))
        for index, shape in enumerate(SHAPES)
    ]


def keypoints_of(truth, pairs=None):
    found = [match for match in all_matches(truth) if pairs is None or (match.view_i, match.view_j) in pairs]
    return [EpipolarMatches(replace(match, weights=torch.full_like(match.weights, 10.0)), np.eye(3)) for match in found]


def model_of(truth, registered=(True, True, True)):
    poses = np.asarray(truth.world_from_cam, float).copy()
    poses[:, :3, 3] *= 3  # structure from motion has a scale of its own
    poses[~np.array(registered)] = np.nan
    nothing = np.zeros(0, int)
    return SfmModel(
        names=("0.png", "1.png", "2.png"),
        image_sizes=np.array([shape[::-1] for shape in SHAPES]),
        registered=np.array(registered),
        world_from_cam=poses,
        intrinsics=np.asarray(truth.intrinsics, float),
        distortion=np.zeros((3, 5)),
        points=np.zeros((0, 3)),
        colors=np.zeros((0, 3), np.uint8),
        errors=np.zeros(0),
        track_points=nothing,
        track_views=nothing,
        track_pixels=np.zeros((0, 2)),
    )


@pytest.fixture
def truth():
    return make_truth(SHAPES, offset=(4, -3))


@pytest.fixture
def structure(monkeypatch):
    """What the mapper answers; COLMAP itself is tested elsewhere."""
    answer = []
    monkeypatch.setattr(structure_module, "map_photos", lambda *args, **settings: list(answer))
    return answer


def test_the_network_is_kept_where_structure_from_motion_explains_no_more(truth, structure):
    structure.append(model_of(truth))
    posed = pose_photos(
        make_groups(truth, complete(3)),
        all_matches(truth),
        keypoints_of(truth),
        make_views(),
        priors(truth, known=True),
    )

    assert posed.report["source"] == "network"
    assert posed.report["explained"]["network"] == pytest.approx(1)
    assert posed.report["components"] == [["0.png", "1.png", "2.png"]]


def test_structure_from_motion_wins_where_it_alone_explains_the_keypoints(truth, structure):
    structure.append(model_of(truth, registered=(True, True, False)))
    groups = misled(make_groups(truth, complete(3)))

    posed = pose_photos(
        groups, [], keypoints_of(truth, {(0, 1)}), make_views(), priors(truth, known=True), to_matches=False
    )

    assert posed.report["source"] == "sfm"
    assert posed.report["explained"]["sfm"] == pytest.approx(1)
    assert posed.alignment.registered.all()  # the third photo is the network's
    assert [photo["source"] for photo in posed.report["photos"].values()] == ["sfm", "sfm", "network"]


def test_sfm_alone_leaves_out_what_it_did_not_register(truth, structure):
    structure.append(model_of(truth, registered=(True, True, False)))
    posed = pose_photos(
        make_groups(truth, complete(3)), [], keypoints_of(truth), make_views(), priors(truth, known=True), poses="sfm"
    )

    assert posed.alignment.registered.tolist() == [True, True, False]
    np.testing.assert_allclose(posed.alignment.world_from_cam[:2], structure[0].world_from_cam[:2], atol=1e-6)
    assert posed.report["photos"]["2.png"]["source"] is None
    assert "View 2" in posed.alignment.dropped[-1]


def test_without_pycolmap_auto_says_so_and_sfm_refuses(truth, monkeypatch):
    monkeypatch.setattr(structure_module, "is_installed", lambda package: False)
    monkeypatch.setattr("pointmap.extras.is_installed", lambda package: False)
    arguments = (make_groups(truth, complete(3)), [], keypoints_of(truth), make_views(), priors(truth, known=True))

    assert "pip install 'pointmap[colmap]'" in pose_photos(*arguments).report["why"]
    with pytest.raises(InputError, match=r"pip install 'pointmap\[colmap\]'"):
        pose_photos(*arguments, poses="sfm")


def test_sfm_without_a_model_says_what_to_do(truth, structure):
    with pytest.raises(InputError, match="registered no photo"):
        pose_photos(
            make_groups(truth, complete(3)),
            [],
            keypoints_of(truth),
            make_views(),
            priors(truth, known=True),
            poses="sfm",
        )


def test_another_scene_in_the_folder_is_reported_and_not_registered():
    shapes = [*SHAPES, (64, 96), (96, 64)]
    truth = make_truth(shapes, offset=(4, -3))
    views = [
        View(f"{index}.png", np.zeros((*shape, 3), np.uint8), (shape[1], shape[0]), np.eye(3))
        for index, shape in enumerate(shapes)
    ]
    within = {(0, 1), (0, 2), (1, 2), (3, 4)}
    found = [match for match in all_matches(truth) if (match.view_i, match.view_j) in within]
    keypoints = [EpipolarMatches(match, np.eye(3)) for match in found]

    posed = pose_photos(
        make_groups(truth, complete(5)), found, keypoints, views, priors(truth, known=True), poses="network"
    )

    assert posed.report["components"] == [["0.png", "1.png", "2.png"], ["3.png", "4.png"]]
    assert posed.alignment.registered.tolist() == [True, True, True, False, False]
