"""Days on which the exchange closes early or not at all, as data with dates (``topstep-rules.md`` 10 and 17).

Times are Chicago times on the trading day itself. ``flat_by`` is Topstep's: 15 minutes before the early close of the
index products, and it holds for every product that has not closed before. 2027 is derived from the exchange's pattern
and not yet published. Grains and livestock have no session on a holiday and close at 12:05 on the short days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time

GROUPS = ("index", "energy", "metals", "fx", "rates", "grains", "livestock", "crypto")


@dataclass(frozen=True)
class Holiday:
    """One unusual trading day.

    closes: product group to its early close, None for no session at all; a group that is missing keeps its hours.
    flat_by: until when Topstep lets positions be open; None when nothing trades.
    """

    name: str
    closes: Mapping[str, time | None] = field(default_factory=dict)
    flat_by: time | None = None
    confirmed: bool = True


_NO_SESSION: dict[str, time | None] = dict.fromkeys(GROUPS)
_FARM_SHUT: dict[str, time | None] = {"grains": None, "livestock": None}
_FARM_SHORT: dict[str, time | None] = {"grains": time(12, 5), "livestock": time(12, 5)}


def _closed(name: str, *, confirmed: bool = True) -> Holiday:
    return Holiday(name, _NO_SESSION, None, confirmed)


def _noon(name: str, *, confirmed: bool = True) -> Holiday:
    """A Monday holiday or its like: index and rates until 12:00, energy and metals until 13:30, currencies as ever."""
    closes = {"index": time(12), "rates": time(12), "crypto": time(12), "energy": time(13, 30), "metals": time(13, 30)}
    return Holiday(name, {**closes, **_FARM_SHUT}, time(11, 45), confirmed)


def _short(name: str, hard: time, crypto: time, *, confirmed: bool = True) -> Holiday:
    """The day before or after a holiday; ``hard`` is for energy and metals."""
    closes = {"index": time(12, 15), "rates": time(12, 15), "fx": time(12, 15), "crypto": crypto}
    return Holiday(name, {**closes, "energy": hard, "metals": hard, **_FARM_SHORT}, time(12), confirmed)


_GOOD_FRIDAY_WITH_JOBS_REPORT = Holiday(
    "Good Friday",
    {
        "index": time(8, 15), "crypto": time(8, 15), "fx": time(10, 15), "rates": time(10, 15),
        "energy": None, "metals": None, **_FARM_SHUT,
    },
    time(8),
)  # fmt: skip

HOLIDAYS: Mapping[date, Holiday] = {
    date(2026, 1, 1): _closed("New Year"),
    date(2026, 1, 19): _noon("Martin Luther King"),
    date(2026, 2, 16): _noon("Presidents"),
    date(2026, 4, 3): _GOOD_FRIDAY_WITH_JOBS_REPORT,
    date(2026, 5, 25): _noon("Memorial Day"),
    date(2026, 6, 19): _noon("Juneteenth"),
    date(2026, 7, 3): _noon("Independence Day, observed"),
    date(2026, 9, 7): _noon("Labor Day"),
    date(2026, 11, 26): _noon("Thanksgiving"),
    date(2026, 11, 27): _short("day after Thanksgiving", time(13, 45), time(12, 45)),
    date(2026, 12, 24): _short("Christmas Eve", time(12, 45), time(12, 15)),
    date(2026, 12, 25): _closed("Christmas"),
    date(2027, 1, 1): _closed("New Year"),
    date(2027, 1, 18): _noon("Martin Luther King", confirmed=False),
    date(2027, 2, 15): _noon("Presidents", confirmed=False),
    date(2027, 3, 26): _closed("Good Friday", confirmed=False),
    date(2027, 5, 31): _noon("Memorial Day", confirmed=False),
    date(2027, 6, 18): _noon("Juneteenth, observed", confirmed=False),
    date(2027, 7, 5): _noon("Independence Day, observed", confirmed=False),
    date(2027, 9, 6): _noon("Labor Day", confirmed=False),
    date(2027, 11, 25): _noon("Thanksgiving", confirmed=False),
    date(2027, 11, 26): _short("day after Thanksgiving", time(13, 45), time(12, 45), confirmed=False),
    date(2027, 12, 24): _closed("Christmas, observed", confirmed=False),
}
KNOWN_UNTIL = date(2027, 12, 31)
"""Later days have weekends and nothing else; the first half of that, 2026, is published, the rest derived."""
