"""What an alert asks for, given what its bot holds. Pure: canonical alert in, intent out.

The position target wins over the action (TradingView reference 8 and 11), but a message that says exit or reduce never opens
anything: the live bracket may have closed the position before it came. What this version cannot honour is refused by name:
dropping a trailing stop or a second target silently would trade something else than the sender asked for.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from desk.bots.config import BotConfig
from desk.bots.terms import (
    LATER,
    account_problem,
    fresh_until,
    not_allowed,
    required_position,
    size_of,
    ticks_of,
    unsupported,
    whole,
)
from desk.bots.words import Meaning, Nothing, Refusal, Situation
from desk.core.alert import Action, Alert, AlertPosition, PositionSide
from desk.core.intents import Enter, Exit, Stage
from desk.core.words import Side
from desk.risk import Reason

__all__ = ["interpret", "may_open", "wants_exit"]

_ENTRIES = {Action.ENTER_LONG: Side.BUY, Action.ENTER_SHORT: Side.SELL}
_EXITS = {Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT}
_RAW = {Action.BUY: Side.BUY, Action.SELL: Side.SELL}
_SILENT = {Action.NOTE, Action.HEARTBEAT}
_TARGETED = {*_ENTRIES, *_EXITS, *_RAW, Action.SET_POSITION, Action.ADD, Action.REDUCE, Action.REVERSE}
_SIDES = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}


def wants_exit(alert: Alert) -> bool:
    """It asks for flat, whatever is held."""
    return alert.action in {*_EXITS, Action.FLATTEN, Action.FLATTEN_ALL} or _goal(alert) is PositionSide.FLAT


def may_open(alert: Alert) -> bool:
    """It may turn out to open a position."""
    return alert.action in _TARGETED and alert.action not in {*_EXITS, Action.REDUCE} and not wants_exit(alert)


def interpret(alert: Alert, bot: BotConfig, now_at: Situation | None, received: datetime) -> Meaning:
    """``now_at`` is None only for messages without a symbol. ``received``: when the alert came in."""
    if alert.action in _SILENT:
        return Nothing(Reason.NOTED, "noted; no order asked for")
    elsewhere = account_problem(alert, bot)
    if elsewhere is not None:
        return elsewhere
    if alert.action is Action.FLATTEN_ALL:
        return Exit(everything=True)
    if now_at is None:
        return Refusal(Reason.UNKNOWN_SYMBOL, "the message names no symbol")
    if alert.action is Action.FLATTEN:
        return _exit(alert, now_at)
    if alert.position is not None and alert.position.now is not None and alert.action in _TARGETED:
        return _towards_target(alert, alert.position, bot, now_at, received)
    if alert.action in _EXITS:
        return _exit_as_sent(alert, now_at)
    if alert.action in _ENTRIES:
        return _enter(alert, bot, now_at, _ENTRIES[alert.action], None, received)
    if alert.action in _RAW:
        text = f"a bare {alert.action} may be an entry or an exit; send enter_long, enter_short, exit, or the position fields"
        return Refusal(Reason.AMBIGUOUS_SIDE, text)
    return Refusal(Reason.NOT_SUPPORTED, f"action {alert.action} is not available; {LATER}")


def _goal(alert: Alert) -> PositionSide | None:
    return alert.position.now if alert.position is not None and alert.action in _TARGETED else None


def _towards_target(
    alert: Alert, position: AlertPosition, bot: BotConfig, now_at: Situation, received: datetime
) -> Meaning:
    """The sender's position after the signal is the goal: idempotent, and a lost message does no harm."""
    assert position.now is not None, "the caller checked that a target is there"
    if position.now is PositionSide.FLAT:
        return _exit(alert, now_at)
    side = _SIDES[position.now]
    said = _ENTRIES.get(alert.action)
    if said is not None and said is not side:
        text = f"{alert.action} with a position that is {position.now} afterwards: which one is meant?"
        return Refusal(Reason.AMBIGUOUS_SIDE, text)
    held = (now_at.position_qty + now_at.entering_qty) * side.sign
    if held <= 0 and (alert.action in {*_EXITS, Action.REDUCE} or _RAW.get(alert.action) is side.opposite):
        text = f"{alert.action} leaves {position.now}, and nothing {position.now} is held: nothing to reduce"
        return Nothing(Reason.NOTHING_TO_EXIT, text)
    if position.size is None:
        return _enter(alert, bot, now_at, side, None, received)
    size = whole(position.size)
    if size is None or size < 1:
        return Refusal(Reason.BAD_SIZE, f"position.size {position.size}: whole contracts, at least 1")
    if held == size:
        return Nothing(Reason.ALREADY_THERE, f"already {position.now} {size}")
    if held > 0:
        text = f"position is {held}, the target {size}: changing the size of a position is not available; {LATER}"
        return Refusal(Reason.NOT_SUPPORTED, text, by_position=True)
    return _enter(alert, bot, now_at, side, size, received)


