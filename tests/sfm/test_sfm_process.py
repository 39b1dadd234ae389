"""COLMAP's process may crash, hang or be given up; the caller goes on."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from pointmap import extras
from pointmap.errors import Cancelled
from pointmap.sfm import SfmFailed, process
from pointmap.sfm.process import run_worker

pytestmark = pytest.mark.skipif(
    not extras.is_installed("pycolmap") or sys.platform == "win32",
    reason="needs pycolmap (pip install 'pointmap[colmap]') and a shell",
)


def pretend(folder: Path, monkeypatch, commands: str) -> None:
    """Instead of Python a shell script runs."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{commands}\n")
    script.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(script))


def test_an_abort_ends_the_process_of_colmap_alone(tmp_path: Path, monkeypatch):
    pretend(tmp_path, monkeypatch, "echo no ONNX support >&2; kill -ABRT $$")

    with pytest.raises(SfmFailed, match=r"ended by signal 6 \(verify\).*no ONNX support"):
        run_worker(tmp_path, "verify", {})


def test_an_error_of_colmap_is_told(tmp_path: Path):
    settings = {"database": str(tmp_path / "missing" / "a.db"), "max_error_px": 4.0, "seed": 0, "threads": 1}

    with pytest.raises(SfmFailed, match=r"ended with code 1 \(verify\).*does not exist"):
        run_worker(tmp_path, "verify", settings)


def test_too_long_is_too_long(tmp_path: Path, monkeypatch):
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")

    with pytest.raises(SfmFailed, match=r"did not end within 0.5 s"):
        run_worker(tmp_path, "verify", {}, time_limit=0.5)

    assert_gone(tmp_path)


def test_progress_is_told_and_cancelling_stops_colmap(tmp_path: Path, monkeypatch):
    (tmp_path / "progress.json").write_text(json.dumps(["map", 2, 5]))
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    told = []

    def stop(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        raise Cancelled

    with pytest.raises(Cancelled):
        run_worker(tmp_path, "map", {}, progress=stop)

    assert told == [("map", 2, 5)]
    assert_gone(tmp_path)


def test_silent_work_can_be_stopped_too(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(process, "_SILENT_SECONDS", 0.1)
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    told = []

    def stop(*news) -> None:
        told.append(news)
        if len(told) >= 3 and (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text():
            raise Cancelled

    with pytest.raises(Cancelled):
        run_worker(tmp_path, "incremental", {}, progress=stop)

    assert set(told) == {("map", 0, 1)}
    assert_gone(tmp_path)


def assert_gone(folder: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
