"""What looks at nothing, and what looks at two photos at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from miniature_world import World, photograph
from PIL import Image

from pointmap.eval.methods.method import MethodSpec
from pointmap.eval.task import Inputs


def inputs_of(world: World, folder: Path) -> Inputs:
    photos = []
    for index, image in enumerate(world.images):
        photos.append(folder / str(index) / "same.png")
        photos[-1].parent.mkdir()
        Image.fromarray(image).save(photos[-1])
    return Inputs(tuple(photos), intrinsics=world.intrinsics)


def angles(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Degrees between rotations and between directions of camera 1 as camera 0 sees them."""
    relative = [np.linalg.inv(poses[0]) @ poses[1] for poses in (found, true)]
    cosine = (np.trace(relative[0][:3, :3].T @ relative[1][:3, :3]) - 1) / 2
    steps = [pose[:3, 3] / np.linalg.norm(pose[:3, 3]) for pose in relative]
    return tuple(np.degrees(np.arccos(np.clip([cosine, steps[0] @ steps[1]], -1, 1))))


@pytest.fixture(scope="module")
def world() -> World:
    return photograph(3, (240, 320), step_deg=8)


def test_two_photos_have_the_true_relative_pose_and_a_unit_step(world: World, tmp_path: Path):
    inputs = inputs_of(world, tmp_path)
    pair = replace(inputs, photos=inputs.photos[:2], intrinsics=world.intrinsics[:2])

    found = MethodSpec.parse("two-view").build().estimate(pair, seed=0)

    assert max(angles(found.world_from_cam, world.world_from_cam)) < 3
    assert np.linalg.norm(found.world_from_cam[1, :3, 3]) == pytest.approx(1)
    np.testing.assert_array_equal(found.intrinsics, world.intrinsics[:2])


def test_more_photos_are_chained_and_one_without_texture_is_left_out(world: World, tmp_path: Path):
    inputs = inputs_of(world, tmp_path)
    blank = tmp_path / "blank.png"
    Image.new("L", (320, 240), 128).save(blank)
    more = replace(inputs, photos=(*inputs.photos, blank), intrinsics=world.intrinsics[[0, 1, 2, 2]])
    method = MethodSpec.parse("two-view").build()

    found, again = (method.estimate(more, seed=0).world_from_cam for _ in range(2))

    for pair in ([0, 1], [0, 2], [1, 2]):
        assert angles(found[pair], world.world_from_cam[pair])[0] < 3  # directions need lengths, which nobody knows
    assert np.isnan(found[3]).all()
    np.testing.assert_array_equal(found, again)


def test_without_a_given_focal_length_it_is_guessed_from_the_long_side(world: World, tmp_path: Path):
    inputs = replace(inputs_of(world, tmp_path), intrinsics=None)

    for kind in ("two-view", "identity"):
        K = MethodSpec.parse(kind).build().estimate(inputs, seed=0).intrinsics[0]
        np.testing.assert_allclose(K, [[384, 0, 159.5], [0, 384, 119.5], [0, 0, 1]])


def test_chains_end_in_the_world_that_is_given(world: World, tmp_path: Path):
    given = world.world_from_cam.copy()
    given[2] = np.nan
    inputs = replace(inputs_of(world, tmp_path), world_from_cam=given)

    found = MethodSpec.parse("two-view").build().estimate(inputs, seed=0).world_from_cam

    np.testing.assert_array_equal(found[:2], given[:2])
    assert angles(found[1:], world.world_from_cam[1:])[0] < 3


def test_identity_keeps_what_is_given_and_puts_queries_at_their_first_neighbours(world: World, tmp_path: Path):
    given = world.world_from_cam.copy()
    given[2] = np.nan
    inputs = replace(inputs_of(world, tmp_path), world_from_cam=given, queries=(2,), neighbours=((1, 0),))
    method = MethodSpec.parse("identity").build()

    found = method.estimate(inputs, seed=0)

    np.testing.assert_array_equal(found.world_from_cam, given[[0, 1, 1]])
    np.testing.assert_array_equal(found.depth_at(0, (2, 2)), np.ones((2, 2)))
    np.testing.assert_array_equal(method.estimate(replace(inputs, neighbours=()), 0).world_from_cam[2], given[0])
