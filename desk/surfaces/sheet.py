"""What a command answers, before anybody chose colours: lines and tables, as plain text or for rich.

Everything shown may come from outside (a comment in an alert), so control characters are made visible on both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Cell", "Column", "Line", "Page", "Sheet", "page_as_text", "page_for_rich", "printable"]

GAP = "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with the style it has where there are colours."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    is_right: bool = False  # numbers


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; with no rows only ``empty`` is shown."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = "nothing"

    @classmethod
    def of(cls, titles: str, rows: Iterable[Sequence[Cell | str]], *, title: str = "", empty: str = "nothing") -> Sheet:
        """titles: column titles, comma-separated; ``>`` in front aligns right."""
        columns = tuple(Column(t.strip().lstrip(">"), t.strip().startswith(">")) for t in titles.split(","))
        cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
        assert all(len(row) == len(columns) for row in cells), f"a row of {title or titles} does not fit its columns"
        return cls(columns, cells, title, empty)


Page = tuple[Line | Sheet, ...]


def printable(text: str) -> str:
    """``text`` without anything that could move a cursor or hide a word."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def page_as_text(page: Page) -> str:
    """Aligned plain text, without a final newline."""
    return "\n".join(printable(part.text) if isinstance(part, Line) else _table_as_text(part) for part in page)


def page_for_rich(page: Page) -> RenderableType:
    """Print it with ``crop=False``: a line that is to be copied stays one line."""
    from rich.console import Group
    from rich.text import Text

    def drawn(part: Line | Sheet) -> RenderableType:
        if isinstance(part, Sheet):
            return _table_for_rich(part)
        return Text(printable(part.text), part.style, no_wrap=True, overflow="ignore")

    return Group(*map(drawn, page))


def _table_as_text(sheet: Sheet) -> str:
    from rich.cells import cell_len

    lines = [printable(sheet.title)] if sheet.title else []
    if not sheet.rows:
        return "\n".join([*lines, printable(sheet.empty)])
    rows = [[column.title for column in sheet.columns], *([printable(c.text) for c in row] for row in sheet.rows)]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(sheet.columns))]
    for row in rows:
        padded = []
        for text, width, column in zip(row, widths, sheet.columns, strict=True):
            blank = " " * (width - cell_len(text))
            padded.append(blank + text if column.is_right else text + blank)
        lines.append(GAP.join(padded).rstrip())
    return "\n".join(lines)


def _table_for_rich(sheet: Sheet) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    if not sheet.rows:
        return Text("\n".join(filter(None, [printable(sheet.title), printable(sheet.empty)])), style="dim")
    title = Text(printable(sheet.title), style="bold") if sheet.title else None
    table = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"
    )
    for column in sheet.columns:
        table.add_column(column.title, justify="right" if column.is_right else "left", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(printable(cell.text), style=cell.style) for cell in row))
    return table
