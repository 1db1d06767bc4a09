"""TradersPost (TradingView reference 10.1): ``{"ticker", "action", "sentiment", "quantity", ...}``.

``buy`` closes a short and then opens a long, unless one is open; what rests at the ticker is cancelled first, unless ``cancel``
is false. ``sentiment`` is the side after the order: ``flat`` always exits everything, the other side than the action's makes it a
partial exit that never turns round. ``amount`` and ``percent`` are price offsets from the entry, not profit and loss.

Kept, without a meaning for the trade here: extendedHours (futures have one book), ignoreTradingWindows (a message cannot widen
the bot's windows), extras, timeInForce day and gtc. Refused: docs/dialects.md.
"""

from __future__ import annotations

from decimal import Decimal

from desk.alerts.dialects.fields import Foreign, distance, written
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, is_missing, not_negative_of, positive_of, shown
from desk.alerts.wire import Json, JsonObject

__all__ = ["read_traderspost"]

_ACTIONS = ("buy", "sell", "exit", "cancel", "add")
_SENTIMENTS = {"bullish": "long", "long": "long", "bearish": "short", "short": "short", "flat": "flat"}
_SIDE = {"buy": "long", "sell": "short"}
_ORDER_TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
_QUANTITY_TYPES = (
    "fixed_quantity", "dollar_amount", "risk_dollar_amount", "risk_percent", "percent_of_equity", "percent_of_position",
)  # fmt: skip
_OPTION_FIELDS = ("optionType", "intrinsicValue", "expiration", "strikePrice", "strikeCount", "strikesAway")
_KEPT = ("extendedHours", "ignoreTradingWindows", "extras")


