"""The benchmarks of alignment: their scenes, their errors, and what they show."""

from dataclasses import replace

import golden_inputs
import numpy as np
import pytest
import torch

from pointmap.eval.studies.alignment_priors import measure as measure_priors
from pointmap.eval.studies.alignment_priors import table as priors_table
from pointmap.eval.studies.alignment_robustness import KINDS, spoil
from pointmap.eval.studies.alignment_robustness import Row as RobustnessRow
from pointmap.eval.studies.alignment_robustness import table as robustness_table
from pointmap.eval.studies.alignment_scale import measure as measure_scale
from pointmap.eval.studies.alignment_scale import plot, slope, table
from pointmap.eval.studies.alignment_scenes import AlignmentScene, camera_errors, golden, synthetic
from pointmap.eval.studies.alignment_speed import measure, ratio_table, result_table
from pointmap.eval.studies.alignment_walk import TimedLoader, Walk
from pointmap.geometry.similarity import fit_similarity


def true_points(scene: AlignmentScene, i: int, j: int) -> np.ndarray:
    """What view j sees, in the camera frame of i."""
    height, width = scene.depths[j].shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(scene.intrinsics[j]).T
    i_from_j = np.linalg.inv(scene.world_from_cam[i]) @ scene.world_from_cam[j]
    return (rays * scene.depths[j][..., None]) @ i_from_j[:3, :3].T + i_from_j[:3, 3]


def test_errors_are_those_of_the_reference_numbers():
    scene = golden("n5swin")
    rotate = golden_inputs.look_at(np.array([0.1, 0.3, -0.2]), np.array([0.2, 0.1, 5.0]))
    moved = scene.world_from_cam @ np.linalg.inv(rotate)
    moved[2, :3, 3] += 0.1

    errors = camera_errors(moved, scene.world_from_cam)
    expected = golden_inputs.pose_errors(moved, scene.world_from_cam)

    assert errors.relative_rotation == pytest.approx(expected["rel_rot_deg_mean"], abs=1e-5)
    assert errors.rotation == pytest.approx(expected["rot_deg_mean"], abs=1e-5)
    assert errors.centres == pytest.approx(expected["trans_rel_mean"])
    assert errors.worst_centre == pytest.approx(expected["trans_rel_max"])


def test_a_view_that_is_missing_makes_its_pairs_wrong():
    scene = golden("n4")
    poses = scene.world_from_cam.copy()
    poses[1] = np.nan

    errors = camera_errors(poses, scene.world_from_cam)

    assert errors.registered == 3
    assert camera_errors(np.full_like(poses, np.nan), scene.world_from_cam).relative_rotation == 180
    assert errors.relative_rotation == pytest.approx(180 * 3 / 6)
    assert errors.centres == pytest.approx(0, abs=1e-6)


def test_synthetic_scenes_have_a_truth_that_their_predictions_are_near():
    scene = synthetic(3, 28, 20)
    group = scene.groups[0]
    exact = true_points(scene, *group.views)

    ratio = np.linalg.norm(group.points[1], axis=-1) / np.linalg.norm(exact, axis=-1)

    assert len(scene.groups) == 6
    assert np.abs(ratio / np.median(ratio) - 1).mean() < 0.02


def test_speed_rows_hold_both_methods_on_the_same_scene_and_the_tables_their_ratio():
    rows = [measure("3x28x20", method, 1) for method in ("ours", "Adam", "autograd")]

    ours, adam, _ = rows
    assert measure("3x28x20", "Adam, public start", 1) is None
    assert ours.loss == pytest.approx(adam.loss, rel=0.02)
    assert ours.relative_rotation < 1
    assert "| 3x28x20 |" in result_table(rows)
    assert f"{adam.cpu_seconds / ours.cpu_seconds:.1f}" in ratio_table(rows)


def test_a_walk_predicts_its_own_truth_the_same_way_every_time():
    walk = Walk(12, 4, 28, 20)
    loader = TimedLoader(walk)
    scene = walk.scene(loader)
    group, again = scene.groups[5].load(), walk.predict(*scene.groups[5].views)
    exact = true_points(scene, *group.views)

    ratio = np.linalg.norm(group.points[1], axis=-1) / np.linalg.norm(exact, axis=-1)

    assert len(scene.groups) == 12 * 4
    assert loader.loads == 1
    np.testing.assert_array_equal(group.points[1], again.points[1])
    assert np.abs(ratio / np.median(ratio) - 1).mean() < 0.02
    assert group.confidences[0].min() > 1


