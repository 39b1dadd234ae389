from itertools import pairwise

import pytest

from pointmap.demo.work.progress import LABELS, Progress, Step, expected_seconds, plan

RECORDED = [  # seconds, stage, done, total: four photos of photos/room with their surface, on a busy machine
    (0.7, "load", 1, 4),
    (0.7, "load", 4, 4),
    (0.8, "predict", 0, 12),
    (1.8, "predict", 10, 12),
    (2.0, "keypoints", 0, 10),
    (3.5, "keypoints", 1, 10),
    (5.6, "keypoints", 9, 10),
    (5.7, "match", 0, 6),
    (6.5, "align", 0, 1),
    (7.7, "align", 0, 64),
    (8.2, "adjust", 1, 50),
    (9.2, "align", 0, 64),
    (12.2, "map", 0, 1),
    (13.0, "map", 1, 4),
    (14.7, "align", 1, 1),
    (14.8, "stereo", 0, 12),
    (17.0, "stereo", 8, 12),
    (18.2, "stereo", 12, 12),
    (18.3, "draw", 0, 1),
    (18.6, "draw", 1, 1),
    (18.7, "fuse", 1, 4),
    (18.9, "fuse", 4, 4),
    (22.6, "clean the surface", 1, 4),
    (24.2, "look at photos", 1, 4),
    (24.5, "look at photos", 4, 4),
    (34.9, "paint", 1, 4),
    (36.0, "draw the surface", 0, 1),
]
END = 37.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def follow(steps, events, *, every=0.2, until=END):
    """What a page is told a few times a second: [(seconds, standing)]."""
    clock = Clock()
    progress, seen, events = Progress(steps, clock=clock), [], list(events)
    for tick in range(int(until / every) + 1):
        clock.now = tick * every
        while events and events[0][0] <= clock.now:
            progress.update(*events.pop(0)[1:])
        seen.append((clock.now, progress.now()))
    progress.end()
    return [*seen, (until, progress.now())]


@pytest.mark.parametrize("photos", [4, 30])  # 30: it expects another run than this one
def test_the_share_never_falls_and_ends_at_one(photos):
    seen = follow(plan("reconstruct", {"settings": {"surface": True}}, photos), RECORDED)

    shares = [standing.share for _, standing in seen]
    assert shares == sorted(shares)
    assert shares[0] < 0.02
    assert shares[-2] < 1
    assert shares[-1] == 1
    assert all(0 <= standing.done <= standing.total for _, standing in seen)


def test_the_time_left_is_about_right_once_it_has_seen_a_part():
    seen = follow(plan("reconstruct", {"settings": {"surface": True}}, 4), RECORDED)

    for seconds, standing in seen:
        if 5 < seconds < END - 2:
            assert 0.4 * (END - seconds) - 2 < standing.seconds < 2 * (END - seconds) + 2, (seconds, standing)
    middle = next(standing for seconds, standing in seen if seconds > END / 2)
    assert 0.35 < middle.share < 0.75


def test_the_bar_moves_while_the_engine_says_nothing():
    seen = follow(plan("reconstruct", {"settings": {"surface": True}}, 4), RECORDED)

    silent = {round(seconds, 1): standing for seconds, standing in seen}
    assert silent[26.0].label == LABELS["unfold"]  # looking at photos is through
    assert silent[27.0].share > silent[25.0].share
    gaps = [later.share - earlier.share for (_, earlier), (_, later) in pairwise(seen)]
    assert max(gaps) < 0.1


def test_unknown_repeated_and_missing_stages_do_no_harm():
    strange = [(1.0, "load", 4, 4), (2.0, "no such stage", 3, 2), (3.0, "align", 0, 0), (4.0, "load", -1, 4)]
    strange += [(5.0, "align", 1, 2), (6.0, "align", 2, 2), (7.0, "align", 1, 3), (8.0, "draw", 0, 1)]

    seen = follow(plan("reconstruct", {}, 4), strange, until=9.0)

    shares = [standing.share for _, standing in seen]
    assert shares == sorted(shares)
    assert seen[11][1].label == LABELS["load"]  # what is not known keeps the label of the stage before
    assert seen[-2][1].share > 0.9  # all that was not seen before the drawing is over


def test_a_plan_of_nothing_is_no_division_by_zero():
    progress = Progress([Step("load", 0.0)])
    progress.update("load", 1, 1)
    assert 0 <= progress.now().share < 1


def test_more_photos_take_longer_and_every_stage_has_words():
    for job in ("reconstruct", "surface", "export"):
        few, many = (expected_seconds(job, {"settings": {"surface": True}}, photos) for photos in (4, 40))
        assert 0 < few < many
    stages = plan("reconstruct", {"settings": {"surface": True}}, 4) + plan("match", {}, 2) + plan("export", {}, 4)
    assert {step.stage for step in stages} <= set(LABELS)
