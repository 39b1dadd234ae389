"""ScanNet++: COLMAP's poses, undistorted cameras, depth rendered from the scan, connected views."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from miniatures import scannetpp as miniature
from reprojecting import agreement, reprojection_errors

from pointmap.errors import InputError
from pointmap.eval.benchmarks.scannetpp import FUSED_SCENES, SCENES, SPLIT, ScanNetPP, connected_views


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("scannetpp")
    miniature.write(root)
    return root


def frames(task) -> list[int]:
    return [int(photo.stem.removeprefix("DSC")) - 10 for photo in task.inputs.photos]


def test_the_split_has_50_scenes():
    assert len(set(SCENES)) == len(SCENES) == 50
    assert len(set(FUSED_SCENES) & set(SCENES)) == 20


def test_cameras_are_those_of_the_world_and_bad_photos_take_no_part(root, tmp_path):
    task = ScanNetPP().load(root, miniature.SCENE, "pose", tmp_path)
    world = miniature.world()

    assert frames(task) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    np.testing.assert_allclose(task.truth.intrinsics, world.intrinsics[frames(task)], atol=1e-9)
    np.testing.assert_allclose(task.truth.world_from_cam, world.world_from_cam[frames(task)], atol=1e-9)
    assert reprojection_errors(task, world.points()[frames(task)]).max() < 1e-6


def test_rendered_depths_are_those_of_the_world(root, tmp_path):
    task = ScanNetPP().load(root, miniature.SCENE, "tsdf", tmp_path)
    expected = miniature.world().depths[frames(task)[2]]

    # The ball is a polyhedron, and its edge may be a pixel off.
    assert np.median(np.abs(task.truth.depth(2) / expected - 1)) < 1e-4
    assert (np.abs(task.truth.depth(2) / expected - 1) < 0.02).mean() > 0.98
    assert agreement(task) > 0.9


def test_rendered_depths_are_kept(root, tmp_path):
    task = ScanNetPP().load(root, miniature.SCENE, "tsdf", tmp_path)
    first = task.truth.depth(0)
    (kept,) = tmp_path.rglob("*.npz")
    np.savez_compressed(kept, depth=first + 1)

    np.testing.assert_allclose(task.truth.depth(0), first + 1)
    kept.write_bytes(b"damaged")
    np.testing.assert_allclose(task.truth.depth(0), first)


def test_dense_views_are_drawn_alike_every_time(root, tmp_path):
    first = ScanNetPP().load(root, miniature.SCENE, "dense-views", tmp_path)

    assert len(set(first.inputs.photos)) == 8
    assert ScanNetPP().load(root, miniature.SCENE, "dense-views", tmp_path).inputs.photos == first.inputs.photos


def test_it_does_not_matter_which_way_the_faces_of_the_scan_go_round(root, tmp_path):
    first = ScanNetPP().load(root, miniature.SCENE, "dense-views", tmp_path)
    (tmp_path / "data" / miniature.SCENE / "scans").mkdir(parents=True)
    (tmp_path / "data" / miniature.SCENE / "dslr").symlink_to(root / "data" / miniature.SCENE / "dslr")
    mesh = trimesh.load(first.truth.mesh, process=False)
    mesh.faces = mesh.faces[:, ::-1]
    mesh.export(tmp_path / "data" / miniature.SCENE / "scans/mesh_aligned_0.05.ply")

    turned = ScanNetPP().load(tmp_path, miniature.SCENE, "dense-views", tmp_path / "scratch")

    assert frames(turned) == frames(first)


def test_views_that_share_too_little_are_not_joined():
    seen = np.zeros((5, 100), bool)
    for view, start in enumerate((0, 40, 60, 100, 100)):  # The last two see nothing, the third a part of the second.
        seen[view, start : start + 40] = True
    seen[2, 20:60] = True

    chosen = connected_views(seen, 5, 0.25, seed=3)

    assert set(chosen) == {0, 1, 2}
    for place, view in enumerate(chosen[1:], start=1):
        assert max((seen[view] & seen[other]).sum() for other in chosen[:place]) >= 10


def test_the_split_in_the_root_decides(root, tmp_path):
    (tmp_path / "data").symlink_to(root / "data")
    (tmp_path / "splits").mkdir()
    (tmp_path / SPLIT).write_text(f"{miniature.SCENE}\n")

    assert ScanNetPP().scenes(tmp_path, "dense-views") == (miniature.SCENE,)


def test_missing_parts_are_named(root, tmp_path):
    with pytest.raises(InputError, match=r"data/09c1414f1b/dslr.*--scenes acd95847c5"):
        ScanNetPP().scenes(root, "pose")
    miniature.write(tmp_path)
    folder = tmp_path / "data" / miniature.SCENE
    (folder / "scans/mesh_aligned_0.05.ply").rename(tmp_path / "mesh.ply")
    with pytest.raises(InputError, match=r"scans/mesh_aligned_0\.05\.ply"):
        ScanNetPP().scenes(tmp_path, "tsdf", (miniature.SCENE,))
    assert ScanNetPP().scenes(tmp_path, "pose", (miniature.SCENE,)) == (miniature.SCENE,)


def test_damaged_files_are_named(tmp_path):
    miniature.write(tmp_path)
    folder = tmp_path / "data" / miniature.SCENE
    (folder / "scans/mesh_aligned_0.05.ply").write_bytes(b"ply\nnonsense")
    with pytest.raises(InputError, match=r"mesh_aligned_0\.05\.ply"):
        ScanNetPP().load(tmp_path, miniature.SCENE, "tsdf", tmp_path / "scratch").truth.depth(0)
    (folder / "dslr/colmap/images.txt").write_text("1 0 0\n\n")
    with pytest.raises(InputError, match=r"colmap/images\.txt"):
        ScanNetPP().load(tmp_path, miniature.SCENE, "pose", tmp_path)
    (folder / "dslr/nerfstudio/transforms_undistorted.json").write_text("{}")
    with pytest.raises(InputError, match=r"transforms_undistorted\.json"):
        ScanNetPP().load(tmp_path, miniature.SCENE, "pose", tmp_path)
