"""Faults on request: what the next calls of an endpoint suffer, standing latencies, and a user hub that misbehaves."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from desk.sim.config import paths_of

log = logging.getLogger("desk.sim")

Kind = Literal["drop_before", "drop_after", "refuse", "refuse_after", "reject", "hang", "delay"]


@dataclass
class Fault:
    """One kind of trouble for a number of calls. ``status`` and ``code`` matter where the kind uses them."""

    kind: Kind
    times: int = 1
    status: int = 503
    code: int = 2
    message: str | None = None
    ms: float = 0.0
    retry_after_s: int | None = None

    def __str__(self) -> str:
        detail = {
            "refuse": f" with HTTP {self.status}",
            "refuse_after": f" with HTTP {self.status}",
            "reject": f" with errorCode {self.code}",
            "delay": f" by {self.ms:g} ms",
        }
        return self.kind + detail.get(self.kind, "")


@dataclass(frozen=True)
class Next:
    """The next ``times`` calls of some paths; say with a method what happens to them."""

    faults: "Faults"
    paths: tuple[str, ...]
    times: int

    def drops_before_execution(self) -> None:
        """The connection dies; nothing was done."""
        self._add(Fault("drop_before"))

    def drops_after_execution(self) -> None:
        """It was done; the connection dies before the reply."""
        self._add(Fault("drop_after"))

    def refuses(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Answers with a bare HTTP status; nothing was done."""
        self._add(Fault("refuse", status=status, retry_after_s=retry_after_s))

    def refuses_after_execution(self, status: int) -> None:
        """It was done; the answer is a bare HTTP status all the same."""
        self._add(Fault("refuse_after", status=status))

    def rejects(self, code: int, message: str | None = None) -> None:
        """HTTP 200 with ``success:false`` and this code; nothing was done."""
        self._add(Fault("reject", code=code, message=message))

    def hangs(self) -> None:
        """Never answers; nothing was done."""
        self._add(Fault("hang"))

    def delays(self, ms: float) -> None:
        """Waits before it is executed."""
        self._add(Fault("delay", ms=ms))

    def _add(self, fault: Fault) -> None:
        for path in self.paths:
            self.faults.add(path, Fault(**{**fault.__dict__, "times": self.times}))


@dataclass
class Faults:
    """All planned trouble. An endpoint is named by its path or by a short name such as ``place``."""

    latency_ms: dict[str, float] = field(default_factory=dict)
    hub_refusals: dict[str, list[int]] = field(default_factory=dict)
    silent_hubs: set[str] = field(default_factory=set)
    event_faults: list[Literal["lose", "duplicate"]] = field(default_factory=list)
    event_delay_ms: float = 0.0
    _planned: dict[str, list[Fault]] = field(default_factory=dict)

    def next(self, endpoint: str, times: int = 1) -> Next:
        """Name the calls: ``faults.next("/api/Order/place", times=2).drops_after_execution()``."""
        return Next(self, paths_of(endpoint), times)

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
        log.warning("fault hub.silent hub=%s on=%s", hub, silent)

    def lose_user_events(self, count: int = 1) -> None:
        """The next user events are never pushed."""
        self.event_faults.extend(["lose"] * count)

    def duplicate_user_events(self, count: int = 1) -> None:
        """The next user events are pushed twice."""
        self.event_faults.extend(["duplicate"] * count)

    def delay_user_events(self, ms: float) -> None:
        """From now on user events are pushed so much later: after the HTTP reply, for instance."""
        self.event_delay_ms = ms

    def clear(self) -> None:
        """Forget all trouble, latencies included."""
        self._planned.clear()
        self.latency_ms.clear()
        self.hub_refusals.clear()
        self.silent_hubs.clear()
        self.event_faults.clear()
        self.event_delay_ms = 0.0

    def take(self, path: str) -> Fault | None:
        """The fault of this call, if one is planned; it is named in the log as it happens."""
        planned = self._planned.get(path)
        if not planned:
            return None
        fault = planned[0]
        fault.times -= 1
        if fault.times <= 0:
            planned.pop(0)
        log.warning("fault %s path=%s", fault, path)
        return fault

    def take_hub_refusal(self, hub: str) -> int | None:
        """The status this upgrade is refused with, if any."""
        planned = self.hub_refusals.get(hub)
        if not planned:
            return None
        log.warning("fault hub.refused hub=%s status=%s", hub, planned[0])
        return planned.pop(0)

    def take_event_fault(self) -> Literal["lose", "duplicate"] | None:
        """What happens to this user event, if anything."""
        if not self.event_faults:
            return None
        fault = self.event_faults.pop(0)
        log.warning("fault event.%s", fault)
        return fault
