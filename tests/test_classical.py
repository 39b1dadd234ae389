"""Pointmaps of pairs without a network: photos of a wall and a ball, with exact cameras and depths."""

from pathlib import Path

import numpy as np
import pytest
from stereo.stereo_scenes import Photos, take_photos

from pointmap.classical import classical_groups
from pointmap.errors import Cancelled
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.transforms import invert_rigid
from pointmap.match import keypoint_matches
from pointmap.posing import Priors, pose_views
from pointmap.scene import Group, View

SHAPES = [(240, 320), (240, 320), (320, 240)]
PAIRS = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]


@pytest.fixture(scope="module")
def photos() -> Photos:
    return take_photos(shapes=SHAPES, spacing=0.5, ball=True, step=0.5)


@pytest.fixture(scope="module")
def views(photos: Photos) -> list[View]:
    return [_view(str(index), image.numpy()) for index, image in enumerate(photos.images)]


def matches_of(views: list[View]) -> list[PairMatches]:
    everything = [np.ones(view.image.shape[:2], bool) for view in views]
    pairs = [pair for pair in PAIRS if max(pair) < len(views)]
    return [found.matches for found in keypoint_matches(views, views, everything, pairs)]


@pytest.fixture(scope="module")
def groups(photos: Photos, views: list[View]) -> list[Group]:
    return classical_groups(views, PAIRS, matches_of(views), intrinsics=list(photos.intrinsics.double().numpy()))


def test_depth_is_found_where_both_photos_see_it_and_confidence_is_one_elsewhere(photos: Photos, groups: list[Group]):
    for group in groups:
        i, j = group.views
        baseline = (photos.world_from_cam[i, :3, 3] - photos.world_from_cam[j, :3, 3]).norm()
        error = (group.points[0][..., 2] * baseline / photos.depths[i] - 1).abs()
        sure = group.confidences[0] > 2
        assert sure.float().mean() > 0.2
        assert (error[sure] < 0.02).float().mean() > 0.9
        assert (error < 0.05).float().mean() > 0.6
        assert min(confidence.min() for confidence in group.confidences) == 1


def test_both_pointmaps_are_in_the_frame_of_the_first_view(photos: Photos, groups: list[Group]):
    by_pair = {group.views: group for group in groups}
    first, second = by_pair[0, 1], by_pair[1, 0]
    cam1_from_cam0 = invert_rigid(photos.world_from_cam[1]) @ photos.world_from_cam[0]
    there = first.points[1] @ cam1_from_cam0[:3, :3].mT
    shift = second.points[0] - there
    middle = shift.flatten(0, 1).median(dim=0).values

    assert (shift - middle).norm(dim=-1).median() < 0.05
    assert middle.norm() == pytest.approx(1, abs=0.02)  # the distance between the cameras is the unit


def test_the_aligner_makes_one_scene_of_the_groups(photos: Photos, groups: list[Group]):
    known = list(photos.intrinsics.double().numpy())

    alignment = pose_views(groups, [], SHAPES, Priors(known, [None] * 3, [0, 1, 2])).alignment

    assert alignment.registered.all()
    true = photos.world_from_cam.double().numpy()
    found = alignment.world_from_cam
    scale = np.linalg.norm(true[2, :3, 3] - true[0, :3, 3]) / np.linalg.norm(found[2, :3, 3] - found[0, :3, 3])
    for i, j in PAIRS:
        turn = (np.linalg.inv(found[i]) @ found[j])[:3, :3].T @ (np.linalg.inv(true[i]) @ true[j])[:3, :3]
        assert np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) < 1
    for depth, confidence, truth in zip(alignment.depths, alignment.confidences, photos.depths, strict=True):
        error = np.abs(scale * depth / truth.numpy() - 1)[confidence > 2]
        assert np.median(error) < 0.02


def test_photos_that_share_nothing_are_no_evidence(views: list[View]):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    both = [views[0], _view("noise", noise)]

    (group,) = classical_groups(both, [(0, 1)], matches_of(both))

    assert all(bool((confidence == 1).all()) for confidence in group.confidences)
    assert all(bool(points.isfinite().all()) for points in group.points)
    assert [points.shape for points in group.points] == [(240, 320, 3), (240, 320, 3)]


def test_progress_may_cancel(views: list[View]):
    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        classical_groups(views, PAIRS, [], progress=stop)


def _view(name: str, image: np.ndarray) -> View:
    return View(name, image, (image.shape[1], image.shape[0]), np.eye(3), Path(name))
