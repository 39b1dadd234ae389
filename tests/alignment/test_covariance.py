"""How sure the cameras are: what is predicted against what happens when the noise is drawn anew."""

import golden_inputs
import numpy as np
import pytest
from alignment_scenes import MIXED, complete, make_group, make_groups, make_truth, photograph

from pointmap.alignment import Alignment, align
from pointmap.priors import KnownDistance
from pointmap.scene import Group

RING = [(i, (i + step) % 8) for i in range(8) for step in (1, -1)]


def noisy_alignment(
    scene: dict, pairs: list[tuple[int, int]], noise_seed: int, **noise: float
) -> tuple[Alignment, float]:
    """Cameras from predictions with fresh noise, and the unit of their world in that of the truth."""
    predictions = [golden_inputs.pair_pred(scene | {"seed": noise_seed}, i, j, **noise) for i, j in pairs]
    groups = [
        Group(pair, [p["pts_i"], p["pts_j"]], [p["conf_i"], p["conf_j"]])
        for pair, p in zip(pairs, predictions, strict=True)
    ]
    centre = np.array([scene["w"] / 2, scene["h"] / 2])
    result = align(groups, principal_points=np.tile(centre, (scene["n"], 1)))
    return result, 0.5 * float(np.exp(np.mean(np.log([p["scale"] for p in predictions]))))


def predicted_and_found(views: int, pairs: list[tuple[int, int]], draws: int, **noise: float) -> np.ndarray:
    """Per view but the first: predicted and found standard deviations of rotation (radians) and centre."""
    scene = golden_inputs.make_scene(views, 42, 56)
    poses, variances = [], []
    for draw in range(draws):
        result, unit = noisy_alignment(scene, pairs, 100 + draw, **noise)
        pose = result.world_from_cam.copy()
        pose[:, :3, 3] /= unit
        poses.append(pose)
        blocks = result.pose_covariances
        traces = [np.trace(blocks[:, part, part], axis1=1, axis2=2) for part in (slice(0, 3), slice(3, 6))]
        variances.append([traces[0], traces[1] / unit**2])
    poses = np.stack(poses)
    left, _, right = np.linalg.svd(poses[:, :, :3, :3].mean(0))
    turned = poses[:, :, :3, :3] @ (left @ right).swapaxes(-1, -2)
    angles = np.stack([turned[..., 2, 1] - turned[..., 1, 2], turned[..., 0, 2] - turned[..., 2, 0]], -1) / 2
    angles = np.concatenate([angles, (turned[..., 1, 0, None] - turned[..., 0, 1, None]) / 2], -1)
    found = np.sqrt([angles.var(0, ddof=1).sum(-1), poses[:, :, :3, 3].var(0, ddof=1).sum(-1)])
    return np.stack([np.sqrt(np.mean(variances, 0)), found])[:, :, 1:]


@pytest.mark.parametrize("noise", [{}, {"noise": 0.0}, {"bias": 0.0}], ids=["both", "smooth errors", "white noise"])
def test_standard_deviations_are_those_of_fresh_noise(noise):
    predicted, found = predicted_and_found(3, complete(3), 5, **noise)

    rotation, centre = np.median(found / predicted, axis=-1)
    assert 0.35 < rotation < 1.5
    assert 0.15 < centre < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("noise", [{}, {"noise": 0.0}, {"noise": 0.002}, {"bias": 0.0}, {"bias": 0.03}], ids=str)
@pytest.mark.parametrize(("views", "pairs"), [(4, complete(4)), (8, RING), (3, [(0, 1), (1, 2), (1, 0), (2, 1)])])
def test_standard_deviations_hold_for_many_kinds_of_noise_and_graphs(views, pairs, noise):
    predicted, found = predicted_and_found(views, pairs, 12, **noise)

    rotation, centre = np.median(found / predicted, axis=-1)
    print(f"{views} views, {len(pairs)} pairs, {noise}: found / predicted {rotation:.2f} rotation, {centre:.2f} centre")
    assert 0.35 < rotation < 2.0
    assert 0.15 < centre < 2.0


def test_the_first_camera_stands_still_and_the_others_have_a_covariance():
    result = align(make_groups(make_truth(MIXED), complete(4), noise=0.01))

    covariances = result.pose_covariances
    assert covariances.shape == (4, 6, 6)
    np.testing.assert_array_equal(covariances[0], 0)
    np.testing.assert_allclose(covariances, covariances.swapaxes(1, 2))
    assert (np.linalg.eigvalsh(covariances[1:]) > 0).all()


