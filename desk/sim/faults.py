"""Faults on request: what calls, user events and hubs suffer. Each one names itself in the log and in ``happened``.

A fault strikes ``times`` times (None: for ever), each time with its ``probability``, and only for its ``account`` when
one is named. The dice are seeded: the same requests in the same order meet the same faults.
"""

import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from desk.sim.config import paths_of

log = logging.getLogger("desk.sim")

Kind = Literal["drop_before", "drop_after", "refuse", "refuse_after", "reject", "hang", "delay", "delay_after"]
EventKind = Literal["lose", "duplicate", "delay", "reorder", "reject_stop"]
HubKind = Literal["drop", "silence", "refuse"]
How = Literal["abort", "close", "logout"]
WhenExpired = Literal["ignore", "close", "logout"]
KINDS: tuple[str, ...] = get_args(Kind)
EVENT_KINDS: tuple[str, ...] = get_args(EventKind)
HUB_KINDS: tuple[str, ...] = get_args(HubKind)
ROWS = ("order", "position", "trade", "account")
_KEPT = 2000


@dataclass(kw_only=True)
class _Trouble:
    """When it strikes."""

    times: int | None = 1
    probability: float = 1.0
    account: int | None = None

    def strikes(self, dice: random.Random, account: int | None) -> bool:
        """Whether this occasion is one."""
        if self.account is not None and self.account != account:
            return False
        if self.probability < 1.0 and dice.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    @property
    def is_over(self) -> bool:
        """It has struck as often as it should."""
        return self.times is not None and self.times <= 0


@dataclass
class Fault(_Trouble):
    """Trouble for REST calls. ``status``, ``code``, ``ms`` matter where the kind uses them."""

    kind: Kind
    status: int = 503
    code: int = 2
    message: str | None = None
    ms: float = 0.0
    retry_after_s: int | None = None

    @property
    def before_ms(self) -> float:
        """How long to wait before the call is executed."""
        return 0.0 if self.kind == "delay_after" else self.ms

    @property
    def after_ms(self) -> float:
        """How long to hold the reply back after the call was executed: its events are there first."""
        return self.ms if self.kind == "delay_after" else 0.0

    def __str__(self) -> str:
        detail = {
            "refuse": f" with HTTP {self.status}",
            "refuse_after": f" with HTTP {self.status}",
            "reject": f" with errorCode {self.code}",
            "delay": f" by {self.ms:g} ms",
            "delay_after": f" by {self.ms:g} ms",
        }
        return self.kind + detail.get(self.kind, "")


@dataclass
class EventFault(_Trouble):
    """Trouble for user events of one row kind or of all; ``reject_stop`` turns an accepted stop down (reference 3.6)."""

    kind: EventKind
    row: str | None = None
    ms: float = 0.0


@dataclass
class HubFault(_Trouble):
    """Trouble for a hub that comes by itself, on average ``every_s`` seconds; ``refuse`` is asked at each upgrade."""

    kind: HubKind
    hub: str
    every_s: float = 60.0
    how: How = "abort"
    for_s: float = 30.0
    status: int = 503


