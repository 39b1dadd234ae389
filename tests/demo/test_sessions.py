import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scenes import make_scene
from visitors import open_demo, photo_bytes

from pointmap.demo.visitors.intake import take_files
from pointmap.demo.visitors.scaling import scaled
from pointmap.errors import InputError


def test_visitors_have_folders_and_keys_of_their_own(tmp_path):
    sessions, _ = open_demo(tmp_path)

    ours, theirs = sessions.of("ours"), sessions.of("theirs")

    assert sessions.of("ours") is ours
    assert ours.folder != theirs.folder
    assert stat.S_IMODE(ours.folder.stat().st_mode) == 0o700
    assert len({ours.token, ours.link, theirs.token, theirs.link}) == 4
    assert min(len(ours.token), len(ours.link)) >= 32
    assert "ours" not in str(ours.folder)


def test_the_token_is_the_owners_and_the_link_is_for_all(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")

    assert sessions.find(session.token) == (session, True)
    assert sessions.find(session.link) == (session, False)
    assert sessions.find("a") is sessions.find("") is sessions.find(session.folder.name) is None


def test_threads_that_come_at_once_share_one_session(tmp_path):
    sessions, _ = open_demo(tmp_path)

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: sessions.of("same"), range(200)))

    assert len(found) == len(sessions) == len(list(sessions.folder.iterdir())) == 1


def test_idle_sessions_go_with_their_files_and_others_stay(tmp_path):
    sessions, clock = open_demo(tmp_path, idle_minutes=60)
    idle, busy = sessions.of("idle"), sessions.of("busy")
    (idle.result / "view-1.bin").write_bytes(b"1")

    clock.wait(59 * 60)
    assert sessions.of("busy") is busy
    assert sessions.sweep() == []
    clock.wait(2 * 60)

    assert sessions.sweep() == [idle]
    assert idle.gone
    assert not idle.folder.exists()
    assert sessions.find(idle.token) is sessions.find(idle.link) is None
    assert busy.folder.exists()
    assert sessions.of("idle") is not idle


def test_who_waits_for_a_run_is_not_idle(tmp_path):
    sessions, clock = open_demo(tmp_path, idle_minutes=10, run_minutes=30)
    session = sessions.of("a")
    session.settled = False

    clock.wait(39 * 60)
    assert sessions.sweep() == []
    clock.wait(2 * 60)
    assert sessions.sweep() == [session]


def test_a_closed_tab_stops_its_run_at_once_and_its_files_go_a_minute_later(tmp_path):
    sessions, clock = open_demo(tmp_path, linger_seconds=60)
    stopped = []
    sessions.on_leave = stopped.append
    session = sessions.of("a")

    sessions.leave("a")
    assert stopped == [session]
    clock.wait(59)
    assert sessions.sweep() == []
    clock.wait(2)
    assert sessions.sweep() == [session]
    assert list(sessions.folder.iterdir()) == []


def test_a_tab_that_comes_back_keeps_its_files(tmp_path):
    sessions, clock = open_demo(tmp_path, linger_seconds=60)
    session = sessions.of("a")

    sessions.leave("a")
    clock.wait(30)
    assert sessions.of("a") is session
    clock.wait(60)

    assert sessions.sweep() == []


def test_files_go_even_if_the_run_cannot_be_stopped(tmp_path, caplog):
    sessions, clock = open_demo(tmp_path)
    sessions.on_leave = lambda session: 1 / 0
    session = sessions.of("a")
    clock.wait(1e6)

    assert sessions.sweep() == [session]
    assert not session.folder.exists()
    assert "ZeroDivisionError" in caplog.text


def test_a_full_demo_lets_go_who_gave_nothing_and_refuses_otherwise(tmp_path):
    sessions, clock = open_demo(tmp_path, sessions=2)
    with_photos = sessions.of("with photos")
    photo = tmp_path / "photo"
    photo.write_bytes(photo_bytes())
    take_files(with_photos, [("a.jpg", photo)], sessions.limits)
    clock.wait(1)
    empty = sessions.of("empty")

    newcomer = sessions.of("newcomer")
    assert empty.gone
    assert not with_photos.gone

    newcomer.settled = False  # it runs
    with pytest.raises(InputError, match=r"The demo is full, try again in a few minutes\."):
        sessions.of("one more")


