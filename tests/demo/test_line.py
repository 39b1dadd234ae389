import asyncio
import importlib
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from line_fakes import COMMAND, FakeSession

from pointmap.demo.limits import Limits
from pointmap.demo.work import line as line_module
from pointmap.demo.work.line import Done, Drawn, Line, Waiting, Working
from pointmap.demo.work.worker import is_importing
from pointmap.errors import Cancelled, InputError


@pytest.fixture
def session(tmp_path):
    return FakeSession(tmp_path / "one")


@pytest.fixture
def other(tmp_path):
    return FakeSession(tmp_path / "other")


@contextmanager
def opened(limits=None, command=COMMAND, **settings):
    line = Line(limits or Limits(), command=command, **settings)
    try:
        yield line
    finally:
        line.close()


async def events_of(line, session, job="reconstruct", **request):
    return [event async for event in line.run(session, job, request)]


def result_of(line, session, job="reconstruct", **request):
    """In an event loop of its own, as in any thread."""
    (*_, end) = asyncio.run(events_of(line, session, job, **request))
    assert isinstance(end, Done)
    return end.result


def goes(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # an orphan may wait for somebody to ask how it ended
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_run_says_how_it_stands_draws_and_ends(session):
    session.view = 3
    (session.result / "scene.npz").write_bytes(b"of the last run")
    (session.result / "files").mkdir()
    with opened() as line:
        events = asyncio.run(events_of(line, session, seconds=1, views=2))

    assert isinstance(events[-1], Done)
    assert events[-1].result["request"]["first_view"] == 4
    assert [event.view for event in events if isinstance(event, Drawn)] == [4, 5]
    working = [event for event in events if isinstance(event, Working)]
    assert 3 <= len(working) <= 10  # in one second
    assert working[-1].share == 1
    assert [event.share for event in working] == sorted(event.share for event in working)
    assert (session.view, session.settled, session.report) == (5, True, events[-1].result)
    assert sorted(path.name for path in session.result.iterdir()) == ["view-4.bin", "view-5.bin"]


def test_files_of_the_kept_scene_stay_when_something_else_is_done_with_it(session):
    (session.result / "scene.npz").write_bytes(b"kept")
    session.report = {"photos": 4}
    with opened() as line:
        result_of(line, session, "export")
    assert (session.result / "scene.npz").exists()
    assert session.report == {"photos": 4}


def test_those_who_come_first_are_served_first_and_hear_their_place(tmp_path):
    ends = []

    async def visit(line, number):
        session = FakeSession(tmp_path / str(number))
        places = []
        async for event in line.run(session, "reconstruct", {"seconds": 0.2}):
            if isinstance(event, Waiting):
                places.append(event.place)
                assert event.seconds >= 0
        ends.append(number)
        return places

    async def all_visit(line):
        visits = []
        for number in range(4):
            visits.append(asyncio.create_task(visit(line, number)))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*visits)

    with opened() as line:
        assert line.wait_until_ready()
        places = asyncio.run(all_visit(line))

    assert ends == [0, 1, 2, 3]
    assert places == [[], [1], [2, 1], [3, 2, 1]]


def test_two_workers_serve_two_visitors_at_once(session, other):
    async def both(line):
        start = time.monotonic()
        one, two = await asyncio.gather(events_of(line, session, seconds=0.5), events_of(line, other, seconds=0.5))
        return one[-1].result["pid"], two[-1].result["pid"], time.monotonic() - start

    with opened(workers=2) as line:
        assert within(5, lambda: all(worker.idle for worker in line._workers))
        one, two, seconds = asyncio.run(both(line))
    assert one != two
    assert seconds < 0.9


def test_a_session_has_one_run_at_a_time(session):
    async def twice(line):
        first = asyncio.create_task(events_of(line, session, seconds=5))
        await asyncio.sleep(0.05)
        with pytest.raises(InputError, match="Cancel it first"):
            await events_of(line, session)
        assert line.cancel(session)
        with pytest.raises(Cancelled):
            await first
        return await events_of(line, session)

    with opened() as line:
        assert isinstance(asyncio.run(twice(line))[-1], Done)
        assert not line.cancel(session)


def test_a_full_line_says_so(session, other, tmp_path):
    async def too_many(line):
        runs = [asyncio.create_task(events_of(line, one, seconds=5)) for one in (session, other)]
        await asyncio.sleep(0.05)
        with pytest.raises(InputError, match="1 others are waiting"):
            await events_of(line, FakeSession(tmp_path / "third"))
        assert line.cancel(other)  # in the line
        assert line.cancel(session)  # at the worker
        return await asyncio.gather(*runs, return_exceptions=True)

    with opened(Limits(waiting=1)) as line:
        assert line.wait_until_ready()
        assert all(isinstance(end, Cancelled) for end in asyncio.run(too_many(line)))