def read_traderspost(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message of ours for each of theirs. Raises Refusal by the sender's field name."""
    del terms
    fields = Foreign(data)
    is_flat = str(fields.peek("sentiment")).strip().lower() == "flat"
    action = fields.needed("action", _ACTIONS, unless="exit" if is_flat else None)
    sentiment = _sentiment(fields, action)
    turns_back = action in _SIDE and sentiment not in {None, _SIDE[action]}
    fields.gets_out = turns_back or sentiment == "flat" or action in {"exit", "cancel"}
    _check_options(fields)
    fields.keep(*_KEPT)
    if sentiment == "flat":
        message = _exit_all(fields)
    elif action == "exit":
        message = _exit(fields)
    elif action == "cancel":
        message = _cancel(fields)
    elif fields.gets_out:
        message = _partial_exit(fields, action, sentiment)
    else:
        message = _entry(fields, action, sentiment)
    whole = fields.finished({**_about(fields), **message})
    return Translation((whole,), tuple(fields.warnings))


def _sentiment(fields: Foreign, action: str) -> str | None:
    """The side after the order, long, short or flat.

    One that is there and empty says that the sender meant to tell entry from exit and could not: a bare side is then refused.
    """
    value = fields.take("sentiment")
    if action in {"exit", "cancel"}:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word != "flat" and not is_missing(value):
            fields.extras["sentiment"] = value
        return "flat" if word == "flat" else None
    word = choice_of("sentiment", value, tuple(_SENTIMENTS)) or ""
    if not word and fields.says("sentiment") and value is not None:
        text = f"sentiment is {shown(value)}, so nobody knows whether {action} enters or exits. No order was made."
        raise Refusal(text)
    return _SENTIMENTS.get(word)


def _check_options(fields: Foreign) -> None:
    """An option is not the future of the same ticker, neither to open nor to close."""
    gets_out, fields.gets_out = fields.gets_out, False
    fields.refuse(_OPTION_FIELDS, "the desk trades futures, not options.")
    fields.gets_out = gets_out


def _about(fields: Foreign) -> JsonObject:
    signal, price = fields.positive("signalPrice"), fields.positive("price")
    reference = price if signal is None else signal
    return {
        "symbol": fields.symbol("ticker"),
        "price": None if reference is None else written(reference),
        "fired_at": fields.time("time"),
        "interval": fields.interval("interval"),
        "comment": fields.comment("message"),
    }


# --- getting out -------------------------------------------------------------------------------------------------------


def _exit_all(fields: Foreign) -> JsonObject:
    """``flat``: whatever size or order type stands beside it."""
    fields.keep("quantity", "quantityType", "takeProfit", "stopLoss")
    _check_exit_order(fields, is_refused=False)
    return {"action": "exit", "position": {"now": "flat"}, "policy": _exit_policy(fields)}


def _exit(fields: Foreign) -> JsonObject:
    """Without a quantity: all."""
    fields.keep("takeProfit", "stopLoss")
    _check_exit_order(fields, is_refused=True)
    return {"action": "exit", "qty": _exit_qty(fields), "policy": _exit_policy(fields)}


def _partial_exit(fields: Foreign, action: str, sentiment: str | None) -> JsonObject:
    """``sell`` that stays bullish, ``buy`` that stays bearish: a reduce, which can open nothing, whatever is held then."""
    fields.keep("takeProfit", "stopLoss")
    _check_exit_order(fields, is_refused=True)
    qty = _exit_qty(fields)
    if qty is None:
        text = (
            f"quantity is missing: {action} that stays {sentiment} takes a part, and nobody knows how much. "
            "Send quantity, or sentiment flat to close all."
        )
        raise Refusal(text)
    return {"action": "reduce", "position": {"now": sentiment}, "qty": qty, "policy": _exit_policy(fields)}


def _exit_qty(fields: Foreign) -> JsonObject | None:
    kind = choice_of("quantityType", fields.take("quantityType"), _QUANTITY_TYPES) or "fixed_quantity"
    if kind == "percent_of_position":
        share = fields.size("quantity", positive_of)
        return None if share is None else {"mode": "position_pct", "value": written(share)}
    if kind != "fixed_quantity":
        text = (
            f"quantityType {kind} cannot size an exit; send fixed_quantity or percent_of_position, "
            "or sentiment flat to close all."
        )
        raise Refusal(text)
    size = fields.size("quantity")
    return None if size is None else {"mode": "contracts", "value": written(size)}


def _check_exit_order(fields: Foreign, *, is_refused: bool) -> None:
    """Exits are at market. A limit for a part or the whole is refused; ``flat`` gets out all the same, and says so."""
    kind = fields.choice("orderType", _ORDER_TYPES) or "market"
    fields.keep("limitPrice", "stopPrice", "trailAmount", "trailPercent")
    if kind != "market":
        text = f"orderType {kind}: an exit is always at market"
        if is_refused:
            raise Refusal(f"{text}. Leave orderType out, or send sentiment flat to close all at market.")
        fields.warnings.append(text)
    _check_timing(fields)


def _exit_policy(fields: Foreign) -> JsonObject | None:
    fields.refuse(("cancelOrderType",), "an exit cancels every working order of the contract.")
    return {"cancel_working": False} if fields.switch("cancel") is False else None


def _cancel(fields: Foreign) -> JsonObject:
    fields.refuse(("cancelOrderType",), "the resting entries of the ticker are cancelled whatever their type.")
    fields.keep("quantity", "quantityType", "orderType", "cancel", "takeProfit", "stopLoss", "timeInForce", "delay")
    fields.keep("limitPrice", "stopPrice", "trailAmount", "trailPercent")
    return {"action": "cancel"}


def _check_timing(fields: Foreign) -> None:
    fields.refuse(("delay",), "the desk acts at once; delay the alert itself.")
    if _time_in_force(fields) in {"day", "gtc"}:
        fields.keep("timeInForce")
    fields.refuse(
        ("timeInForce",), "orders of the desk rest until they fill or are cancelled; allowed are day and gtc."
    )


def _time_in_force(fields: Foreign) -> str:
    return str(fields.peek("timeInForce")).strip().lower()


# --- getting in --------------------------------------------------------------------------------------------------------


def _entry(fields: Foreign, action: str, sentiment: str | None) -> JsonObject:
    order = _order(fields)
    message: JsonObject = {"qty": _entry_qty(fields), "order": order, **_bracket(fields)}
    if order["type"] != "market" and _time_in_force(fields) == "day":
        fields.warnings.append("timeInForce day: the order rests until it fills or is cancelled, also beyond the day")
    _check_timing(fields)
    if sentiment is not None:
        message["position"] = {"now": sentiment}
    if action == "add":
        fields.keep("cancel", "cancelOrderType")  # adding leaves alone what works there
        return {"action": "add", **message}
    fields.refuse(("cancelOrderType",), "every resting entry of the ticker is cancelled whatever its type.")
    policy: JsonObject = {"opposite": "reverse"}
    if fields.switch("cancel") is not False:
        policy["cancel_working"] = True
    return {"action": f"enter_{_SIDE[action]}", **message, "policy": policy}


def _entry_qty(fields: Foreign) -> JsonObject | None:
    kind = choice_of("quantityType", fields.take("quantityType"), _QUANTITY_TYPES) or "fixed_quantity"
    if kind == "fixed_quantity":
        size = fields.size("quantity")
        return None if size is None else {"mode": "contracts", "value": written(size)}
    if kind == "risk_dollar_amount":
        risk = fields.positive("quantity")
        return None if risk is None else {"mode": "risk_usd", "value": written(risk)}
    what = "sizes an exit" if kind == "percent_of_position" else "needs the account's equity or a price per contract"
    raise Refusal(f"quantityType {kind} {what}; for an entry send fixed_quantity (contracts) or risk_dollar_amount.")


def _order(fields: Foreign) -> JsonObject:
    kind = fields.choice("orderType", _ORDER_TYPES) or "market"
    limit, stop = fields.positive("limitPrice"), fields.positive("stopPrice")
    if kind == "trailing_stop":
        text = "orderType trailing_stop: an entry that trails is not available; send stop with stopPrice."
        raise Refusal(text)
    fields.refuse(("trailAmount", "trailPercent"), "they belong to orderType trailing_stop, which no entry can have.")
    order: JsonObject = {"type": kind}
    if kind in {"limit", "stop_limit"}:
        order["price"] = _price("limitPrice", limit if limit is not None else _signal_price(fields, kind), kind)
    elif limit is not None:
        raise Refusal(
            f"limitPrice with orderType {kind}: which one is meant? Send orderType limit or stop_limit with it."
        )
    if kind in {"stop", "stop_limit"}:
        order["stop_price"] = _price("stopPrice", stop, kind)
    elif stop is not None:
        raise Refusal(
            f"stopPrice with orderType {kind}: which one is meant? Send orderType stop, or stopLoss for the stop."
        )
    return order


def _signal_price(fields: Foreign, kind: str) -> Decimal | None:
    """A limit without its price is one at the market; the signal's price is the nearest thing that the message knows."""
    if kind != "limit":
        return None
    for name in ("signalPrice", "price"):
        found = positive_of(name, fields.peek(name))
        if found is not None:
            fields.warnings.append(f"no limitPrice: the limit is {name}, {found}")
            return found
    return None


def _price(name: str, value: Decimal | None, kind: str) -> Json:
    if value is None:
        raise Refusal(f"{name} is missing; orderType {kind} needs it.")
    return written(value)


def _bracket(fields: Foreign) -> JsonObject:
    stop, target = fields.inner("stopLoss"), fields.inner("takeProfit")
    bracket: JsonObject = {}
    if stop is not None:
        bracket["stop"] = _stop(stop)
        fields.absorb(stop, "stopLoss")
    if target is not None:
        bracket["targets"] = [_one_of(target, {"limitPrice": "price", "percent": "pct", "amount": "points"})]
        fields.absorb(target, "takeProfit")
    return bracket


def _stop(stop: Foreign) -> JsonObject:
    kind = stop.choice("type", ("stop", "stop_limit", "trailing_stop")) or "stop"
    if kind == "stop_limit":
        raise Refusal("stopLoss.type stop_limit: a stop that may not fill is no protection; send type stop.")
    stop.refuse(("limitPrice",), "it belongs to type stop_limit, which may not fill; send type stop.")
    stop.refuse(
        ("trailPercent",), "the venue trails by a distance, not by a share of the price; send trailAmount (points)."
    )
    if kind == "trailing_stop":
        stop.refuse(("stopPrice", "percent", "amount"), "a trailing stop has trailAmount (points) alone.")
        return {**_one_of(stop, {"trailAmount": "points", "trailPrice": "points"}), "kind": "trailing_stop"}
    stop.refuse(("trailAmount", "trailPrice"), "they belong to type trailing_stop.")
    return _one_of(stop, {"stopPrice": "price", "percent": "pct", "amount": "points"})


def _one_of(fields: Foreign, units: dict[str, str]) -> JsonObject:
    """Exactly one of the names, whose units these are."""
    given = [(name, value) for name in units if (value := fields.read(name, not_negative_of)) is not None]
    if len(given) != 1:
        names = ", ".join(fields.path(name) for name in units)
        found = "none" if not given else " and ".join(name for name, _ in given)
        raise Refusal(f"Exactly one of {names} is wanted; there is {found} (an empty placeholder?).")
    name, value = given[0]
    if not value:
        raise Refusal(f"{fields.path(name)} is 0; allowed is a number above 0.")
    return distance(units[name], value)
