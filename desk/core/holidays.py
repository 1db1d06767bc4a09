"""Days on which the exchange closes early or not at all, as data (topstep-rules 10 and 17). Pure.

Two sources: Topstep's own table (2026, and New Year 2027) and, for the products' early closes and for 2027, the pattern of
the exchange. ``is_published`` tells them apart: what was only derived may be wrong, so nobody may do without asking for
bars because of it. Days outside the table have weekends and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from types import MappingProxyType

__all__ = ["GROUPS", "HOLIDAYS", "KNOWN_UNTIL", "Holiday"]

GROUPS = ("index", "rates", "crypto", "fx", "energy", "metals", "grains", "livestock")
"""Products of one group keep the same hours."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """One unusual trading day. closes: group to its early close in Chicago, None: no session; groups left out are as ever."""

    name: str
    closes: Mapping[str, time | None]
    is_published: bool

    @property
    def is_full(self) -> bool:
        """Nothing trades at all."""
        return all(group in self.closes and self.closes[group] is None for group in GROUPS)


# One column for each of GROUPS: a time is an early close, "-" no session, "=" a day like any other.
_TABLE = """
2026-01-01 published -     -     -     -     -     -     -     -     New Year
2026-01-19 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Martin Luther King
2026-02-16 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Presidents
2026-04-03 published 08:15 10:15 08:15 10:15 -     -     -     -     Good Friday with the employment report
2026-05-25 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Memorial Day
2026-06-19 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Juneteenth
2026-07-03 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Independence Day, observed
2026-09-07 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Labor Day
2026-11-26 published 12:00 12:00 12:00 =     13:30 13:30 -     -     Thanksgiving
2026-11-27 published 12:15 12:15 12:45 12:15 13:45 13:45 12:05 12:05 day after Thanksgiving
2026-12-24 published 12:15 12:15 12:15 12:15 12:45 12:45 12:05 12:05 Christmas Eve
2026-12-25 published -     -     -     -     -     -     -     -     Christmas
2027-01-01 published -     -     -     -     -     -     -     -     New Year
2027-01-18 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Martin Luther King
2027-02-15 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Presidents
2027-03-26 derived   -     -     -     -     -     -     -     -     Good Friday
2027-05-31 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Memorial Day
2027-06-18 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Juneteenth, observed
2027-07-05 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Independence Day, observed
2027-09-06 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Labor Day
2027-11-25 derived   12:00 12:00 12:00 =     13:30 13:30 -     -     Thanksgiving
2027-11-26 derived   12:15 12:15 12:45 12:15 13:45 13:45 12:05 12:05 day after Thanksgiving
2027-12-24 derived   -     -     -     -     -     -     -     -     Christmas, observed
"""
KNOWN_UNTIL = date(2027, 12, 31)
"""The last day that anything is said about."""


def _holiday(line: str) -> tuple[date, Holiday]:
    day, source, *rest = line.split(maxsplit=2 + len(GROUPS))
    cells, name = rest[: len(GROUPS)], rest[len(GROUPS)]
    closes = {
        group: None if cell == "-" else time.fromisoformat(cell)
        for group, cell in zip(GROUPS, cells, strict=True)
        if cell != "="
    }
    return date.fromisoformat(day), Holiday(name, MappingProxyType(closes), source == "published")


HOLIDAYS: Mapping[date, Holiday] = MappingProxyType(dict(map(_holiday, _TABLE.strip().splitlines())))
