import numpy as np
import pytest
import trimesh

from pointmap.eval.studies import fusion, fusion_speed
from pointmap.eval.studies.dense_tsdf import DenseTsdf
from pointmap.eval.studies.fusion import PosedDepths, SurfaceScore, points_of, with_noise
from pointmap.eval.studies.fusion_speed import BALLS, HIGH, LOW, Cost, cost, frame


def distance_to_room(points: np.ndarray) -> np.ndarray:
    """To the walls, or to a ball if that is nearer."""
    found = np.minimum(np.abs(points - LOW), np.abs(points - HIGH)).min(axis=-1)
    for *centre, radius in BALLS:
        found = np.minimum(found, np.abs(np.linalg.norm(points - centre, axis=-1) - radius))
    return found


def test_the_room_of_the_speed_test_is_rendered_where_it_is():
    for index in (0, 3):
        depth, K, pose, color = frame(index, 9, (24, 32))

        assert distance_to_room(points_of(depth, K, pose)).max() < 1e-5
        assert color.shape == (24, 32, 3)


def test_the_dense_yardstick_finds_the_room_slab_by_slab_or_as_a_whole():
    meshes = []
    for voxels in (2000, 1 << 30):
        volume = DenseTsdf(LOW - 0.3, HIGH + 0.3, 0.1, 0.3, slab_voxels=voxels)
        for index in range(12):
            volume.integrate(*frame(index, 12, (96, 128)))
        meshes.append(volume.mesh())

    np.testing.assert_array_equal(meshes[0].vertices, meshes[1].vertices)
    assert np.median(distance_to_room(meshes[0].vertices)) < 0.02


def test_the_cost_of_a_method_counts_its_time_and_its_mesh(tmp_path):
    for index in range(3):
        depth, K, pose, color = frame(index, 3, (48, 64))
        np.savez(tmp_path / f"{index}.npz", depth=depth, intrinsics=K, world_from_cam=pose, color=color)

    found = {method: cost(method, tmp_path, 32) for method in fusion_speed.METHODS}

    assert all(own.vertices > 100 and own.seconds > 0 for own in found.values())


def test_the_table_of_costs_says_how_many_times_as_much_the_others_take():
    table = fusion_speed.table({"dense": Cost(9.0, 8.0, 700.0, 750.0, 5), "ours": Cost(1.0, 2.0, 100.0, 50.0, 6)})

    dense = table.splitlines()[2].replace(" ", "").strip("|").split("|")
    assert dense[-4:] == ["9.0", "4.0", "7.0", "15.0"]


def test_a_mesh_scores_by_its_distance_to_the_true_points_both_ways(monkeypatch):
    monkeypatch.setattr(fusion, "_MESH_POINTS", 20_000)
    square = trimesh.Trimesh([[0, 0, 0.02], [1, 0, 0.02], [1, 1, 0.02], [0, 1, 0.02]], [[0, 1, 2], [0, 2, 3]])
    grid = np.stack([*np.meshgrid(np.linspace(0, 2, 401), np.linspace(0, 1, 201)), np.zeros((201, 401))], axis=-1)

    score = SurfaceScore.of(square, grid.reshape(-1, 3), (0.01, 0.03))

    assert score.accuracy == pytest.approx(0.02, rel=0.02)
    assert score.completeness == pytest.approx(0.25 + 0.01, rel=0.03)  # half of it is missing, 0.5 away on average
    assert score.f_scores[0] == 0
    assert score.f_scores[1] == pytest.approx(2 / 3, rel=0.03)  # precision 1, recall one half


def test_an_empty_mesh_scores_nothing():
    score = SurfaceScore.of(trimesh.Trimesh(), np.zeros((5, 3)), (0.1,))

    assert score.f_scores == (0.0,)
    assert score.accuracy == np.inf


def test_noise_is_a_share_of_depth_and_leaves_unknown_pixels_alone():
    depth = np.full((200, 200), 4.0)
    depth[0] = 0

    noisy = with_noise([depth], 0.01)[0]

    assert noisy[1:].std() == pytest.approx(0.04, rel=0.05)
    assert (noisy[0] == 0).all()


def test_one_line_of_the_table_tells_of_a_room_fused_from_its_true_depth(monkeypatch):
    monkeypatch.setattr(fusion, "_MESH_POINTS", 50_000)
    frames = [frame(index, 8, (72, 96)) for index in range(8)]
    depths, intrinsics, poses = ([one[column] for one in frames] for column in range(3))
    points = np.concatenate([points_of(*one[:3]) for one in frames])
    data = PosedDepths("room", depths, np.stack(intrinsics), np.stack(poses), points)

    name, voxel, noise, accuracy, completeness, _, f_one, *_ = fusion.measure(data, 64, 0.0)

    assert (name, voxel, noise) == ("room", "1/64", "0%")
    assert float(accuracy) < 0.5
    assert float(completeness) < 0.5
    assert float(f_one) > 90
