"""What happened at the gateway, read from the simulator's complete log and from nothing else.

Times are the exchange's own, of the rows themselves: a busy simulator tells late what it has dated right.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.spans import Span

__all__ = ["Entry", "Place", "PlaceRow", "Venue", "read_venue"]

PLACE = "/api/Order/place"
OPEN, REJECTED = 1, 5
WORKING = {1, 6, 7, 8}
STOPS = {4, 5}
Place = tuple[int, str]


@dataclass
class Entry:
    """One entry order of ours as the exchange has it. The bracket comes from the request that carried its tag."""

    order_id: int
    tag: str
    place: Place
    side: int
    qty: int
    bracket: tuple[int, int] | None
    at: float
    is_refused: bool


@dataclass
class PlaceRow:
    """One account and contract over time."""

    net: int = 0
    filled: list[float] = field(default_factory=list)  # when the position grew
    flat: list[Span] = field(default_factory=list)
    naked: list[Span] = field(default_factory=list)  # a position and not enough working stops
    turned_down: list[tuple[float, str]] = field(default_factory=list)  # stops: when, and the fate of the report
    orphans: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))  # exits that worked while flat
    opened_by_exit: list[dict[str, Any]] = field(default_factory=list)
    _exits: dict[int, tuple[int, int, bool]] = field(default_factory=dict)  # working: side, qty left, is a stop
    _flat_since: float | None = 0.0
    _naked_since: float | None = None
    _orphan_since: dict[int, float] = field(default_factory=dict)

    def order(self, at: float, row: dict[str, Any], fate: str) -> None:
        """An exit changed."""
        left = row["size"] - row.get("fillVolume", 0)
        is_stop = row["type"] in STOPS
        if row["status"] == OPEN and left > 0:
            self._exits[row["id"]] = (-1 if row["side"] else 1, left, is_stop)
        else:
            self._exits.pop(row["id"], None)
        if is_stop and row["status"] == REJECTED:
            self.turned_down.append((at, fate))
        self.look(at)

    def trade(self, at: float, row: dict[str, Any], is_entry: bool) -> None:
        before = abs(self.net)
        self.net += row["size"] * (-1 if row["side"] else 1)
        if abs(self.net) > before:
            self.filled.append(at)
            if not is_entry:
                self.opened_by_exit.append(row)
        self.look(at)

    def look(self, at: float) -> None:
        """Opens and closes the spans, after each change."""
        covered = sum(left for side, left, is_stop in self._exits.values() if is_stop and side * self.net < 0)
        self._naked_since = _span(self._naked_since, covered < abs(self.net), at, self.naked)
        self._flat_since = _span(self._flat_since, self.net == 0, at, self.flat)
        for order_id in self._orphan_since.keys() | self._exits.keys():
            is_orphan = self.net == 0 and order_id in self._exits
            since = _span(self._orphan_since.get(order_id), is_orphan, at, self.orphans[order_id])
            if since is None:
                self._orphan_since.pop(order_id, None)
            else:
                self._orphan_since[order_id] = since

    def end(self, at: float) -> None:
        """What still lasts, lasts until then."""
        _span(self._naked_since, False, at, self.naked)
        _span(self._flat_since, False, at, self.flat)
        for order_id, since in self._orphan_since.items():
            _span(since, False, at, self.orphans[order_id])


def _span(since: float | None, is_so: bool, at: float, spans: list[Span]) -> float | None:
    """Since when it is so; None: it is not. Spans without a length are left out: one event of several rows."""
    if is_so:
        return at if since is None else since
    if since is not None and at > since:
        spans.append((since, at))
    return None


@dataclass
class Venue:
    """The whole log, told as orders and places."""

    entries: list[Entry] = field(default_factory=list)
    places: dict[Place, PlaceRow] = field(default_factory=lambda: defaultdict(PlaceRow))
    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    throttled: list[tuple[float, str]] = field(default_factory=list)  # 429s: when, whose
    guards: list[Entry] = field(default_factory=list)  # protective stops that were placed on their own
    placed: Counter[str] = field(default_factory=Counter)  # place requests by tag
    working: dict[int, dict[str, Any]] = field(default_factory=dict)  # at the end
    ended: float = 0.0
    _brackets: dict[str, set[tuple[int, int] | None]] = field(default_factory=lambda: defaultdict(set))
    _ours: dict[int, Entry] = field(default_factory=dict)
    _lone_stops: set[str] = field(default_factory=set)  # tags

    @property
    def changed_brackets(self) -> list[str]:
        """Tags that were sent with two different bodies."""
        return [tag for tag, brackets in self._brackets.items() if len(brackets) > 1]

    def request(self, row: dict[str, Any]) -> None:
        self.requests[row["path"]] += 1
        if row["path"] == PLACE:
            body = json.loads(row["body"])
            tag = body.get("customTag") or ""
            self.placed[tag] += 1
            self._brackets[tag].add(_bracket(body))
            if body.get("type") in STOPS and "stopLossBracket" not in body:
                self._lone_stops.add(tag)

    def order(self, row: dict[str, Any]) -> None:
        order = row["data"]
        at = _time(order["updateTimestamp"])
        if order["status"] in WORKING:
            self.working[order["id"]] = order
        else:
            self.working.pop(order["id"], None)
        is_leg = "parentOrderId" in order or order.get("customTag") in self._lone_stops
        if not is_leg and order.get("customTag", "").startswith("dsk-"):
            self._first_row(order, self.entries)
        elif is_leg:
            if "parentOrderId" not in order:
                self._first_row(order, self.guards)
            self.places[_place(order)].order(at, order, row["fate"])

    def trade(self, row: dict[str, Any]) -> None:
        trade = row["data"]
        entry = self._ours.get(trade["orderId"])
        is_entry = entry is not None and entry.tag not in self._lone_stops
        self.places[_place(trade)].trade(_time(trade["creationTimestamp"]), trade, is_entry)

    def _first_row(self, order: dict[str, Any], where: list[Entry]) -> None:
        if order["id"] in self._ours:
            return  # only its first row says whether it was let in
        tag = order["customTag"]
        bracket = next(iter(self._brackets[tag]), None)
        side = -1 if order["side"] else 1
        at, is_refused = _time(order["creationTimestamp"]), order["status"] == REJECTED
        entry = Entry(order["id"], tag, _place(order), side, order["size"], bracket, at, is_refused)
        self._ours[entry.order_id] = entry
        where.append(entry)


def _place(row: dict[str, Any]) -> Place:
    return row["accountId"], row["contractId"]


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _bracket(body: dict[str, Any]) -> tuple[int, int] | None:
    stop, target = body.get("stopLossBracket"), body.get("takeProfitBracket")
    return (abs(stop["ticks"]), abs(target["ticks"])) if stop and target else None


def read_venue(rows: Iterable[dict[str, Any]]) -> Venue:
    venue = Venue()
    for row in rows:
        venue.ended = row["at"]
        match row["kind"]:
            case "request":
                venue.request(row)
            case "reply" if row["status"] == 429:
                venue.throttled.append((row["at"], row["user"] or ""))
            case "order":
                venue.order(row)
            case "trade":
                venue.trade(row)
            case "fault":
                venue.faults[_name(row["fault"])] += 1
    for place in venue.places.values():
        place.end(venue.ended)
    return venue


def _name(fault: str) -> str:
    """Without the account, so that alike ones count together."""
    return " ".join(part for part in fault.split() if not part.startswith(("account=", "connections=")))
