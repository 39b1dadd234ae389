"""Scores of matchers: right matches lie on true epipolar lines, and give true poses."""

import math

import numpy as np
import pytest
import torch

from pointmap.eval.ground_truth import GroundTruth
from pointmap.eval.studies.matchers import PairScore, _row, compare
from pointmap.match import Matches
from pointmap.scene import View

K_PHOTO = np.array([[900.0, 0, 480], [0, 900, 330], [0, 0, 1]])
VIEW_FROM_PHOTO = np.diag([1 / 3, 1 / 3, 1.0])


class Known:
    """Answers with matches that are known."""

    def __init__(self, matches: Matches) -> None:
        self.matches = matches

    def describe(self, image):
        return None

    def match(self, described_i, described_j):
        return self.matches


def scored(wrong: int, most_turned_deg: float = 45.0) -> list[PairScore]:
    """Of 300 points between two cameras, the second turned by 20 degrees; the first of the matches are wrong."""
    random = np.random.default_rng(0)
    angle = np.radians(20)
    j_from_i = np.eye(4)
    j_from_i[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    j_from_i[:3, 3] = 1.2, 0.1, 0.2
    points = random.uniform([-1, -1, 3], [1, 1, 6], (300, 3))
    ends = []
    for seen in (points, points @ j_from_i[:3, :3].T + j_from_i[:3, 3]):
        projected = seen @ (VIEW_FROM_PHOTO @ K_PHOTO).T
        ends.append(projected[:, :2] / projected[:, 2:] + 0.05 * random.standard_normal((300, 2)))
    ends[1][:wrong] = random.uniform(0, [320, 224], (wrong, 2))
    poses = np.stack([np.eye(4), np.linalg.inv(j_from_i)])
    truth = GroundTruth("known", (None, None), np.stack([K_PHOTO, K_PHOTO]), poses, (None, None), (1.0, 1.0))
    views = [View(name, np.zeros((224, 320, 3), np.uint8), (960, 672), VIEW_FROM_PHOTO) for name in ("i", "j")]
    matches = Matches(*(torch.tensor(pixels).float() for pixels in ends), torch.ones(300))
    return list(compare(Known(matches), views, truth, ["opencv"], most_turned_deg))


def test_right_matches_and_true_poses_have_good_scores():
    (score,) = scored(wrong=0)

    assert score.count == 300
    assert min(score.right) > 0.98
    rotation, direction, _ = score.pose_errors[0]
    assert rotation < 1
    assert direction < 3


def test_half_of_the_matches_wrong_is_half_of_them_right():
    (score,) = scored(wrong=150)

    assert score.right[0] == pytest.approx(0.5, abs=0.05)


def test_pairs_that_look_elsewhere_are_left_out():
    assert scored(wrong=0, most_turned_deg=10.0) == []


def test_rows_are_medians_in_which_a_pair_without_matches_is_lost():
    lost = PairScore(0, (math.nan,) * 3, ((180.0, 180.0, 0.0),))
    good = PairScore(10, (0.5, 0.6, 0.7), ((1.0, 2.0, 0.0),))

    assert _row("some", [lost, good, lost], 1, 2.0)[1:7] == ["3", "0", "0.500", "0.600", "0.700", "180.00"]
    assert _row("none", [lost], 1, 2.0)[3:6] == ["-", "-", "-"]
    assert _row("no pairs", [], 1, 2.0) == ["no pairs", "0", *["-"] * 7, "2.0"]
