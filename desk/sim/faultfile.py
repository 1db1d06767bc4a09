"""Faults written down: one mapping per fault, the same for ``--faults FILE`` (TOML) and ``POST /sim/fault`` (JSON).

A mapping names where it strikes with ``endpoint``, ``events`` or ``hub``; ``docs/simulator.md`` has the whole table.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from desk.sim.config import LATENCY_KEYS
from desk.sim.faults import (
    EVENT_KINDS,
    HUB_KINDS,
    KINDS,
    ROWS,
    EventFault,
    EventKind,
    Fault,
    Faults,
    How,
    HubFault,
    HubKind,
    Kind,
    WhenExpired,
)

HUBS = ("user", "market")
HOWS = ("abort", "close", "logout")
EXPIRIES = ("ignore", "close", "logout")
_ALWAYS = {"kind", "times", "probability", "account"}
_MEMBERS = {
    "endpoint": _ALWAYS | {"endpoint", "status", "code", "message", "ms", "retryAfter"},
    "events": _ALWAYS | {"events", "ms"},
    "hub": (_ALWAYS - {"account"}) | {"hub", "everyS", "how", "forS", "status"},
}


class FaultError(ValueError):
    """A fault that makes no sense; the text names the member."""


@dataclass
class FaultFile:
    """What a file asks for beside single faults; ``apply`` plans the faults."""

    faults: list[Mapping[str, Any]] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)
    general_limit: tuple[int, float] | None = None
    history_limit: tuple[int, float] | None = None
    token_lifetime_s: float | None = None
    when_expired: WhenExpired | None = None
    skew_s: float = 0.0
    event_delay_ms: float = 0.0
    partial_fills: int | None = None
    oco_delay_ms: float | None = None
    cancel_delay_ms: float | None = None
    quote_snapshot: bool | None = None

    def apply(self, faults: Faults) -> None:
        """Plan everything that ``faults`` holds; limits, token and fills are the server's."""
        faults.set_latency(self.latency_ms)
        faults.event_delay_ms = self.event_delay_ms
        if self.when_expired is not None:
            faults.when_expired = self.when_expired
        if self.quote_snapshot is not None:
            faults.quote_snapshot = self.quote_snapshot
        if self.skew_s:
            faults.skew(self.skew_s)
        for members in self.faults:
            plan(faults, members)


