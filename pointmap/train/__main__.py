"""`python -m pointmap.train --output runs/small`: needs torch, NumPy, einops and safetensors, nothing else.

On several cores or GPUs: `torchrun --nproc-per-node 2 -m pointmap.train --output runs/small`.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from pointmap.errors import InputError
from pointmap.train.loop import TrainSettings, train


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer with settings from the command line; every field of `TrainSettings` is an option."""
    parser = argparse.ArgumentParser(prog="python -m pointmap.train", description=train.__doc__)
    for field in fields(TrainSettings):
        default = {} if field.name == "output" else {"default": field.default}
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=field.type, required=field.name == "output", **default
        )
    settings = TrainSettings(**vars(parser.parse_args(arguments)))
    settings = TrainSettings(**{**vars(settings), "output": Path(settings.output)})
    try:
        release = train(settings)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Weights: {release}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
