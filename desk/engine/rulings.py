"""A ruling: what is to be done about something that was asked for. Made on the state as it is, carried out in the same
decision after it was written down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from desk.bots import Situation
from desk.core.ids import AccountId, CauseId, ClientOrderId
from desk.core.intents import Intent
from desk.core.plans import ExitReason
from desk.core.records import Record, Verdict, VerdictKind
from desk.core.words import Contract
from desk.engine.draft import Context, Draft
from desk.engine.state import Place
from desk.risk import Reason

__all__ = ["Asker", "Ruling", "accepted", "denied", "held", "place_of", "would"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for something. ``ts``: when it came in, to supersede what waited before it."""

    cause: CauseId
    account_id: AccountId
    ts: datetime
    reason: ExitReason
    warnings: tuple[str, ...] = ()
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done. ``begin`` is called once, after the verdict was written down.

    intent, situation: what it was made of, for whoever explains it; None where it did not get as far.
    """

    verdict: Verdict
    begin: Callable[[Draft], None] | None = None
    opens: bool = False  # it may open a position: an exit that came later makes it outdated
    would: str | None = None  # shadow or dry run: what would have been sent
    incident: tuple[str, str] | None = None
    facts: tuple[Record, ...] = ()  # written down with the verdict
    intent: Intent | None = None
    situation: Situation | None = None


def accepted(
    text: str, orders: tuple[ClientOrderId, ...] = (), plan_id: str | None = None, warnings: tuple[str, ...] = ()
) -> Verdict:
    return Verdict(kind=VerdictKind.ACCEPTED, text=text, orders=orders, plan_id=plan_id, warnings=warnings)


def denied(reason: Reason, text: str, warnings: tuple[str, ...] = ()) -> Ruling:
    return Ruling(Verdict(kind=VerdictKind.DENIED, reason=reason, text=text, warnings=warnings))


def held(reason: Reason, text: str, warnings: tuple[str, ...] = ()) -> Ruling:
    """Not decided yet."""
    return Ruling(Verdict(kind=VerdictKind.HELD, reason=reason, text=text, warnings=warnings))


def would(text: str, ctx: Context) -> Ruling:
    reason = Reason.SHADOW if ctx.is_shadow else Reason.DRY_RUN
    return Ruling(Verdict(kind=VerdictKind.WOULD_SEND, reason=reason, text=text), would=text)


def place_of(asker: Asker, contract: Contract) -> Place:
    return (asker.account_id, contract.contract_id)