def read_faults(path: Path) -> FaultFile:
    """The file's content, checked to the last member. Raises FaultError with one line that names file and place."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise FaultError(f"faults file {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise FaultError(f"faults file {path}: {exc}") from exc
    try:
        return _file_of(document)
    except FaultError as exc:
        raise FaultError(f"faults file {path}: {exc}") from exc


def _file_of(document: Mapping[str, Any]) -> FaultFile:
    known = {"fault", "latency", "limits", "token", "clock", "events", "fills", "quotes"}
    _only("the file", document, known)
    faults = document.get("fault", [])
    if not isinstance(faults, list):
        raise FaultError("write [[fault]], with two brackets")
    for number, members in enumerate(faults, 1):
        try:
            plan(Faults(), members)
        except FaultError as exc:
            raise FaultError(f"fault {number}: {exc}") from exc
    latency = _table(document, "latency", None)
    limits, token = (
        _table(document, "limits", {"general", "history"}),
        _table(document, "token", {"lifetimeS", "whenExpired"}),
    )
    clock, events = _table(document, "clock", {"skewS"}), _table(document, "events", {"delayMs"})
    fills, quotes = (
        _table(document, "fills", {"partial", "ocoMs", "cancelMs"}),
        _table(document, "quotes", {"snapshot"}),
    )
    for key in latency:
        known_endpoint("latency", key)
    when = token.get("whenExpired")
    return FaultFile(
        faults=faults,
        latency_ms={key: number_of(latency, key) for key in latency},
        general_limit=limit_of(limits, "general"),
        history_limit=limit_of(limits, "history"),
        token_lifetime_s=number_of(token, "lifetimeS") if "lifetimeS" in token else None,
        when_expired=None if when is None else cast("WhenExpired", one_of(token, "whenExpired", EXPIRIES)),
        skew_s=number_of(clock, "skewS", 0.0, low=-1e8, high=1e8),
        event_delay_ms=number_of(events, "delayMs", 0.0),
        partial_fills=whole_of(fills, "partial") if "partial" in fills else None,
        oco_delay_ms=number_of(fills, "ocoMs") if "ocoMs" in fills else None,
        cancel_delay_ms=number_of(fills, "cancelMs") if "cancelMs" in fills else None,
        quote_snapshot=flag_of(quotes, "snapshot") if "snapshot" in quotes else None,
    )


def plan(faults: Faults, members: Mapping[str, Any]) -> None:
    """Plan one fault. Raises FaultError when a member is missing, unknown or wrong."""
    if not isinstance(members, Mapping):
        raise FaultError("not a table")
    where = [name for name in ("endpoint", "events", "hub") if name in members]
    if len(where) != 1:
        raise FaultError("name one of endpoint, events or hub")
    _only(where[0], members, _MEMBERS[where[0]])
    made: dict[str, Callable[[Faults, Mapping[str, Any]], None]] = {
        "endpoint": _plan_call, "events": _plan_events, "hub": _plan_hub,
    }  # fmt: skip
    made[where[0]](faults, members)


def _when(members: Mapping[str, Any]) -> dict[str, Any]:
    """times (absent: once, or for ever with a probability below 1; 0: for ever), probability, account."""
    probability = number_of(members, "probability", 1.0)
    if not 0 < probability <= 1:
        raise FaultError(f"probability: {probability:g} is not above 0 and at most 1")
    times = whole_of(members, "times", 1 if probability == 1 and "hub" not in members else 0)
    account = whole_of(members, "account") if members.get("account") is not None else None
    return {"times": times or None, "probability": probability, "account": account}


def _plan_call(faults: Faults, members: Mapping[str, Any]) -> None:
    kind = one_of(members, "kind", KINDS)
    endpoint = known_endpoint("endpoint", members["endpoint"])
    when = _when(members)
    fault = Fault(
        cast("Kind", kind),
        status=whole_of(members, "status", 503, 200, 599),
        code=whole_of(members, "code", 2),
        message=text_of(members, "message"),
        ms=number_of(members, "ms", 0.0),
        retry_after_s=whole_of(members, "retryAfter") if members.get("retryAfter") is not None else None,
    )
    faults.next(endpoint, when["times"], account=when["account"], probability=when["probability"]).add(fault)


def _plan_events(faults: Faults, members: Mapping[str, Any]) -> None:
    kind = one_of(members, "kind", EVENT_KINDS)
    row = one_of(members, "events", (*ROWS, "all"))
    if kind == "reject_stop" and row != "order":
        raise FaultError("kind: reject_stop goes with events = order")
    ms = number_of(members, "ms", 5.0 if kind == "reject_stop" else 50.0 if kind == "delay" else 0.0)
    faults.event_faults.append(EventFault(cast("EventKind", kind), None if row == "all" else row, ms, **_when(members)))


def _plan_hub(faults: Faults, members: Mapping[str, Any]) -> None:
    kind, hub = one_of(members, "kind", HUB_KINDS), one_of(members, "hub", HUBS)
    fault = HubFault(
        cast("HubKind", kind),
        hub,
        every_s=number_of(members, "everyS", 60.0, low=0.001),
        how=cast("How", one_of(members, "how", HOWS, "abort")),
        for_s=number_of(members, "forS", 30.0),
        status=whole_of(members, "status", 503, 200, 599),
        **_when(members),
    )
    faults.hub_faults.append(fault)


# -- members ----------------------------------------------------------------------------------------------------------


def known_endpoint(member: str, key: object) -> str:
    """A short name or a path below ``/api/``."""
    if isinstance(key, str) and (key in LATENCY_KEYS or key.startswith("/api/")):
        return key
    raise FaultError(f"{member}: {key!r} is none of {', '.join(LATENCY_KEYS)}, nor a path /api/...")


def one_of(members: Mapping[str, Any], name: str, known: tuple[str, ...], default: str | None = None) -> str:
    """A word out of several."""
    value = members.get(name, default)
    if value not in known:
        raise FaultError(f"{name}: one of {', '.join(known)}")
    return str(value)


def text_of(members: Mapping[str, Any], name: str) -> str | None:
    """A text or nothing."""
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise FaultError(f"{name}: not a text")
    return value


def number_of(
    members: Mapping[str, Any], name: str, default: float | None = None, *, low: float = 0.0, high: float = 1e9
) -> float:
    """A finite number within bounds."""
    value = members.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise FaultError(f"{name}: a number from {low:g} to {high:g}")
    return float(value)


def whole_of(members: Mapping[str, Any], name: str, default: int | None = None, low: int = 0, high: int = 2**53) -> int:
    """A whole number within bounds."""
    value = members.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FaultError(f"{name}: a whole number from {low} on")
    return value


def flag_of(members: Mapping[str, Any], name: str) -> bool:
    """Yes or no."""
    value = members.get(name)
    if not isinstance(value, bool):
        raise FaultError(f"{name}: true or false")
    return value


def limit_of(members: Mapping[str, Any], name: str) -> tuple[int, float] | None:
    """``[requests, seconds]``."""
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise FaultError(f"{name}: write [requests, seconds]")
    pair = {"requests": value[0], "seconds": value[1]}
    try:
        return whole_of(pair, "requests", low=1), number_of(pair, "seconds", low=0.001)
    except FaultError as exc:
        raise FaultError(f"{name}: {exc}") from exc


def _table(document: Mapping[str, Any], name: str, known: set[str] | None) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise FaultError(f"{name}: write it as a table, [{name}]")
    if known is not None:
        _only(f"[{name}]", table, known)
    return table


def _only(where: str, members: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(members) - known)
    if unknown:
        raise FaultError(f"{where} has no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
