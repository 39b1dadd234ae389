"""`python -m pointmap.train --output runs/small`: needs torch, NumPy, einops and safetensors, nothing else.

On several cores or GPUs: `torchrun --nproc-per-node 2 -m pointmap.train --output runs/small`.
"""

import argparse
import ast
import inspect
import sys
from dataclasses import fields
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from pointmap.errors import InputError
from pointmap.train.held_out import score_baselines
from pointmap.train.loop import train
from pointmap.train.objective import Objective
from pointmap.train.settings import TrainSettings
from pointmap.train.validation import HEADER


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer with settings from the command line; every field of `TrainSettings` is an option."""
    parser = argparse.ArgumentParser(prog="python -m pointmap.train", description=inspect.getdoc(train))
    _add_options(parser, TrainSettings, prefix="", leave_out="objective")
    _add_options(parser, Objective, prefix="loss-")
    parser.add_argument("--baselines", action="store_true", help="only score the predictors that do not look")
    values = vars(parser.parse_args(arguments))
    only_baselines = values.pop("baselines")
    objective = Objective(**{field.name: values.pop(f"loss_{field.name}") for field in fields(Objective)})
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
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


def _add_options(parser: argparse.ArgumentParser, settings: type, prefix: str, leave_out: str = "") -> None:
    """An option for each field of a dataclass, with the text below the field as its help."""
    texts = _field_texts(settings)
    for field in fields(settings):
        if field.name == leave_out:
            continue
        options: dict[str, Any] = {"help": f"{texts.get(field.name, '')} (default: {field.default!r})"}
        if field.name == "output":
            options = {"required": True, "help": texts["output"]}
        elif get_origin(field.type) is tuple:
            options = {"default": [], "action": "append", "metavar": "FOLDER", "help": texts[field.name]}
        else:
            options["default"] = field.default
        if get_origin(field.type) is Literal:
            options["choices"] = get_args(field.type)
        elif field.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif get_origin(field.type) is not tuple:
            options["type"] = field.type
        options["help"] = options["help"].replace("%", "%%")
        parser.add_argument(
            f"--{prefix}{field.name.replace('_', '-')}", dest=f"{prefix}{field.name}".replace("-", "_"), **options
        )


def _field_texts(settings: type) -> dict[str, str]:
    """The docstrings below a dataclass' fields, which Python does not keep; none where there is no source."""
    try:
        body = ast.parse(inspect.getsource(settings)).body[0].body  # type: ignore[attr-defined]
    except (OSError, SyntaxError):
        return {}
    texts = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            texts[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[union-attr]
    return texts


if __name__ == "__main__":
    sys.exit(main())
