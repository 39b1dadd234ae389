"""A switch between plain functions and their compiled versions, which keep no intermediate tensors in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import update_wrapper
from typing import Any

import torch

_COMPILED: ContextVar[bool] = ContextVar("compiled", default=False)


@contextmanager
def compiled(enabled: bool = True) -> Iterator[None]:
    """Within this block functions marked `fusible` run compiled: Triton kernels on a GPU, C++ on a CPU.

    Compiling takes a minute or two, once. Results differ from the plain ones by rounding.
    """
    token = _COMPILED.set(enabled)
    try:
        yield
    finally:
        _COMPILED.reset(token)


class fusible:
    """Mark a function of tensors that may be compiled as a whole; called as usual."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.plain = function
        self.fused: Callable[..., Any] | None = None
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        if not _COMPILED.get() or torch.compiler.is_compiling():
            return self.plain(*args)
        if self.fused is None:
            self.fused = torch.compile(self.plain, dynamic=True)
        return self.fused(*args)
