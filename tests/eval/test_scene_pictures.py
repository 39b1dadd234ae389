import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from miniature_world import photograph
from PIL import Image

from pointmap.eval.estimate import Estimate
from pointmap.eval.pictures import scene_picture
from pointmap.eval.task import Inputs, Task, Truth


def room(folder: Path, views: int = 3, size: tuple[int, int] = (48, 64), truth: bool = True) -> Task:
    world = photograph(views, size, step_deg=40 / views)
    files = [folder / f"{index}.png" for index in range(views)]
    for file, image in zip(files, world.images, strict=True):
        Image.fromarray(image).save(file)
    depths = tuple(lambda d=depth: d for depth in world.depths)
    known = Truth(world.intrinsics, world.world_from_cam, depths)
    unknown = Truth(np.full((views, 3, 3), np.nan), np.full((views, 4, 4), np.nan))
    return Task("room", Inputs(tuple(files)), known if truth else unknown)


def opened(jpeg: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB")).astype(int)


def orange(pixels: np.ndarray) -> int:
    """How much of the colour of estimated cameras there is."""
    return int((np.abs(pixels - [213, 94, 0]).max(axis=-1) < 40).sum())


def test_photos_depths_errors_and_cameras_are_all_there(tmp_path):
    task = room(tmp_path)

    whole = opened(scene_picture(task, Estimate.of_truth(task)))
    photos = opened(scene_picture(task, None))

    assert whole.shape[1] == photos.shape[1] == 960
    assert whole.shape[0] > 3.5 * photos.shape[0]
    assert orange(whole[-200:, :440]) > 50


def test_a_perfect_estimate_looks_like_the_truth_whatever_its_scale(tmp_path):
    task = room(tmp_path, 4)
    truth = Estimate.of_truth(task)
    shrunk = replace(truth, depths=tuple(0.1 * depth for depth in truth.depths))

    pixels = opened(scene_picture(task, shrunk))

    rows = pixels[:, 6:230].mean(axis=1)
    errors = pixels[np.abs(pixels - [59, 15, 103]).max(axis=-1) < 12]
    assert len(errors) > 4 * 150 * 200  # the row of errors is violet all over
    period = 174 + 24  # height of a picture of 4:3 and its label
    assert np.abs(rows[period + 24 : 2 * period - 6] - rows[2 * period + 24 : 3 * period - 6]).mean() < 3


def test_wrong_depths_show_as_errors(tmp_path):
    task = room(tmp_path, 4)
    truth = Estimate.of_truth(task)
    left_twice = tuple(depth * np.where(np.arange(64) < 20, 2.0, 1.0) for depth in truth.depths)

    yellow = [
        (np.abs(opened(scene_picture(task, estimate))[420:, :] - [255, 233, 77]).max(axis=-1) < 25).sum()
        for estimate in (truth, replace(truth, depths=left_twice))
    ]

    assert yellow[1] > yellow[0] + 4 * 0.25 * 150 * 200


def test_points_stand_in_for_depths(tmp_path):
    task = room(tmp_path, 2)
    world = photograph(2, (48, 64), step_deg=20)
    bare = replace(Estimate.of_truth(task), depths=(), pointmaps=tuple(world.points()))

    np.testing.assert_allclose(
        opened(scene_picture(task, bare)), opened(scene_picture(task, Estimate.of_truth(task))), atol=12
    )


def test_of_many_photos_six_are_shown_from_the_first_to_the_last(tmp_path):
    task = room(tmp_path, 40, (12, 16))
    read = []
    depths = tuple(lambda i=i: (read.append(i), np.ones((12, 16), np.float32))[1] for i in range(40))
    estimate = Estimate.of_truth(task)

    scene_picture(replace(task, truth=replace(task.truth, depths=depths)), estimate)

    assert sorted(set(read)) == [0, 8, 16, 23, 31, 39]


@pytest.mark.parametrize(("views", "size"), [(1, (48, 64)), (2, (64, 36)), (3, (64, 36)), (5, (20, 90))])
def test_any_number_and_form_of_photos_fits_on_the_page(tmp_path, views, size):
    task = room(tmp_path, views, size)

    pixels = opened(scene_picture(task, Estimate.of_truth(task), width=480))

    assert pixels.shape[1] == 480
    assert pixels.shape[0] < 1600
    assert pixels[:, -2:].min() > 215  # nothing runs over the edge; JPEG smears a little


def test_a_huge_photo_is_decoded_small(tmp_path):
    task = room(tmp_path, 1)
    file = tmp_path / "huge.jpg"
    Image.new("RGB", (6000, 4000), (10, 200, 30)).save(file, quality=50)

    pixels = opened(scene_picture(replace(task, inputs=Inputs((file,))), None))

    assert np.abs(pixels[100, 100] - [10, 200, 30]).max() < 8


def test_an_estimate_without_anything_shows_the_truth(tmp_path):
    task = room(tmp_path)
    nothing = Estimate(np.full((3, 4, 4), np.nan))

    pixels = opened(scene_picture(task, nothing))

    assert orange(pixels[-150:, :440]) == 0  # the map shows true cameras alone
    assert pixels.shape[0] > opened(scene_picture(task, None)).shape[0]


def test_without_truth_the_estimate_is_shown_alone(tmp_path):
    task = room(tmp_path, truth=False)
    known = room(tmp_path)

    pixels = opened(scene_picture(task, Estimate.of_truth(known)))

    assert orange(pixels[-150:, :440]) > 50


def strange(truth: Estimate) -> dict[str, Estimate]:
    nan = np.full((5, 7), np.nan)
    shifted = truth.world_from_cam.copy()
    shifted[1] = np.nan
    return {
        "NaN": replace(truth, depths=(nan, nan, nan)),
        "infinite": replace(truth, depths=tuple(np.full((5, 7), np.inf) for _ in range(3))),
        "negative": replace(truth, depths=tuple(-depth for depth in truth.depths)),
        "one size": replace(truth, depths=(np.ones((1, 1)), None, np.zeros((0, 0)))),
        "too few": replace(truth, depths=truth.depths[:1]),
        "three axes": replace(truth, depths=tuple(depth[..., None] for depth in truth.depths)),
        "a pose missing": replace(truth, world_from_cam=shifted),
        "too few poses": replace(truth, world_from_cam=truth.world_from_cam[:2]),
        "one place": replace(truth, world_from_cam=np.tile(np.eye(4), (3, 1, 1))),
        "zeros": replace(truth, world_from_cam=np.zeros((3, 4, 4))),
        "far off": replace(truth, world_from_cam=truth.world_from_cam * 1e30),
    }


@pytest.mark.parametrize("kind", list(strange(Estimate(np.tile(np.eye(4), (3, 1, 1))))))
def test_a_strange_estimate_still_has_a_picture(tmp_path, kind):
    task = room(tmp_path)

    pixels = opened(scene_picture(task, strange(Estimate.of_truth(task))[kind]))

    assert pixels.shape[1] == 960


def test_a_photo_that_is_gone_leaves_a_grey_place(tmp_path):
    task = room(tmp_path)
    task.inputs.photos[0].unlink()

    pixels = opened(scene_picture(task, None))

    assert np.abs(pixels[100, 100] - 222).max() < 4


def test_no_photos_at_all_make_an_empty_page():
    task = Task("none", Inputs(()), Truth(np.zeros((0, 3, 3)), np.zeros((0, 4, 4))))

    assert opened(scene_picture(task, Estimate(np.zeros((0, 4, 4))))).shape[1] == 960
