"""COLMAP as a method, on photos of a small room."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from miniature_world import World, photograph
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.estimate import Estimate
from pointmap.eval.methods.method import MethodSpec
from pointmap.eval.task import Inputs

pytest.importorskip("pycolmap", reason="needs pycolmap, which is not installed")


@pytest.fixture(scope="module")
def world() -> World:
    return photograph(5, (240, 320), step_deg=6)


@pytest.fixture(scope="module")
def inputs(world: World, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """All called the same; the last one is blank."""
    folder = tmp_path_factory.mktemp("photos")
    photos = []
    for index, image in enumerate(world.images):
        photos.append(folder / str(index) / "same.png")
        photos[-1].parent.mkdir()
        Image.fromarray(image if index < 4 else np.full_like(image, 128)).save(photos[-1])
    return Inputs(tuple(photos))


def rotation_errors(found: Estimate, world: World) -> list[float]:
    """Degrees, of each of the first four photos relative to the one before it."""
    errors = []
    for pair in pairwise(range(4)):
        relative = [
            np.linalg.inv(poses[pair[0], :3, :3]) @ poses[pair[1], :3, :3]
            for poses in (found.world_from_cam, world.world_from_cam)
        ]
        errors.append(float(np.degrees(np.linalg.norm(relative[0] - relative[1]) / np.sqrt(2))))
    return errors


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_it_finds_the_cameras_and_a_blank_photo_is_not_registered(mapper: str, inputs: Inputs, world: World):
    given = replace(inputs, intrinsics=world.intrinsics)

    found = MethodSpec.parse(f"colmap:mapper={mapper}").build().estimate(given, seed=0)

    assert max(rotation_errors(found, world)) < 1
    np.testing.assert_allclose(found.intrinsics[:4], world.intrinsics[:4], rtol=1e-9)
    assert np.isnan(found.world_from_cam[4]).all()
    assert np.isnan(found.intrinsics[4]).all()
    assert found.notes["registered"] == 4
    assert 0.02 < found.notes["peak_gib"] < 4
    assert not found.depths


def test_a_video_without_known_cameras_ends_in_the_world_that_is_given(inputs: Inputs, world: World):
    poses = world.world_from_cam.copy()
    poses[[1, 4]] = np.nan

    found = (
        MethodSpec.parse("colmap:camera_model=SIMPLE_PINHOLE")
        .build()
        .estimate(replace(inputs, kind="video", world_from_cam=poses), seed=0)
    )

    np.testing.assert_array_equal(found.world_from_cam[[0, 2, 3]], poses[[0, 2, 3]])
    assert np.linalg.norm(found.world_from_cam[1, :3, 3] - world.world_from_cam[1, :3, 3]) < 0.1
    focals = found.intrinsics[:4, 0, 0]
    np.testing.assert_allclose(focals, world.intrinsics[0, 0, 0], rtol=0.15)


def test_too_little_time_is_a_failure_that_says_so(inputs: Inputs):
    with pytest.raises(TimeoutError, match="gave up after 0 s"):
        MethodSpec.parse("colmap:time_limit=0.01").build().estimate(inputs, seed=0)


def test_a_photo_that_it_cannot_read_is_not_registered(inputs: Inputs, world: World, tmp_path: Path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no photo")
    more = replace(inputs, photos=(damaged, *inputs.photos[:4]), intrinsics=world.intrinsics[[0, 0, 1, 2, 3]])

    found = MethodSpec.parse("colmap").build().estimate(more, seed=0)

    assert np.isfinite(found.world_from_cam).all(axis=(1, 2)).tolist() == [False, True, True, True, True]


def test_names_and_settings_say_what_differs_from_the_defaults():
    method = MethodSpec.parse("colmap:mapper=global").build(threads=3)

    assert method.name == "COLMAP+mapper=global"
    assert (method.settings()["threads"], method.settings()["mapper"]) == (3, "global")
    with pytest.raises(InputError, match="time_limit=-1"):
        MethodSpec.parse("colmap:time_limit=-1").build()
