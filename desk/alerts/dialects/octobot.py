"""OctoBot's ``NAME=value`` signals in our own words (TradingView reference 10.5). ``TOKEN`` is the secret, found before this.

Offsets (``10%``, ``-3d``) count from the price of the moment: positive above it, negative below.
"""

from __future__ import annotations

import re
from decimal import Decimal

from desk.alerts.dialects.pairs import Pairs, amount, distance_of, pairs_of, with_own_ids
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, contracts_of, positive_of, shown, switch_of
from desk.alerts.wire import Json, JsonObject
from desk.core.symbols import PREFIXES

__all__ = ["read_octobot"]

_SIDES = {1: "long", -1: "short"}
_OFFSETS = {"d": "points", "%": "pct"}
_DELAYED = re.compile(r"_(?:DL|DLY)\Z", re.IGNORECASE)
_SHARE = re.compile(r"take_?profit_?(?P<what>price|volume_?ratio)(?:_?(?P<number>[0-9]{1,3}))?", re.IGNORECASE)
_CANNOT: tuple[tuple[tuple[str, ...], str], ...] = (
    (("trailing_profile",), "profiles of another program are not here; send our own form with trail."),
    (("cancel_policy", "cancel_policy_params"), "how long an order rests is order.expire_s of our own form."),
    (("exchange_order_ids",), "an order of its own cannot be named from outside."),
)


def read_octobot(text: str, terms: DialectTerms) -> Translation:
    """One signal. Raises Refusal with the name of the field and what to send instead."""
    del terms  # nothing of it is asked of the bot's owner
    pairs = pairs_of(text)
    signal = choice_of("SIGNAL", pairs.take("signal"), ("buy", "sell", "cancel"))
    if signal is None:
        raise Refusal("SIGNAL is missing (an empty placeholder?); allowed is one of: BUY, SELL, CANCEL.")
    symbol = _symbol(pairs)
    pairs.take("token")
    if pairs.take("leverage") is not None:
        pairs.warnings.append("LEVERAGE is not used: futures have none to set, the size is counted in contracts")
    message = _cancel(pairs, symbol) if signal == "cancel" else _order(pairs, symbol, 1 if signal == "buy" else -1)
    tag = pairs.take("tag")
    if tag is not None:
        message["tags"] = [tag]
    found = with_own_ids([message], pairs)
    rest = pairs.leave_rest()
    return Translation(tuple(one | rest for one in found), tuple(pairs.warnings))


def _symbol(pairs: Pairs) -> str:
    """With the exchange in front where it is one of TradingView's futures: it tells when the chart's data are delayed."""
    symbol, exchange = pairs.take("symbol"), pairs.take("exchange")
    if symbol is None:
        raise Refusal("SYMBOL is missing (an empty placeholder?); write for example SYMBOL=MNQ1!")
    if exchange is None or ":" in symbol:
        return symbol
    if _DELAYED.sub("", exchange).upper() in PREFIXES:
        return f"{exchange}:{symbol}"
    pairs.warnings.append(f"EXCHANGE={shown(exchange)} is not used: the desk trades at its own gateway")
    return symbol


def _cancel(pairs: Pairs, symbol: str) -> JsonObject:
    for name in ("param_side", "tag"):
        if pairs.has(name):
            raise Refusal(
                f"{name.upper()} with SIGNAL=CANCEL: some of the orders of a symbol are not available. Leave it out to cancel "
                "the entries that rest there."
            )
    return {"action": "cancel", "symbol": symbol}


