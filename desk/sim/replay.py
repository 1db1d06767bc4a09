"""Recorded bars or ticks as a market: CSV with the standard library, Parquet through pyarrow when it is installed.

Columns by name, whatever their case: a time (t, time, timestamp, datetime, date), then either open, high, low, close and
perhaps volume (or o, h, l, c, v), or price (last) and perhaps volume (size, qty); perhaps symbol (contract, contractId).
Without a symbol column the file's name begins with it: ``MNQ_1m.csv``. Times are ISO-8601 (without offset: UTC) or epoch
numbers in s, ms, us or ns. SIM: a bar's prints go open, low, high, close when it rose, else open, high, low, close, and
never beyond them; bars of fewer than four contracts come out with four; of several ticks in one quarter second the last
one counts, with all their contracts.
"""

import csv
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from desk.sim.catalogue import PRODUCTS
from desk.sim.noise import PRINTS, PRINTS_PER_SECOND, Floats, Ints
from desk.sim.stream import Flags, Stream

_NAMES = {
    "time": ("t", "time", "timestamp", "datetime", "date", "ts", "ts_event"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "v", "vol", "size", "qty"),
    "price": ("price", "last"),
    "symbol": ("symbol", "contract", "contractid", "contract_id", "symbolid"),
}
_CHUNK = 4000
_DEFAULT_VOLUME = 240


class ReplayError(ValueError):
    """The recording cannot be used; one line that names the file and why."""


@dataclass(frozen=True)
class Recording:
    """``streams``: symbolId to prints; ``first`` and ``last``: of all of them, UTC."""

    streams: dict[str, Stream]
    first: datetime
    last: datetime


class ReplayClock:
    """Time as it was in the recording, from ``start`` on and ``speed`` times as fast as the wall clock's."""

    def __init__(self, start: datetime, speed: float, wall: Callable[[], datetime]) -> None:
        self._start = start
        self._speed = speed
        self._wall = wall
        self._began = wall()

    def __call__(self) -> datetime:
        """Now, UTC."""
        return self._start + timedelta(seconds=(self._wall() - self._began).total_seconds() * self._speed)


class Recorded:
    """A Stream of recorded prints. ``reach`` is without bound: nothing may be concluded from knots alone."""

    reach = float("inf")

    def __init__(self, times: Floats) -> None:
        """times: epoch seconds of all rows, sorted. Reads every minute once to know its extremes."""
        wanted = self._minutes_of(times)
        parts: list[tuple[Ints, Floats, Floats, Floats, Floats, Ints]] = []
        for start in range(0, len(wanted), _CHUNK):
            minutes = wanted[start : start + _CHUNK]
            prices, volumes = self._prints(minutes)
            traded = volumes > 0
            some = traded.any(axis=1)
            minutes, prices, volumes, traded = minutes[some], prices[some], volumes[some], traded[some]
            rows = np.arange(len(minutes))
            last = PRINTS - 1 - traded[:, ::-1].argmax(axis=1)
            parts.append((
                minutes, prices[rows, traded.argmax(axis=1)], np.where(traded, prices, -np.inf).max(axis=1),
                np.where(traded, prices, np.inf).min(axis=1), prices[rows, last], volumes.sum(axis=1),
            ))  # fmt: skip
        columns = [np.concatenate([part[index] for part in parts]) for index in range(6)]
        self.active: Ints = columns[0].astype(np.int64)
        self._open, self._high, self._low, self._close = columns[1:5]
        self._volume: Ints = columns[5].astype(np.int64)

    def _minutes_of(self, times: Floats) -> Ints:
        raise NotImplementedError

    def _prints(self, minutes: Ints) -> tuple[Floats, Ints]:
        """Prices and contracts of each print, (n, 240) both."""
        raise NotImplementedError

    def knots(self, minutes: Ints) -> Floats:
        """The last known price."""
        return self._close[np.maximum(np.searchsorted(self.active, minutes, side="right") - 1, 0)]

    def opens(self, minutes: Ints) -> Floats:
        """First print of each minute."""
        return self._open[self._at(minutes)]

    def closes(self, minutes: Ints) -> Floats:
        """Last print of each minute."""
        return self._close[self._at(minutes)]

    def extremes(self, minutes: Ints) -> tuple[Floats, Floats]:
        """Highest and lowest print of each minute."""
        at = self._at(minutes)
        return self._high[at], self._low[at]

    def rows(self, minutes: Ints) -> Floats:
        """Prices of each print."""
        return self._prints(minutes)[0]

    def volumes(self, minutes: Ints) -> Ints:
        """Contracts of each minute."""
        at = self._at(minutes)
        return np.where(self.active[at] == minutes, self._volume[at], 0)

    def shares(self, minutes: Ints) -> Ints:
        """Contracts of each print."""
        return self._prints(minutes)[1]

    def active_before(self, minute: int) -> int | None:
        """The newest minute with a print before this one."""
        place = int(np.searchsorted(self.active, minute)) - 1
        return int(self.active[place]) if place >= 0 else None

    def _at(self, minutes: Ints) -> Ints:
        return np.minimum(np.searchsorted(self.active, minutes), len(self.active) - 1)


