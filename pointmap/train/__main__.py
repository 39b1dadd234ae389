"""`python -m pointmap.train --output runs/small`: needs torch, NumPy, einops and safetensors, nothing else.

On several cores or GPUs: `torchrun --nproc-per-node 2 -m pointmap.train --output runs/small`.
"""

import argparse
import sys
from dataclasses import fields
from typing import Any

from pointmap.errors import InputError
from pointmap.train.loop import score_baselines, train
from pointmap.train.objective import Objective
from pointmap.train.settings import TrainSettings
from pointmap.train.validation import HEADER


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer with settings from the command line; every field of `TrainSettings` is an option."""
    parser = argparse.ArgumentParser(prog="python -m pointmap.train", description=train.__doc__)
    for field in fields(TrainSettings):
        if field.name == "objective":
            continue
        options: dict[str, Any] = {"required": True} if field.name == "output" else {"default": field.default}
        if field.type is bool:
            options |= {"action": argparse.BooleanOptionalAction}
        else:
            options |= {"type": field.type}
        parser.add_argument(f"--{field.name.replace('_', '-')}", **options)
    for field in fields(Objective):
        parser.add_argument(f"--loss-{field.name}", type=field.type, default=field.default)
    parser.add_argument("--baselines", action="store_true", help="only score the predictors that do not look")
    values = vars(parser.parse_args(arguments))
    only_baselines = values.pop("baselines")
    objective = Objective(**{field.name: values.pop(f"loss_{field.name}") for field in fields(Objective)})
    settings = TrainSettings(**values, objective=objective)
    try:
        if only_baselines:
            scores = score_baselines(settings)
            print("\n".join([f"{'':16}{HEADER}", *(f"{name:16}{row.table_row()}" for name, row in scores.items())]))
        else:
            print(f"Weights: {train(settings)}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
