"""What somebody wants to see of a series: ``history MNQ 5m 2026-11-18 2026-11-19T14:30 csv``. Pure.

Timeframe, number, dates and words stand in any order. A date is a day in the caller's zone, from midnight to midnight (a
trading day is what ``trades`` means by one); a time of day belongs to the date before it, quoted, with a ``T``, or as the
next word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from desk.core.timeframe import BarUnit, Timeframe, parse_timeframe
from desk.surfaces.calls import BadCall

__all__ = [
    "DEFAULT_BARS",
    "DEFAULT_TIMEFRAME",
    "EXAMPLE",
    "MOST_BARS",
    "STITCHES",
    "HistoryTerms",
    "Stretch",
    "parse_terms",
]

DEFAULT_TIMEFRAME = "5m"
DEFAULT_BARS = 20
MOST_BARS = 1_000_000
EXAMPLE = f"history MNQ {DEFAULT_TIMEFRAME} {DEFAULT_BARS}"
DATES = "2026-11-18, 2026-11-18T14:30, 11/18/2026, 20261118, today, yesterday, 7d"
STITCHES = ("none", "adjusted")

_WORDS = {
    **dict.fromkeys(("raw", "--raw", "-r", "-q"), "raw"),
    **dict.fromkeys(("csv", "--csv", "-c", "--export"), "csv"),
    **dict.fromkeys(("parquet", "--parquet", "-p"), "parquet"),
    **dict.fromkeys(("html", "--html"), "html"),
}
_YEARS = range(2000, 2100)
_ONE_DAY = timedelta(days=1)
_TIMEFRAME_LIKE = re.compile(r"[0-9]{1,3}[A-Za-z]{1,8}", re.ASCII)
_DATE = re.compile(
    r"(?:(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})"
    r"|(?P<m2>[0-9]{1,2})/(?P<d2>[0-9]{1,2})/(?P<y2>[0-9]{4})"
    r"|(?P<y3>[0-9]{4})(?P<m3>[0-9]{2})(?P<d3>[0-9]{2}))"
    r"(?:[T ]+(?P<clock>\S+))?",
    re.ASCII | re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?P<h>[0-9]{1,2}):?(?P<min>[0-9]{2})(?::?(?P<s>[0-9]{2}))?"
    r"(?P<off>Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_LONE_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """start <= t < end, aware UTC. The end lies in the past or is now."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class HistoryTerms:
    """``n`` newest bars, or those of ``stretch``; one of the two is None. stitch: over the rolls of a product, see stitching."""

    timeframe: Timeframe
    n: int | None
    stretch: Stretch | None
    words: frozenset[str]  # of raw, csv, parquet, html
    stitch: str | None  # None: one contract
    hints: tuple[str, ...]  # how it was understood, where somebody may have meant something else


@dataclass(frozen=True, slots=True)
class _Moment:
    """A day, or an instant in it."""

    text: str
    start: datetime
    end: datetime
    is_day: bool


@dataclass(slots=True)
class _Sorted:
    """The words by what they are, before they are looked at together."""

    lengths: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


def parse_terms(
    args: Sequence[str],
    now: datetime,
    zone: tzinfo | None,
    *,
    allowed: Sequence[str] = ("raw", "csv", "parquet"),
    options: Sequence[str] = ("stitch",),
    n: int = DEFAULT_BARS,
    example: str = EXAMPLE,
) -> HistoryTerms:
    """The words after the symbol. zone: of times without an offset, None is this computer's. Raises BadCall with an example."""
    found = _sorted(_unquoted(args, example), allowed, options, example)
    timeframe, back = _lengths(found.lengths, example)
    if len(found.numbers) > 1:
        raise BadCall(f"{_shown(found.numbers[1])}: one number of bars is enough. Write {example}")
    if found.numbers and (found.dates or back is not None):
        raise BadCall(f"A number of bars, or dates, not both. Write {example}, or {_with_dates(example)}")
    stitch = found.options.get("stitch")
    if stitch is not None and stitch not in STITCHES:
        raise BadCall(f"stitch={stitch[:20]}: write stitch=none or stitch=adjusted, as in {example} stitch=adjusted")
    stretch = _stretch(found.dates, back, now, zone, example)
    if "csv" in found.words and "parquet" in found.words:
        raise BadCall(f"csv or parquet, not both. Write {example} csv")
    return HistoryTerms(
        timeframe,
        (_number(found.numbers[0], example) if found.numbers else n) if stretch is None else None,
        stretch,
        frozenset(found.words),
        stitch,
        _hints(timeframe, found.lengths),
    )


