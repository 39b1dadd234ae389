"""Published figures, `published.toml`: what to print beside ours, and what not to mix with it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from pointmap.errors import InputError

Kind = Literal["repo", "neutral", "survey", "user", "page"]
"""Who says so: the authors' own repository; a third party with one harness; a survey that copied it (to be checked
again before it is quoted); a user in an issue; a web page."""

KINDS: Mapping[str, str] = {
    "repo": "authors' repository",
    "neutral": "one harness of a third party",
    "survey": "copied by a survey",
    "user": "a user's report",
    "page": "web page",
}

OTHER = "other: "
"""Begins the name of a protocol that is not one of ours."""


@dataclass(frozen=True)
class Published:
    """A row of a table that others have printed."""

    benchmark: str
    """As `benchmarks.FILES` names it; another name where we do not have the benchmark."""

    protocol: str
    """The name of our setting if it is the same protocol, or else `other: ` and what it is."""

    method: str
    values: Mapping[str, float]
    """By names of metrics, in our units; shares in [0, 1]."""

    source: str
    """repository:path, or repository#issue."""

    kind: Kind
    note: str = ""
    scene: str = ""
    """Where the figure is of one scene alone."""

    @property
    def is_ours(self) -> bool:
        """Whether it may stand in one column with ours."""
        return not self.protocol.startswith(OTHER)


@dataclass(frozen=True)
class PublishedSpeed:
    """Time and memory as somebody states them."""

    system: str
    setting: str
    value: str
    source: str
    kind: Kind


@dataclass(frozen=True)
class PublishedFigures:
    """All of the file."""

    rows: tuple[Published, ...] = ()
    speeds: tuple[PublishedSpeed, ...] = ()

    def of(self, benchmark: str, protocol: str) -> tuple[Published, ...]:
        """Rows over all scenes of the same protocol, in the order of the file."""
        return tuple(row for row in self.rows if (row.benchmark, row.protocol, row.scene) == (benchmark, protocol, ""))

    def apart(self, benchmark: str) -> dict[str, tuple[Published, ...]]:
        """Rows of a benchmark that have tables of their own: by protocol, and those of single scenes."""
        found: dict[str, list[Published]] = {}
        for row in self.rows:
            if row.benchmark == benchmark and (not row.is_ours or row.scene):
                title = row.protocol.removeprefix(OTHER) + (" by scene" if row.scene else "")
                found.setdefault(title, []).append(row)
        return {title: tuple(rows) for title, rows in found.items()}


@dataclass
class _Source:
    """Where errors of the file are: a table by its number."""

    place: str
    table: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str, *, needed: bool = True) -> str:
        value = self.table.get(key, "" if not needed else None)
        if not isinstance(value, str):
            raise InputError(f"{self.place}: {key!r} was {value!r}, expected text.")
        return value

    def kind(self) -> Any:
        kind = self.text("kind")
        if kind not in get_args(Kind):
            raise InputError(f"{self.place}: 'kind' was {kind!r}. Choose one of {', '.join(get_args(Kind))}.")
        return kind


def parse_published(text: str, name: str = "published.toml") -> PublishedFigures:
    """Read a file of published figures.

    A `[[table]]` has `benchmark`, `protocol`, `source`, `kind`, maybe `note` and `scene`, and in `rows` the values of
    each method by metric; `notes` may say something of single methods. A `[[speed]]` is a row by itself.

    Raises:
        InputError: It is no TOML, or a table is incomplete: says which.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is no TOML: {error}.") from error
    rows: list[Published] = []
    for number, table in enumerate(content.get("table", []), 1):
        source = _Source(f"{name}, table {number}", table)
        for method, values in table.get("rows", {}).items():
            if not values or not all(isinstance(value, (int, float)) for value in values.values()):
                raise InputError(f"{source.place}: the row {method!r} was {values!r}, expected numbers by metric.")
            notes = [source.text("note", needed=False), str(table.get("notes", {}).get(method, ""))]
            row = Published(
                source.text("benchmark"),
                source.text("protocol"),
                method,
                {metric: float(value) for metric, value in values.items()},
                source.text("source"),
                source.kind(),
                "; ".join(filter(None, notes)),
                source.text("scene", needed=False),
            )
            rows.append(row)
        if strangers := set(table.get("notes", {})) - set(table.get("rows", {})):
            raise InputError(f"{source.place}: notes on methods without a row: {', '.join(sorted(strangers))}.")
    speeds = []
    for number, entry in enumerate(content.get("speed", []), 1):
        source = _Source(f"{name}, speed {number}", entry)
        system, setting, value = (source.text(key) for key in ("system", "setting", "value"))
        speeds.append(PublishedSpeed(system, setting, value, source.text("source"), source.kind()))
    return PublishedFigures(tuple(rows), tuple(speeds))


@cache
def published() -> PublishedFigures:
    """Those that come with the harness."""
    return parse_published(files("pointmap.eval").joinpath("published.toml").read_text("utf-8"))
