"""3Commas signal bots (TradingView reference 10.4), and what TV-Hub adds to that form.

``strategy_info`` is the strategy's position after its order: the target, which wins over ``action``. The form knows no stop; our
own ``stop``, ``targets``, ``breakeven`` and ``trail`` may stand beside its fields, and an entry needs the first of them.

Kept, without a meaning for the trade: bot_uuid. secret is the sender's secret. Refused: docs/dialects.md.
"""

from __future__ import annotations

from decimal import Decimal

from desk.alerts.dialects.fields import Foreign, written
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, contracts_of, is_missing, positive_of, seconds_of
from desk.alerts.wire import Json, JsonObject

__all__ = ["read_threecommas"]

_ACTIONS = ("enter_long", "exit_long", "enter_short", "exit_short", "buy", "sell")
_SIDES = ("long", "short", "flat")
_CURRENCIES = ("base", "quote", "margin_percent", "position_percent")
_OWN = ("stop", "targets", "breakeven", "trail")


def read_threecommas(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message of ours for each of theirs. Raises Refusal by the sender's field name."""
    del terms
    fields = Foreign(data)
    word = str(fields.peek("action")).strip().lower()
    fields.gets_out = word.startswith("exit")
    position = _position(fields, word)
    is_flat = position is not None and position.get("now") == "flat"
    fields.gets_out |= is_flat
    action = fields.needed("action", _ACTIONS, unless="exit" if is_flat else None)
    fields.keep("bot_uuid")
    lag = fields.read("max_lag", seconds_of)
    message: JsonObject = {
        "action": action,
        "symbol": _symbol(fields),
        "id": _id(fields),
        "fired_at": fields.time("timestamp"),
        "price": _price(fields),
        "position": position,
        "qty": _qty(fields, is_whole=is_flat),
        "policy": None if lag is None else {"max_age_s": written(lag)},
    }
    if fields.gets_out:
        fields.keep(*_OWN)
    else:
        message |= {name: fields.take(name) for name in _OWN}
    return Translation((fields.finished(message),), tuple(fields.warnings))


def _position(fields: Foreign, action: str) -> JsonObject | None:
    """The target. Given without ``market_position`` a bare side is refused: it may be an exit."""
    is_meant = fields.peek("strategy_info") is not None
    info = fields.inner("strategy_info")
    now = None if info is None else info.choice("market_position", _SIDES)
    if now is None and is_meant and action in {"buy", "sell"}:
        text = f"strategy_info.market_position is missing, so nobody knows whether {action} enters or exits."
        raise Refusal(f"{text} No order was made.")
    if info is None:
        return None
    info.gets_out |= now == "flat"
    size = info.read("market_position_size", _size)
    info.gets_out = True  # the state before is for the record only
    prev, prev_size = info.choice("prev_market_position", _SIDES), info.read("prev_market_position_size", _size)
    fields.absorb(info, "strategy_info")
    if now is None:
        return None
    position: JsonObject = {"now": now}
    if size is not None and now != "flat":
        position["size"] = written(size)
    if prev is not None:
        position["prev"] = prev
    if prev_size is not None:
        position["prev_size"] = written(prev_size)
    return position


def _size(path: str, value: object) -> Decimal | None:
    return contracts_of(path, value, least=0)


def _symbol(fields: Foreign) -> Json:
    """``tv_exchange`` is the prefix, which says whether the data are delayed."""
    exchange, instrument = fields.text("tv_exchange", 20), fields.symbol("tv_instrument")
    return f"{exchange}:{instrument}" if exchange is not None and ":" not in instrument else instrument


def _id(fields: Foreign) -> Json:
    """TV-Hub's ``alertTimestamp`` is a key of its sender's making; else the time and a digest of the whole."""
    return fields.text("alertTimestamp", 128) or fields.id_from("timestamp")


def _price(fields: Foreign) -> Json:
    price = fields.positive("trigger_price")
    return None if price is None else written(price)


def _qty(fields: Foreign, *, is_whole: bool) -> JsonObject | None:
    """``base`` are contracts. A target of flat takes everything, whatever amount stands there."""
    if is_whole:
        fields.keep("order")
        return None
    order = fields.inner("order")
    if order is None:
        return None
    currency = choice_of("order.currency_type", order.take("currency_type"), _CURRENCIES)
    is_share = currency == "position_percent" and fields.gets_out
    if currency == "base" or is_share:
        amount = order.size("amount", positive_of if is_share else contracts_of)
        fields.absorb(order, "order")
        mode = "position_pct" if is_share else "contracts"
        return None if amount is None else {"mode": mode, "value": written(amount)}
    if is_missing(order.take("amount")):
        return None
    what = "is missing" if currency is None else f"{currency} is a share of an account or of a coin"
    raise Refusal(f"order.currency_type {what}; the desk counts contracts: send base.")