def _exit_as_sent(alert: Alert, now_at: Situation) -> Meaning:
    """An exit without a target: all of it at market, or refused by name when it asks for something else."""
    held = abs(now_at.position_qty + now_at.entering_qty)
    qty = alert.qty
    is_part = (qty.mode == "contracts" and qty.value is not None and qty.value < held) or (
        qty.mode == "position_pct" and qty.value is not None and qty.value < 100
    )
    asked = [
        (alert.order.type != "market", f"order type {alert.order.type}"),
        (is_part, f"a partial exit ({qty.mode} {qty.value}, held {held})"),
        (qty.mode not in {"contracts", "default", "position_pct"}, f"qty mode {qty.mode}"),
    ]
    names = [name for is_asked, name in asked if is_asked]
    if names and held:
        text = f"{', '.join(names)} is not available for an exit; send exit without it to close all"
        return Refusal(Reason.NOT_SUPPORTED, text, by_position=True)
    return _exit(alert, now_at)


def _exit(alert: Alert, now_at: Situation) -> Meaning:
    qty = now_at.position_qty + now_at.entering_qty
    if now_at.position_qty == 0 and now_at.entering_qty == 0:
        return Nothing(Reason.NOTHING_TO_EXIT, f"no position in {now_at.contract.name}; no order made")
    is_other_side = (alert.action is Action.EXIT_LONG and qty < 0) or (alert.action is Action.EXIT_SHORT and qty > 0)
    if is_other_side:
        text = f"position is {qty:+d}: nothing on the side that {alert.action} closes"
        return Nothing(Reason.NOTHING_TO_EXIT, text)
    refused = required_position(alert, now_at) if now_at.position_qty else None
    if refused is not None:
        return refused
    kept = alert.policy.cancel_working is False
    return Exit(
        warnings=("policy cancel_working false: an exit cancels the contract's working orders",) if kept else ()
    )


def _enter(
    alert: Alert, bot: BotConfig, now_at: Situation, side: Side, target_size: int | None, received: datetime
) -> Meaning:
    refused = unsupported(alert, now_at) or not_allowed(alert, bot, now_at)
    if refused is not None:
        return refused
    held = now_at.position_qty + now_at.entering_qty
    same_or_opposite = _against_position(alert, now_at, held, side)
    if same_or_opposite is not None:
        return same_or_opposite
    qty = size_of(alert, bot, target_size)
    if isinstance(qty, Refusal):
        return qty
    if alert.stop is None:
        return Refusal(Reason.NO_STOP, 'an entry needs a stop, e.g. "stop": {"unit": "points", "value": 20}')
    stop_ticks = ticks_of(alert.stop.distance, now_at.contract, "stop")
    target_ticks = ticks_of(alert.targets[0].distance, now_at.contract, "target") if alert.targets else None
    if isinstance(stop_ticks, Refusal):
        return stop_ticks
    if isinstance(target_ticks, Refusal):
        return target_ticks
    until = fresh_until(alert, bot, received)
    if isinstance(until, Refusal):
        return until
    ceiling = alert.policy.max_position
    max_position = bot.max_position if ceiling is None else min(bot.max_position, int(max(ceiling, Decimal(0))))
    return Enter(
        side=side,
        qty=qty,
        stop_ticks=stop_ticks,
        stages=() if target_ticks is None else (Stage(qty=qty, target_ticks=target_ticks),),
        max_position=max_position,
        fresh_until=until,
    )


def _against_position(alert: Alert, now_at: Situation, held: int, side: Side) -> Meaning | None:
    """What an entry means while something is held or being entered already."""
    if held * side.sign > 0:
        text = f"already {held:+d} {now_at.contract.name}, entries under way included"
        if alert.policy.same == "reject":
            return Refusal(Reason.ALREADY_THERE, text, by_position=True)
        return Nothing(Reason.ALREADY_THERE, text)
    if held * side.sign < 0:
        match alert.policy.opposite:
            case "ignore":
                return Nothing(Reason.OPPOSITE_POSITION, f"position is {held:+d}; the policy ignores the other side")
            case "close_only":
                return Exit()
            case _:
                text = f"position is {held:+d}; exit first (reversing in one message is not available)"
                return Refusal(Reason.OPPOSITE_POSITION, text, by_position=True)
    return None
