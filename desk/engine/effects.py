"""What the world should do about a decision. Carried out only after the commit, by the executor's lanes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from desk.core.ids import AccountId, ClientOrderId
from desk.orders import PlaceStop, Reducing
from desk.risk import Approved

__all__ = ["Effect", "ReadAccount", "Reduce", "SearchTag", "StartTimer", "Submit", "Tell"]


@dataclass(frozen=True, slots=True)
class Submit:
    """Send an opening order. Its journalled form is in state submitted."""

    approved: Approved

    @property
    def answers_to(self) -> str:
        """What its answer is told to."""
        return self.approved.order.client_order_id


@dataclass(frozen=True, slots=True)
class Reduce:
    """Send a cancel or a close."""

    reducing: Reducing

    @property
    def answers_to(self) -> str:
        """What its answer is told to: a plan, or for a stop that is placed the order itself."""
        what = self.reducing.what
        return what.order.client_order_id if isinstance(what, PlaceStop) else self.reducing.plan_id


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Read the gateway's word on an account. ``is_full``: with finished orders and fills since ``since``.

    is_urgent: protection waits for it, so it may use the requests that are kept for exits.
    """

    account_id: AccountId
    asked_by: str
    is_full: bool = False
    since: datetime | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class SearchTag:
    """Look one of our orders up by its tag: finished and open orders since ``since``."""

    account_id: AccountId
    client_order_id: ClientOrderId
    since: datetime


@dataclass(frozen=True, slots=True)
class StartTimer:
    """A ``TimerFired(key)`` after ``delay_s``. Timers of a lost process are not missed: plans are resumed by reading."""

    key: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Tell:
    """A person should see this."""

    kind: str
    text: str
    cause: str


Effect = Submit | Reduce | ReadAccount | SearchTag | StartTimer | Tell