def _order(pairs: Pairs, symbol: str, sign: int) -> JsonObject:
    """What the order is for stands beside it: REDUCE_ONLY and ORDER_TYPE=STOP are about a position that is there, a stop or a
    target make an entry; else the bot's own rule for a bare buy or sell decides."""
    pairs.check_said("reduce_only", "order_type")
    kind = choice_of("ORDER_TYPE", pairs.take("order_type"), ("market", "limit", "stop")) or "market"
    is_out = bool(switch_of("REDUCE_ONLY", pairs.take("reduce_only"))) or kind == "stop"
    for names, why in _CANNOT:
        pairs.refuse(names, why, is_out=is_out)
    pairs.take("param_side")
    if kind == "stop":
        return _stop(pairs, symbol, sign)
    message: JsonObject = {"symbol": symbol, **_qty(pairs)}
    price = _price(pairs)
    message["order"] = {"type": kind}
    if kind == "limit":
        message["order"] = {"type": kind, "price": price}
    elif price is not None:
        message["price"] = price
    if is_out:
        return message | {"action": f"exit_{_SIDES[-sign]}"}
    exits = _exits(pairs, sign)
    if exits:
        return message | exits | {"action": f"enter_{_SIDES[sign]}"}
    pairs.warnings.append("it may be an entry or an exit: STOP_PRICE makes it an entry, REDUCE_ONLY=true an exit")
    return message | {"action": "buy" if sign > 0 else "sell"}


def _stop(pairs: Pairs, symbol: str, sign: int) -> JsonObject:
    """A stop order alone protects what is held: it moves the stop of the position on the other side and opens nothing."""
    text = pairs.take("stop_price")
    if text is None:
        raise Refusal("STOP_PRICE is missing (an empty placeholder?); ORDER_TYPE=STOP needs it.")
    distance = distance_of("STOP_PRICE", text, -1 if text.startswith("-") else 1, _OFFSETS)
    if not isinstance(distance, dict) or distance.get("unit") != "price":
        raise Refusal(f"STOP_PRICE is {shown(text)}: for a position that is open only a price is taken, e.g. 21000.")
    if pairs.take("volume") is not None:
        pairs.warnings.append("VOLUME is not used: the stop covers the whole position")
    policy: JsonObject = {"require_position": _SIDES[-sign]}
    return {"action": "move_stop", "symbol": symbol, "stop": distance, "policy": policy}


def _qty(pairs: Pairs) -> JsonObject:
    text = pairs.take("volume")
    if text is None:
        return {}
    if any(char.isalpha() or char == "%" for char in text):
        raise Refusal(f"VOLUME is {shown(text)}: a share of a portfolio is not available; write whole contracts.")
    qty = contracts_of("VOLUME", text)
    return {} if qty is None else {"qty": {"mode": "contracts", "value": amount(qty)}}


def _price(pairs: Pairs) -> str | None:
    text = pairs.take("price")
    if text is None:
        return None
    if text[-1] in "%dD" or text[0] in "+-":
        raise Refusal(f"PRICE is {shown(text)}: an offset from the market is not available; send the price itself.")
    price = positive_of("PRICE", text)
    return None if price is None else amount(price)


def _exits(pairs: Pairs, sign: int) -> JsonObject:
    """Stop and targets of an entry. Targets share the size evenly, or as their ratios say, one for each."""
    exits: JsonObject = {}
    stop = pairs.take("stop_price")
    if stop is not None:
        exits["stop"] = distance_of("STOP_PRICE", stop, -sign, _OFFSETS)
    prices, ratios = _numbered(pairs, "price"), _numbered(pairs, "volumeratio")
    if ratios and len(ratios) != len(prices):
        raise Refusal(
            f"{len(ratios)} TAKE_PROFIT_VOLUME_RATIO for {len(prices)} TAKE_PROFIT_PRICE; give one for each, or none."
        )
    targets: list[Json] = []
    for number, (name, text) in enumerate(prices):
        target = distance_of(name, text, sign, _OFFSETS)
        if isinstance(target, dict) and len(prices) > 1:
            ratio = positive_of(*ratios[number]) if ratios else Decimal(1)
            target = target | {"qty_ratio": None if ratio is None else amount(ratio)}
        targets.append(target)
    return exits | ({"targets": targets} if targets else {})


def _numbered(pairs: Pairs, what: str) -> list[tuple[str, str]]:
    """``TAKE_PROFIT_PRICE``, then ``_1``, ``_2``, ... in their order, with the names that were sent."""
    found = []
    for name in pairs.left():
        match = _SHARE.fullmatch(name)
        if match and match["what"].lower().replace("_", "") == what:
            found.append((int(match["number"] or 0), name))
    return [(name, text) for _, name in sorted(found) if (text := pairs.take(name)) is not None]
