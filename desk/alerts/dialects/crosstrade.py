"""CrossTrade's ``key=value;`` commands in our own words (TradingView reference 10.3). ``key`` is the secret, found before this.

``account`` narrows the accounts as ``accounts`` of our own form does. ``order_id`` becomes no id of ours: senders repeat it, and
an id that is repeated would swallow the signals of a week (reference 7).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from desk.alerts.dialects.crosstrade_entries import (
    flat_place,
    instrument_of,
    place,
    refuse_what_cannot_be_had,
    required_of,
    reverse,
    reverse_position,
)
from desk.alerts.dialects.crosstrade_exits import exit_price_of
from desk.alerts.dialects.pairs import Pairs, amount, pairs_of, with_own_ids
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, contracts_of, positive_of, shown
from desk.alerts.wire import JsonObject

__all__ = ["COMMANDS", "read_crosstrade"]

_SILENT = (
    "key",
    "destination",
    "strategy_tag",
    "strategy_id",
    "order_id",
    "notes",
)  # no meaning here, and none is missed


def read_crosstrade(text: str, terms: DialectTerms) -> Translation:
    """One command. Raises Refusal with the name of the field and what to send instead."""
    del terms  # nothing of it is asked of the bot's owner
    pairs = pairs_of(text)
    command = pairs.take("command") or ""
    read = COMMANDS.get(command.upper())
    if read is None:
        raise Refusal(f"command is {shown(command)}; known are: {', '.join(COMMANDS)}.")
    accounts = _accounts(pairs)
    messages = with_own_ids((message | accounts for message in read(pairs)), pairs)
    for name in _SILENT:
        pairs.take(name)
    rest = pairs.leave_rest()
    return Translation(tuple(message | rest for message in messages), tuple(pairs.warnings))


def _accounts(pairs: Pairs) -> JsonObject:
    names = [name.strip() for name in (pairs.take("account") or "").split(",") if name.strip()]
    if not names or "all" in {name.lower() for name in names}:
        return {}
    return {"accounts": [*names]}


# --- getting out: nothing here can open a position, and what cannot be honoured holds none of it up --------------------------


def _close_position(pairs: Pairs) -> list[JsonObject]:
    refuse_what_cannot_be_had(pairs, is_out=True)
    message: JsonObject = {"symbol": instrument_of(pairs), "action": "exit", "policy": required_of(pairs)}
    qty = contracts_of("qty", pairs.take("qty", "quantity"))
    percent = pairs.take("percent")
    if qty is not None:
        return [message | {"qty": {"mode": "contracts", "value": amount(qty)}}]
    if percent is not None:
        return [message | {"qty": {"mode": "position_pct", "value": amount(_percent(percent).normalize())}}]
    return [message]


def _percent(text: str) -> Decimal:
    """Of the position: a share up to 1, or per cent with its sign."""
    allowed = "a share from 0 to 1, or per cent such as 50%"
    share = positive_of("percent", text.removesuffix("%").strip(), allowed)
    pct = share if share is None or text.endswith("%") else share * 100
    if pct is None or pct > 100:
        raise Refusal(f"percent is {shown(text)}; allowed is {allowed}.")
    return pct


def _close_strategy(pairs: Pairs) -> list[JsonObject]:
    """Strategies of another program are not here; what one of them would hold is the position in its instrument."""
    if not pairs.has("instrument"):
        raise Refusal(
            "CLOSESTRATEGY names no instrument, and strategies of another program are not here. Send CLOSEPOSITION."
        )
    pairs.warnings.append("CLOSESTRATEGY closes all that is held in the instrument; strategies are not told apart")
    pairs.take("strategy")
    return _close_position(pairs)


def _flatten(pairs: Pairs) -> list[JsonObject]:
    """Without an instrument the bot's account. One side of it alone cannot be asked for without closing the other."""
    refuse_what_cannot_be_had(pairs, is_out=True)
    side = choice_of("market_position", pairs.take("market_position"), ("long", "short"))
    if not _names_instrument(pairs):
        if side is not None:
            raise Refusal(
                f"market_position={side} without an instrument: not available. Send one message per instrument."
            )
        return [{"action": "flatten_all"}]
    action = "flatten" if side is None else f"exit_{side}"
    return [{"symbol": instrument_of(pairs), "action": action, "policy": required_of(pairs)}]


def _flatten_everything(pairs: Pairs) -> list[JsonObject]:
    refuse_what_cannot_be_had(pairs, is_out=True)
    return [{"action": "flatten_all"}]


def _cancel_orders(pairs: Pairs) -> list[JsonObject]:
    """Resting entries; the stops of positions stay, for without them a position is unprotected."""
    refuse_what_cannot_be_had(pairs, is_out=True)
    if not _names_instrument(pairs):
        return [{"action": "cancel"}]
    return [{"action": "cancel", "symbol": instrument_of(pairs)}]


def _names_instrument(pairs: Pairs) -> bool:
    """One that is there and empty was meant to say which: it is no word for the whole account. Raises Refusal."""
    if pairs.says("instrument") and not pairs.has("instrument"):
        instrument_of(pairs)
    return pairs.has("instrument")


def _cancel_all_orders(pairs: Pairs) -> list[JsonObject]:
    refuse_what_cannot_be_had(pairs, is_out=True)
    return [{"action": "cancel"}]


def _cancel_and_bracket(pairs: Pairs) -> list[JsonObject]:
    """Stop and target of what is held, to new prices: moved, never taken away first. Then the resting entries go."""
    refuse_what_cannot_be_had(pairs, is_out=True)
    at: JsonObject = {"symbol": instrument_of(pairs), "policy": required_of(pairs)}
    stop, target = exit_price_of(pairs, "stop_loss"), exit_price_of(pairs, "take_profit")
    if stop is None and target is None:
        raise Refusal("CANCELANDBRACKET needs stop_loss or take_profit, as prices.")
    messages = [] if stop is None else [at | {"action": "move_stop", "stop": stop}]
    messages += [] if target is None else [at | {"action": "move_target", "targets": [target]}]
    return [*messages, at | {"action": "cancel"}]


def _by_order_id(instead: str) -> Callable[[Pairs], list[JsonObject]]:
    def refuse(pairs: Pairs) -> list[JsonObject]:
        raise Refusal(f"an order of its own cannot be named from outside (order_id): not available. {instead}")

    return refuse


COMMANDS: dict[str, Callable[[Pairs], list[JsonObject]]] = {
    "PLACE": place,
    "FLATPLACE": flat_place,
    "REVERSE": reverse,
    "REVERSEPOSITION": reverse_position,
    "CLOSEPOSITION": _close_position,
    "CLOSESTRATEGY": _close_strategy,
    "FLATTEN": _flatten,
    "FLATTENEVERYTHING": _flatten_everything,
    "CANCEL": _by_order_id("CANCELORDERS with the instrument cancels the entries that rest there."),
    "CANCELORDERS": _cancel_orders,
    "CANCELALLORDERS": _cancel_all_orders,
    "CHANGE": _by_order_id("CANCELANDBRACKET moves the stop and the target of a position."),
    "CANCELREPLACE": _by_order_id("Send CANCELORDERS with the instrument, then PLACE."),
    "CANCELANDBRACKET": _cancel_and_bracket,
}
