"""What the daemons' journals say, and nobody else can: which alerts were decided, which plans were under way, and when."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from desk.core.orders import OrderState, TrackedOrder
from desk.core.plans import ExitPlan, Plan, ProtectPlan, ReducePlan
from desk.core.records import (
    AccountReconciled,
    AlertDecided,
    AlertJournalled,
    DaemonStarted,
    HubRecorded,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    Record,
    ResyncStarted,
    Verdict,
    VerdictKind,
)
from desk.store.journal import FILE_NAME
from desk.store.reader import Reader
from tests.chaos.dialects import ID_IN_TEXT
from tests.chaos.spans import Span
from tests.chaos.venue import Place

__all__ = ["Books", "Decided", "read_books"]


@dataclass
class Decided:
    """One alert as it was journalled, and the newest verdict about it."""

    cause: str
    sender_id: str
    verdict: Verdict
    ts: float

    @property
    def is_first(self) -> bool:
        return self.verdict.of is None


@dataclass
class Books:
    """One daemon's journal."""

    account_id: int
    alerts: dict[str, Decided] = field(default_factory=dict)  # by cause
    by_sender_id: dict[str, list[Decided]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, tuple[TrackedOrder, str]] = field(default_factory=dict)  # the newest row, and why
    exits: dict[Place, list[Span]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[Place, list[Span]] = field(default_factory=lambda: defaultdict(list))  # partial closes
    guards: dict[Place, list[Span]] = field(default_factory=lambda: defaultdict(list))
    results: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    blind: list[Span] = field(default_factory=list)  # nothing was known for sure
    open_plans: dict[str, tuple[Plan, float]] = field(default_factory=dict)
    held_s: list[float] = field(default_factory=list)  # how long each held alert waited for its decision
    dialects: Counter[str] = field(default_factory=Counter)  # of the messages, as they were read
    starts: int = 0
    _blind_since: float | None = None
    ended: float = 0.0

    def take(self, record: Record) -> None:
        at = record.ts.timestamp()
        self.ended = max(self.ended, at)
        match record:
            case AlertJournalled(alert=alert, verdict=verdict, cause=cause):
                found = re.search(ID_IN_TEXT, alert.raw)  # not every form has a place for a sender's id
                decided = Decided(cause, found[0] if found else "", verdict, at)
                self.dialects[alert.alert.dialect if alert.alert is not None else "unreadable"] += 1
                self.alerts[cause] = decided
                self.by_sender_id[decided.sender_id].append(decided)
            case AlertDecided(cause=cause, verdict=verdict):
                self.alerts[cause].verdict = verdict
                self.held_s.append(at - self.alerts[cause].ts)
            case OrderChanged(order=order, why=why):
                self.orders[order.client_order_id] = (order, why)
            case PlanChanged(plan=plan):
                since = self.open_plans.get(plan.plan_id, (plan, at))[1]
                self.open_plans[plan.plan_id] = (plan, since)
            case PlanEnded(plan_id=plan_id, result=result):
                self.results[plan_id].append(result)
                self._plan_ended(plan_id, at)
            case DaemonStarted():
                self.starts += 1
                self._sight_lost(at)
            case ResyncStarted() | HubRecorded(is_up=False):
                self._sight_lost(at)
            case AccountReconciled(account_id=account_id) if account_id == self.account_id:
                if self._blind_since is not None:
                    self.blind.append((self._blind_since, at))
                    self._blind_since = None

    def close(self) -> None:
        """What still lasts, lasts until the last record."""
        for plan_id in list(self.open_plans):
            self._plan_ended(plan_id, self.ended)
        if self._blind_since is not None:
            self.blind.append((self._blind_since, self.ended))

    def never_sent(self, tag: str) -> str | None:
        """Why an order that was decided never came to be, without its numbers; None: the journal knows no reason."""
        order, why = self.orders.get(tag, (None, ""))
        is_over = order is not None and order.state in {OrderState.EXPIRED, OrderState.REJECTED}
        results = self.results.get(f"enter:{tag}", [])
        if order is None:  # of a reversal that ended before its entry
            cause = self.accepted_entries[tag].cause
            results = [
                said
                for plan_id in self.results
                if plan_id.startswith(f"reverse:{cause}:")
                for said in self.results[plan_id]
            ]
        said = results[-1] if results else why
        return ":".join(said.split(":")[:2])[:60] if is_over or (order is None and said) else None

    @cached_property
    def accepted_entries(self) -> dict[str, Decided]:
        """By tag: every order that a verdict promised. Asked for once everything was taken."""
        return {
            tag: row
            for row in self.alerts.values()
            if row.verdict.kind is VerdictKind.ACCEPTED
            for tag in row.verdict.orders
        }

    def _plan_ended(self, plan_id: str, at: float) -> None:
        plan, since = self.open_plans.pop(plan_id, (None, at))
        if isinstance(plan, ReducePlan):
            self.parts[plan.account_id, plan.contract_id].append((since, at))
        elif isinstance(plan, ExitPlan):
            self.exits[plan.account_id, plan.contract_id].append((since, at))
        elif isinstance(plan, ProtectPlan):
            self.guards[plan.account_id, plan.contract_id].append((since, at))

    def _sight_lost(self, at: float) -> None:
        self._blind_since = at if self._blind_since is None else self._blind_since


def read_books(data_dir: Path, account_id: int) -> tuple[Books, list[tuple[int, Any]]]:
    """The books, and the records themselves for the story of an offender."""
    reader = Reader(data_dir / FILE_NAME)
    try:
        rows: Iterable[tuple[int, Record]] = reader.read(0)
    finally:
        reader.close()
    books, kept = Books(account_id), list(rows)
    for _, record in kept:
        books.take(record)
    books.close()
    return books, kept
