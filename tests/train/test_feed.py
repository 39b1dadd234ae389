from collections import Counter
from pathlib import Path

import pytest
import torch
from photo_folders import rendered_views, write_photos
from tiny_runs import CHEAP, tiny_settings

from pointmap.models import PRESETS
from pointmap.train import feed as feed_module
from pointmap.train.curriculum import make_curriculum
from pointmap.train.feed import Feed, part_sizes
from pointmap.train.pairs import PairBatch
from pointmap.train.photos import PosedPhotos, read_photos

WIDTH = PRESETS["nano"].image_size


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    for place, name, instead in CHEAP:
        monkeypatch.setattr(place, name, instead)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[PosedPhotos]:
    return [read_photos(write_photos(tmp_path_factory.mktemp("feed") / "room", rendered_views()), WIDTH)]


def make_feed(photos: list[PosedPhotos] | None = None, **changes) -> Feed:
    settings = tiny_settings(Path("run"), **{"steps": 100, "pairs_per_step": 8, "easy_steps": 0} | changes)
    return Feed(settings, make_curriculum(settings, PRESETS["nano"]), torch.device("cpu"), photos or [])


def ids(batch: PairBatch) -> list[int]:
    """What tells rendered pairs apart."""
    return [hash(pair.numpy().tobytes()) for pair in batch.images]


def is_photo(batch: PairBatch) -> torch.Tensor:
    """Noise pairs all have the same overlap."""
    return batch.overlap != 0.5


@pytest.mark.parametrize(
    ("pairs", "micro", "world", "sizes"),
    [
        (8, 0, 1, [8]),
        (8, 0, 2, [4, 4]),
        (7, 0, 2, [4, 3]),
        (7, 3, 1, [3, 2, 2]),
        (7, 3, 2, [3, 2, 2]),  # micro-batches are the same whoever takes them
        (4, 0, 3, [2, 1, 1]),
        (2, 0, 3, [1, 1]),  # too few for three
    ],
)
def test_a_step_is_shared_out_in_equal_parts(pairs, micro, world, sizes):
    settings = tiny_settings(Path("run"), pairs_per_step=pairs, micro_batch=micro)

    assert part_sizes(settings, world) == sizes


def test_a_part_of_a_step_is_the_same_whatever_was_asked_for_before():
    whole, late = make_feed(), make_feed()

    earlier = [whole.pairs(step, part, 4) for step in range(12) for part in (0, 1)]

    again = late.pairs(11, 1, 4)
    assert again.images.equal(earlier[-1].images)
    assert again.first_from_second.equal(earlier[-1].first_from_second)


def test_half_of_the_pairs_are_new_and_half_are_of_earlier_steps_of_the_same_size():
    feed = make_feed()
    size_of: dict[int, tuple[int, int]] = {}
    old = new = 0

    for step in range(20):
        batch = feed.pairs(step, 0, 8)
        size = feed.curriculum.size(step)
        assert batch.depths.shape == (8, 2, *size)
        seen = [pair in size_of for pair in ids(batch)]
        assert seen[:4] == 4 * [False]
        old, new = old + sum(seen), new + 8 - sum(seen)
        size_of |= dict.fromkeys(ids(batch), size)

    assert old > 60  # of 80; the first steps had nothing to draw from but themselves
    assert feed.pairs(5, 0, 8).images.shape[0] == 8


def test_all_pairs_are_new_where_one_wants_that():
    feed = make_feed(fresh=1.0)

    seen = Counter(pair for step in range(6) for pair in ids(feed.pairs(step, 0, 4)))

    assert set(seen.values()) == {1}


def test_no_more_pairs_are_kept_than_the_pool_holds():
    feed = make_feed(pool=12)

    for step in range(20):
        for part in (0, 1):
            feed.pairs(step, part, 4)

    assert sum(map(len, feed.rendered.values())) <= 12 + 2 * 2  # those of this step come on top
    assert {step for step, _ in feed.rendered} <= set(range(16, 20))


def test_easy_steps_ask_for_overlap(monkeypatch):
    asked = []
    cheap_pairs = feed_module.make_pairs

    def make_pairs(*arguments, min_overlap, **options):
        asked.append(min_overlap)
        return cheap_pairs(*arguments, **options)

    monkeypatch.setattr(feed_module, "make_pairs", make_pairs)
    feed = make_feed(easy_steps=2, fresh=1.0)
    for step in range(4):
        feed.pairs(step, 0, 4)

    assert asked == [0.5, 0.5, None, None]


def test_a_share_of_the_pairs_are_of_photos(photos):
    feed = make_feed(photos, photo_share=0.25)

    batch = feed.pairs(3, 0, 8)

    assert is_photo(batch).sum() == 2
    assert batch.depths.shape == (8, 2, *feed.curriculum.size(3))


@pytest.mark.parametrize(
    ("share", "micro", "wanted"), [(0.5, 1, 4), (0.5, 3, 4), (0.25, 2, 2), (1.0, 3, 8), (0.0, 2, 0)]
)
def test_photos_have_their_share_however_small_the_parts(photos, share, micro, wanted):
    feed = make_feed(photos, photo_share=share, micro_batch=micro)

    parts = [feed.pairs(0, part, count) for part, count in enumerate(part_sizes(feed.settings, 1))]

    assert sum(len(part) for part in parts) == 8
    assert sum(int(is_photo(part).sum()) for part in parts) == wanted


def test_pairs_of_photos_are_the_same_when_a_run_is_taken_up_again(photos):
    feed, late = make_feed(photos), make_feed(photos)

    earlier = [feed.pairs(step, 0, 8) for step in range(5)]

    assert late.pairs(4, 0, 8).images.equal(earlier[4].images)
