"""Confidences of points that another view sees through."""

import numpy as np
import pytest
from alignment_scenes import SCENES, complete, make_groups, make_truth, read_golden

from pointmap.alignment import Alignment, align
from pointmap.geometry.transforms import invert_rigid, transform_points


@pytest.mark.parametrize("scene", SCENES)
def test_the_reference_cleans_the_same_points(scene, golden_dir):
    data, groups = read_golden(golden_dir, scene)
    poses, views = data["traj.cosine.final.cam2world"], range(len(data["gt_poses"]))
    confidences = [data[f"im_conf.{view}"].numpy() for view in views]
    points = [data[f"clean.pts3d.{view}"] for view in views]
    alignment = Alignment(
        world_from_cam=poses.double().numpy(),
        intrinsics=data["traj.cosine.final.intrinsics"].double().numpy(),
        depths=[
            transform_points(invert_rigid(poses[v]), points[v].flatten(0, 1))[:, 2].view(points[v].shape[:2]).numpy()
            for v in views
        ],
        confidences=confidences,
        registered=np.ones(len(poses), bool),
        world_from_group=np.tile(np.eye(4), (len(groups), 1, 1)),
        loss=0.0,
        group_views=[group.views for group in groups],
    )

    cleaned = alignment.cleaned_confidences(tolerance=0.001)

    for view in views:
        assert (cleaned[view] != data[f"clean.im_conf.{view}"].numpy()).mean() <= 0.005
        assert abs(int((cleaned[view] != confidences[view]).sum()) - int(data["clean.changed_pixels"][view])) <= 5


def test_a_patch_that_floats_is_demoted_and_the_rest_stays():
    truth = make_truth([(30, 44), (44, 30), (26, 44)])
    result = align(make_groups(truth, complete(3)))
    result.depths[1][20:26, 10:16] *= 0.7
    result.confidences[1][20:26, 10:16] = 2.0

    cleaned = result.cleaned_confidences(tolerance=0.02)

    assert (cleaned[1][20:26, 10:16] == 0).mean() > 0.9
    untouched = np.ones((44, 30), bool)
    untouched[20:26, 10:16] = False
    assert (cleaned[1][untouched] == result.confidences[1][untouched]).mean() > 0.99
    for view in (0, 2):
        assert (cleaned[view] == result.confidences[view]).mean() > 0.99


def test_views_that_are_not_registered_contradict_nothing():
    truth = make_truth([(30, 44)] * 5)
    result = align(make_groups(truth, [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)]))

    cleaned = result.cleaned_confidences()

    assert [confidence.shape for confidence in cleaned] == [(30, 44)] * 5
    for view in (0, 1):
        np.testing.assert_array_equal(cleaned[view], result.confidences[view])


def test_confidences_of_the_result_stay_as_they_are():
    groups = make_groups(make_truth([(30, 44)] * 3), complete(3), noise=0.05)
    for number, group in enumerate(groups):
        group.confidences[0] += np.float32(number)  # so that some are surer than others
    result = align(groups)
    before = [confidence.copy() for confidence in result.confidences]

    cleaned = result.cleaned_confidences()

    assert any((confidence == 0).any() for confidence in cleaned)
    assert all(confidence.dtype == np.float32 for confidence in cleaned)
    for confidence, same in zip(result.confidences, before, strict=True):
        np.testing.assert_array_equal(confidence, same)
