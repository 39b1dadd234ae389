"""Memory that runs out: how libraries say so, and what people can do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pointmap.errors import InputError

_SAID = ("out of memory", "allocate memory", "not enough memory", "insufficient memory", "alloc_failed")
"""Of CUDA and Metal; PyTorch's allocator on Linux and on Windows; OpenCV; cuBLAS and cuDNN."""


def ran_out(error: Exception) -> bool:
    """Whether an exception says that memory ran out, a GPU's or the computer's."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    of_library = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return of_library and any(said in str(error).lower() for said in _SAID)


class OutOfMemory(InputError):
    """Memory ran out, and the work cannot be done in smaller parts."""

    def __init__(self, doing: str) -> None:
        super().__init__(
            f"Memory ran out ({doing}). Choose a smaller image_size, or fewer photos or pairs; where it is a GPU's "
            "memory, device='cpu' has more."
        )


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Say what to do where memory runs out.

    Raises:
        OutOfMemory: In place of what libraries raise.
    """
    try:
        yield
    except Exception as error:
        if ran_out(error):
            raise OutOfMemory(doing) from error
        raise
