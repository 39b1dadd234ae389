"""Photos through a model in chunks."""

from itertools import pairwise

import numpy as np
import pytest

from pointmap.errors import Cancelled, InputError
from pointmap.groups import group_from_points, load_groups, make_chunks, predict_groups
from pointmap.scene import View

# Which photos go together


@pytest.mark.parametrize(
    ("count", "size", "overlap"), [(5, 5, 2), (6, 5, 2), (20, 5, 2), (21, 5, 1), (100, 16, 3), (7, 4, 3)]
)
def test_windows_hold_all_photos_and_share_enough(count, size, overlap):
    chunks = make_chunks(count, size=size, overlap=overlap)

    assert set().union(*chunks) == set(range(count))
    assert all(len(chunk) == size and list(chunk) == sorted(chunk) for chunk in chunks)
    assert all(len({*a} & {*b}) >= overlap for a, b in pairwise(chunks))
    assert len(chunks) == -(-(count - overlap) // (size - overlap))  # no more than needed


def test_fewer_photos_than_a_chunk_are_one_chunk():
    assert make_chunks(3, size=8, overlap=2) == [(0, 1, 2)]
    assert make_chunks(2, size=8, overlap=5) == [(0, 1)]
    assert make_chunks(1, size=8, overlap=2) == [(0, 0)]


def test_cyclic_windows_share_photos_across_the_end():
    chunks = make_chunks(11, size=4, overlap=1, cyclic=True)

    assert all(len(chunk) == 4 for chunk in chunks)
    assert all({*a} & {*b} for a, b in zip(chunks, [*chunks[1:], chunks[0]], strict=True))


def test_a_loop_adds_one_chunk_with_the_photos_around_both():
    windows = make_chunks(30, size=6, overlap=2)

    chunks = make_chunks(30, size=6, overlap=2, loops=[(1, 27), (27, 1), (3, 4)])

    assert chunks[: len(windows)] == windows
    assert [set(chunk) for chunk in chunks[len(windows) :]] == [{0, 1, 2, 26, 27, 28}]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_views": 0, "size": 4, "overlap": 1}, "at least one photo"),
        ({"num_views": 9, "size": 4, "overlap": 4}, "share at least one and not all"),
        ({"num_views": 9, "size": 4, "overlap": 0}, "share at least one"),
        ({"num_views": 9, "size": 1, "overlap": 1}, "at least two photos"),
        (
            {"num_views": 9, "size": 4, "overlap": 1, "loops": [(0, 9)]},
            r"loop \(0, 9\) names a photo that is not there",
        ),
    ],
)
def test_chunks_that_cannot_be_made_are_an_error(settings, message):
    with pytest.raises(InputError, match=message):
        make_chunks(settings.pop("num_views"), **settings)


# The model


def photo(number: int, shape: tuple[int, int] = (4, 6)) -> View:
    return View(f"{number}.jpg", np.full((*shape, 3), number, np.uint8), (shape[1], shape[0]), np.eye(3))


class Model:
    """Says of every pixel the number that its photo shows."""

    def __init__(self, fail_at: int = -1):
        self.calls, self.fail_at = [], fail_at

    def __call__(self, views, indices):
        if len(self.calls) == self.fail_at:
            raise RuntimeError("out of memory")
        self.calls.append(indices)
        return group_from_points(indices, [view.image.astype(float) for view in views])


VIEWS = [photo(number, (4, 6) if number % 2 else (6, 4)) for number in range(7)]
CHUNKS = make_chunks(7, size=3, overlap=1)


def assert_answers(groups):
    assert [group.views for group in groups] == CHUNKS
    for group in groups:
        whole = group.load() if hasattr(group, "load") else group
        assert [points.mean() for points in whole.points] == list(group.views)


def test_every_chunk_is_predicted_in_order():
    assert_answers(predict_groups(Model(), VIEWS, CHUNKS))


def test_with_a_folder_groups_come_back_lazy_and_stay(tmp_path):
    assert_answers(predict_groups(Model(), VIEWS, CHUNKS, folder=tmp_path))
    assert_answers(load_groups(tmp_path))


def test_an_interrupted_run_continues(tmp_path):
    with pytest.raises(RuntimeError):
        predict_groups(Model(fail_at=2), VIEWS, CHUNKS, folder=tmp_path)
    second = Model()

    assert_answers(predict_groups(second, VIEWS, CHUNKS, folder=tmp_path))

    assert second.calls == CHUNKS[2:]


def test_other_photos_and_other_keys_are_predicted_anew(tmp_path):
    predict_groups(Model(), VIEWS, CHUNKS, folder=tmp_path, key="a")
    same, changed, renamed = Model(), Model(), Model()

    predict_groups(same, VIEWS, CHUNKS, folder=tmp_path, key="a")
    predict_groups(changed, [photo(99), *VIEWS[1:]], CHUNKS, folder=tmp_path, key="a")
    predict_groups(renamed, VIEWS, CHUNKS, folder=tmp_path, key="b")

    assert (same.calls, changed.calls, renamed.calls) == ([], CHUNKS[:1], CHUNKS)
    assert len(list(tmp_path.glob("*.safetensors"))) == len(CHUNKS)  # those of before are gone


def test_progress_is_told_and_may_stop_the_work(tmp_path):
    calls = []
    predict_groups(Model(), VIEWS, CHUNKS, progress=lambda *call: calls.append(call))
    assert calls == [("predict", done, 3) for done in range(4)]

    def stop(stage, done, total):
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        predict_groups(Model(), VIEWS, CHUNKS, folder=tmp_path, progress=stop)
    assert len(list(tmp_path.iterdir())) == 1  # the finished chunk


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda views, indices: group_from_points(range(len(views)), np.ones((3, 4, 6, 3))), "indices as they came"),
        (lambda views, indices: group_from_points(indices, np.ones((3, 8, 6, 3))), r"'\d.jpg', of .* a map of 8x6"),
    ],
)
def test_answers_that_do_not_fit_the_photos_are_an_error(model, message):
    with pytest.raises(InputError, match=message):
        predict_groups(model, VIEWS, CHUNKS[1:])


def test_a_chunk_of_photos_that_are_not_there_is_an_error():
    with pytest.raises(InputError, match="two or more of the 7 photos"):
        predict_groups(Model(), VIEWS, [(5, 6, 7)])
