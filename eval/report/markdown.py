"""Tables as Markdown of GitHub's kind."""

import re

from .table import Row, Table

_SPECIAL = re.compile(r"[\\`*<|]|\](?=[\[(:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""An underscore within a word is none of Markdown's, and a bracket alone is no link."""


def escaped(text: str) -> str:
    """Text in which nothing is markup, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def table(content: Table, *, titled: bool = False) -> str:
    """The table with its notes and footnotes beneath.

    Args:
        titled: Begin with the title in bold.
    """
    head = [content.first, *content.columns]
    lines = [_line(head), _line(["---", *["---:"] * len(content.columns)], plain=False)]
    lines += [_row(row) for row in content.rows]
    if content.published:
        lines.append(_line(["*published:*", *[""] * len(content.columns)], plain=False))
        lines += [_row(row, published=True) for row in content.published]
    blocks = [f"**{escaped(content.title)}**"] if titled else []
    blocks.append("\n".join(lines))
    blocks += [_sentence(note) for note in content.notes]
    if content.footnotes:
        blocks.append("\n".join(f"{number}. {_sentence(text)}" for number, text in enumerate(content.footnotes, 1)))
    return "\n\n".join(blocks)


def _row(row: Row, *, published: bool = False) -> str:
    marks = "".join(f" ({number})" for number in row.footnotes)
    name = f"*{escaped(row.name)}*{marks}" if published else f"{escaped(row.name)}{marks}"
    cells = [name]
    for cell in row.cells:
        text = f"**{escaped(cell.text)}**" if cell.best else escaped(cell.text)
        cells.append(f"{text} {cell.interval}".strip())
    return _line(cells, plain=False)


def _line(cells: list[str], *, plain: bool = True) -> str:
    return "| " + " | ".join(escaped(cell) if plain else cell for cell in cells) + " |"


def _sentence(text: str) -> str:
    """Escaped, but for `code`, which stays code."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(f"`{part}`" if number % 2 else _SPECIAL.sub(r"\\\g<0>", part) for number, part in enumerate(parts))
