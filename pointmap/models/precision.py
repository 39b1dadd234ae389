"""Which device and which number format a network runs in."""

from typing import Literal, get_args

import torch

from pointmap.errors import InputError

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; by default the CUDA device where there is one, else the CPU.

    Raises:
        InputError: There is no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"The device is {device!r}; expected 'cpu', 'cuda' or 'cuda:1', say.") from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        found = (
            f"PyTorch sees {torch.cuda.device_count()} CUDA devices"
            if torch.cuda.device_count()
            else ("PyTorch sees no CUDA device")
        )
        raise InputError(f"The device is {device!r}, but {found}. Leave it out, or say 'cpu'.")
    return resolved


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """Number format of the heavy layers.

    'auto' is bfloat16 where the hardware multiplies it (CUDA from Ampere on, CPUs with AVX512-BF16 or AMX),
    else float32.

    Raises:
        InputError: Unknown, or float16 asked for anywhere but on CUDA (no CPU multiplies it at speed).
    """
    if precision not in get_args(Precision):
        raise InputError(f"The precision is {precision!r}; expected one of {', '.join(get_args(Precision))}.")
    if precision == "fp16" and device.type != "cuda":
        raise InputError(f"Precision 'fp16' needs a CUDA device, but the device is '{device}'. Use 'bf16' or 'auto'.")
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    return _DTYPES[precision]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself; where it is emulated it is slower than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # PyTorch names them with an underscore; a release without them costs speed only.
        probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(probe() for probe in probes if probe is not None)
    return False