def test_twice_the_noise_is_twice_the_standard_deviation():
    truth = make_truth(MIXED)
    groups = [make_groups(truth, complete(4), noise=noise) for noise in (0.005, 0.01)]

    once, twice = (align(g).pose_covariances[1:].diagonal(axis1=1, axis2=2) for g in groups)

    np.testing.assert_allclose(np.sqrt(twice / once), 2, rtol=0.1)


def test_cameras_farther_along_a_chain_are_less_sure():
    places = np.linspace(-1.5, 1.5, 6)[:, None] * [1.0, 0.1, 0.0] + [0.0, 0.0, -3.0]
    poses = [golden_inputs.look_at(place, place + np.array([0.02, 0.05, 1.0])) for place in places]
    truth = photograph([(30, 44)] * 6, poses, [44.0] * 6)
    pairs = [(i, i + 1) for i in range(5)] + [(i + 1, i) for i in range(5)]

    result = align(make_groups(truth, pairs, noise=0.01))

    sigmas = np.sqrt(np.trace(result.pose_covariances[:, 3:, 3:], axis1=1, axis2=2))
    assert sigmas[5] > 1.25 * sigmas[1]


def test_the_axes_are_those_of_the_world():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=0.01)
    placed = align(groups, world_from_cam=[truth.world_from_cam[0], None, None, None])
    plain = align(groups)

    axes = np.zeros((6, 6))
    axes[:3, :3] = axes[3:, 3:] = truth.world_from_cam[0, :3, :3]
    np.testing.assert_allclose(placed.pose_covariances, axes @ plain.pose_covariances @ axes.T, rtol=1e-4, atol=1e-12)


def test_known_poses_are_certain_and_hold_the_others():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=0.01)
    known = align(groups, world_from_cam=[truth.world_from_cam[0], None, truth.world_from_cam[2], None])

    covariances = known.pose_covariances
    np.testing.assert_array_equal(covariances[[0, 2]], 0)
    assert (np.linalg.eigvalsh(covariances[[1, 3]]) > 0).all()


def test_centres_are_as_uncertain_as_the_distance_that_sets_their_scale():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=0.01)
    exact, twice, vague = (
        align(groups, distances=[known]).pose_covariances[1:]
        for known in (KnownDistance(0, 1, 2.0), KnownDistance(0, 1, 4.0), KnownDistance(0, 1, 2.0, sigma=0.2))
    )

    np.testing.assert_allclose(twice[:, 3:, 3:], 4 * exact[:, 3:, 3:], rtol=0.05, atol=1e-7)
    np.testing.assert_allclose(vague[:, :3, :3], exact[:, :3, :3], rtol=0.05, atol=1e-9)
    # A fifth of the distance from the first camera.
    assert np.sqrt(np.trace(vague[0, 3:, 3:])) == pytest.approx(0.2 * 2.0, rel=0.05)
    assert np.sqrt(np.trace(exact[0, 3:, 3:])) < 0.02


def test_what_a_wall_leaves_open_is_uncertain():
    """Seen from the front, nearer with a shorter lens is like farther with a longer one; to the side it is not."""
    straight = [golden_inputs.look_at(np.array([x, 0.0, -3.0]), np.array([x, 0.0, 0.0])) for x in (0.0, 0.4)]
    truth = photograph([(30, 44)] * 2, straight, [44.0, 44.0], surface=lambda x, y: 0 * x)

    result = align(make_groups(truth, complete(2), noise=0.003))

    _, up, ahead = np.sqrt(result.pose_covariances[1].diagonal())[3:]
    assert ahead > 3 * up


def test_views_that_are_not_registered_have_none():
    result = align(make_groups(make_truth([(30, 44)] * 5), [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)], noise=0.01))

    assert np.isnan(result.pose_covariances[:2]).all()
    assert np.isfinite(result.pose_covariances[2:]).all()


def test_where_nothing_is_predicted_twice_nothing_tells_the_errors():
    result = align([make_group(make_truth(MIXED[:2]), (0, 1), noise=0.01)])

    assert np.isnan(result.pose_covariances).all()