@pytest.mark.parametrize(
    ("kind", "slowest", "same"),
    [({"seconds": 60}, 0.5, True), ({"silent": True}, 0.5, True), ({"stubborn": True}, 2.5, False)],
)
def test_a_cancelled_run_frees_its_worker_at_once(session, other, kind, slowest, same):
    async def cancelled(line):
        run = asyncio.create_task(events_of(line, session, views=1, **kind))
        while not session.view:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        start = time.monotonic()
        threading.Thread(target=line.cancel, args=(session,)).start()
        with pytest.raises(Cancelled):
            await run
        await events_of(line, other)  # by the same worker, or its successor
        return time.monotonic() - start

    with opened() as line:
        assert line.wait_until_ready()
        before = line.pids
        seconds = asyncio.run(cancelled(line))
        assert seconds < slowest
        assert (line.pids == before) is same
    assert session.settled
    assert (session.result / "view-1.bin").exists()


def test_closing_the_iterator_cancels(session):
    async def left(line):
        events = line.run(session, "reconstruct", {"seconds": 60})
        await anext(events)
        await events.aclose()
        return await asyncio.to_thread(within, 1, lambda: not line.busy(session))

    with opened() as line:
        assert asyncio.run(left(line))
        result_of(line, session)


def test_a_worker_that_is_killed_fails_its_run_and_the_next_is_served(session, other):
    async def killed(line):
        run = asyncio.create_task(events_of(line, session, seconds=60, views=1, child=True))
        after = asyncio.create_task(events_of(line, other))
        while not session.view:
            await asyncio.sleep(0.01)
        os.kill(line.pids[0], 9)
        with pytest.raises(InputError, match="ran out of memory or crashed"):
            await run
        return await after

    with opened() as line:
        assert isinstance(asyncio.run(killed(line))[-1], Done)
        child = int((session.result / "child.pid").read_text())
        assert within(2, lambda: not goes(child))  # what the worker had started went with it


def test_mistakes_are_told_and_bugs_are_not_shown(session):
    with opened() as line:
        with pytest.raises(InputError, match="no photos here"):
            result_of(line, session, error="no photos here")
        before = line.pids
        result_of(line, session)
        assert line.pids == before
        with pytest.raises(InputError, match="Something went wrong") as caught:
            result_of(line, session, bug="/a/path of this machine")
        assert "/a/path" not in str(caught.value)
        with pytest.raises(InputError, match="ran out of memory"):
            result_of(line, session, bug="not enough memory: you tried to allocate")
        result_of(line, session)
        assert line.pids != before  # whoever failed in an unknown way is replaced


def test_a_run_that_takes_too_long_is_stopped(session):
    with opened(Limits(run_minutes=0.3 / 60)) as line:
        with pytest.raises(InputError, match=r"longer than 0.005 minutes"):
            result_of(line, session, seconds=60)
        result_of(line, session)


def test_a_worker_that_has_grown_is_replaced(session, monkeypatch):
    monkeypatch.setattr(line_module, "_MUCH", (1.5, 50e6))
    monkeypatch.setattr(line_module, "REST_SECONDS", 0.2)
    with opened() as line:
        first = result_of(line, session, megabytes=1)["pid"]
        assert result_of(line, session, megabytes=40)["pid"] == first
        assert within(5, lambda: line.pids not in ([first], []))  # nobody came, and it had grown a little
        second = result_of(line, session, megabytes=100)["pid"]
        assert result_of(line, session)["pid"] != second  # at once, as it had grown much


def test_workers_end_with_the_server(tmp_path):
    script = (
        "import sys; from pointmap.demo.work.worker_process import WorkerProcess\n"
        "ready = lambda worker, message: print(worker.pid, flush=True)\n"
        f"WorkerProcess({COMMAND!r}, threads=1, heard=ready, ended=print); sys.stdin.read()"
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid = int(server.stdout.readline())
    assert goes(pid)
    server.kill()
    server.wait()
    assert within(2, lambda: not goes(pid))


def test_closing_the_line_ends_runs_and_workers(session):
    async def closed(line):
        run = asyncio.create_task(events_of(line, session, stubborn=True))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(line.close)
        with pytest.raises(Cancelled):
            await run
        with pytest.raises(InputError, match="being closed"):
            await events_of(line, session)

    with opened() as line:
        assert line.wait_until_ready()
        (pid,) = line.pids
        asyncio.run(closed(line))
        assert not goes(pid)


def test_a_worker_that_cannot_start_is_no_endless_wait(session, monkeypatch):
    monkeypatch.setattr(line_module, "_LONGEST_PAUSE", 0.05)
    with opened(command=[sys.executable, "-c", "raise SystemExit(1)"]) as line:
        with pytest.raises(InputError, match="does not start"):
            result_of(line, session)
        assert not line.wait_until_ready(0.01)


def test_a_module_that_is_being_loaded_is_not_left_half_loaded(tmp_path, monkeypatch):
    seen = []
    (tmp_path / "asks_while_loading.py").write_text("from whom_to_ask import asked\nasked()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    whom = SimpleNamespace(asked=lambda: seen.append(is_importing(sys._getframe())))
    monkeypatch.setitem(sys.modules, "whom_to_ask", whom)

    importlib.import_module("asks_while_loading")

    assert seen == [True]
    assert not is_importing(sys._getframe())
