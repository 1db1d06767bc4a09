"""Logging: events with fixed past-tense names and keys. JSON into a pipe, text to a terminal. The names stand in one table.

Ids travel as ``cause``. Tokens, keys and webhook secrets never get here: they are ``Secret`` or were replaced on reading.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import structlog

from desk.core.orders import OrderState
from desk.core.records import (
    AccountReconciled,
    AlertDecided,
    AlertJournalled,
    BotSwitched,
    ExitExplained,
    FillRecorded,
    HubRecorded,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    PositionChanged,
    PositionClosed,
    PositionNoted,
    Record,
    ResyncStarted,
    SignalGap,
    WouldHaveSent,
)
from desk.runtime.logwriter import LogWriter

__all__ = ["EVENTS", "configure_logging", "log_records", "say"]

log = structlog.get_logger("desk")

_DRAIN_S = 0.5
_writer: LogWriter | None = None

INFO, DEBUG = logging.INFO, logging.DEBUG

EVENTS: dict[type, tuple[str, int]] = {
    AlertJournalled: ("alert.decided", DEBUG),  # the door's alert.answered says it with its latency
    AlertDecided: ("alert.released", INFO),
    BotSwitched: ("bot.switched", INFO),
    SignalGap: ("signal.gap", INFO),
    WouldHaveSent: ("order.would_send", INFO),
    FillRecorded: ("fill.recorded", INFO),
    PositionChanged: ("position.changed", INFO),
    PositionClosed: ("position.closed", INFO),
    PositionNoted: ("position.noted", INFO),
    ExitExplained: ("position.exit_explained", INFO),
    PlanChanged: ("plan.changed", DEBUG),
    AccountReconciled: ("account.reconciled", INFO),
    HubRecorded: ("hub.changed", INFO),
    ResyncStarted: ("account.resync_started", INFO),
}
_TELLING_STATES = {OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.REJECTED, OrderState.EXPIRED}
_TELLING_PLANS = ("exit:", "flatten:", "protect:", "reduce:")


def log_records(records: Iterable[Record]) -> None:
    """One line per record that a person may look for, the rest at level DEBUG; the journal has them all."""
    for record in records:
        name, level = _event(record)
        if name:
            log.log(level, name, **_keys(record))


def _event(record: Record) -> tuple[str, int]:
    """Name and level. An order's event is called by its new state, ``order.submitted``; a plan's end by its kind."""
    match record:
        case OrderChanged(order=order):
            return f"order.{order.state.value}", INFO if order.state in _TELLING_STATES else DEBUG
        case PlanEnded(plan_id=plan_id):
            return f"{plan_id.partition(':')[0]}.ended", INFO if plan_id.startswith(_TELLING_PLANS) else DEBUG
        case _:
            return EVENTS.get(type(record), ("", DEBUG))


def _keys(record: Record) -> dict[str, Any]:
    keys: dict[str, Any] = {"cause": record.cause}
    match record:
        case AlertJournalled(verdict=verdict) | AlertDecided(verdict=verdict):
            keys |= {"verdict": verdict.kind.value, "text": verdict.text}
            if verdict.reason:
                keys["reason"] = verdict.reason
        case OrderChanged(order=order, why=why):
            keys |= {
                "contract": order.contract_id,
                "role": order.role.value,
                "side": order.side.value,
                "qty": order.qty,
                "client_order_id": order.client_order_id,
            }
            if why != order.state.value:
                keys["why"] = why
        case FillRecorded(fill=fill):
            keys |= {"contract": fill.contract_id, "side": fill.side.value, "qty": fill.qty, "price": str(fill.price)}
        case PositionChanged(position=position, source=source):
            keys |= {"contract": position.contract_id, "qty": position.qty, "source": source}
        case PositionNoted():
            keys |= {"contract": record.contract_id, "not_ours": record.qty, "is_given_up": record.is_given_up}
        case PositionClosed() | ExitExplained():
            keys |= {"contract": record.contract_id, "reason": record.reason.value}
        case PlanChanged(plan=plan):
            keys["plan"] = plan.plan_id
        case PlanEnded(plan_id=plan_id, result=result):
            keys |= {"plan": plan_id, "result": result}
        case AccountReconciled(account_id=account_id, differences=differences):
            keys |= {"account": account_id, "differences": len(differences)}
        case HubRecorded(is_up=is_up, reason=reason):
            keys |= {"hub": "user", "is_up": is_up, "reason": reason}
        case ResyncStarted(reason=reason):
            keys["reason"] = reason
        case BotSwitched():
            keys |= {"bot": record.bot, "switch": record.switch.value, "by": record.by, "why": record.why}
        case SignalGap():
            keys |= {"bot": record.bot, "symbol": record.symbol, "known": record.known, "said": record.said}
            keys["policy"] = record.policy
        case WouldHaveSent(text=text):
            keys["text"] = text
        case _:
            pass
    return keys


def configure_logging(level: str, style: str, use_colour: bool, stream: TextIO | None = None) -> Callable[[], object]:
    """For the whole process. level: DEBUG to ERROR; style: auto (JSON unless a terminal), json or text.

    Returns what gives the last lines a moment to get out.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, or pythonw.exe: what is said is lost, and nothing else
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    global _writer  # noqa: PLW0603 - one log per process
    _writer = LogWriter(stream)
    target = stream or sys.stderr
    as_json = style == "json" or (style == "auto" and not target.isatty())
    stamp = (
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if as_json
        else structlog.processors.TimeStamper("%H:%M:%S.%f", utc=False)
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=use_colour and target.isatty(), pad_event_to=22)
    )
    shared: list[Any] = [structlog.processors.add_log_level, stamp, structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.WriteLoggerFactory(file=_writer),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(getattr(logging, level), logging.WARNING), stream=_writer, force=True)
    return partial(_writer.drain, _DRAIN_S)


def say(text: str) -> None:
    """A line for a person among those of the log. Never waits."""
    if _writer is not None:
        _writer.write(f"{text}\n")
