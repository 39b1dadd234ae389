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
    factors = [wsd(t, warmup=0.1, decay=0.2) for t in (0.0, 0.05, 0.1, 0.5, 0.8, 0.9, 1.0)]

    assert factors == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0])


def test_a_wsd_schedule_may_leave_out_its_ramps():
    assert [wsd(t, warmup=0.0, decay=0.0) for t in (0.0, 0.5, 1.0)] == [1, 1, 1]
    assert wsd(0.5, warmup=0.5, decay=0.5) == 1


def test_ramps_longer_than_the_run_are_refused():
    with pytest.raises(InputError, match=r"0\.7 and 0\.5"):
        wsd(0.3, warmup=0.7, decay=0.5)


@pytest.mark.parametrize("progress", [-0.1, 1.1])
def test_progress_outside_the_run_is_refused(progress):
    with pytest.raises(InputError, match="between 0"):
        cosine(progress, 1e-3, 1e-6)
