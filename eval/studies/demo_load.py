"""Many visitors of the demo at once: does anybody fail, is the line fair, does the memory come back?

    python -m eval.studies.demo_load --users 20 --minutes 10

Each visitor is a `gradio_client` in a thread: photos in, scene and a file out, everything closed, a short pause, and
again. Memory is that of the server and all that it started, shared pages counted once (PSS; Linux only).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

_PHOTOS = Path(__file__).resolve().parents[2] / "demo" / "photos"
_SAMPLE_SECONDS = 1.0
_SAME_MOMENT = 2.0
"""Who comes so shortly after somebody else is not overtaken by him: uploads take different times."""
_SETTLE_SECONDS = 240.0
"""After the last visitor, at most: closed tabs linger, and workers rest, for a minute each."""


@dataclass(frozen=True)
class Visit:
    """One reconstruction of one visitor; times in seconds since the beginning."""

    user: int
    came: float
    began: float
    """When a worker took it, by the time that the run reports."""
    ended: float
    failure: str | None = None

    @property
    def waited(self) -> float:
        return self.began - self.came


@dataclass
class Record:
    """What happened."""

    visits: list[Visit] = field(default_factory=list)
    exports: list[float] = field(default_factory=list)
    """Seconds each."""
    failures: list[str] = field(default_factory=list)
    """Of anything."""


def main() -> None:
    """Let visitors come, and print what they met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--photos", type=int, default=3, help="of each visitor")
    parser.add_argument("--surface", action="store_true", help="ask for the textured surface as well")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds of thought between two visits, on average")
    parser.add_argument(
        "--server", help="address of a demo that runs; default: one is started, and its memory measured"
    )
    parser.add_argument("--pid", type=int, help="process of that demo, to measure its memory")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write everything as JSON, too")
    args = parser.parse_args()

    with _demo(args.server, args.pid, args.workers) as (address, pid):
        watch = MemoryWatch(pid)
        print(f"{address}, waiting until its memory is steady", flush=True)
        fresh = watch.steady()
        visit(address, Record(), 0, time.monotonic(), args.photos, args.surface)
        start = watch.steady()
        print(f"Memory: fresh {fresh:.0f} MB, after one visitor {start:.0f} MB", flush=True)
        record = run_visitors(address, args.users, 60 * args.minutes, args.photos, args.surface, args.pause)
        peak, end = watch.peak, watch.steady()
        watch.close()
    for line in table(record, args.users):
        print(line)
    print(f"memory in MB         start {start:.0f}, peak {peak:.0f}, end {end:.0f}: {end / start - 1:+.1%}")
    if args.output:
        memory = {"fresh": fresh, "start": start, "peak": peak, "end": end, "samples": watch.samples}
        args.output.write_text(json.dumps(asdict(record) | {"memory_mb": memory}, indent=1))
    if record.failures:
        sys.exit(1)