def test_a_call_without_a_session_is_refused(tmp_path):
    sessions, _ = open_demo(tmp_path)

    for session_hash in ("", None, "x" * 1000):
        with pytest.raises(InputError, match="session"):
            sessions.of(session_hash)


def test_what_a_worker_writes_too_late_does_not_stay(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    sessions.close(session)
    late = session.result
    late.mkdir(parents=True)
    (late / "scene.npz").write_bytes(b"late")

    sessions.sweep()
    assert late.exists()  # a young folder may be about to become a session's
    os.utime(session.folder, (0, time.time() - 61))
    sessions.sweep()

    assert not session.folder.exists()


def test_clearing_removes_everything(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")

    sessions.clear()

    assert session.gone
    assert not sessions.folder.exists()


def test_scaled_scenes_are_the_same_scene_in_another_unit():
    scene = make_scene()

    larger = scaled(scene, 2.5, metric=True)

    for before, after in zip(scene.pointmaps, larger.pointmaps, strict=True):
        np.testing.assert_allclose(after, 2.5 * before, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(larger.world_from_cam[:, :3, :3], scene.world_from_cam[:, :3, :3])
    assert larger.metric
    assert larger.depths[0].dtype == scene.depths[0].dtype


def test_the_kept_scene_is_read_once_and_again_when_it_changes(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    assert session.scene() is None

    make_scene(num_photos=3).save(session.scene_file)
    first = session.scene()
    assert len(first) == 3
    assert session.scene() is first

    make_scene(num_photos=2).save(session.scene_file)
    assert len(session.scene()) == 2


def test_a_scale_holds_until_there_is_another_scene(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    with pytest.raises(InputError, match="no scene yet"):
        session.set_scale(2, "m")
    assert (session.factor, session.unit) == (1.0, "")
    make_scene(num_photos=2).save(session.scene_file)
    before = session.scene()

    session.set_scale(2, "m")
    assert session.scene().metric
    np.testing.assert_allclose(session.scene().depths[0], 2 * before.depths[0])
    session.set_scale(200, "cm")
    assert not session.scene().metric

    make_scene(num_photos=3).save(session.scene_file)
    assert (session.factor, session.unit) == (1.0, "")
    assert session.scene().metric == make_scene(num_photos=3).metric


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf"), 10**400, True, "2", None])
def test_a_scale_is_a_number_above_zero(tmp_path, factor):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    make_scene(num_photos=2).save(session.scene_file)

    with pytest.raises(InputError, match="number above 0"):
        session.set_scale(factor, "m")


@pytest.mark.parametrize("unit", ["", "  ", "centimetres", "m\n", "m\0", 3, None])
def test_a_unit_is_a_short_word(tmp_path, unit):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    make_scene(num_photos=2).save(session.scene_file)

    with pytest.raises(InputError, match="unit"):
        session.set_scale(2, unit)


def test_results_are_handed_out_under_names_that_nobody_can_guess(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    sessions, clock = open_demo(tmp_path)
    session = sessions.of("a")
    (session.result / "scene.glb").write_bytes(b"glTF")

    first, second = (sessions.hand_out(session.result / "scene.glb") for _ in range(2))
    assert first.read_bytes() == b"glTF"
    assert first != second
    assert first.is_relative_to(tmp_path / "cache")

    clock.wait(3600 / 2)
    third = sessions.hand_out(session.result / "scene.glb")
    sessions.sweep()
    assert not first.exists()
    assert third.exists()
    sessions.close(session)
    assert not third.exists()


def test_nothing_but_results_is_handed_out(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    (tmp_path / "secret").write_text("secret")
    (session.result / "link").symlink_to(tmp_path / "secret")

    for file in (tmp_path / "secret", session.result / "link", session.folder / "../../secret", session.result / "no"):
        with pytest.raises(InputError, match="gone"):
            sessions.hand_out(file)
