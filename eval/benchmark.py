"""What a benchmark is: the interface of what lies in `benchmarks/`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import ClassVar

from .estimate import Estimate
from .protocol import Protocol
from .task import Task


@dataclass(frozen=True)
class About:
    """Where a benchmark comes from."""

    homepage: str
    """Where to get it."""

    licence: str
    """Of the data, as its authors state it; "not stated" where they do not."""

    paper: str
    """Authors, title, venue, year."""

    layout: str
    """The folders that are read, as a tree of a few lines, with what to download and to unpack where."""

    layout_source: str
    """Who defines this layout: repository:path or page."""

    size: str = ""
    """Of the download, where it is known."""


@dataclass(frozen=True)
class Setting:
    """One protocol of a benchmark: which photos, and how they are scored."""

    title: str
    """A line for tables."""

    scoring: Protocol

    source: str
    """Who defines it: repository:path, paper or thread; "ours" with the reason where nobody does."""

    note: str = ""
    """In what it differs from its source, or what the source leaves open and how it is closed here."""

    options: Mapping[str, object] | None = None
    """What the benchmark's own code reads: stride, crop, limits."""


class Benchmark(ABC):
    """One data set in its official layout. Instances hold no state; they are made in every worker anew."""

    name: ClassVar[str]
    """As on the command line: `7scenes`."""

    title: ClassVar[str]
    about: ClassVar[About]

    settings: ClassVar[Mapping[str, Setting]]
    """By name, as on the command line after `--protocol`; the first one is the default."""

    needs_root: ClassVar[bool] = True

    @abstractmethod
    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Names of the frozen list's scenes, in its order. Cheap: looks whether folders and files are there.

        Args:
            only: Names to choose; others are not looked for. () takes the whole list.

        Raises:
            InputError: `root` is no such tree, or scenes of the frozen list are missing: says which, what was looked
                for, and where to get it. A root with a part of the scenes is an error as well, which names those that
                are there: `--scenes` runs them. Or a name in `only` is not in the list.
        """

    @abstractmethod
    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """Read one scene. Depths, clouds and meshes are read later, by the functions in `Truth`.

        Args:
            scratch: Folder of this benchmark's own, kept between runs, for what must be unpacked or rendered.

        Raises:
            InputError: The scene is incomplete or its files are not of the format; names the file.
        """

    def submission(self, task: Task, estimate: Estimate) -> str | None:
        """The file that the benchmark's server takes, whose truth is not public; None where scoring is done here."""
        return None

    def description(self) -> str:
        """All that a user must know to run it, as text."""
        lines = [
            f"{self.title} ({self.name})",
            *_labelled("paper", self.about.paper),
            *_labelled("get it", self.about.homepage + (f", {self.about.size}" if self.about.size else "")),
            *_labelled("licence", self.about.licence),
            *_labelled("layout", f"by {self.about.layout_source}"),
            *(f"    {line}" for line in self.about.layout.splitlines()),
        ]
        for name, setting in self.settings.items():
            lines += ["", f"  --protocol {name}: {setting.title}", *_labelled("source", setting.source)]
            lines += _labelled("note", setting.note) if setting.note else []
            lines += _labelled("metrics", ", ".join(metric.title for metric in setting.scoring.metrics))
        return "\n".join(lines)


def _labelled(label: str, text: str) -> list[str]:
    indent = " " * 10
    return wrap(text, 118, initial_indent=f"  {label:<8}", subsequent_indent=indent, break_on_hyphens=False)