@contextmanager
def _demo(address: str | None, pid: int | None, workers: int) -> Iterator[tuple[str, int | None]]:
    """A demo in a process of its own: (address, process id); or the one that was named."""
    if address is not None:
        yield address, pid
        return
    command = [sys.executable, "-u", "-m", "pointmap", "demo", "--no-open", "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(word for line in process.stdout for word in line.split() if word.startswith("http"))
        yield address.rstrip("/"), process.pid
    finally:
        process.terminate()
        process.wait()


def run_visitors(address: str, users: int, seconds: float, photos: int, surface: bool, pause: float) -> Record:
    """Visitors that come again and again until the time is over; the last visits are brought to their end."""
    record, start = Record(), time.monotonic()

    def come_again(user: int) -> None:
        chance = random.Random(user)
        time.sleep(chance.uniform(0, pause))
        while time.monotonic() - start < seconds:
            visit(address, record, user, start, photos, surface)
            time.sleep(chance.expovariate(1 / pause) if pause else 0)

    threads = [threading.Thread(target=come_again, args=(user,)) for user in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return record


def visit(address: str, record: Record, user: int, start: float, photos: int, surface: bool) -> None:
    """Photos in, a scene and a file out, and away."""
    from gradio_client import Client, handle_file

    files = sorted((_PHOTOS / ("room", "table", "street")[user % 3] / "images").glob("*.jpg"))[:photos]
    came = time.monotonic() - start
    try:
        with tempfile.TemporaryDirectory() as downloads:
            client = Client(address, verbose=False, download_files=downloads, analytics_enabled=False)
            try:
                came = time.monotonic() - start
                given = [handle_file(file) for file in files]
                report = client.predict(
                    photos=given, image_size=None, focal_35mm=None, surface=surface, api_name="/reconstruct"
                )
                ended = time.monotonic() - start
                failure = None if report["registered"] else f"no photo was registered: {report}"
                record.visits.append(Visit(user, came, max(came, ended - report["seconds"]), ended, failure))
                if failure:
                    record.failures.append(failure)
                began = time.monotonic()
                (glb, *_) = client.predict(formats=["glb"], confidence_percentile=None, api_name="/export")
                record.exports.append(time.monotonic() - began)
                if Path(glb).read_bytes()[:4] != b"glTF":
                    record.failures.append("an exported file is no GLB")
            finally:
                client.predict(api_name="/close")
                client.close()
    except Exception as error:  # whatever happens to a visitor is what is measured here
        failure = f"{type(error).__name__}: {error}"
        now = time.monotonic() - start
        record.visits.append(Visit(user, came, now, now, failure))
        record.failures.append(failure)


def table(record: Record, users: int) -> list[str]:
    """Fairness, waiting times and failures, for people."""
    served = [visit for visit in record.visits if visit.failure is None]
    lines = [f"runs                 {len(served)} of {len(record.visits)} finished; failures: {len(record.failures)}"]
    lines += [f"                     {count} x {what[:150]}" for what, count in Counter(record.failures).most_common(5)]
    if not served:
        return lines
    per_user = [sum(visit.user == user for visit in served) for user in range(users)]
    waits, runs = [visit.waited for visit in served], [visit.ended - visit.began for visit in served]
    overtaken = [overtakers(visit, served) for visit in served]
    lines.append(f"runs per visitor     {min(per_user)} to {max(per_user)}, median {median(per_user):g}")
    lines.append(f"seconds in line      median {median(waits):.1f}, longest {max(waits):.1f}")
    lines.append(f"seconds of a run     median {median(runs):.1f}, longest {max(runs):.1f}")
    if record.exports:
        lines.append(f"seconds of an export median {median(record.exports):.1f}, longest {max(record.exports):.1f}")
    lines.append(f"overtaken            {sum(count > 0 for count in overtaken)} runs, by {max(overtaken)} at most")
    return lines


def overtakers(visit: Visit, visits: list[Visit]) -> int:
    """How many came clearly later than a visit and were served before it."""
    return sum(other.came > visit.came + _SAME_MOMENT and other.began < visit.began for other in visits)


class MemoryWatch:
    """The memory of a process and all that it started, in MB, sampled by a thread; NaN without a process."""

    def __init__(self, pid: int | None) -> None:
        self._pid, self._start = pid, time.monotonic()
        self.samples: list[tuple[float, float]] = []
        """(seconds, MB)."""
        self._closed = threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()

    @property
    def peak(self) -> float:
        """The most until now."""
        return max((memory for _, memory in self.samples), default=float("nan"))

    def steady(self, *, seconds: float = 20.0, tolerance: float = 0.01) -> float:
        """Wait until it has not changed for some time, and rests are over; then the median of that time."""
        if self._pid is None:
            return float("nan")
        end = time.monotonic() + _SETTLE_SECONDS
        least_wait = time.monotonic() + (_SETTLE_SECONDS / 2 if len(self.samples) > 3 * seconds else seconds)
        while True:
            time.sleep(_SAMPLE_SECONDS)
            last = [memory for _, memory in self.samples[-int(seconds / _SAMPLE_SECONDS) :]]
            is_steady = len(last) * _SAMPLE_SECONDS >= seconds and max(last) - min(last) < tolerance * max(last)
            if (is_steady and time.monotonic() > least_wait) or time.monotonic() > end:
                return median(last)

    def close(self) -> None:
        """No more samples."""
        self._closed.set()

    def _sample(self) -> None:
        while self._pid is not None and not self._closed.wait(_SAMPLE_SECONDS):
            self.samples.append((round(time.monotonic() - self._start, 1), family_megabytes(self._pid)))


def family_megabytes(pid: int) -> float:
    """Of a process and all its descendants, shared pages counted once."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    family, size = {pid}, 0
    while len(family) > size:
        size = len(family)
        family |= {child for child, parent in parents.items() if parent in family}
    total = 0
    for member in family:
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(rollup.split("Pss:")[1].split()[0])
    return total / 1000


if __name__ == "__main__":
    main()
