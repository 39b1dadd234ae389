"""What each part of the network and of its objective is worth, by leaving one out at a time.

    python eval/studies/ablations.py                      # about ten minutes on one core
    python eval/studies/ablations.py --variants base rays # some of them

Every variant of a very small network trains on the same rendered pairs, in the same order, and is scored on the same
held-out pairs. Differences are those of short runs: they rank what helps at the beginning, and show what is broken.
What matters late, such as capacity, shows less than it is worth.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from tyro.conf import arg

if not __package__:  # run as a file: python eval/studies/ablations.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes
from pointmap.models import PRESETS, Network
from pointmap.train.effects import augment
from pointmap.train.objective import Objective, compute_losses
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.schedules import wsd
from pointmap.train.settings import TrainSettings
from pointmap.train.state import make_optimizers
from pointmap.train.step import follow
from pointmap.train.textures import make_textures
from pointmap.train.validation import HEADER, Scores, validate

SIZES = ((48, 64), (64, 48))
"""Height and width of the images, by turns."""
TEXTURES = 64


@dataclass(frozen=True)
class Variant:
    """One difference from the base."""

    network: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "base": Variant(),
    "again": Variant(),  # the same with other initial weights: what chance alone changes
    "no match read-out": Variant({"match_dim": 0}),
    "no match loss": Variant(objective={"matching": 0.0}),
    "no absolute position": Variant({"absolute_position": False}),
    "no QK-norm": Variant({"qk_norm": False}),
    "linear stem and head": Variant({"stem": "linear", "head": "linear", "sky": False}),
    "tokens of 16 pixels": Variant({"patch_size": 16, "stem_widths": (16, 32, 64, 64)}),
    "deeper, narrower": Variant({"encoder_dim": 48, "encoder_depth": 4, "decoder_dim": 48, "decoder_depth": 3}),
    "shallower, wider": Variant({"encoder_dim": 96, "encoder_depth": 1, "decoder_dim": 96, "decoder_depth": 1}),
    "no rays": Variant(objective={"rays": 0.0}),
    "no gradients": Variant(objective={"gradients": 0.0}),
    "normals": Variant(objective={"normals": 0.1}),
    "4 registers": Variant({"registers": 4}),
    "no sky": Variant({"sky": False}),
}
BASE = Objective(rays=0.3, gradients=0.1)


def ablate(
    variants: Sequence[str] = tuple(VARIANTS),
    pairs: int = 1024,
    steps: int = 400,
    pairs_per_step: int = 16,
    output: Annotated[Path, arg(aliases=["-o"])] = Path("eval-ablations"),
) -> dict[str, Scores]:
    """Train and score variants.

    Args:
        variants: Names, by default all.
        pairs: Rendered once, of each image size.
        steps: Of every variant.
        pairs_per_step: Drawn from the rendered ones.
        output: Folder for ablations.json, which is written again after every variant.
    """
    if unknown := sorted(set(variants) - set(VARIANTS)):
        raise InputError(f"Unknown variants {unknown}. Choose from: {', '.join(VARIANTS)}.")
    texels, others = make_textures(TEXTURES, 0), make_textures(TEXTURES, 1)
    train = [make_pairs(pairs, size, Random(1), texels, TEXTURES, chunk=2) for size in SIZES]
    held_out = [make_pairs(128, size, Random(2), others, TEXTURES, chunk=2) for size in SIZES]
    results: dict[str, Scores] = {}
    path = output / "ablations.json"
    print(f"{'':22}{HEADER}  parameters  CPU-s")
    for name in variants:
        start = time.process_time()
        network = _train(VARIANTS[name], train, steps, pairs_per_step, seed=name == "again")
        seconds = time.process_time() - start
        results[name] = validate(network, held_out)
        count = sum(parameter.numel() for parameter in network.parameters())
        print(f"{name:22}{results[name].table_row()} {count / 1e6:10.2f}M {seconds:6.0f}", flush=True)
        content = {done: asdict(scores) for done, scores in results.items()}
        write_bytes(path, json_bytes(content))
    print(f"Written: {path}")
    return results


def _train(variant: Variant, batches: list[PairBatch], steps: int, pairs_per_step: int, *, seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(replace(PRESETS["nano"], **{"image_size": 64, **variant.network}))
    averaged = Network(network.config)
    averaged.load_state_dict(network.state_dict())
    averaged.requires_grad_(False)
    settings = TrainSettings(output=Path())
    optimizers = make_optimizers(network, settings)
    objective = replace(BASE, **variant.objective)
    for step in range(steps):
        random = Random(step)
        pool = batches[step % len(batches)]
        batch = pool[random.integers(0, len(pool), pairs_per_step)]
        images, batch = augment(batch, random)
        compute_losses(network, batch, images, objective, random).total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        for optimizer, rate in zip(optimizers, (settings.matrix_rate, settings.other_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * wsd(step, steps, steps // 20, steps // 5)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        follow(averaged, network, settings.average, step)
    return averaged.eval()


def main() -> int:
    """Command line: 0, or 2 on a wrong setting."""
    import tyro

    try:
        tyro.cli(ablate, description=__doc__)
    except InputError as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
