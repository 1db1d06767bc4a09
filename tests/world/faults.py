"""What goes wrong and how often. Chances are of one call or one event, rates of one simulated hour."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Rates:
    """The bad days of a gateway. ``Rates.none()`` is a good one."""

    lost_before: float = 0.01  # the request never arrived, nobody was told
    lost_after: float = 0.02  # it was carried out, nobody was told
    delayed: float = 0.005  # given up here, carried out there a moment later
    refused: float = 0.01
    limited: float = 0.02  # 429: surely not processed
    limited_falsely: float = 0.002  # so it was said of an entry, and it was processed
    failed_read: float = 0.03
    lagging_read: float = 0.2  # shows what was up to 1 s ago
    lost_event: float = 0.03
    doubled_event: float = 0.03
    late_event: float = 0.05  # overtaken by younger ones
    lost_commit: float = 0.0005  # the journal says that it failed
    killed_commit: float = 0.001  # the process ends in the middle of one, its records on the disk or not
    gaps: float = 2.0
    kills: float = 1.0
    outages: float = 0.25  # REST does not answer at all
    hand_closes: float = 0.3  # a person closes a position or a part of it on the platform, where its legs stay
    hand_cancels: float = 0.3  # a person cancels a stop
    resyncs: float = 0.2
    flattens: float = 0.5
    commands: float = 0.0  # a person at the console: not a fault; asked for by --commands
    dark_markets: float = 0.3  # nobody shows a price

    @classmethod
    def none(cls) -> Rates:
        return cls(**dict.fromkeys((row.name for row in fields(cls)), 0.0) | {"commands": cls.commands})

    def times(self, factor: float) -> Rates:
        """Worse weather. A read takes four calls, so their failing is bounded lower: else nothing is ever known."""
        bounds = dict.fromkeys(CHANCES, 0.2) | {"failed_read": 0.08, "lagging_read": 0.5, "lost_commit": 0.005}
        more = {row.name: getattr(self, row.name) * factor for row in fields(self)}
        rates = {name: min(value, bounds.get(name, 20.0)) for name, value in more.items()}
        return Rates(**rates | {"commands": self.commands})


RATES = ("gaps", "kills", "outages", "hand_closes", "hand_cancels", "resyncs", "flattens", "commands", "dark_markets")
CHANCES = [row.name for row in fields(Rates) if row.name not in RATES]


@dataclass
class Faults:
    """Seeded dice over the rates; counts what it let happen."""

    dice: random.Random
    rates: Rates = Rates()
    counts: Counter[str] = field(default_factory=Counter)

    def strikes(self, name: str) -> bool:
        """Whether this one goes wrong in the named way."""
        if self.dice.random() >= getattr(self.rates, name):
            return False
        self.counts[name] += 1
        return True

    def one_of(self, *names: str) -> str | None:
        """The first of the named faults that strikes, on one throw of the dice."""
        thrown = self.dice.random()
        for name in names:
            thrown -= getattr(self.rates, name)
            if thrown < 0:
                self.counts[name] += 1
                return name
        return None

    def wait_s(self, name: str) -> float | None:
        """Seconds until the next fault of a rate; None: never."""
        rate = getattr(self.rates, name)
        return self.dice.expovariate(rate / 3600) if rate > 0 else None
