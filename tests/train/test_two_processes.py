import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from tiny_runs import CHEAP, assert_equal_states, state_of, tiny_settings

from pointmap.train.log import read_log
from pointmap.train.loop import train

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two processes have trained together, see `two_processes.py`."""
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(5)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        ports = [str(free.getsockname()[1]) for free in sockets]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "two_processes.py"), str(folder), *ports],
            env=os.environ | common | {"RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    try:
        outputs = [process.communicate(timeout=250)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    return folder


def test_one_process_and_two_that_share_gradients_train_the_same_network(folder, tmp_path, monkeypatch):
    """Although the two were interrupted halfway."""
    for place, name, instead in CHEAP:
        monkeypatch.setattr(place, name, instead)
    one = tiny_settings(tmp_path / "one", gradients="shared", pairs_per_step=3, micro_batch=1, validate_every=100)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the two have: more would round otherwise, and bfloat16 makes that visible
    try:
        train(one)
    finally:
        torch.set_num_threads(threads)

    two = tiny_settings(folder / "shared")
    for name, value in state_of(one).items():
        torch.testing.assert_close(state_of(two)[name], value, atol=2e-4, rtol=2e-3, msg=name)
    for line, other in zip(read_log(one.output), read_log(two.output), strict=True):
        assert line["total"] == pytest.approx(other["total"], rel=1e-3)
        assert line["pairs"] == other["pairs"] == 3 * line["step"]


def test_two_processes_that_are_interrupted_go_on_exactly(folder):
    whole, parts = tiny_settings(folder / "local"), tiny_settings(folder / "local-interrupted")

    assert_equal_states(state_of(whole), state_of(parts))
    losses = [[line["total"] for line in read_log(run.output)] for run in (whole, parts)]
    assert losses[0] == losses[1]


def test_each_process_that_trains_alone_keeps_its_own_optimisers(folder):
    files = sorted(path.name for path in (folder / "local").glob("state*"))

    assert files == ["state-1-4.safetensors", "state.safetensors"]
