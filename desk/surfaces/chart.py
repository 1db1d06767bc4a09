"""Candles in a terminal. Pure: bars, a size and a zone in, pieces of text with styles out.

Two steps per row: every character has an upper and a lower half. A rising body is a heavy line, a falling one is filled, so
that it can be read without colours, too; a wick is a thin line. Prices stand at the right, on the tick grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from desk.core.timeframe import BarUnit, Timeframe
from desk.core.words import decimals_text
from desk.market.bars import NANOS, Bars, nanos_of, price_of
from desk.surfaces.sheet import Cell

__all__ = ["Frame", "candles", "places_for"]

LEAST_HEIGHT, LEAST_WIDTH = 5, 24
VOLUME_FROM = 12  # rows of candles; below it the volume has no room
LABEL_EVERY = 4  # rows
_STEPS = (10, 20, 25, 50)
_NOTHING, _WICK, _BODY = 0, 1, 2
# (upper half, lower half) of a rising candle, of a falling one, and of both where only ASCII can be shown.
_RISING = {
    (0, 0): " ",
    (0, 1): "╷",
    (1, 0): "╵",
    (1, 1): "│",
    (0, 2): "╻",
    (2, 0): "╹",
    (2, 2): "┃",
    (1, 2): "╽",
    (2, 1): "╿",
}
_FALLING = {**_RISING, (0, 2): "▄", (2, 0): "▀", (2, 2): "█", (1, 2): "▄", (2, 1): "▀"}
_VOLUMES, _ASCII_VOLUMES = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_EDGE, _ASCII_EDGE = " ┤ ", " + "  # between the candles and a price: never to be taken for a wick
_STYLES = {1: "green", 0: "", -1: "red"}


@dataclass(frozen=True, slots=True)
class Frame:
    """width: columns in all. height: rows of candles, without the axis of times and the volume. tick: points."""

    width: int
    height: int
    tick: Decimal
    zone: tzinfo | None  # None: this computer's
    is_ascii: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """Nano points to half rows, 0 at the bottom."""

    low: int
    high: int
    halves: int

    def at(self, price: int) -> int:
        if self.high == self.low:
            return self.halves // 2
        return (price - self.low) * (self.halves - 1) // (self.high - self.low)


def places_for(bars: Bars, frame: Frame) -> int:
    """How many candles fit: one column each, beside the prices."""
    return max(1, frame.width - _axis_width(bars, frame.tick) - len(_EDGE))


def candles(bars: Bars, timeframe: Timeframe, frame: Frame) -> tuple[Cell, ...]:
    """The newest bars that fit, oldest left. ``bars`` is not empty. The last piece ends without a newline."""
    shown = bars.newest(places_for(bars, frame))
    scale = _Scale(int(shown.low.min()), int(shown.high.max()), 2 * frame.height)
    gap = 2 if 2 * len(shown) <= places_for(bars, frame) else 1
    lines = [*_candle_lines(shown, scale, frame, gap)]
    if frame.height >= VOLUME_FROM:
        lines.append(_volume_line(shown, frame, gap))
    lines.append([Cell(_times(shown, timeframe, frame, gap), "dim")])
    return tuple(_joined(lines))


def _joined(lines: Sequence[Sequence[Cell]]) -> Iterator[Cell]:
    for number, line in enumerate(lines):
        yield from line
        if number < len(lines) - 1:
            yield Cell("\n")


def _candle_lines(bars: Bars, scale: _Scale, frame: Frame, gap: int) -> Iterator[list[Cell]]:
    """From the top down."""
    shapes = [_shape(scale, *row) for row in _prices(bars)]
    labels = _labels(bars, scale, frame)
    edge = _ASCII_EDGE if frame.is_ascii else _EDGE
    for row in range(frame.height - 1, -1, -1):
        line = []
        for direction, wick, body in shapes:
            halves = (_part(2 * row + 1, wick, body), _part(2 * row, wick, body))
            line.append(Cell(_character(halves, direction, frame.is_ascii) + " " * (gap - 1), _STYLES[direction]))
        text, style = labels.get(row, ("", "dim"))
        yield [*_runs(line), Cell(f"{edge}{text}" if text else "", style)]


def _prices(bars: Bars) -> Iterator[tuple[int, int, int, int]]:
    return zip(bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True)


def _shape(scale: _Scale, opened: int, high: int, low: int, close: int) -> tuple[int, range, range]:
    """Direction, and the half rows of wick and body; a body of nothing has one half row."""
    bottom, top = sorted((scale.at(opened), scale.at(close)))
    return (close > opened) - (close < opened), range(scale.at(low), scale.at(high) + 1), range(bottom, top + 1)


def _part(half: int, wick: range, body: range) -> int:
    if half in body:
        return _BODY
    return _WICK if half in wick else _NOTHING


def _character(halves: tuple[int, int], direction: int, is_ascii: bool) -> str:
    if is_ascii:
        return " " if halves == (0, 0) else "|" if _BODY not in halves else "#" if direction < 0 else "o"
    return (_FALLING if direction < 0 else _RISING)[halves]


def _runs(cells: Sequence[Cell]) -> list[Cell]:
    """Neighbours of one style as one piece; blanks have none of their own."""
    runs: list[Cell] = []
    for cell in cells:
        if runs and (runs[-1].style == cell.style or not cell.text.strip()):
            runs[-1] = Cell(runs[-1].text + cell.text, runs[-1].style)
        else:
            runs.append(cell)
    return runs


# --- prices at the right -------------------------------------------------------------------------------------------


def _axis_width(bars: Bars, tick: Decimal) -> int:
    return max(len(decimals_text(price_of(int(price)), tick)) for price in (bars.high.max(), bars.low.min()))


def _labels(bars: Bars, scale: _Scale, frame: Frame) -> dict[int, tuple[str, str]]:
    """Text and style by row: round prices, and the last close instead of what would stand beside it."""
    step = _label_step(scale.high - scale.low, nanos_of(frame.tick), frame.height)
    labels: dict[int, tuple[str, str]] = {}
    price = -(-scale.low // step) * step
    while price <= scale.high:
        labels[scale.at(price) // 2] = (decimals_text(price_of(price), frame.tick), "dim")
        price += step
    last = int(bars.close[-1])
    labels[scale.at(last) // 2] = (decimals_text(price_of(last), frame.tick), "bold")
    return labels


def _label_step(span: int, tick: int, height: int) -> int:
    """The smallest round distance on the tick grid with which the labels stand LABEL_EVERY rows apart, or more."""
    least = max(tick, span * LABEL_EVERY // height)
    power = NANOS // 1_000_000_000
    while True:
        for step in (factor * power // 10 for factor in _STEPS):
            if step >= least and step % tick == 0:
                return step
        doubled = tick * (1 << max(0, (-(-least // tick) - 1).bit_length()))  # for ticks such as 1/64
        if power > doubled:
            return doubled
        power *= 10


# --- times and volume below ----------------------------------------------------------------------------------------


def _times(bars: Bars, timeframe: Timeframe, frame: Frame, gap: int) -> str:
    """Opening times below their candles; a date where another day begins."""
    form = "%Y-%m" if timeframe.unit is BarUnit.MO else "%m-%d" if not timeframe.is_intraday else "%H:%M"
    if timeframe.unit is BarUnit.S:
        form = "%H:%M:%S"
    line, day = "", ""
    for place, ts in enumerate(bars.ts.tolist()):
        at = place * gap
        when = datetime.fromtimestamp(ts, UTC).astimezone(frame.zone)
        if line and at < len(line) + 4:
            continue
        this_day = when.strftime("%m-%d")
        text = this_day if line and this_day != day and timeframe.is_intraday else when.strftime(form)
        if at + len(text) > max(frame.width, len(text)):
            break
        line, day = line.ljust(at) + text, this_day
    return line


def _volume_line(bars: Bars, frame: Frame, gap: int) -> list[Cell]:
    marks = _ASCII_VOLUMES if frame.is_ascii else _VOLUMES
    most = max(1, int(bars.volume.max()))
    drawn = (marks[-(-volume * (len(marks) - 1) // most)] for volume in bars.volume.tolist())
    edge = _ASCII_EDGE if frame.is_ascii else _EDGE
    return [Cell("".join(mark + " " * (gap - 1) for mark in drawn), "dim"), Cell(f"{edge}{_short(most)}", "dim")]


def _short(volume: int) -> str:
    """For the narrow axis: ``3,145``, ``31.4k``, ``2.1M``."""
    if volume < 10_000:
        return f"{volume:,}"
    return f"{volume / 1000:.1f}k" if volume < 1_000_000 else f"{volume / 1_000_000:.1f}M"
