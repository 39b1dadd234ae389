"""How a run begins: from random weights, from those of a checkpoint, or from a saved state."""

import os
from dataclasses import replace

import torch

from pointmap.checkpoints.loading import load_model
from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.train.curriculum import Curriculum, parse_stages
from pointmap.train.distributed import Processes, wait_for_all
from pointmap.train.settings import TrainSettings
from pointmap.train.state import RELEASE, STABLE, STATE, Run, architecture, new_run, restore, saved_facts

_DEFAULT_PRESET = "small"


def make_network(settings: TrainSettings, device: torch.device) -> Network:
    """The network that is trained, in float32, with the weights that a new run starts from.

    Raises:
        InputError: There is no such preset, or no such weights, or the one is not of the other.
    """
    torch.manual_seed(settings.seed)
    if not settings.weights:
        return Network(preset_config(settings)).to(device)
    network = load_model(settings.weights, device=device, precision="fp32")
    if settings.preset and architecture(preset_config(settings)) != architecture(network.config):
        raise InputError(
            f"The weights {settings.weights!r} are not of the preset {settings.preset!r}. Leave out --preset: the "
            "weights say what network they are of."
        )
    network.config = _at_size(network.config, settings)
    return network


def preset_config(settings: TrainSettings) -> NetworkConfig:
    """The preset, at the image size of the run.

    Raises:
        InputError: There is no preset of that name.
    """
    name = settings.preset or _DEFAULT_PRESET
    if name not in PRESETS:
        raise InputError(f"Unknown preset {name!r}. Choose one of: {', '.join(PRESETS)}.")
    return _at_size(PRESETS[name], settings)


def start_or_resume(settings: TrainSettings, network: Network, curriculum: Curriculum, processes: Processes) -> Run:
    """A new run of this network, or the one in the output folder.

    It goes on where it was last saved. A run that had begun to decay, and is now to be longer, goes on from its state
    before the decay; what it had released is kept as `release-<steps>`. A run that ended can so be extended as often as
    one likes, at the price of the decay's steps.

    Raises:
        InputError: The state in the folder is of another network, or cannot be read.
    """
    run = new_run(network, settings)
    output = settings.output
    latest = saved_facts(output, STATE)
    if latest is None:
        return run
    decayed_from = latest["decayed_from"]
    if decayed_from is None or curriculum.decay_start <= decayed_from or saved_facts(output, STABLE) is None:
        restore(run, output, STATE, processes)
        return run
    restore(run, output, STABLE, processes)
    wait_for_all(processes)
    if processes.is_first:
        kept = output / f"{RELEASE}-{latest['step']}"
        if (output / RELEASE).is_dir() and not kept.exists():
            os.replace(output / RELEASE, kept)
        print(f"Going on from step {run.step}, before the decay, to step {settings.steps}.", flush=True)
    return run


def compile_blocks(network: Network) -> None:
    """Compile block by block: the whole network at once was measured slower on a CPU, and compiles for minutes."""
    heads = [network.downstream_head1, network.downstream_head2]
    for block in (network.patch_embed, *network.enc_blocks, *network.dec_blocks, *network.dec_blocks2, *heads):
        block.compile(dynamic=False)


def _at_size(config: NetworkConfig, settings: TrainSettings) -> NetworkConfig:
    stages = parse_stages(settings.stages)
    size = stages[-1][0] if stages else settings.image_size or config.image_size
    return replace(config, image_size=size)