def _unquoted(args: Sequence[str], example: str) -> list[str]:
    """Words in quotes become one again; a time of day is joined to the date before it."""
    words: list[str] = []
    open_quote = ""
    for arg in args:
        if open_quote:
            words[-1] += " " + arg
        elif arg[:1] in {'"', "'"}:
            open_quote = arg[0]
            words.append(arg)
        elif words and _LONE_CLOCK.fullmatch(arg) and _is_day(words[-1]):
            words[-1] += " " + arg
        else:
            words.append(arg)
        if open_quote and words[-1].endswith(open_quote) and len(words[-1]) > 1:
            words[-1], open_quote = words[-1][1:-1].strip(), ""
    if open_quote:
        raise BadCall(f'A quote is not closed. Write {_command(example)} MNQ 5m "2026-11-18 14:30"')
    return words


def _is_day(word: str) -> bool:
    match = _DATE.fullmatch(word)
    return word.lower() in {"today", "yesterday"} or (match is not None and match["clock"] is None)


def _sorted(args: Sequence[str], allowed: Sequence[str], options: Sequence[str], example: str) -> _Sorted:
    found = _Sorted()
    for arg in args:
        name, sign, value = arg.partition("=")
        word = _WORDS.get(arg.lower(), "")
        if word and word in allowed:
            found.words.append(word)
        elif sign and name.lower() in options:
            found.options[name.lower()] = value.lower()
        elif arg.isascii() and arg.isdecimal() and _DATE.fullmatch(arg) is None:
            found.numbers.append(arg)
        elif _TIMEFRAME_LIKE.fullmatch(arg):
            found.lengths.append(arg)
        elif _DATE.fullmatch(arg) or arg.lower().partition(" ")[0] in {"today", "yesterday"}:
            found.dates.append(arg)
        else:
            raise BadCall(_not_understood(arg, allowed, example))
    return found


def _not_understood(arg: str, allowed: Sequence[str], example: str) -> str:
    if _LONE_CLOCK.fullmatch(arg):
        return f"{arg}: of which day? Write {_command(example)} MNQ 5m 2026-11-18T{arg[:5]}"
    if re.fullmatch(r"[0-9/.-]{6,}.*", arg, re.ASCII):
        return f"{_shown(arg)} is not a date that is understood. Write {DATES}"
    return (
        f"{_shown(arg)} is no timeframe, number, date or option ({', '.join(allowed)}). "
        f"Write {example} or {_with_dates(example)}"
    )


# --- timeframe and number ------------------------------------------------------------------------------------------


def _lengths(words: Sequence[str], example: str) -> tuple[Timeframe, timedelta | None]:
    """The timeframe, and how far back: of two lengths the longer one, in days or weeks."""
    if len(words) > 2:
        raise BadCall(f"One timeframe, please, not {', '.join(word[:10] for word in words)}. Write {example}")
    try:
        frames = [parse_timeframe(word) for word in words or (DEFAULT_TIMEFRAME,)]
    except ValueError as error:
        raise BadCall(f"{error} Write {example}") from error
    if len(frames) == 1:
        return frames[0], None
    shorter, longer = sorted(frames, key=lambda frame: frame.seconds)
    if longer.unit not in {BarUnit.D, BarUnit.W}:
        month = " A capital M is a month." if longer.unit is BarUnit.MO else ""
        raise BadCall(
            f"One timeframe: {shorter} or {longer}?{month} For the last seven days write {_command(example)} MNQ 5m 7d"
        )
    return shorter, timedelta(seconds=longer.seconds)


def _number(text: str, example: str) -> int:
    if len(text) > len(str(MOST_BARS)) or not 1 <= int(text) <= MOST_BARS:
        raise BadCall(f"{text[:20]} bars: ask for 1 to {MOST_BARS}, as in {example}")
    return int(text)


