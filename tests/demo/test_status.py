from pointmap.demo.page.status import as_html
from pointmap.demo.work.line import Done, Drawn, Waiting, Working


def test_a_run_shows_its_stage_its_share_and_the_time_left():
    page = as_html(Working("Looking for the same points in photos", 3, 12, 0.254, 11.6))

    assert 'role="progressbar"' in page
    assert 'aria-valuenow="25"' in page
    assert 'aria-valuemax="100"' in page
    assert "Looking for the same points in photos" in page
    assert "25 %" in page
    assert "3 of 12 · about 12 s left" in page


def test_a_stage_of_one_step_has_no_count_and_an_unknown_end_is_not_guessed():
    page = as_html(Working("Making the surface", 0, 1, 0.9, None))

    assert "of 1" not in page
    assert "left" not in page


def test_long_waits_are_said_in_minutes_and_the_last_second_not_at_all():
    assert "about 3 min left" in as_html(Working("Looking", 1, 2, 0.1, 170))
    assert "almost done" in as_html(Working("Looking", 1, 2, 0.99, 0.4))


def test_shares_stay_within_the_bar():
    assert 'aria-valuenow="100"' in as_html(Working("Looking", 1, 2, 1.2, None))


def test_the_line_says_the_place_and_how_long():
    page = as_html(Waiting(3, 40.2))

    assert "You are number 3 in line" in page
    assert "about 40 s" in page
    assert 'role="progressbar"' in page
    assert "aria-valuenow" not in page
    assert "You are next in line" in as_html(Waiting(1, None))


def test_what_went_wrong_is_read_out_at_once_and_the_rest_politely():
    assert as_html(None, "No photo.", failed=True) == '<div class="pm-failed" role="alert"><p>No photo.</p></div>'
    assert (
        as_html(Done({}), "Ready.\nIn 3 s.") == '<div class="pm-said" role="status"><p>Ready.</p><p>In 3 s.</p></div>'
    )


def test_without_anything_to_say_there_is_nothing():
    assert as_html(None) == as_html(Drawn(3)) == as_html(None, " \n") == ""


def test_names_and_stages_are_text_and_never_page():
    evil = '<img src=x onerror="alert(1)">'

    for page in (as_html(None, evil), as_html(None, evil, failed=True), as_html(Working(evil, 1, 2, 0.5, None), evil)):
        assert "<img" not in page
        assert 'onerror="' not in page
        assert "&lt;img" in page
