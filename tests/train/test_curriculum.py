from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import tiny_settings

from pointmap.errors import InputError
from pointmap.models import PRESETS
from pointmap.train.curriculum import Curriculum, image_sizes, make_curriculum, parse_stages, seed_of


def plan(**changes) -> Curriculum:
    return make_curriculum(tiny_settings(Path("run"), **changes), PRESETS["nano"])


def test_stages_end_at_the_sum_of_their_shares():
    stages = parse_stages("112:0.7,160:0.2,224:0.1")

    assert stages == ((112, 0.7), (160, pytest.approx(0.9)), (224, 1.0))
    assert parse_stages("") == ()


@pytest.mark.parametrize("text", ["112", "112:0.5;160:0.5", "large:1", "112:0.5:3", ","])
def test_stages_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError, match=r"like '112:0.7,160:0.3'.*not"):
        parse_stages(text)


@pytest.mark.parametrize("text", ["112:0.7,160:0.4", "112:1.5,160:-0.5", "0:1", "-16:1"])
def test_stages_that_make_no_run_are_refused(text):
    with pytest.raises(InputError, match="add up to 1"):
        parse_stages(text)


def test_images_grow_from_stage_to_stage():
    curriculum = plan(stages="32:0.75,64:0.25", steps=8, shapes="4:3")

    assert [curriculum.size(step) for step in range(8)] == 6 * [(24, 32)] + 2 * [(48, 64)]
    assert curriculum.long_sides == [32, 64]


def test_without_stages_images_have_the_size_of_the_network():
    assert {max(plan(shapes="4:3,3:4").size(step)) for step in range(20)} == {PRESETS["nano"].image_size}


def test_every_step_has_one_of_the_shapes_always_the_same():
    curriculum = plan(steps=200)

    sizes = [curriculum.size(step) for step in range(200)]

    assert set(sizes) == {(48, 64), (64, 48)}
    assert 70 < sizes.count((48, 64)) < 130
    assert sizes == [plan(steps=999).size(step) for step in range(200)]
    assert sizes != [plan(steps=200, seed=1).size(step) for step in range(200)]


def test_a_share_of_the_steps_trains_matches_alone_in_larger_images():
    curriculum = plan(steps=400, matching_steps=0.25, matching_size=96)

    alone = [step for step in range(400) if curriculum.only_matching(step)]

    assert 70 < len(alone) < 130
    assert {max(curriculum.size(step)) for step in alone} == {96}
    assert {max(curriculum.size(step)) for step in range(400) if step not in alone} == {64}
    assert not any(plan().only_matching(step) for step in range(400))


def test_a_network_without_matches_cannot_train_them_alone():
    config = replace(PRESETS["nano"], match_dim=0)

    make_curriculum(tiny_settings(Path("run")), config)
    with pytest.raises(InputError, match=r"no match read-out.*Leave out --matching-steps"):
        make_curriculum(tiny_settings(Path("run"), matching_steps=0.1), config)


def test_the_first_steps_are_easy():
    curriculum = plan(easy_steps=3)

    assert [curriculum.min_overlap(step) for step in (0, 2, 3)] == [0.5, 0.5, None]


def test_rates_rise_and_fall_in_a_fifth_of_the_run_unless_told_otherwise():
    assert plan(steps=10, warmup_steps=2).decay_start == 8
    assert plan(steps=10, decay_steps=4).decay_start == 6
    assert plan(steps=10, decay_steps=40).decay_start == 0  # a run that only decays
    factors = [plan(steps=10, warmup_steps=2, decay_steps=3).rate_factor(step) for step in range(10)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_the_warm_up_of_a_short_run_ends_where_its_decay_begins():
    curriculum = plan(steps=10, warmup_steps=50)

    assert max(curriculum.rate_factor(step) for step in range(10)) == curriculum.rate_factor(7) == 1


def test_image_sizes_are_whole_tokens_of_the_shape_that_was_asked_for():
    assert image_sizes(112, "4:3,3:4,16:9,1:1", 8) == ((80, 112), (112, 80), (64, 112), (112, 112))
    assert image_sizes(512, "4:3", 16) == ((384, 512),)


@pytest.mark.parametrize("shapes", ["", "4", "4:3:2", "four:three", "0:0", "-4:3"])
def test_shapes_that_cannot_be_read_are_refused(shapes):
    with pytest.raises(InputError):
        image_sizes(112, shapes, 8)


@pytest.mark.parametrize("changes", [{"stages": "8:1"}, {"matching_steps": 0.1, "matching_size": 8}])
def test_images_smaller_than_a_token_are_refused_before_the_run(changes):
    with pytest.raises(InputError, match="8 pixels in shape '4:1' are smaller than a token of 8"):
        plan(shapes="4:1", **changes)


def test_seeds_of_different_places_differ_and_are_the_same_everywhere():
    seeds = {seed_of(seed, what, step) for seed in (0, 1) for what in ("render", "shape") for step in range(50)}

    assert len(seeds) == 200
    assert seed_of(0, "render", 3, 1) == 33915306142031695
