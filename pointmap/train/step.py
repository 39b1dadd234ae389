"""One step: the gradients of all parts of the batch, and what becomes of them."""

from dataclasses import fields

import torch
from torch import Tensor, nn

from pointmap.train.curriculum import Curriculum
from pointmap.train.distributed import Processes, sum_gradients
from pointmap.train.effects import augment
from pointmap.train.feed import Feed, part_sizes
from pointmap.train.objective import Losses, compute_losses, compute_matching
from pointmap.train.settings import TrainSettings
from pointmap.train.state import Run


def take_step(run: Run, settings: TrainSettings, feed: Feed, processes: Processes) -> Losses:
    """Train on one batch; a step without finite gradients leaves the weights as they are, and is counted.

    Returns:
        Means over the batch: that of all processes where they share gradients, else of this one.
    """
    shared = settings.gradients == "shared"
    sizes = dict(enumerate(part_sizes(settings, processes.world)))
    own = {part: count for part, count in sizes.items() if part % processes.world == processes.rank}
    whole = sum((sizes if shared else own).values())
    parameters = [parameter for parameter in run.network.parameters() if parameter.requires_grad]
    means = torch.zeros(len(fields(Losses)), device=processes.device)
    for part, count in own.items():
        batch = feed.pairs(run.step, part, count)
        images, batch = augment(batch, feed.stream("augment", run.step, part))
        if feed.curriculum.only_matching(run.step):
            losses = compute_matching(run.network, batch, images, settings.objective)
        else:
            samples = feed.stream("samples", run.step, part)
            losses = compute_losses(run.network, batch, images, settings.objective, samples)
        weight = count / whole
        (losses.total * weight).backward()
        means += weight * torch.stack([value.detach().float() for value in vars(losses).values()])
    if shared:
        means = sum_gradients(processes, parameters, means)
    _update(run, settings, feed.curriculum, parameters)
    run.step += 1
    run.pairs_seen += settings.pairs_per_step
    return Losses(*means.unbind())


def _update(run: Run, settings: TrainSettings, curriculum: Curriculum, parameters: list[nn.Parameter]) -> None:
    factor = curriculum.rate_factor(run.step) * 0.5**run.setbacks
    norm = nn.utils.clip_grad_norm_(parameters, settings.clip)
    finite = bool(torch.isfinite(norm))
    run.skipped = 0 if finite else run.skipped + 1
    for optimizer, rate in zip(run.optimizers, (settings.matrix_rate, settings.other_rate), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        if finite:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def follow(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the running average of the weights; at the beginning it is the mean of few."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    averages: list[Tensor] = list(averaged.parameters())
    torch._foreach_lerp_(averages, list(network.parameters()), weight)
