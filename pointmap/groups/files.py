"""Groups on disk, for sets larger than memory: one file per group, read when and as far as it is looked at.

A folder holds one safetensors file per group, with `points_0`, `confidence_0`, `points_1`, ... as float32, and
`groups.json`, which lists the files and the views that they show. Files are memory-mapped when loaded.
"""

import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pointmap.atomic import atomic_path, write_bytes
from pointmap.errors import InputError
from pointmap.scene import Group, LazyGroup

INDEX = "groups.json"
_VERSION = 1


def save_groups(groups: Iterable[Group | LazyGroup], folder: str | Path) -> list[LazyGroup]:
    """Write groups to a folder, one at a time, in place of those that it held.

    Args:
        groups: Also a generator: each is written before the next is asked for.
        folder: Made where it is missing. If writing stops midway it still holds what it held before.

    Returns:
        The same groups, to be read from there when they are needed.

    Raises:
        InputError: The folder cannot be written.
    """
    folder = Path(folder)
    run = secrets.token_hex(4)
    saved: list[LazyGroup] = []
    names: list[str] = []
    try:
        for group in groups:
            names.append(f"{run}-{len(saved):06d}.safetensors")
            saved.append(save_group(group.load() if isinstance(group, LazyGroup) else group, folder / names[-1]))
        write_index(folder, names, saved)
    except BaseException:
        for name in names:
            with suppress(OSError):
                (folder / name).unlink()
        raise
    return saved


def load_groups(folder: str | Path) -> list[LazyGroup]:
    """Groups that `save_groups` or `predict_groups` wrote. Only their list is read; arrays when they are needed.

    Raises:
        InputError: There are none, or files are missing or of another version.
    """
    folder = Path(folder)
    entries = _read_index(folder)
    missing = [name for name, _ in entries if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{str(folder)!r} lacks {len(missing)} of its {len(entries)} groups, such as {missing[0]!r}.")
    return [lazy_group(folder / name, views) for name, views in entries]


def save_group(group: Group, path: Path) -> LazyGroup:
    """Write one group to a file, whole or not at all."""
    tensors = {}
    for index, (points, confidence) in enumerate(zip(group.points, group.confidences, strict=True)):
        for name, value in (("points", points), ("confidence", confidence)):
            tensors[f"{name}_{index}"] = torch.as_tensor(value).detach().to("cpu", torch.float32).contiguous()
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)
    return lazy_group(path, group.views)


def lazy_group(path: Path, views: tuple[int, ...]) -> LazyGroup:
    """A group of these views whose arrays are in a file."""
    return LazyGroup(views, partial(_load, path, views))


def write_index(folder: Path, names: list[str], groups: list[LazyGroup]) -> None:
    """Make these files the content of a folder; those that were, and no longer are, go."""
    before = set()
    with suppress(InputError):
        before = {name for name, _ in _read_index(folder)}
    listed = [{"file": name, "views": group.views} for name, group in zip(names, groups, strict=True)]
    write_bytes(folder / INDEX, json.dumps({"version": _VERSION, "groups": listed}).encode())
    for name in before - set(names):
        with suppress(OSError):
            (folder / name).unlink()


def _read_index(folder: Path) -> list[tuple[str, tuple[int, ...]]]:
    path = folder / INDEX
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _VERSION:
            raise InputError(f"{str(path)!r} has version {content['version']}; this one reads {_VERSION}.")
        entries = [(str(entry["file"]), tuple(map(int, entry["views"]))) for entry in content["groups"]]
        if any(Path(name).name != name for name, _ in entries):
            raise ValueError("a file outside the folder")
    except FileNotFoundError as error:
        raise InputError(f"{str(folder)!r} holds no groups: there is no {INDEX}; `save_groups` writes one.") from error
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a list of groups: {error}.") from error
    return entries


def _load(path: Path, views: tuple[int, ...]) -> Group:
    try:
        content = load_file(path)
        return Group(
            views,
            [content[f"points_{index}"].numpy() for index in range(len(views))],
            [content[f"confidence_{index}"].numpy() for index in range(len(views))],
        )
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"The group in {str(path)!r} is missing or damaged ({error}); predict it again.") from error
