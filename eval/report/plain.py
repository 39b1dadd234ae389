"""Tables for terminals: aligned columns of means; their intervals are in the report."""

from collections.abc import Sequence

from ..results import Run
from .table import Table, grouped
from .tables import summary_table


def tables(runs: Sequence[Run]) -> str:
    """One per benchmark and protocol: what `pointmap eval` prints."""
    return "\n\n".join(table(summary_table(group)) for group in grouped(runs))


def table(content: Table) -> str:
    """The title, the table, a star at each best figure, and the notes."""
    headings = [_parts(column) for column in content.columns]
    depth = max(map(len, headings), default=1)
    head = [["", *("" for _ in headings)] for _ in range(depth)]
    head[-1][0] = content.first
    for place, parts in enumerate(headings, 1):
        for height, part in enumerate(parts, depth - len(parts)):
            head[height][place] = part
    rows = [[row.name, *(cell.text + ("*" if cell.best else " ") for cell in row.cells)] for row in content.rows]
    # A star hangs out, so that figures stand beneath one another.
    lines = [[line[0], *(f"{text} " for text in line[1:])] for line in head] + rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        texts = [f"{text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True)]
        shown.append(" ".join([f"{line[0]:<{widths[0]}}", *texts]).rstrip())
    return "\n".join([content.title, "", *shown, "", "* best", *content.notes])


def _parts(heading: str) -> list[str]:
    """`Focal length ↓ [%]` -> Focal, length, ↓ %: as narrow as its figures."""
    words = heading.replace("[", "").replace("]", "").split()
    arrow = next((place for place, word in enumerate(words) if word in "↑↓"), len(words))
    return [*words[:arrow], " ".join(words[arrow:])] if arrow < len(words) else words