class RecordedTicks(Recorded):
    """Single trades, thinned to one price per quarter second."""

    def __init__(self, times: Floats, prices: Floats, volumes: Ints) -> None:
        slots = np.floor(times * PRINTS_PER_SECOND).astype(np.int64)
        self._slots, first = np.unique(slots, return_index=True)
        self._prices = prices[np.append(first[1:], len(slots)) - 1]
        self._sums = np.add.reduceat(np.maximum(volumes, 1), first)
        super().__init__(times)

    def _minutes_of(self, times: Floats) -> Ints:
        return np.unique(self._slots // PRINTS)

    def _prints(self, minutes: Ints) -> tuple[Floats, Ints]:
        slots = minutes[:, None] * PRINTS + np.arange(PRINTS)
        at = np.minimum(np.searchsorted(self._slots, slots), len(self._slots) - 1)
        here = self._slots[at] == slots
        return np.where(here, self._prices[at], self._prices[0]), np.where(here, self._sums[at], 0)


class RecordedBars(Recorded):
    """Bars of one length, each drawn as prints through its four prices."""

    def __init__(self, times: Floats, columns: tuple[Floats, Floats, Floats, Floats], volumes: Ints) -> None:
        opened, high, low, close = columns
        self._starts = np.floor(times).astype(np.int64)
        self._span = int(np.diff(self._starts).min()) * PRINTS_PER_SECOND if len(times) > 1 else PRINTS
        rising = close >= opened
        self._corners = np.stack([opened, np.where(rising, low, high), np.where(rising, high, low), close], axis=1)
        self._contracts = np.maximum(volumes, 4)
        self._places = np.array([0, self._span // 3, 2 * self._span // 3, self._span - 1])
        super().__init__(times)

    def _minutes_of(self, times: Floats) -> Ints:
        count = max(1, self._span // PRINTS)
        return np.unique((self._starts // 60)[:, None] + np.arange(count + 1))

    def _prints(self, minutes: Ints) -> tuple[Floats, Ints]:
        slots = minutes[:, None] * PRINTS + np.arange(PRINTS)
        bar = np.maximum(np.searchsorted(self._starts * PRINTS_PER_SECOND, slots, side="right") - 1, 0)
        inside = slots - self._starts[bar] * PRINTS_PER_SECOND
        here: Flags = (inside >= 0) & (inside < self._span)
        inside = np.clip(inside, 0, self._span - 1)
        leg = np.clip(np.searchsorted(self._places, inside, side="right") - 1, 0, 2)
        share = (inside - self._places[leg]) / (self._places[leg + 1] - self._places[leg])
        left, right = self._corners[bar, leg], self._corners[bar, leg + 1]
        prices = np.where(share >= 1.0, right, left + (right - left) * share)
        rest = self._contracts[bar] - 4
        volumes = rest * (inside + 1) // self._span - rest * inside // self._span + np.isin(inside, self._places)
        return prices, np.where(here, volumes, 0)


def read_recording(path: Path) -> Recording:
    """All products of a file. Raises ReplayError. May take seconds: call in a thread."""
    try:
        columns = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
        return _recording(path, columns)
    except ReplayError as exc:
        raise ReplayError(f"replay file {path}: {exc}") from exc


def _csv(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            head = next(rows, None)
            if head is None:
                raise ReplayError("it is empty")
            body = [row for row in rows if row]
    except OSError as exc:
        raise ReplayError(exc.strerror or str(exc)) from exc
    except (csv.Error, UnicodeDecodeError) as exc:
        raise ReplayError(str(exc)) from exc
    short = next((number for number, row in enumerate(body, 2) if len(row) != len(head)), None)
    if short is not None:
        raise ReplayError(f"line {short} has not {len(head)} columns")
    return {name.strip().lower(): [row[index] for row in body] for index, name in enumerate(head)}


def _parquet(path: Path) -> dict[str, list[Any]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as exc:
        raise ReplayError("Parquet needs pyarrow: pip install pyarrow, or convert it to CSV") from exc
    try:
        table = parquet.read_table(path)
    except OSError as exc:
        raise ReplayError(str(exc)) from exc
    except ValueError as exc:
        raise ReplayError(f"no Parquet file: {exc}") from exc
    return {str(name).lower(): table.column(name).to_pylist() for name in table.column_names}


def _recording(path: Path, columns: dict[str, list[Any]]) -> Recording:
    found = {name: next((columns[one] for one in known if one in columns), None) for name, known in _NAMES.items()}
    is_bars = all(found[name] is not None for name in ("open", "high", "low", "close"))
    times = found["time"]
    if times is None or not (is_bars or found["price"] is not None):
        raise ReplayError(
            f"it needs a time and open, high, low, close, or a time and price; it has {', '.join(columns)}"
        )
    if not times:
        raise ReplayError("it has no rows")
    at = np.array([_seconds(value, number) for number, value in enumerate(times, 2)])
    prices = [_numbers(found, name) for name in (("open", "high", "low", "close") if is_bars else ("price",))]
    given = found["volume"]
    volumes = np.full(len(at), _DEFAULT_VOLUME if is_bars else 1) if given is None else _numbers(found, "volume")
    symbols = np.array(
        [str(value).strip() for value in found["symbol"]] if found["symbol"] else [_stem(path)] * len(at)
    )
    streams: dict[str, Stream] = {}
    for symbol in np.unique(symbols).tolist():
        rows = np.flatnonzero(symbols == symbol)
        rows = rows[np.argsort(at[rows], kind="stable")]
        own = [column[rows] for column in prices]
        if is_bars:
            streams[_symbol_id(symbol)] = _bars(at[rows], own, volumes[rows].astype(np.int64))
        else:
            streams[_symbol_id(symbol)] = RecordedTicks(at[rows], own[0], volumes[rows].astype(np.int64))
    return Recording(streams, datetime.fromtimestamp(at.min(), UTC), datetime.fromtimestamp(at.max(), UTC))


def _bars(times: Floats, columns: list[Floats], volumes: Ints) -> RecordedBars:
    """Checked: whole, distinct seconds, and prices that belong into one bar."""
    opened, high, low, close = columns
    if (np.diff(times) < 1).any():
        raise ReplayError("two bars of one product are less than a second apart")
    bad = np.flatnonzero((low > np.minimum(opened, close)) | (high < np.maximum(opened, close)))
    if len(bad):
        raise ReplayError(
            f"the bar of {datetime.fromtimestamp(times[bad[0]], UTC).isoformat()} is not inside its range"
        )
    return RecordedBars(times, (opened, high, low, close), volumes)


def _numbers(found: dict[str, list[Any] | None], name: str) -> Floats:
    try:
        numbers = np.array([float(value) for value in found[name] or ()])
    except (TypeError, ValueError) as exc:
        raise ReplayError(f"column {name}: {exc}") from exc
    if not np.isfinite(numbers).all() or (name == "volume" and (numbers < 0).any()):
        raise ReplayError(f"column {name}: line {int(np.flatnonzero(~np.isfinite(numbers) | (numbers < 0))[0]) + 2}")
    return numbers


def _seconds(value: object, line: int) -> float:
    """ISO text, a datetime, or an epoch number in s, ms, us or ns."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        number = float(str(value))
    except ValueError:
        try:
            at = datetime.fromisoformat(str(value).strip())
        except ValueError as exc:
            raise ReplayError(f"line {line}: {value!r} is no time") from exc
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    while abs(number) >= 1e11:
        number /= 1000
    if not 0 <= number < 4e9:
        raise ReplayError(f"line {line}: {value!r} is no time")
    return number


def _stem(path: Path) -> str:
    stem = path.name
    for mark in "._- ":
        stem = stem.partition(mark)[0]
    return stem


def _symbol_id(symbol: str) -> str:
    """``MNQ``, ``MNQZ6``, ``F.US.MNQ`` or ``CON.F.US.MNQ.Z26`` to the symbol id."""
    for product in PRODUCTS:
        months = "|".join(product.months)
        if symbol.upper() in (product.symbol, product.symbol_id) or f".{product.root}." in symbol:
            return product.symbol_id
        rest = symbol.upper().removeprefix(product.symbol)
        if rest != symbol.upper() and rest[:1] in months.split("|") and rest[1:].isdigit():
            return product.symbol_id
    raise ReplayError(f"no product {symbol!r}: add a symbol column, or begin the file's name with it, as in MNQ_1m.csv")
