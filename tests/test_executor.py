"""Tasks in this process and in children: what comes back when work raises, when workers die, and when we stop."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointmap.errors import InputError
from pointmap.executor import LocalExecutor

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


def reciprocal(number: int) -> float:
    return 1 / number


def abort_once(marker: Path) -> str:
    """Dies at the first attempt, as a process without memory does."""
    if marker.exists():
        return "done"
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


def misbehave(how: str) -> object:
    if how == "abort":
        os.abort()
    if how == "exit":
        sys.exit(3)
    return (lambda: None) if how == "unsendable" else how


def process_and_threads(_: int) -> tuple[int, int, int, str]:
    import cv2
    import torch

    return os.getpid(), torch.get_num_threads(), cv2.getNumThreads(), os.environ["OMP_NUM_THREADS"]


class Unsendable:
    def __reduce__(self):
        raise TypeError("stays here")


@pytest.mark.parametrize("workers", [0, 1])
def test_one_failing_task_is_an_outcome_and_the_others_go_on(workers: int):
    found = {outcome.index: outcome for outcome in LocalExecutor(workers).run(reciprocal, [1, 0, 4])}

    assert [found[index].value for index in range(3)] == [1.0, None, 0.25]
    assert found[1].error == "ZeroDivisionError: division by zero"
    assert "in reciprocal" in found[1].traceback
    assert found[1].attempts == 1


@posix
def test_a_task_whose_worker_is_killed_is_tried_again(tmp_path: Path):
    (outcome,) = LocalExecutor(1).run(abort_once, [tmp_path / "begun"])

    assert (outcome.value, outcome.error, outcome.attempts) == ("done", None, 2)


@posix
def test_a_task_whose_workers_die_says_how_and_the_others_go_on():
    outcomes = list(LocalExecutor(2, attempts=1).run(misbehave, ["abort", "exit", "unsendable", "fine"]))
    found = [outcome for _, outcome in sorted((outcome.index, outcome) for outcome in outcomes)]

    assert found[0].error == "The worker died: killed by SIGABRT."
    assert found[1].error == "The worker died: ended with exit code 3."
    assert "lambda" in found[2].error
    assert found[3].value == "fine"


def test_a_task_that_cannot_be_sent_is_an_outcome():
    bad, good = LocalExecutor(1).run(str, [Unsendable(), 7])

    assert bad.error == "TypeError: stays here"
    assert good.value == "7"


def test_children_stay_between_tasks_and_have_the_threads_they_were_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    first, second = (outcome.value for outcome in LocalExecutor(1, threads=2).run(process_and_threads, [0, 1]))

    assert first == second
    assert first[0] != os.getpid()
    assert first[1:] == (2, 2, "2")
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_in_this_process_threads_are_set_for_the_while():
    import torch

    before = torch.get_num_threads()
    (outcome,) = LocalExecutor(threads=before + 1).run(process_and_threads, [0])

    assert outcome.value[:2] == (os.getpid(), before + 1)
    assert torch.get_num_threads() == before


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="attempts is 0; it must be at least 1"):
        LocalExecutor(attempts=0)


SCRIPT = """
import os, sys, time
from pathlib import Path
from pointmap.executor import LocalExecutor

def sleep(path):
    Path(path).with_suffix(".part").write_text(str(os.getpid()))
    os.rename(Path(path).with_suffix(".part"), path)
    time.sleep(600)

if __name__ == "__main__":
    results = LocalExecutor(2).run(sleep, sys.argv[1:])
    next(results)
"""


@posix
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_their_parent_however_it_ends(tmp_path: Path, signal_number: int):
    script, pids = tmp_path / "script.py", [tmp_path / "0", tmp_path / "1"]
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, script, *pids], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: all(path.exists() for path in pids))

    if signal_number == signal.SIGINT:
        os.killpg(parent.pid, signal_number)  # as a terminal does
    else:
        parent.kill()

    said = parent.communicate(timeout=60)[1]
    assert said.count("Traceback") == (signal_number == signal.SIGINT)  # the parent's; the children say nothing
    wait_for(lambda: not any(is_alive(int(path.read_text())) for path in pids))


@posix
def test_closing_the_iterator_ends_all_children(tmp_path: Path):
    outcomes = LocalExecutor(2).run(first_returns_others_wait, [tmp_path / "0", tmp_path / "1"])
    next(outcomes)

    outcomes.close()

    assert not is_alive(int((tmp_path / "1").read_text()))


def first_returns_others_wait(path: Path) -> None:
    other = path.with_name("1")
    if path == other:
        other.with_suffix(".part").write_text(str(os.getpid()))
        other.with_suffix(".part").rename(other)
        time.sleep(600)
    wait_for(other.exists)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and ") Z " in state.read_text())  # nobody has asked for a zombie's end yet


def wait_for(condition) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
