"""CrossTrade's commands that may open a position (TradingView reference 10.3): PLACE, FLATPLACE, REVERSE, REVERSEPOSITION."""

from __future__ import annotations

import re
from decimal import Decimal

from desk.alerts.dialects.crosstrade_exits import exit_price_of, exits_of
from desk.alerts.dialects.pairs import Pairs, amount
from desk.alerts.values import Refusal, choice_of, contracts_of, decimal_of, shown, switch_of
from desk.alerts.wire import JsonObject

__all__ = [
    "flat_place",
    "instrument_of",
    "place",
    "refuse_what_cannot_be_had",
    "required_of",
    "reverse",
    "reverse_position",
]

_SIGNS = {"buy": 1, "sell": -1}
_SIDES = {1: "long", -1: "short"}
_TYPES = {"market": "market", "limit": "limit", "stop": "stop", "stopmarket": "stop", "stoplimit": "stop_limit"}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NINJATRADER = re.compile(
    rf"(?P<root>\S{{1,8}}) +(?:(?P<number>[1-9]|1[0-2])-|(?P<name>{'|'.join(_MONTHS)}))(?P<year>[0-9]{{2}})",
    re.IGNORECASE,
)
_CANNOT: tuple[tuple[tuple[str, ...], str], ...] = (
    (("delay",), "an order that waits before it is sent is not available."),
    (("rate_limit",), "how many entries a minute may bring is a setting of the bot here."),
    (
        ("strategy", "atm_strategy", "append_atm"),
        "templates of another program are not here; write atm_targets and atm_stops, or stop_loss and take_profit.",
    ),
    (("oco_id",), "the stop and the target of an entry are a pair already, and other pairs are not available."),
    (
        ("max_positions",),
        "it counts all instruments of the account, which is not available; require_market_position=flat asks for this one.",
    ),
)
_CANNOT_ANY = {  # in whatever name holds the word
    "window": "the trading window is a setting of the bot here.",
    "timeout": "how long an order rests is order.expire_s of our own form.",
}


def refuse_what_cannot_be_had(pairs: Pairs, *, is_out: bool) -> None:
    """Raises Refusal by name. ``is_out``: the message only gets out of a position, and these are warnings."""
    for names, why in _CANNOT:
        pairs.refuse(names, why, is_out=is_out)
    for word, why in _CANNOT_ANY.items():
        pairs.refuse([name for name in pairs.left() if word in name.lower()], why, is_out=is_out)


def instrument_of(pairs: Pairs) -> str:
    """``MNQ1!`` and ``MNQZ6`` as sent, and NinjaTrader's ``MNQ DEC26`` and ``MNQ 3-26`` as ``MNQ 12-26`` and ``MNQ 03-26``."""
    instrument = pairs.take("instrument")
    if instrument is None:
        raise Refusal("instrument is missing (an empty placeholder?); write for example instrument=MNQ1!")
    match = _NINJATRADER.fullmatch(instrument.strip())
    if match is None:
        return instrument
    month = int(match["number"]) if match["number"] else _MONTHS.index(match["name"].upper()) + 1
    return f"{match['root']} {month:02}-{match['year']}"


def required_of(pairs: Pairs) -> JsonObject:
    word = choice_of("require_market_position", pairs.take("require_market_position"), ("flat", "long", "short", "any"))
    return {} if word is None else {"require_position": word}


def place(pairs: Pairs) -> list[JsonObject]:
    """An order. What it is for stands beside it: with a stop, a target, or a position required that it opens or adds to, it is
    an entry; against the required position it only gets out; else the bot's own rule for a bare buy or sell decides."""
    pairs.check_said("require_market_position", "flatten_first")
    sign = _sign(pairs)
    if switch_of("flatten_first", pairs.take("flatten_first")):
        return [_flat_placed(pairs, sign)]
    policy = required_of(pairs)
    required = policy.get("require_position")
    if required == _SIDES[-sign] and not _has_exits(pairs):
        refuse_what_cannot_be_had(pairs, is_out=True)
        return [_asked(pairs) | {"action": f"exit_{_SIDES[-sign]}", "policy": policy}]
    message, exits, _ = _entry(pairs, sign)
    if required == _SIDES[sign]:
        policy = policy | {"same": "add"}
    if exits or required in {"flat", _SIDES[sign]}:
        action = f"enter_{_SIDES[sign]}"
    else:
        action = "buy" if sign > 0 else "sell"
        pairs.warnings.append(
            "PLACE alone may be an entry or an exit: stop_loss, flatten_first or require_market_position says which it is"
        )
    return [message | {"action": action, "policy": policy}]


def flat_place(pairs: Pairs) -> list[JsonObject]:
    pairs.check_said("require_market_position")
    pairs.take("flatten_first")
    return [_flat_placed(pairs, _sign(pairs))]


