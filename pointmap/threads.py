"""How many threads numerical libraries take: torch, BLAS and OpenCV."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What libraries look at while they are imported."""


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables for a process that has not imported anything yet."""
    return dict.fromkeys(VARIABLES, str(threads))


@contextmanager
def thread_environment(threads: int) -> Iterator[None]:
    """Let processes that are started meanwhile have these variables. This process's own libraries have read theirs."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(thread_variables(threads))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def set_threads(threads: int) -> None:
    """Of OpenCV, and of torch if it is imported already, in this process from now on.

    For processes that have `thread_variables`: a torch that is imported later reads them, OpenCV never does.
    """
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
    with suppress(ImportError):
        import cv2

        cv2.setNumThreads(threads)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Set those of torch and OpenCV for a while."""
    import torch  # so that `set_threads` finds it

    torch_before = torch.get_num_threads()
    cv2_before = None
    with suppress(ImportError):
        import cv2

        cv2_before = cv2.getNumThreads()
    set_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(torch_before)
        if cv2_before is not None:
            cv2.setNumThreads(cv2_before)
