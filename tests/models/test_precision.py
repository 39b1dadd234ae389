"""Device and number format: what is asked for, what the hardware has, and what cannot be had."""

import pytest
import torch

from pointmap.errors import InputError
from pointmap.models import precision
from pointmap.models.precision import resolve_device, resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_precision_asked_for_is_taken(name, dtype):
    assert resolve_precision(name, CPU) == dtype


@pytest.mark.parametrize(
    ("probes", "dtype"),
    [
        ({"_is_avx512_bf16_supported": True, "_is_amx_tile_supported": False}, torch.bfloat16),
        ({"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": True}, torch.bfloat16),
        ({"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": False}, torch.float32),
    ],
)
def test_auto_is_bfloat16_only_where_the_processor_multiplies_it(monkeypatch, probes, dtype):
    for name, answer in probes.items():
        monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)

    assert resolve_precision("auto", CPU) == dtype


@pytest.mark.parametrize(("has_it", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_follows_the_hardware_on_any_device(monkeypatch, has_it, dtype):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: has_it)

    assert resolve_precision("auto", torch.device("cuda")) == dtype


def test_float16_is_for_cuda():
    assert resolve_precision("fp16", torch.device("cuda")) == torch.float16
    with pytest.raises(InputError, match=r"needs a CUDA device.*'bf16'"):
        resolve_precision("fp16", CPU)


def test_an_unknown_precision_lists_the_known_ones():
    with pytest.raises(InputError, match="'fp8'; expected one of auto, fp32, bf16, fp16"):
        resolve_precision("fp8", CPU)


def test_the_device_is_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device(None) == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device(None) == CPU


def test_a_device_that_is_not_here_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="sees no CUDA device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="sees 2 CUDA devices"):
        resolve_device("cuda:2")
    assert resolve_device("cuda:1").index == 1


def test_a_word_that_is_no_device_is_said():
    with pytest.raises(InputError, match="The device is 'gpu'"):
        resolve_device("gpu")


@pytest.mark.gpu
def test_auto_takes_what_a_cuda_device_has():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    modern = torch.cuda.get_device_capability() >= (8, 0)

    assert resolve_precision("auto", resolve_device(None)) == (torch.bfloat16 if modern else torch.float32)