def _hints(timeframe: Timeframe, words: Sequence[str]) -> tuple[str, ...]:
    text = timeframe.text
    if timeframe.unit is BarUnit.MO:
        number = timeframe.number
        return (f"{text} is {number} month{'' if number == 1 else 's'}; minutes are written {number}m.",)
    if len(words) == 1 and timeframe.unit is BarUnit.D and timeframe.number > 1:
        return (f"{text} is one bar per {timeframe.number} days; the last {timeframe.number} days are 5m {text}.",)
    return ()


# --- dates ---------------------------------------------------------------------------------------------------------


def _stretch(
    dates: Sequence[str], back: timedelta | None, now: datetime, zone: tzinfo | None, example: str
) -> Stretch | None:
    """One day: that day. One instant: from there until now. Two: from the one to the other, a day being meant whole."""
    if back is not None:
        if dates:
            raise BadCall(f"A date, or how far back, not both. Write {_with_dates(example)} or {DEFAULT_TIMEFRAME} 7d")
        return Stretch(now - back, now)
    if not dates:
        return None
    if len(dates) > 2:
        raise BadCall(f"Two dates at most, from and to. Write {_with_dates(example)}")
    first, *rest = [_moment(text, now, zone, example) for text in dates]
    last = rest[0] if rest else first
    if first.start > now or last.start > now:
        late = first if first.start > now else last
        raise BadCall(
            f"{late.text} lies in the future: it is {now.astimezone(zone):%Y-%m-%d %H:%M} now. "
            f"Write an earlier date, or leave the end out: {_with_dates(example)}"
        )
    end = min(last.end, now) if rest or first.is_day else now
    if end <= first.start:
        raise BadCall(f"{first.text} is not before {last.text}: write the earlier one first, {_with_dates(example)}")
    return Stretch(first.start, end)


def _moment(text: str, now: datetime, zone: tzinfo | None, example: str) -> _Moment:
    """Raises BadCall."""
    try:
        day, clock = _day_and_clock(text, now, zone)
        if day.year < _YEARS.start:
            raise BadCall(f"{_shown(text)}: no bar is older than {_YEARS.start}. Write {_with_dates(example)}")
        if day.year not in _YEARS:
            raise ValueError
        if clock is None:
            start, end = (_at(day + _ONE_DAY * n, (0, 0, 0), None, zone) for n in (0, 1))
            return _Moment(text, start, end, True)
        match = _CLOCK.fullmatch(clock)
        if match is None:
            raise ValueError
        at = _at(day, (int(match["h"]), int(match["min"]), int(match["s"] or 0)), match["off"], zone)
    except ValueError:
        raise BadCall(f"{_shown(text)} is not a date that is understood. Write {DATES}, as in {example}") from None
    return _Moment(text, at, at, False)


def _day_and_clock(text: str, now: datetime, zone: tzinfo | None) -> tuple[date, str | None]:
    """Raises ValueError for a day that no calendar has."""
    word, _, clock = text.lower().partition(" ")
    if word in {"today", "yesterday"}:
        return now.astimezone(zone).date() - _ONE_DAY * (word == "yesterday"), clock.strip() or None
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    parts = (int(match[f"{name}{form}"]) for form in ("", "2", "3") if match[f"y{form}"] for name in "ymd")
    return date(*parts), match["clock"]


def _at(day: date, clock: tuple[int, int, int], offset: str | None, zone: tzinfo | None) -> datetime:
    """Raises ValueError. Of a time that the clocks show twice the first one; one that they skip is read as if they did not."""
    at = datetime.combine(day, time(*clock))
    if offset is not None:
        sign = -1 if offset[0] == "-" else 1
        hours, minutes = (0, 0) if offset in "Zz" else (int(offset[1:3]), int(offset[-2:]))
        return at.replace(tzinfo=timezone(sign * timedelta(hours=hours, minutes=minutes))).astimezone(UTC)
    return (at if zone is None else at.replace(tzinfo=zone)).astimezone(UTC)


def _with_dates(example: str) -> str:
    end = " csv" if example.endswith(" csv") else ""
    return f"{_command(example)} MNQ 5m 2026-11-18 2026-11-19{end}"


def _command(example: str) -> str:
    return example.partition(" MNQ")[0]


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "...")
