"""On what results were made."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import pointmap

_LIBRARIES = ("numpy", "torch", "opencv-python-headless", "scipy", "pycolmap", "poselib")


def versions() -> dict[str, str]:
    """Of everything that results may depend on."""
    found = {"pointmap": pointmap.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """On which times were measured."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, StopIteration, ValueError, AttributeError):  # not Linux
        memory = float("nan")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "gpu": gpu}
