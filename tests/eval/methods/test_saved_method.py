"""Predictions of other programs: what is read is what was written, and what is wrong is named."""

from pathlib import Path

import numpy as np
import pytest
from miniature_world import World, photograph
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.methods.method import MethodSpec
from pointmap.eval.methods.saved import save_prediction
from pointmap.eval.task import Inputs


@pytest.fixture
def world() -> World:
    return photograph(3, (24, 32))


@pytest.fixture
def inputs(world: World, tmp_path: Path) -> Inputs:
    photos = tuple(tmp_path / f"{index}.png" for index in range(3))
    for photo, image in zip(photos, world.images, strict=True):
        Image.fromarray(image).save(photo)
    return Inputs(photos, name="room+seq-01")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "VGGT").mkdir()
    return tmp_path / "VGGT"


def estimate(folder: Path, inputs: Inputs):
    return MethodSpec.parse(f"saved:folder={folder}").build().estimate(inputs, seed=0)


def test_what_was_saved_comes_back_with_gaps(folder: Path, inputs: Inputs, world: World):
    poses = world.world_from_cam.copy()
    poses[1] = np.nan
    region = np.array([[0, 0, 32, 24], [np.nan] * 4, [8, 0, 32, 24]])
    save_prediction(
        folder / "room+seq-01.npz",
        world_from_cam=poses,
        intrinsics=world.intrinsics,
        depths=[world.depths[0], None, world.depths[2][:, 8:]],
        confidences=[world.depths[0], None, None],
        region=region,
        metric=True,
    )

    method = MethodSpec.parse(f"saved:folder={folder}").build()
    found = method.estimate(inputs, seed=0)

    assert method.name == "VGGT"
    assert method.gives == {"poses", "localization", "depths", "points"}
    np.testing.assert_array_equal(found.world_from_cam, poses)
    np.testing.assert_allclose(found.points(2), world.points()[2][:, 8:], atol=1e-5)
    np.testing.assert_allclose(found.depth_at(2, (24, 32))[:, 8:], world.depths[2][:, 8:], rtol=1e-6)
    assert (found.depths[1], found.confidences[2]) == (None, None)
    assert found.metric


def test_plain_arrays_of_any_program_are_read(folder: Path, inputs: Inputs, world: World):
    points = world.points()
    np.savez(folder / "room+seq-01.npz", cam_from_world=world.cam_from_world[:, :3], points=points)

    found = estimate(folder, inputs)

    np.testing.assert_allclose(found.world_from_cam, world.world_from_cam, atol=1e-9)
    np.testing.assert_array_equal(found.points(1), points[1])
    assert found.intrinsics is None


def test_depths_alone_are_a_method_without_poses(folder: Path, inputs: Inputs, world: World):
    np.savez(folder / "room+seq-01.npz", depth=world.depths)

    assert MethodSpec.parse(f"saved:folder={folder}").build().gives == {"depths"}
    found = estimate(folder, inputs)
    assert np.isnan(found.world_from_cam).all()
    np.testing.assert_allclose(found.depth_at(1, (24, 32)), world.depths[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"world_from_cam": np.eye(4)[None]}, r"world_from_cam has shape \(1, 4, 4\); expected \(3, 4, 4\)"),
        ({"world_from_cam": np.tile(2 * np.eye(4), (3, 1, 1))}, "is not rigid"),
        ({"world_from_cam": np.tile(np.diag([1.0, 1, -1, 1]), (3, 1, 1))}, "is not rigid"),
        ({"cam_from_world": np.zeros((3, 4, 4))}, "world_from_cam and cam_from_world; expected one"),
        ({"depth": np.ones((2, 4, 5))}, "depth has 2 maps for 3 photos"),
        ({"depth_1": np.ones((4, 5, 1))}, r"depth of photo 1 has shape \(4, 5, 1\); expected \(h, w\)"),
        ({"depth_3": np.ones((4, 5))}, "unknown array 'depth_3' for 3 photos"),
        ({"depths": np.ones((3, 4, 5))}, "unknown array 'depths' for 3 photos. There may be .* depth or depth_0"),
        ({"depth": np.ones((3, 4, 5)), "confidence_0": np.ones((5, 4))}, "photo 0, confidence has"),
        ({"intrinsics": np.ones((3, 3))}, r"intrinsics has shape \(3, 3\)"),
        ({"region": np.array([[0, 0, 0, 4]] * 3)}, "some are empty"),
        ({"depth": np.array([object()] * 3)}, "without objects"),
        ({"depth": np.full((3, 4, 5), "far")}, "expected numbers"),
    ],
)
def test_files_that_do_not_fit_are_named_with_what_is_wrong(
    folder: Path, inputs: Inputs, world: World, change: dict, says: str
):
    arrays = {"world_from_cam": world.world_from_cam, "intrinsics": world.intrinsics} | change
    path = folder / "room+seq-01.npz"
    np.savez(path, **arrays)

    with pytest.raises(InputError, match=says) as error:
        estimate(folder, inputs)
    assert str(path) in str(error.value)


def test_a_scene_without_a_file_and_a_damaged_file_are_named(folder: Path, inputs: Inputs, world: World):
    other = save_prediction(folder / "other.npz", world_from_cam=world.world_from_cam)
    method = MethodSpec.parse(f"saved:folder={folder},name=ours 2").build()
    with pytest.raises(InputError, match=r"no 'room\+seq-01.npz'"):
        method.estimate(inputs, seed=0)
    assert (method.name, method.gives) == ("ours_2", {"poses", "localization"})

    other.write_bytes(other.read_bytes()[:50])
    with pytest.raises(InputError, match=r"Cannot read .*other.npz"):
        MethodSpec.parse(f"saved:folder={folder}").build()


def test_settings_change_when_a_file_does(folder: Path, world: World):
    path = save_prediction(folder / "a.npz", world_from_cam=world.world_from_cam)
    spec = MethodSpec.parse(f"saved:folder={folder}")
    before = spec.build().settings()

    assert spec.build().settings() == before
    save_prediction(path, world_from_cam=world.world_from_cam[:2])
    assert spec.build().settings() != before


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path):
    for place in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match="no"):
            MethodSpec.parse(f"saved:folder={place}").build()


def test_arrays_that_do_not_belong_together_are_not_written(tmp_path: Path, world: World):
    with pytest.raises(InputError, match="2 maps of depth for 3 poses"):
        save_prediction(tmp_path / "a.npz", world_from_cam=world.world_from_cam, depths=[None, None])
    assert not (tmp_path / "a.npz").exists()