@dataclass(frozen=True)
class Next:
    """The next ``times`` calls of some paths; say with a method what happens to them."""

    faults: "Faults"
    paths: tuple[str, ...]
    times: int | None
    account: int | None = None
    probability: float = 1.0

    def drops_before_execution(self) -> None:
        """The connection dies; nothing was done."""
        self.add(Fault("drop_before"))

    def drops_after_execution(self) -> None:
        """It was done; the connection dies before the reply."""
        self.add(Fault("drop_after"))

    def refuses(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Answers with a bare HTTP status; nothing was done."""
        self.add(Fault("refuse", status=status, retry_after_s=retry_after_s))

    def refuses_after_execution(self, status: int) -> None:
        """It was done; the answer is a bare HTTP status all the same."""
        self.add(Fault("refuse_after", status=status))

    def rejects(self, code: int, message: str | None = None) -> None:
        """HTTP 200 with ``success:false`` and this code; nothing was done."""
        self.add(Fault("reject", code=code, message=message))

    def hangs(self) -> None:
        """Never answers; nothing was done."""
        self.add(Fault("hang"))

    def delays(self, ms: float) -> None:
        """Waits before it is executed."""
        self.add(Fault("delay", ms=ms))

    def delays_reply(self, ms: float) -> None:
        """Executes at once and answers late: events are early (reference 5.4)."""
        self.add(Fault("delay_after", ms=ms))

    def add(self, fault: Fault) -> None:
        """Plan this one for every path."""
        for path in self.paths:
            self.faults.add(path, replace(fault, times=self.times, account=self.account, probability=self.probability))


@dataclass
class Faults:
    """All planned trouble. An endpoint is named by its path or by a short name such as ``place``."""

    latency_ms: dict[str, float] = field(default_factory=dict)
    hub_refusals: dict[str, list[int]] = field(default_factory=dict)
    silent_hubs: set[str] = field(default_factory=set)
    event_delay_ms: float = 0.0
    seed: int = 7
    when_expired: WhenExpired = "ignore"
    quote_snapshot: bool = True
    skew_s: float = 0.0
    event_faults: list[EventFault] = field(default_factory=list)
    hub_faults: list[HubFault] = field(default_factory=list)
    happened: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    on_said: Callable[[str], None] = lambda what: None
    _planned: dict[str, list[Fault]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Dice of their own, so that faults do not depend on prices."""
        self._dice = random.Random(f"{self.seed}|faults")

    # -- planning ---------------------------------------------------------------------------------------------

    def next(
        self, endpoint: str, times: int | None = 1, *, account: int | None = None, probability: float = 1.0
    ) -> Next:
        """Name the calls: ``faults.next("/api/Order/place", times=2).drops_after_execution()``."""
        return Next(self, paths_of(endpoint), times, account, probability)

    def add(self, path: str, fault: Fault) -> None:
        """Plan one fault; faults of one path happen in the order in which they were planned."""
        self._planned.setdefault(path, []).append(fault)

    def set_latency(self, latency_ms: Mapping[str, float]) -> None:
        """Standing milliseconds per endpoint; 0 takes one off."""
        for key, value in latency_ms.items():
            for path in paths_of(key):
                self.latency_ms[path] = value

    def refuse_hub(self, hub: str, times: int = 1, status: int = 503) -> None:
        """The next upgrades of that hub are answered with a status."""
        self.hub_refusals.setdefault(hub, []).extend([status] * times)

    def silence_hub(self, hub: str, silent: bool = True) -> None:
        """A stale hub: the socket stays open, pings flow, no event comes (reference 5.5)."""
        (self.silent_hubs.add if silent else self.silent_hubs.discard)(hub)
        self.say(f"hub.silent hub={hub} on={silent}")

    def lose_user_events(self, count: int = 1) -> None:
        """The next user events are never pushed."""
        if count:
            self.event_faults.append(EventFault("lose", times=count))

    def duplicate_user_events(self, count: int = 1) -> None:
        """The next user events are pushed twice."""
        if count:
            self.event_faults.append(EventFault("duplicate", times=count))

    def delay_user_events(self, ms: float) -> None:
        """From now on user events are pushed so much later: after the HTTP reply, for instance."""
        self.event_delay_ms = ms

    def skew(self, seconds: float) -> None:
        """The gateway's clock is wrong by so much: Date header and every timestamp; negative is behind."""
        self.skew_s = seconds
        self.say(f"clock.skewed seconds={seconds:g}")

    def clear(self) -> None:
        """Forget all trouble, latencies included; what happened stays in the log."""
        self._planned.clear()
        self.latency_ms.clear()
        self.hub_refusals.clear()
        self.silent_hubs.clear()
        self.event_faults.clear()
        self.hub_faults.clear()
        self.event_delay_ms = self.skew_s = 0.0

    # -- happening --------------------------------------------------------------------------------------------

    def say(self, what: str) -> None:
        """A fault's line, for the log and for ``GET /sim/state``; times are monotonic as in the request log."""
        self.happened.append({"at": time.monotonic(), "fault": what})
        log.warning("fault %s", what)
        self.on_said(what)

    def take(self, path: str, body: bytes = b"") -> Fault | None:
        """The fault of this call, if one is planned; it is named in the log as it happens."""
        planned = self._planned.get(path)
        if not planned:
            return None
        account = _account_of(body) if any(fault.account is not None for fault in planned) else None
        fault = next((one for one in planned if one.strikes(self._dice, account)), None)
        if fault is None:
            return None
        if fault.is_over:
            planned.remove(fault)
        self.say(f"{fault} path={path}")
        return fault

    def take_hub_refusal(self, hub: str) -> int | None:
        """The status this upgrade is refused with, if any."""
        planned = self.hub_refusals.get(hub)
        status = planned.pop(0) if planned else None
        if status is None:
            for fault in self.hub_faults:
                if fault.kind == "refuse" and fault.hub == hub and fault.strikes(self._dice, None):
                    status = fault.status
                    break
            self.hub_faults = [fault for fault in self.hub_faults if not fault.is_over]
        if status is not None:
            self.say(f"hub.refused hub={hub} status={status}")
        return status

    def take_event_fault(self, row: str, account: int, *, stop: bool = False) -> EventFault | None:
        """What happens to this user event, if anything; with ``stop`` only whether this stop is turned down."""
        for fault in self.event_faults:
            if (fault.kind == "reject_stop") is not stop or fault.row not in (None, row):
                continue
            if fault.strikes(self._dice, account):
                if fault.is_over:
                    self.event_faults.remove(fault)
                self.say(f"event.{fault.kind} row={row} account={account}")
                return fault
        return None

    def due_hub_faults(self, seconds: float) -> list[HubFault]:
        """Drops and silences that begin within these seconds, by the dice."""
        struck: list[HubFault] = []
        for fault in self.hub_faults:
            is_due = fault.kind != "refuse" and self._dice.random() < seconds / fault.every_s
            if is_due and fault.strikes(self._dice, None):
                struck.append(fault)
        self.hub_faults = [fault for fault in self.hub_faults if not fault.is_over]
        return struck


def _account_of(body: bytes) -> int | None:
    """The account a request speaks of, None when it speaks of none."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(members, dict) and isinstance(members.get("filter"), dict):
        members = members["filter"]
    account = members.get("accountId") if isinstance(members, dict) else None
    return account if isinstance(account, int) else None
