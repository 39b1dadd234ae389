"""Several processes that train one network, started by torchrun; a lone process goes through the same functions."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """The one that validates, logs and saves."""
        return self.rank == 0


def join_processes(device: str) -> Processes:
    """Meet the others. With device 'auto' or 'cuda', each takes a GPU of its own."""
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{local % torch.cuda.device_count()}"
    here = torch.device(device)
    if here.type == "cuda":
        torch.cuda.set_device(here)
    if world == 1:
        return Processes(0, 1, here)
    dist.init_process_group("nccl" if here.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size(), here)


def leave_processes(processes: Processes) -> None:
    """Say good-bye, so that nobody is waited for."""
    if processes.world > 1:
        dist.destroy_process_group()


def wait_for_all(processes: Processes) -> None:
    """Return when every process is here."""
    if processes.world > 1:
        any_of(processes, [False])


def any_of(processes: Processes, wishes: Sequence[bool]) -> list[bool]:
    """Which of some wishes at least one process has."""
    if processes.world == 1:
        return list(wishes)
    flags = torch.tensor([float(wish) for wish in wishes], device=processes.device)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return [bool(flag) for flag in flags.tolist()]


@torch.no_grad()
def sum_gradients(processes: Processes, parameters: list[nn.Parameter], values: Tensor) -> Tensor:
    """Give every process the sum of all gradients, in one exchange; and the sum of some values.

    A parameter has no gradient afterwards where no process had one.
    """
    if processes.world == 1:
        return values
    present = torch.tensor([float(p.grad is not None) for p in parameters], device=values.device)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([values, present, *(gradient.flatten() for gradient in gradients)])
    dist.all_reduce(flat)
    values, present, flat = flat.split([len(values), len(present), len(flat) - len(values) - len(present)])
    parts = flat.split([p.numel() for p in parameters])
    for parameter, part, some in zip(parameters, parts, present.tolist(), strict=True):
        parameter.grad = part.view_as(parameter) if some else None
    return values


@torch.no_grad()
def average_weights(processes: Processes, network: nn.Module) -> None:
    """Local SGD: every process goes on from the mean of all weights."""
    if processes.world == 1:
        return
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    flat = torch.cat([parameter.flatten() for parameter in parameters])
    dist.all_reduce(flat)
    flat /= processes.world
    for parameter, value in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(value.view_as(parameter))
