"""The times of a file of bars, as people and programs write them, to epoch seconds. Vectorised: a file has a million of them.

Read are epoch numbers (s, ms, us, ns), ISO 8601 with or without offset, ``20261118 143000``, ``20261118``, and month first with
slashes (``11/18/2026 9:30 PM``). What says no offset is in the zone that was asked for, else UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from desk.market.bars import Ints

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Times", "local_to_utc", "times_of_numbers", "times_of_text"]

Flags = NDArray[np.bool_]
_EPOCH = r"^\d{9,20}(\.0*)?$"
_WRITTEN = (
    r"^(?:(?P<y>\d{4})[-/.]?(?P<m>\d{2})[-/.]?(?P<d>\d{2})|(?P<am>\d{1,2})/(?P<ad>\d{1,2})/(?P<ay>\d{4}))"
    r"(?:[T ]+(?P<H>\d{1,2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,](?P<f>\d+))?)?)?"
    r" *(?P<half>[AaPp][Mm])? *(?P<z>[Zz]|UTC|(?P<zh>[+-]\d{2}):?(?P<zm>\d{2})?)?$"
)
_UNITS = ((1e11, 1, "s"), (1e14, 1_000, "ms"), (1e17, 1_000_000, "us"), (9e18, 1_000_000_000, "ns"))
_QUARTER_S = 900  # no zone changes its clocks inside a quarter of an hour


@dataclass(frozen=True, slots=True)
class Times:
    """``seconds``: int64 (n,), epoch seconds, local ones where ``is_local``. ``is_bad``: no time that can be read.

    ``notes``: how they were read, for a person.
    """

    seconds: Ints
    is_bad: Flags
    is_local: bool
    notes: tuple[str, ...] = ()


def times_of_numbers(values: NDArray[np.float64] | Ints) -> Times:
    """Epoch numbers; the unit follows from their size, and is one for the whole file."""
    as_ints = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.int64)
    largest = int(as_ints.max(initial=0))
    per_second, name = next((per, name) for bound, per, name in _UNITS if largest < bound or name == "ns")
    seconds = as_ints // per_second
    is_bad = (values != as_ints) | (as_ints % per_second != 0) | (seconds < 900_000_000)
    return Times(seconds, is_bad, is_local=False, notes=(f"times are epoch {name}",))


def times_of_text(column: pa.Array) -> Times:
    """One column of text. Raises ValueError for a column that mixes two ways of writing."""
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    if pc.all(pc.match_substring_regex(text, _EPOCH)).as_py():
        return times_of_numbers(_whole(pc.replace_substring_regex(text, r"\.0*$", "")))
    parts = pc.extract_regex(text, _WRITTEN)
    is_bad = parts.is_null().to_numpy(zero_copy_only=False)
    part = {name: parts.field(index) for index, name in enumerate(field.name for field in parts.type)}
    numbers = {name: _whole(part[name]) for name in ("y", "m", "d", "am", "ad", "ay", "H", "M", "S", "f", "zh", "zm")}
    is_american = numbers["ay"] > 0
    year = np.where(is_american, numbers["ay"], numbers["y"])
    month = np.where(is_american, numbers["am"], numbers["m"])
    day = np.where(is_american, numbers["ad"], numbers["d"])
    hour, has_half = _hours(numbers["H"], part["half"])
    days, is_day = _days(year, month, day)
    seconds = days * 86_400 + hour * 3600 + numbers["M"] * 60 + numbers["S"]
    is_bad |= ~is_day | (hour > 23) | (numbers["M"] > 59) | (numbers["S"] > 59) | (numbers["f"] != 0)
    is_bad |= has_half & ((numbers["H"] < 1) | (numbers["H"] > 12))
    zoned = pc.not_equal(pc.fill_null(part["z"], ""), "").to_numpy(zero_copy_only=False)
    if (zoned[~is_bad]).any() and not zoned[~is_bad].all():
        raise ValueError("some times have an offset and some have none: write all of them one way")
    backwards = pc.starts_with(pc.fill_null(part["z"], ""), "-").to_numpy(zero_copy_only=False)
    minutes = np.where(backwards, -numbers["zm"], numbers["zm"])
    is_bad |= (np.abs(numbers["zh"]) > 14) | (numbers["zm"] > 59)
    notes = ("dates are read as month/day/year",) if is_american.any() else ()
    return Times(seconds - numbers["zh"] * 3600 - minutes * 60, is_bad, not zoned.any(), notes)


def local_to_utc(seconds: Ints, zone: ZoneInfo) -> tuple[Ints, Flags]:
    """Wall clock times of a zone as epoch seconds, and which ones that clock shows twice or never."""
    quarters, place = np.unique(seconds // _QUARTER_S, return_inverse=True)
    offsets, unclear = np.zeros(len(quarters), np.int64), np.zeros(len(quarters), bool)
    for index, quarter in enumerate(quarters.tolist()):
        wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=quarter * _QUARTER_S)).replace(tzinfo=zone)
        earlier, later = wall.replace(fold=0).utcoffset(), wall.replace(fold=1).utcoffset()
        assert earlier is not None, "a zone knows its offset"
        offsets[index], unclear[index] = int(earlier.total_seconds()), earlier != later
    return seconds - offsets[place], unclear[place]


def _hours(hours: Ints, half: Any) -> tuple[Ints, Flags]:
    """With AM and PM: 12 AM is 0."""
    import pyarrow.compute as pc

    word = pc.utf8_lower(pc.fill_null(half, ""))
    is_am, is_pm = (pc.equal(word, name).to_numpy(zero_copy_only=False) for name in ("am", "pm"))
    return np.where(is_am, hours % 12, np.where(is_pm, hours % 12 + 12, hours)), is_am | is_pm


def _days(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Flags]:
    """Days since 1970, and whether the calendar has such a day."""
    is_month = (year >= 1990) & (year <= 2100) & (month >= 1) & (month <= 12)
    months = np.where(is_month, (year - 1970) * 12 + month - 1, 0)
    first, after = ((months + more).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for more in (0, 1))
    return first + day - 1, is_month & (day >= 1) & (day <= after - first)


def _whole(column: Any) -> Ints:
    """Digits as numbers; nothing is 0, and so is what no int64 holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.fill_null(column, "")
    digits = pc.replace_substring_regex(digits, r"^\+", "")
    fits = pc.and_(pc.not_equal(digits, ""), pc.less_equal(pc.utf8_length(digits), 18))
    # nanoseconds since 1970 have 19 digits, and fit
    fits = pc.or_(fits, pc.match_substring_regex(digits, r"^[1-8]\d{18}$"))
    numbers: Ints = pc.cast(pc.if_else(fits, digits, "0"), pa.int64()).to_numpy(zero_copy_only=False)
    return numbers