def reverse_position(pairs: Pairs) -> list[JsonObject]:
    """Only from the other side: flat stays flat, and a position that is on the wanted side already is not doubled."""
    sign = _sign(pairs)
    policy = {"require_position": _SIDES[-sign]} | required_of(pairs)
    if policy["require_position"] != _SIDES[-sign]:
        raise Refusal(
            f"require_market_position with REVERSEPOSITION: a reversal to {_SIDES[sign]} begins at {_SIDES[-sign]}. Leave it out."
        )
    message, _, _ = _entry(pairs, sign)
    return [message | {"action": f"enter_{_SIDES[sign]}", "policy": {**policy, "opposite": "reverse"}}]


def reverse(pairs: Pairs) -> list[JsonObject]:
    """What is held, to the other side. An entry needs its size and its stop; without them the old side is closed, no more."""
    is_whole = pairs.has("qty", "quantity") and pairs.has("stop_loss")
    refuse_what_cannot_be_had(pairs, is_out=not is_whole)
    message: JsonObject = {"symbol": instrument_of(pairs), "policy": required_of(pairs)}
    if not is_whole:
        pairs.warnings.append(
            "closing only: an entry on the other side needs a size and a stop; send REVERSEPOSITION with its action"
        )
        return [message | {"action": "exit"}]
    target = exit_price_of(pairs, "take_profit")
    exits: JsonObject = {"stop": exit_price_of(pairs, "stop_loss")}
    if target is not None:
        exits["targets"] = [target]
    return [message | exits | {"action": "reverse", "qty": {"mode": "contracts", "value": amount(_qty(pairs))}}]


def _flat_placed(pairs: Pairs, sign: int) -> JsonObject:
    """The position wanted afterwards: over flat from the other side, and never more than was asked for."""
    policy = required_of(pairs)
    message, _, qty = _entry(pairs, sign)
    pairs.warnings.append(
        "flatten first: the other side is closed before the order; contracts that are held on the wanted side already count, and "
        "keep their stop and target"
    )
    position: JsonObject = {"now": _SIDES[sign], "size": amount(qty)}
    return message | {"action": "set_position", "position": position, "policy": policy}


def _entry(pairs: Pairs, sign: int) -> tuple[JsonObject, JsonObject, Decimal]:
    """The order with its exits, the exits alone, and the size."""
    refuse_what_cannot_be_had(pairs, is_out=False)
    qty = _qty(pairs)
    exits = exits_of(pairs, sign, qty)
    return _asked(pairs, qty) | exits, exits, qty


def _asked(pairs: Pairs, qty: Decimal | None = None) -> JsonObject:
    size = _qty(pairs) if qty is None else qty
    return {
        "symbol": instrument_of(pairs),
        "qty": {"mode": "contracts", "value": amount(size)},
        "order": _order(pairs),
    }


def _sign(pairs: Pairs) -> int:
    action = choice_of("action", pairs.take("action"), _SIGNS)
    if action is None:
        raise Refusal("action is missing (an empty placeholder?); allowed is one of: BUY, SELL.")
    return _SIGNS[action]


def _qty(pairs: Pairs) -> Decimal:
    qty = contracts_of("qty", pairs.take("qty", "quantity"))
    if qty is None:
        raise Refusal("qty is missing (an empty placeholder?); this command needs a whole number of contracts.")
    return qty


def _has_exits(pairs: Pairs) -> bool:
    return any(name.lower().startswith(("stop_loss", "take_profit", "atm")) for name in pairs.left())


def _order(pairs: Pairs) -> JsonObject:
    """Type and prices. A price of 0 is what senders write where none is meant."""
    word = (pairs.take("order_type") or "market").lower()
    kind = _TYPES.get(word.replace("_", "").replace(" ", "").replace("-", ""))
    if kind is None:
        raise Refusal(f"order_type is {shown(word)}; allowed is one of: MARKET, LIMIT, STOPMARKET, STOPLIMIT.")
    order: JsonObject = {"type": kind}
    for name, ours in (("limit_price", "price"), ("stop_price", "stop_price")):
        price = _price(name, pairs.take(name))
        if price is not None:
            order[ours] = amount(price)
    tif = choice_of("tif", pairs.take("tif", "time_in_force"), ("day", "gtc"))
    if tif == "gtc" and kind != "market":
        pairs.warnings.append(
            "tif GTC: the gateway knows no time in force, and an order may be gone after the daily close"
        )
    return order


def _price(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    if text[0] in "+-" or text[-1].isalpha() or text[-1] == "%":
        raise Refusal(f"{name} is {shown(text)}: an offset from the market is not available; send the price itself.")
    price = decimal_of(name, text)
    return None if price == 0 else price
