"""What the senders send: seeded messages over several accounts and contracts. Every entry carries its own bracket.

The pair of stop and target distance is the alert's fingerprint. It comes back in the place request, so that the simulator's
log alone says which alert an order came from.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.chaos.dialects import DIALECTS, render

ROOTS = {
    "MNQ": "CME_MINI", "MES": "CME_MINI", "M2K": "CME_MINI", "MYM": "CBOT_MINI", "MGC": "COMEX_MINI", "MCL": "NYMEX",
    "SIL": "COMEX_MINI", "MHG": "COMEX_MINI", "MNG": "NYMEX", "M6E": "CME_MINI", "M6A": "CME_MINI", "MBT": "CME",
}  # fmt: skip
REPEATS = 0.05
FOREIGN = 0.6  # of the messages, where a form has words for them
LATE = 0.02
_SETTLING_S = 2.5  # after an exit was sent an entry waits so long, as a rule
_HOLDING_S = (0.0, 6.0)  # and after an entry whatever comes next
_FLAT = {"long": 34, "short": 34, "goal": 14, "exit": 5, "note": 8, "heartbeat": 2, "flatten": 1, "no stop": 2}
_HELD = {
    "exit": 46, "exit side": 8, "goal flat": 8, "flatten": 6, "flatten all": 1, "long": 9, "short": 9, "goal": 4, "note": 8,
    "heartbeat": 1,
}  # fmt: skip


@dataclass(eq=False)
class Message:
    """One alert. A repeat has the bytes of its first; ``due_s`` counts from the phase's start."""

    number: int
    account_id: int
    root: str | None
    kind: str
    due_s: float
    members: dict[str, Any]
    is_late: bool = False
    of: Message | None = None
    bracket: tuple[int, int] | None = None  # stop and target in ticks
    side: int = 0
    dialect: str | None = None  # None: our own form
    tick_size: Decimal = Decimal(1)
    _body: bytes | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return str(self.members["id"])

    def body(self, now: datetime) -> bytes:
        """The same at every call; the first one is when the chart fired."""
        if self.of is not None:
            return self.of.body(now)
        if self._body is None:
            fired = (now - timedelta(minutes=5) if self.is_late else now).astimezone(UTC)
            is_stamped = self.is_late or self.number % 3 > 0
            at = fired.strftime("%Y-%m-%dT%H:%M:%SZ")
            foreign = None if self.dialect is None else render(self.members, self.dialect, at, self.points)
            own = self.members | ({"fired_at": at} if is_stamped else {})
            self._body = foreign or json.dumps(own).encode()
        return self._body

    @property
    def points(self) -> tuple[float, float] | None:
        """Of an entry that a form without position targets can say."""
        if self.bracket is None or self.kind not in {"long", "short"}:
            return None
        return float(self.bracket[0] * self.tick_size), float(self.bracket[1] * self.tick_size)


@dataclass
class _Place:
    """What the sender believes of a contract: it knows neither fills nor stops."""

    side: int = 0
    free_at: float = 0.0


class Messages:
    """All messages of one seed, in order; numbers go on from phase to phase."""

    def __init__(self, seed: int, accounts: list[int], tick_sizes: dict[str, Decimal]) -> None:
        self._dice = random.Random(f"{seed}:messages")
        self._ticks = tick_sizes
        self._places = {(account, root): _Place() for account in accounts for root in tick_sizes}
        self._number = 0
        self._seed = seed

    def phase(self, count: int, per_second: float) -> Iterator[Message]:
        """``count`` messages, repeats included, at ``per_second`` on average."""
        due, recent = 0.0, list[Message]()
        for _ in range(count):
            due += self._dice.expovariate(per_second)
            if recent and self._dice.random() < REPEATS:
                yield self._again(self._dice.choice(recent), due)
                continue
            message = self._new(due)
            recent = [*recent[-40:], message]
            yield message
        for place in self._places.values():
            place.side, place.free_at = 0, 0.0

    def _again(self, first: Message, due: float) -> Message:
        self._number += 1
        return Message(self._number, first.account_id, first.root, "repeat", due, first.members, of=first)

    def _new(self, due: float) -> Message:
        self._number += 1
        (account, root), place = self._pick(due)
        weights = _HELD if place.side else _FLAT
        kind = self._dice.choices(list(weights), list(weights.values()))[0]
        members: dict[str, Any] = {"v": 1, "id": f"chaos-{self._seed}-{self._number}"}
        message = Message(self._number, account, root, kind, due, members)
        side = self._dice.choice((1, -1))
        match kind:
            case "note" | "heartbeat":
                members |= {"action": kind, "comment": "hello"}
                message.root = None
            case "flatten all":
                members["action"] = "flatten_all"
                message.root = None
                for (where, _), other in self._places.items():
                    if where == account:
                        other.side, other.free_at = 0, due + _SETTLING_S
            case "exit" | "flatten":
                members |= {"action": kind, "symbol": self._symbol(root)}
            case "exit side":
                members |= {
                    "action": "exit_long" if place.side > 0 else "exit_short",
                    "symbol": self._symbol(root),
                }
            case "goal flat":
                members |= {
                    "action": "set_position",
                    "symbol": self._symbol(root),
                    "position": {"now": "flat", "size": 0},
                }
            case _:
                self._enter(message, kind, side)
        if kind in {"exit", "exit side", "goal flat", "flatten"}:
            place.side, place.free_at = 0, due + _SETTLING_S
        message.tick_size = self._ticks[root]
        if self._dice.random() < FOREIGN:
            able = [name for name in DIALECTS if render(members, name, "", message.points) is not None]
            message.dialect = self._dice.choice(able) if able else None
        return message

    def _pick(self, due: float) -> tuple[tuple[int, str], _Place]:
        """Mostly one whose last entry or exit had its time."""
        free = [row for row in self._places.items() if row[1].free_at <= due]
        return self._dice.choice(free or list(self._places.items()))

    def _symbol(self, root: str) -> str:
        return f"{ROOTS[root]}:{root}1!"

    def _enter(self, message: Message, kind: str, side: int) -> None:
        assert message.root is not None, "an entry names its contract"
        side = {"long": 1, "short": -1}.get(kind, side)
        word = "long" if side > 0 else "short"
        stop, target = 30 + message.number % 100, 40 + message.number // 100
        message.side, message.bracket = side, (stop, target)
        message.is_late = self._dice.random() < LATE
        message.members |= {"action": f"enter_{word}", "symbol": self._symbol(message.root)}
        qty = self._dice.choice((1, 1, 2))
        if kind == "goal":
            message.members |= {"action": "set_position", "position": {"now": word, "size": qty}}
        else:
            message.members["qty"] = {"mode": "contracts", "value": qty}
        if kind != "no stop":
            message.members["stop"] = self._distance(message.root, stop)
        message.members["targets"] = [self._distance(message.root, target)]
        place = self._places[message.account_id, message.root]
        if not message.is_late and kind != "no stop" and not place.side:
            place.side = side
            place.free_at = message.due_s + self._dice.uniform(*_HOLDING_S)

    def _distance(self, root: str, ticks: int) -> dict[str, Any]:
        if self._dice.random() < 0.5:
            return {"unit": "ticks", "value": ticks}
        return {"unit": "points", "value": float(ticks * self._ticks[root])}
