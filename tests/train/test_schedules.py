import json

import pytest

from pointmap.errors import InputError
from pointmap.train.schedules import cosine, linear, wsd


@pytest.mark.parametrize("schedule", [cosine, linear])
def test_a_schedule_gives_the_rates_of_the_reference(golden_dir, schedule):
    golden = json.loads((golden_dir / "post/schedules.json").read_text())

    rates = [schedule(t, golden["lr_base"], golden["lr_min"]) for t in golden["t"]]

    assert rates == pytest.approx(golden[schedule.__name__], rel=0, abs=1e-12)


def test_a_wsd_schedule_rises_stays_and_falls():
    factors = [wsd(step, 10, warmup_steps=2, decay_steps=3) for step in range(10)]

    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_a_wsd_schedule_may_leave_out_its_ramps():
    assert [wsd(step, 3, warmup_steps=0, decay_steps=0) for step in range(3)] == [1, 1, 1]


def test_only_the_decay_of_a_wsd_schedule_knows_the_end():
    short, long = ([wsd(step, steps, 5, 10) for step in range(30)] for steps in (40, 400))

    assert short == long


@pytest.mark.parametrize("ramps", [(7, 5), (-1, 3)])
def test_ramps_that_do_not_fit_into_the_run_are_refused(ramps):
    with pytest.raises(InputError, match=rf"{ramps[0]} and {ramps[1]} steps.*run of 10"):
        wsd(3, 10, *ramps)


def test_a_step_after_the_end_is_refused():
    with pytest.raises(InputError, match="10 steps has no step 10"):
        wsd(10, 10, 0, 0)


@pytest.mark.parametrize("progress", [-0.1, 1.1])
def test_progress_outside_the_run_is_refused(progress):
    with pytest.raises(InputError, match="between 0"):
        cosine(progress, 1e-3, 1e-6)
