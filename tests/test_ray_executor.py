"""Tasks on real Ray clusters of this machine: workers that die, a machine that goes, and a cluster of our own."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pointmap.errors import InputError
from pointmap.executor import LocalExecutor
from pointmap.ray_executor import RayExecutor

pytest.importorskip("ray", reason="needs ray, which is not installed")


def abort_once(marker: Path) -> str:
    if marker.name == "wrong":
        raise ValueError("a wrong marker")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def meet_on_two_machines(folder: Path) -> str:
    """Returns where it ran, as soon as tasks have begun on two machines; on the second one it never returns."""
    here = os.environ.get("MACHINE", "first")
    (folder / here).touch()
    while len(list(folder.iterdir())) < 2 or here == "second":
        time.sleep(0.02)
    return here


def numbers(seed: int) -> tuple[list[float], int, str]:
    import torch

    values = torch.randn(64, 64, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.svdvals(values).tolist(), torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one machine with one processor, as others would have started it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        from ray.cluster_utils import Cluster

        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        yield found
        found.shutdown()


def test_a_killed_worker_costs_an_attempt_and_an_exception_the_task(cluster, tmp_path: Path):
    tasks = [tmp_path / "begun", tmp_path / "wrong"]
    found = {outcome.index: outcome for outcome in RayExecutor(cluster.address).run(abort_once, tasks)}

    assert (found[0].value, found[0].attempts) == ("done", 2)
    assert (found[1].error, found[1].attempts) == ("ValueError: a wrong marker", 1)
    assert "in abort_once" in found[1].traceback

    (dead,) = RayExecutor(cluster.address, attempts=1).run(die, [None])
    assert dead.error.startswith("The worker died: WorkerCrashedError")


def test_the_task_of_a_machine_that_goes_is_done_by_another(cluster, tmp_path: Path):
    second = cluster.add_node(num_cpus=1, env_vars={"MACHINE": "second"})
    cluster.wait_for_nodes()

    def remove() -> None:
        while not (tmp_path / "second").exists():
            time.sleep(0.02)
        cluster.remove_node(second, allow_graceful=False)

    remover = threading.Thread(target=remove, daemon=True)
    remover.start()
    found = list(RayExecutor(cluster.address).run(meet_on_two_machines, [tmp_path, tmp_path]))
    remover.join()

    assert [outcome.value for outcome in found] == ["first", "first"]
    assert sorted(outcome.attempts for outcome in found) == [1, 2]


def test_a_task_that_no_machine_has_room_for_is_refused(cluster):
    with pytest.raises(InputError, match=r"takes 99 processors .* no machine of the cluster has them: 1 processors"):
        list(RayExecutor(cluster.address, threads=99).run(numbers, [0]))


def test_a_cluster_of_our_own_gives_the_same_numbers_as_children_and_ends(monkeypatch: pytest.MonkeyPatch):
    import ray

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    there = RayExecutor(workers=1, threads=2).run(numbers, [5])
    here = LocalExecutor(workers=1, threads=2).run(numbers, [5])

    assert next(there).value == next(here).value
    assert ray.is_initialized()
    there.close()
    assert not ray.is_initialized()
    assert os.environ["OMP_NUM_THREADS"] == "1"