def test_the_ground_of_a_walk_is_seen_alike_by_all():
    walk = Walk(12, 4, 28, 20)
    scene = walk.scene(walk.predict)
    in_world = true_points(scene, 3, 3) @ scene.world_from_cam[3, :3, :3].T + scene.world_from_cam[3, :3, 3]

    ground = golden_inputs.surface(in_world[..., 0], in_world[..., 1])

    np.testing.assert_allclose(in_world[..., 2], ground, atol=1e-5)


def test_scale_rows_count_what_loading_takes(tmp_path):
    few, many = (measure_scale(case, "28x20") for case in ("10x4", "20x4"))

    assert (few.edges, many.edges) == (40, 80)
    assert few.registered == 10
    assert few.loads_per_edge >= 1
    assert 0 < few.load_wall_seconds < few.wall_seconds
    assert slope([few, many], [3.0, 6.0]) == pytest.approx(1)
    assert "| 20x4 |" in table([few, many])
    pytest.importorskip("matplotlib")
    plot([few, many], tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 1000


@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_replaces_a_share_of_the_pairs_in_both_orders(kind):
    scene = synthetic(5, 28, 20)

    spoilt_scene, spoilt = spoil(scene, 0.3, kind, seed=1)

    pairs = [tuple(sorted(group.views)) for group in scene.groups]
    bad = {pair for pair, nonsense in zip(pairs, spoilt, strict=True) if nonsense}
    assert len(bad) == 3
    assert spoilt.sum() == 6
    for before, after, nonsense in zip(scene.groups, spoilt_scene.groups, spoilt, strict=True):
        assert np.array_equal(before.points[1], after.points[1]) != nonsense
        assert after.points[1].dtype == np.float32
        np.testing.assert_array_equal(before.confidences[1], after.confidences[1])


def test_both_orders_of_twins_tell_the_same_wrong_pose():
    scene = synthetic(3, 28, 20)

    spoilt_scene, _ = spoil(scene, 1, "twins", seed=0)

    first_from_second = {}
    for before, after in zip(scene.groups, spoilt_scene.groups, strict=True):
        i, j = before.views
        motion = fit_similarity(
            *(torch.from_numpy(g.points[1]).reshape(-1, 3).double() for g in (before, after)), with_scale=False
        ).numpy()
        scale = (
            np.linalg.norm(before.points[0], axis=-1).mean() / np.linalg.norm(true_points(scene, i, i), axis=-1).mean()
        )
        motion[:3, 3] /= scale
        first_from_second[i, j] = motion @ np.linalg.inv(scene.world_from_cam[i]) @ scene.world_from_cam[j]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_allclose(first_from_second[i, j] @ first_from_second[j, i], np.eye(4), atol=0.05)


def test_errors_under_nonsense_are_shown_as_multiples_of_the_same_scene_without_it():
    clean = RobustnessRow("loop", "pose", 0.0, 0, 0.1, 0.01, 4, 0.2, 0.02, 30.0, 0.5, np.nan, np.nan)
    spoilt = replace(clean, share=0.2, relative_rotation=0.15, centres=0.03, precision=1.0, recall=0.5)

    shown = robustness_table([clean, spoilt])

    assert "| pose 20% | 0.150° (0.150°) | 1.50 (1.50) | 3.00% (3.00%) | 3.00 (3.00) |" in " ".join(shown.split())
    assert "| 0.20°, 2.0% | 30.00°, 50.0% | 100% | 50% |" in " ".join(shown.split())


def test_what_is_known_exactly_is_kept_and_helps():
    nothing, poses = (measure_priors("4x28x20", given, 0) for given in ("nothing", "poses"))

    assert np.isnan(nothing.kept)
    assert poses.kept < 1e-9
    assert poses.relative_rotation < nothing.relative_rotation
    assert poses.scale < 0.05
    assert "| poses " in priors_table([nothing, poses])


@pytest.mark.parametrize("given", ["all, soft", "poses of every second view", "a distance"])
def test_align_takes_what_the_benchmark_gives(given):
    assert measure_priors("3x28x20", given, 0).relative_rotation < 5
