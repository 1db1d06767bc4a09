"""Getting out, of all or of a part. Never too late, never more than is held. Pure."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from desk.bots.sizes import whole
from desk.bots.words import Meaning, Nothing, Refusal, Situation, Wanted
from desk.core.alert import Action, Alert, PositionSide
from desk.core.intents import Exit, Reduce
from desk.risk import Reason

__all__ = ["exit_or_part", "exit_whole", "part_of"]

_ONE_SIDE = {Action.EXIT_LONG: PositionSide.LONG, Action.EXIT_SHORT: PositionSide.SHORT}
_PARTS = {"contracts", "position_pct"}


def exit_whole(alert: Alert) -> bool:
    """An exit that is for everything, whatever is held: without a size, or with a hundred per cent of it."""
    qty = alert.qty
    is_all = qty.value is None or (qty.mode == "position_pct" and qty.value >= 100)
    return is_all and alert.order.type == "market"


def exit_or_part(alert: Alert, now_at: Situation, *, needs_size: bool = False) -> Meaning:
    """What an exit, a flatten, a reduce or a target of flat asks for. needs_size: something is left afterwards."""
    held = now_at.held
    if now_at.position_qty == 0 and now_at.entering_qty == 0 and not now_at.has_entries:
        return Nothing(Reason.NOTHING_TO_EXIT, f"no position in {now_at.contract.name}; no order made")
    side = _ONE_SIDE.get(alert.action)
    if (side is PositionSide.LONG and held < 0) or (side is PositionSide.SHORT and held > 0):
        text = f"position is {held:+d}: nothing on the side that {alert.action} closes"
        return Nothing(Reason.NOTHING_TO_EXIT, text)
    is_flat_goal = alert.position is not None and alert.position.now is PositionSide.FLAT
    if alert.action is Action.FLATTEN or is_flat_goal:
        return _exit(alert, side)
    if alert.order.type != "market":
        text = f"order type {alert.order.type} is not available for an exit; send {alert.action} without it"
        return Refusal(Reason.NOT_SUPPORTED, text, by_position=True)
    if alert.qty.value is None and not needs_size and alert.action is not Action.REDUCE:
        return _exit(alert, side)
    qty = _part(alert, now_at)
    if isinstance(qty, Refusal):
        return qty
    return part_of(now_at, qty, alert, side)


def part_of(now_at: Situation, qty: int, alert: Alert | None = None, side: PositionSide | None = None) -> Meaning:
    """``qty`` contracts less; all of it is an exit."""
    if qty >= abs(now_at.held):
        return Wanted(Exit(side=side)) if alert is None else _exit(alert, side)
    held_side = PositionSide.LONG if now_at.held > 0 else PositionSide.SHORT
    return Wanted(Reduce(qty=qty, side=held_side))


def _part(alert: Alert, now_at: Situation) -> int | Refusal:
    """Contracts to close. A share of what is held is rounded down, but never to none: whoever asks for a part wants out of
    some of it, and that is how the users' bots count (existing-bots 1.4)."""
    mode, value = alert.qty.mode, alert.qty.value
    if value is None or mode not in _PARTS or alert.account_terms:
        if alert.account_terms:
            name = "a size per account"
        else:
            name = "without a size" if value is None else f"with qty mode {mode}"
        text = (
            f"{alert.action} {name} is not available: give qty in contracts or position_pct, or send exit to close all"
        )
        return Refusal(Reason.NOT_SUPPORTED if value is not None else Reason.BAD_SIZE, text, by_position=True)
    base = abs(now_at.position_qty) or abs(now_at.entering_qty)
    if not value.is_finite() or value <= 0:
        return Refusal(Reason.BAD_SIZE, f"qty {value}: above 0", by_position=True)
    if mode == "contracts":
        qty = whole(value)
    else:
        share = min(value, Decimal(100))
        qty = max(1, int((share * base / 100).to_integral_value(ROUND_FLOOR)))
    if qty is None or qty < 1:
        text = f"qty {mode} {value} of {base}: whole contracts, at least 1; nothing is closed"
        return Refusal(Reason.BAD_SIZE, text, by_position=True)
    return qty


def _exit(alert: Alert, side: PositionSide | None) -> Meaning:
    kept = alert.policy.cancel_working is False
    warning = "policy cancel_working false: an exit cancels the contract's working orders"
    return Wanted(Exit(side=side), (warning,) if kept else ())
