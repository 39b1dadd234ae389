"""Alignment of predictions of which a part is nonsense: the scene survives, and the bad groups are named."""

import golden_inputs
import numpy as np
import pytest
from alignment_scenes import Truth, complete, make_group, make_truth, pose_errors

from pointmap.alignment import align
from pointmap.scene import Group

SHAPES = [(30, 44), (44, 30), (26, 44), (30, 44), (44, 30), (30, 44)]
NOISE = 0.01
KINDS = ["pose", "scale", "random"]


def nonsense(group: Group, kind: str, random: np.random.Generator) -> Group:
    """A confident prediction whose second view is turned and moved, of another size, or anything at all."""
    points = group.points[1]
    size = np.linalg.norm(points, axis=-1).mean()
    if kind == "pose":
        turn, _ = np.linalg.qr(random.standard_normal((3, 3)))
        points = points @ (turn * np.linalg.det(turn)).T + 0.5 * size * random.standard_normal(3)
    elif kind == "scale":
        points = points * random.choice([0.4, 2.5])
    else:
        points = size * random.standard_normal(points.shape)
    return Group(group.views, [group.points[0], points.astype(np.float32)], [6 * c for c in group.confidences])


def spoilt_groups(truth: Truth, share: float, *, seed: int) -> tuple[list[Group], list[int]]:
    """All pairs of views, both directions of a part of them spoilt; and the numbers of those."""
    random = np.random.default_rng(seed)
    pairs = complete(len(truth.shapes))
    groups = [make_group(truth, pair, scale=random.uniform(0.5, 2), noise=NOISE) for pair in pairs]
    both = [pair for pair in pairs if pair[0] < pair[1]]
    chosen = random.choice(len(both), round(share * len(both)), replace=False)
    bad = [e for e, pair in enumerate(pairs) if tuple(sorted(pair)) in {both[c] for c in chosen}]
    for number, e in enumerate(bad):
        groups[e] = nonsense(groups[e], KINDS[(number // 2) % 3], random)
    return groups, bad


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_nonsense_in_a_part_of_the_pairs_hardly_changes_the_cameras(share, seed):
    truth = make_truth(SHAPES)
    clean, _ = spoilt_groups(truth, 0.0, seed=seed)
    groups, bad = spoilt_groups(truth, share, seed=seed)

    expected, result = align(clean), align(groups)

    before, after = pose_errors(expected.world_from_cam, truth), pose_errors(result.world_from_cam, truth)
    assert after[0] < 2 * before[0] + 0.05
    assert after[1] < 2 * before[1] + 0.002
    assert expected.dropped == []
    assert len(result.dropped) == len(bad)
    for e, line in zip(bad, result.dropped, strict=True):
        i, j = groups[e].views
        assert line.startswith(f"Pair of views {i} and {j} (group {e}): contradicts the others (")
        assert line.endswith("%.")


def test_one_wrong_direction_of_a_pair_is_told_from_the_right_one():
    truth = make_truth(SHAPES[:4])
    groups = [make_group(truth, pair, noise=NOISE) for pair in complete(4)]
    groups[4] = nonsense(groups[4], "scale", np.random.default_rng(0))

    result = align(groups)

    (line,) = result.dropped
    assert line.startswith("Pair of views 1 and 2 (group 4): contradicts the others (scale off by a factor of ")
    assert pose_errors(result.world_from_cam, truth)[0] < 0.5


def test_of_two_directions_that_contradict_each_other_the_surer_one_counts():
    truth = make_truth(SHAPES[:2])
    groups = [make_group(truth, pair, noise=NOISE) for pair in complete(2)]
    wrong = nonsense(groups[1], "pose", np.random.default_rng(0))
    groups[1] = Group(wrong.views, wrong.points, [np.full_like(c, 2.0) for c in wrong.confidences])

    result = align(groups)

    (line,) = result.dropped
    assert line.startswith("Pair of views 1 and 0 (group 1): contradicts the others (")
    assert pose_errors(result.world_from_cam, truth)[0] < 1.0


def test_a_wrong_group_of_many_views_is_named_with_its_views():
    truth = make_truth([*SHAPES, (30, 44)])
    groups = [make_group(truth, pair, noise=NOISE) for pair in complete(7)]
    wrong, random = make_group(truth, tuple(range(7)), noise=NOISE), np.random.default_rng(0)
    pairs = [Group((0, k), [wrong.points[0], wrong.points[k]], wrong.confidences[:2]) for k in range(1, 7)]
    turned = [nonsense(pair, "pose", random).points[1] for pair in pairs]
    groups.append(Group(wrong.views, [wrong.points[0], *turned], wrong.confidences))

    result = align(groups)

    (line,) = result.dropped
    assert line.startswith("Group 42 (views 0, 1, 2, 3, 4, 5 and 1 more): contradicts the others (")


def test_a_group_that_hardly_counts_keeps_its_size():
    truth = make_truth(SHAPES[:4])
    groups = [make_group(truth, pair, noise=0.2) for pair in complete(4)]
    wrong, points = groups[4], groups[4].points[1]
    middle, turn = points.mean((0, 1)), golden_inputs.look_at(np.zeros(3), np.array([0.35, 0, 1]))[:3, :3]
    turned = ((points - middle) @ turn + middle).astype(np.float32)
    groups[4] = Group(wrong.views, [wrong.points[0], turned], wrong.confidences)

    result = align(groups)

    scales = np.linalg.det(result.world_from_group[:, :3, :3]) ** (1 / 3)
    assert 0.01 < result.group_weights[4] < 0.1
    assert scales[4] == pytest.approx(np.median(scales), rel=0.1)


def test_the_start_alone_survives_too():
    truth = make_truth(SHAPES)
    groups, bad = spoilt_groups(truth, 0.2, seed=2)

    result = align(groups, refine="none")

    assert len(result.dropped) == len(bad)
    assert pose_errors(result.world_from_cam, truth)[0] < 1.0
