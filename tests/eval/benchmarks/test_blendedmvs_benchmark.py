"""BlendedMVS: MVSNet's files, sets of overlapping photos, scans without a scale."""

from pathlib import Path

import numpy as np
import pytest
from miniatures import blendedmvs as miniature
from reprojecting import agreement, reprojection_errors

from pointmap.errors import InputError
from pointmap.eval.benchmarks.blendedmvs import SCANS, SCENES, BlendedMvs

SCENE = f"{miniature.SCAN}+0"


@pytest.fixture
def root(tmp_path) -> Path:
    miniature.write(tmp_path)
    return tmp_path


def frames(task) -> list[int]:
    return [int(photo.stem) for photo in task.inputs.photos]


def test_there_are_7_scans_of_5_sets():
    assert len(set(SCANS)) == 7
    assert len(SCENES) == 35


def test_a_set_is_a_reference_and_its_sources(root):
    sets = [frames(BlendedMvs().load(root, f"{miniature.SCAN}+{number}", "pose", root)) for number in range(5)]

    assert sorted(chosen[0] for chosen in sets) == [0, 1, 2, 3, 4]  # The photo without sources is no reference.
    for chosen in sets:
        assert tuple(chosen[1:]) == miniature.PAIRS[chosen[0]]
    assert sets[0] == frames(BlendedMvs().load(root, SCENE, "depth", root))


def test_cameras_and_depths_are_those_of_the_world(root):
    task = BlendedMvs().load(root, SCENE, "depth", root)
    world = miniature.world()

    assert reprojection_errors(task, miniature.UNIT * world.points()[frames(task)]).max() < 1e-4
    assert (task.truth.depth(0)[0, :5] == 0).all()
    np.testing.assert_allclose(task.truth.depth(1)[1:], miniature.UNIT * world.depths[frames(task)[1]][1:], rtol=1e-6)
    assert agreement(task) > 0.9


def test_for_points_the_reference_is_at_depth_1(root):
    task = BlendedMvs().load(root, SCENE, "points", root)
    depth = task.truth.depth(0)

    assert np.median(depth[depth > 0]) == pytest.approx(1)
    assert agreement(task) > 0.9


def test_missing_parts_are_named(root):
    with pytest.raises(
        InputError, match=r"5b7a3890fc8fcf6781e2593a/blended_images.*--scenes 5c189f2326173c3a09ed7ef3\+0"
    ):
        BlendedMvs().scenes(root, "pose")
    (root / miniature.SCAN / "cams/pair.txt").unlink()
    with pytest.raises(InputError, match=r"cams/pair\.txt"):
        BlendedMvs().scenes(root, "pose", (SCENE,))


def test_damaged_files_are_named(root):
    chosen = frames(BlendedMvs().load(root, SCENE, "points", root))
    folder = root / miniature.SCAN
    (folder / f"rendered_depth_maps/{chosen[0]:08d}.pfm").write_bytes(b"Pf\n48 36\n-1\nshort")
    with pytest.raises(InputError, match=f"{chosen[0]:08d}.pfm"):
        BlendedMvs().load(root, SCENE, "points", root)
    (folder / f"cams/{chosen[1]:08d}_cam.txt").write_text("extrinsic 1 2 3")
    with pytest.raises(InputError, match=f"{chosen[1]:08d}_cam.txt"):
        BlendedMvs().load(root, SCENE, "pose", root)
    (folder / f"blended_images/{chosen[2]:08d}.jpg").unlink()
    with pytest.raises(InputError, match=f"{chosen[2]:08d}.jpg"):
        BlendedMvs().load(root, SCENE, "pose", root)
