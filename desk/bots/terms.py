"""The terms of an entry: what is asked for and cannot be had, who may, how much, how far, until when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from desk.bots.config import BotConfig
from desk.bots.words import Refusal, Situation
from desk.core.alert import Alert, Distance, Unit
from desk.core.words import Contract
from desk.risk import Reason

__all__ = [
    "LATER",
    "account_problem",
    "fresh_until",
    "not_allowed",
    "required_position",
    "size_of",
    "ticks_of",
    "unsupported",
    "whole",
]

FUTURE_TOLERANCE = timedelta(seconds=5)
LATER = "this version takes market entries with one stop and at most one target, exits and flatten"


def unsupported(alert: Alert, now_at: Situation) -> Refusal | None:
    """Everything an entry may ask for that this version cannot do, by name. Dropping it would trade something else."""
    order, policy, position = alert.order, alert.policy, alert.position
    asked = [
        (order.type != "market", f"order type {order.type}"),
        (order.price is not None or order.stop_price is not None, "order price"),
        (order.trail_ticks is not None, "order trail_ticks"),
        (order.offset_ticks is not None, "order offset_ticks"),
        (order.max_slippage_ticks is not None, "order max_slippage_ticks"),
        (alert.has_breakeven, "breakeven"),
        (alert.has_trail, "a trailing stop"),
        (alert.stop is not None and alert.stop.kind != "stop", "a trailing stop"),
        (len(alert.targets) > 1, "several targets"),
        (any(t.qty is not None or t.qty_ratio is not None for t in alert.targets), "a partial target"),
        (any(t.qty_pct is not None and t.qty_pct != 100 for t in alert.targets), "a partial target"),
        (any(t.then is not None for t in alert.targets), "an action after a target"),
        (alert.qty.mode not in {"contracts", "default"}, f"qty mode {alert.qty.mode}"),
        (alert.qty.mode == "default" and alert.qty.value is not None, "qty value with qty mode default"),
        (position is not None and position.now is None and position.size is not None, "position size without now"),
        (policy.same not in {None, "ignore", "reject"}, f"policy same: {policy.same}"),
        (policy.contract == "reject", "policy contract: reject"),
        (policy.contract == "require_match" and alert.contract is None, "policy require_match without a contract"),
        (policy.window is not None, "policy window"),
        (policy.on_gap not in {None, "follow_target"}, f"policy on_gap: {policy.on_gap}"),
        (bool(policy.cancel_working) and now_at.has_working_orders, "policy cancel_working, with working orders there"),
        (bool(alert.account_terms), "a size per account"),
    ]
    names = list(dict.fromkeys(name for is_asked, name in asked if is_asked))
    if not names:
        return None
    return Refusal(Reason.NOT_SUPPORTED, f"{', '.join(names)}: not available; {LATER}")


def not_allowed(alert: Alert, bot: BotConfig, now_at: Situation) -> Refusal | None:
    """What the bot may not open, and what the message itself demands."""
    if now_at.symbol.root not in bot.symbols:
        allowed = ", ".join(sorted(bot.symbols))
        return Refusal(
            Reason.SYMBOL_NOT_ALLOWED, f"{now_at.symbol.root} is not among the bot's symbols (SYMBOLS={allowed})"
        )
    if now_at.symbol.delayed and not bot.takes_delayed_data:
        return Refusal(
            Reason.DELAYED_DATA, f"{alert.symbol} is delayed data; subscribe to real-time data for this chart"
        )
    return account_problem(alert, bot) or required_position(alert, now_at)


def account_problem(alert: Alert, bot: BotConfig) -> Refusal | None:
    """A message may narrow the accounts, never widen them."""
    refs = [ref for ref in alert.accounts if ref not in {"main", bot.name, str(bot.account_id)}]
    if not refs:
        return None
    return Refusal(Reason.ACCOUNT_NOT_ALLOWED, f"accounts {', '.join(refs)}: the bot trades its own account only")


def required_position(alert: Alert, now_at: Situation) -> Refusal | None:
    required = alert.policy.require_position
    has = "flat" if now_at.position_qty == 0 else "long" if now_at.position_qty > 0 else "short"
    if required in {None, "any", has}:
        return None
    text = f"the alert requires {required}, the position is {has}"
    return Refusal(Reason.REQUIRED_POSITION, text, by_position=True)


def size_of(alert: Alert, bot: BotConfig, target_size: int | None) -> int | Refusal:
    """Contracts. The message's own maximum binds whatever the size comes from."""
    asked = bot.default_qty if alert.qty.value is None else whole(alert.qty.value)
    qty = asked if target_size is None else target_size
    if qty is None or qty < 1:
        return Refusal(Reason.BAD_SIZE, f"qty {alert.qty.value}: whole contracts, at least 1")
    if alert.qty.max is not None and qty > alert.qty.max:
        return Refusal(Reason.BAD_SIZE, f"qty {qty} is above the message's own maximum {alert.qty.max}")
    return qty


def ticks_of(distance: Distance, contract: Contract, name: str) -> int | Refusal:
    """A distance in whole ticks, rounded towards the entry: never more risk, never more hope, than was asked for."""
    value = distance.value
    if not value.is_finite() or value <= 0:
        return Refusal(Reason.BAD_SIZE, f"{name} {value} {distance.unit}: must be above 0")
    match distance.unit:
        case Unit.POINTS:
            return contract.ticks_floor(value)
        case Unit.TICKS:
            return int(value)
        case Unit.USD:
            return int(value / contract.tick_value)
        case _:
            text = f"{name} in {distance.unit}: give points, ticks or usd (per contract)"
            return Refusal(Reason.NOT_SUPPORTED, text)


def fresh_until(alert: Alert, bot: BotConfig, received: datetime) -> datetime | Refusal:
    """Until when the entry may be sent: its age limit, and ``order.expire_s``. Without ``fired_at`` both count from when
    it came in."""
    limits = [bot.max_alert_age_s, alert.policy.max_age_s, alert.order.expire_s]
    limit = timedelta(seconds=min(float(seconds) for seconds in limits if seconds is not None))
    if alert.fired_at is None:
        return received + limit
    if alert.fired_at > received + FUTURE_TOLERANCE:
        ahead = (alert.fired_at - received).total_seconds()
        return Refusal(
            Reason.FROM_THE_FUTURE, f"fired_at is {ahead:.0f} s ahead of this computer's clock; check the clock"
        )
    return alert.fired_at + limit


def whole(value: Decimal) -> int | None:
    return int(value) if value.is_finite() and value == value.to_integral_value() else None
