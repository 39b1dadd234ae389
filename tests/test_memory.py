"""Memory that runs out is told from other mistakes, and people hear what to do."""

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.memory import explained, ran_out


def test_what_libraries_really_raise_is_known():
    import cv2

    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(1 << 50, dtype=torch.uint8)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(1 << 50, np.uint8)
    of_opencv = cv2.error("OpenCV(4.12.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes")

    assert ran_out(of_torch.value)
    assert ran_out(of_numpy.value)
    assert ran_out(of_opencv)


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("out of memory"), KeyError("a")])
def test_other_mistakes_stay_what_they_are(error):
    assert not ran_out(error)
    with pytest.raises(type(error)) as raised, explained("in the stage 'align'"):
        raise error
    assert raised.value is error


def test_people_hear_where_it_was_and_what_to_do():
    with (
        pytest.raises(InputError, match=r"Memory ran out \(in the stage 'align'\).*fewer photos"),
        explained("in the stage 'align'"),
    ):
        raise MemoryError


def test_a_clear_message_is_not_explained_once_more():
    with (
        pytest.raises(InputError, match=r"\(matching two photos\)"),
        explained("outside"),
        explained("matching two photos"),
    ):
        raise MemoryError
