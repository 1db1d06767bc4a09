"""What a command answers, before anybody chose colours: lines and tables, as plain text or for rich.

Everything shown may come from outside (a comment in an alert), so control characters are made visible on both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["Cell", "Column", "Drawing", "Line", "Page", "Sheet", "page_as_text", "page_for_rich", "printable"]

GAP = "  "
MOST_COLOURED = 100  # rows; rich takes half a millisecond for each, and the desk stands still meanwhile
WORDS_WIDTH = 24  # the least room for a column of words


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
    """is_copied: it is to be pasted elsewhere and so is never folded at words."""

    text: str
    style: str = ""
    is_copied: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; with no rows only ``empty`` is shown. under: a text below each row, or none at all."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = "nothing"
    under: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        titles: str,
        rows: Iterable[Sequence[Cell | str]],
        *,
        title: str = "",
        empty: str = "nothing",
        under: Iterable[str] = (),
    ) -> Sheet:
        """titles: column titles, comma-separated; ``>`` in front aligns right."""
        columns = tuple(Column(t.strip().lstrip(">"), t.strip().startswith(">")) for t in titles.split(","))
        cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
        assert all(len(row) == len(columns) for row in cells), f"a row of {title or titles} does not fit its columns"
        below = tuple(under)
        assert len(below) in {0, len(cells)}, "a text below each row, or none"
        return cls(columns, cells, title, empty, below)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines that are laid out already, of this program's own making: pieces that may hold newlines; never folded."""

    pieces: tuple[Cell, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


Page = tuple[Line | Sheet | Drawing, ...]


def printable(text: str) -> str:
    """``text`` without anything that could move a cursor or hide a word."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def page_as_text(page: Page) -> str:
    """Aligned plain text, without a final newline."""
    return "\n".join(map(_part_as_text, page))


def _part_as_text(part: Line | Sheet | Drawing) -> str:
    if isinstance(part, Drawing):
        return "\n".join(line.rstrip() for line in part.text.split("\n"))
    return printable(part.text) if isinstance(part, Line) else _table_as_text(part)


def page_for_rich(page: Page) -> RenderableType:
    """Print it with ``crop=False``: a line that is to be copied stays one line. Others are folded between words."""
    from rich.console import Group
    from rich.text import Text

    def drawn(part: Line | Sheet | Drawing) -> RenderableType:
        if isinstance(part, Drawing):
            return _AsItIs(part)
        if isinstance(part, Sheet):
            return _table_for_rich(part)
        return Text(
            printable(part.text), part.style, no_wrap=part.is_copied, overflow="ignore" if part.is_copied else "fold"
        )

    return Group(*map(drawn, page))


@dataclass(frozen=True, slots=True)
class _AsItIs:
    """Handed over piece by piece: nothing measures or folds 20,000 lines."""

    drawing: Drawing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        del options
        for piece in self.drawing.pieces:
            yield Segment(piece.text, console.get_style(piece.style) if piece.style else None)
        yield Segment.line()


def _table_as_text(sheet: Sheet) -> str:
    from rich.cells import cell_len

    lines = [printable(sheet.title)] if sheet.title else []
    if not sheet.rows:
        return "\n".join([*lines, printable(sheet.empty)])
    widths = _widths(sheet)
    rows = [[column.title for column in sheet.columns], *([printable(c.text) for c in row] for row in sheet.rows)]
    for number, row in enumerate(rows):
        padded = []
        for text, width, column in zip(row, widths, sheet.columns, strict=True):
            blank = " " * (width - cell_len(text))
            padded.append(blank + text if column.is_right else text + blank)
        lines.append(GAP.join(padded).rstrip())
        if number and sheet.under:
            lines.append(GAP + printable(sheet.under[number - 1]))
    return "\n".join(lines)


def _widths(sheet: Sheet) -> list[int]:
    """What each column needs so that nothing of it is broken."""
    from rich.cells import cell_len

    return [
        max(cell_len(column.title), *(cell_len(printable(row[i].text)) for row in sheet.rows))
        for i, column in enumerate(sheet.columns)
    ]


def _table_for_rich(sheet: Sheet) -> RenderableType:
    from rich.text import Text

    if not sheet.rows:
        return Text("\n".join(filter(None, [printable(sheet.title), printable(sheet.empty)])), style="dim")
    return _Fitting(sheet)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A table where it fits, else one paragraph per row: half a price in the next line reads as another price.

    Only the last column, the words, may be folded.
    """

    sheet: Sheet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        del console
        *fixed, last = _widths(self.sheet)
        left = options.max_width - sum(fixed) - len(GAP) * len(fixed)
        least = min(last, WORDS_WIDTH) if not self.sheet.columns[-1].is_right else last
        if left >= last and len(self.sheet.rows) > MOST_COLOURED:
            yield Text(_table_as_text(self.sheet), no_wrap=True, overflow="ignore")
            return
        if left < least:
            yield _paragraphs(self.sheet, options.max_width)
        else:
            yield _grid_with_texts(self.sheet) if self.sheet.under else _grid(self.sheet)


def _grid(sheet: Sheet) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    title = Text(printable(sheet.title), style="bold") if sheet.title else None
    table = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold"
    )
    for column in sheet.columns:
        is_last = column is sheet.columns[-1]
        table.add_column(
            column.title, justify="right" if column.is_right else "left", overflow="fold", no_wrap=not is_last
        )
    for row in sheet.rows:
        table.add_row(*(Text(printable(cell.text), style=cell.style) for cell in row))
    return table


def _grid_with_texts(sheet: Sheet) -> RenderableType:
    """Aligned rows, each with its text folded below it; the last column is not folded, for it is short."""
    from rich.cells import cell_len
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    widths = _widths(sheet)
    head = tuple(Cell(column.title, "bold") for column in sheet.columns)
    parts: list[RenderableType] = [Text(printable(sheet.title), "bold")] if sheet.title else []
    for number, row in enumerate((head, *sheet.rows)):
        line = Text()
        for cell, width, column in zip(row, widths, sheet.columns, strict=True):
            text = printable(cell.text)
            blank = " " * (width - cell_len(text))
            line.append(blank if column.is_right else "").append(text, cell.style)
            line.append("" if column.is_right else blank).append(GAP)
        line.rstrip()
        parts.append(line)
        if number:
            below = Text(printable(sheet.under[number - 1]), "dim", overflow="fold")
            parts.append(Padding(below, (0, 0, 0, len(GAP)), expand=False))
    return Group(*parts)


def _paragraphs(sheet: Sheet, width: int) -> RenderableType:
    """A row over several lines, each cell whole and behind its title."""
    from rich.console import Group
    from rich.text import Text

    lines = [Text(printable(sheet.title), "bold")] if sheet.title else []
    for number, row in enumerate(sheet.rows):
        lines.append(Text())
        for column, cell in zip(sheet.columns, row, strict=True):
            piece = Text.assemble(
                (f"{column.title} " if column.title else "", "dim"), (printable(cell.text), cell.style)
            )
            if not cell.text:
                continue
            if lines[-1] and lines[-1].cell_len + len(GAP) + piece.cell_len > width:
                lines.append(Text(GAP))
            elif lines[-1]:
                lines[-1].append(GAP)
            lines[-1].append(piece)
        if sheet.under:
            lines.append(Text(GAP + printable(sheet.under[number]), "dim"))
    return Group(*lines)
