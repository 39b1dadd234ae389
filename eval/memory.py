"""Peak memory of this process since a moment of one's choice."""

import math
import sys
from contextlib import suppress
from pathlib import Path


def reset_peak() -> None:
    """Forget the peak so far, where the system can (Linux); elsewhere it is that of the whole life of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gib() -> float:
    """Largest resident memory since `reset_peak`, in GiB; NaN where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**20
    except (OSError, IndexError, ValueError):
        try:
            import resource
        except ImportError:  # Windows
            return math.nan
        unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, others KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
