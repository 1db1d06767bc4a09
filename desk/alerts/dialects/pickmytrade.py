"""PickMyTrade (TradingView reference 10.2): ``{"symbol", "data", "quantity", ..., "token"}``. A zero means off everywhere.

``reverse_order_close`` and ``pyramid`` say what a position that is there becomes; the table is in ``_policy``. Distances
(``dollar_tp``, ``dollar_sl``, ``trail_*``, ``breakeven*``) have the unit that the bot's owner named, for documents and examples
differ: without it they are refused with the question. The exits are in ``pickmytrade_exits``.

Kept, without a meaning for the trade: strategy_name, platform, connection_name, full_closed, inst_type FUT, date (its age and
the id). token is the sender's secret and is never kept. Refused: docs/dialects.md.
"""

from __future__ import annotations

from decimal import Decimal

from desk.alerts.dialects.fields import Foreign, written
from desk.alerts.dialects.pickmytrade_exits import Units, exits_of, moves_of
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, contracts_of, is_missing, not_negative_of, shown
from desk.alerts.wire import Json, JsonObject

__all__ = ["read_pickmytrade"]

_SIDES = {"buy": "long", "long": "long", "sell": "short", "short": "short"}
_CLOSES = ("close", "flat", "exit")
_ORDER_TYPES = {"mkt": "market", "lmt": "limit", "stp": "stop", "stplmt": "stop_limit"}
_KEPT = ("strategy_name", "platform", "connection_name", "full_closed")
_BRACKET = (
    "tp", "percentage_tp", "dollar_tp", "sl", "percentage_sl", "dollar_sl", "trail", "trail_stop", "trail_trigger",
    "trail_freq", "breakeven", "breakeven_offset", "update_tp", "update_sl", "advance_tp_sl",
)  # fmt: skip
_ORDER = ("order_type", "stp_limit_stp_price", "gtd_in_second", "risk_percentage")
_POLICY = ("pyramid", "duplicate_position_allow", "same_direction_ignore", "reverse_order_close")
_MOST_ACCOUNTS = 64


def read_pickmytrade(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message, or two where both exits of an open position are moved. Raises Refusal by the sender's field name."""
    fields = Foreign(data)
    asked = fields.needed("data", (*_SIDES, *_CLOSES))
    fields.gets_out = asked in _CLOSES
    fields.keep(*_KEPT)
    parts = _parts(fields, _SIDES.get(asked), Units(terms.pickmytrade_dollar))
    whole = fields.finished(_about(fields))
    messages = [{**whole, **part} for part in parts]
    key = whole.get("id")
    for number, message in enumerate(messages[1:], start=2):
        if isinstance(key, str):
            message["id"] = f"{key}|{number}"  # two messages of one body are two signals
    return Translation(tuple(messages), tuple(fields.warnings))


def _parts(fields: Foreign, side: str | None, units: Units) -> list[JsonObject]:
    if side is None:
        return [_close(fields)]
    moves = moves_of(fields, side, units)
    if not moves:
        _check_instrument(fields)
        return [_entry(fields, side, units)]
    fields.gets_out = True  # it opens nothing and only takes risk away
    fields.keep("quantity", "inst_type", "place_order_at", *_ORDER, *_POLICY)
    return moves


def _about(fields: Foreign) -> JsonObject:
    price = fields.read("price", not_negative_of)
    return {
        "symbol": fields.symbol("symbol"),
        "price": written(price) if price else None,
        "id": fields.id_from("date"),
        "fired_at": fields.time("date"),
        "comment": fields.comment("comment"),
        "accounts": _accounts(fields),
    }


def _check_instrument(fields: Foreign) -> None:
    if str(fields.peek("inst_type")).strip().upper() == "FUT":
        fields.keep("inst_type")
    fields.refuse(("inst_type",), "the desk trades futures; allowed is FUT.")
    fields.refuse(("place_order_at",), "the desk acts at once; send the alert when the order shall be placed.")


def _close(fields: Foreign) -> JsonObject:
    """The whole position, whatever size stands beside it."""
    quantity = fields.read("quantity", not_negative_of)
    if quantity:
        fields.warnings.append(f"close takes the whole position; quantity {quantity} is not used")
    fields.keep("inst_type", "place_order_at", *_BRACKET, *_ORDER, *_POLICY)
    return {"action": "exit"}


# --- an entry ----------------------------------------------------------------------------------------------------------


def _entry(fields: Foreign, side: str, units: Units) -> JsonObject:
    fields.refuse(("risk_percentage",), "a size from the account's equity is not available; send quantity, and 0 here.")
    quantity = _quantity(fields)
    exits, legs_qty = exits_of(fields, units)
    if quantity is None:
        quantity = legs_qty
    message: JsonObject = {"action": f"enter_{side}", "order": _order(fields), **exits}
    if quantity is not None:
        message["qty"] = {"mode": "contracts", "value": written(quantity)}
    policy = _policy(fields)
    return {**message, "policy": policy} if policy else message


def _quantity(fields: Foreign) -> Decimal | None:
    value = fields.take("quantity")
    number = not_negative_of("quantity", value)
    return contracts_of("quantity", value) if number else None


def _order(fields: Foreign) -> JsonObject:
    """``price`` is the limit of LMT and STPLMT and the stop of STP; for MKT it is only the reference."""
    word = choice_of("order_type", fields.take("order_type"), tuple(_ORDER_TYPES)) or "mkt"
    order: JsonObject = {"type": _ORDER_TYPES[word]}
    price = not_negative_of("price", fields.peek("price"))
    stop = fields.read("stp_limit_stp_price", not_negative_of)
    if word == "stplmt":
        order |= {"price": _needed("price", price, word), "stop_price": _needed("stp_limit_stp_price", stop, word)}
    elif word == "lmt":
        order["price"] = _needed("price", price, word)
    elif word == "stp":
        if price and stop and price != stop:
            raise Refusal(f"price {price} and stp_limit_stp_price {stop} with order_type STP: which one is the stop?")
        order["stop_price"] = _needed("price", price or stop, word)
    life = fields.read("gtd_in_second", not_negative_of)
    return {**order, "expire_s": written(life)} if life else order


def _needed(name: str, value: Decimal | None, word: str) -> Json:
    if not value:
        raise Refusal(f"{name} is missing; order_type {word.upper()} needs it.")
    return written(value)


def _policy(fields: Foreign) -> JsonObject:
    """What becomes of a position that is there (the vendor's truth table, reference 10.2).

    | reverse_order_close | pyramid | same side | other side |
    |---|---|---|---|
    | true | false | closed, then entered anew | closed, then entered |
    | true | true | added | closed, then entered |
    | false | true | added | refused: at this venue such an order would only lessen the position |
    | false | false | refused | refused |

    same_direction_ignore: the same side is left as it is. What is not said at all is left to the bot.
    """
    closes, ignores = fields.switch("reverse_order_close"), fields.switch("same_direction_ignore")
    pyramid, older = fields.switch("pyramid"), fields.switch("duplicate_position_allow")
    if pyramid is None:
        pyramid = older
    policy: JsonObject = {}
    if closes is not None:
        policy["opposite"] = "reverse" if closes else "reject"
    if ignores:
        policy["same"] = "ignore"
    elif pyramid:
        policy["same"] = "add"
    elif closes:
        policy["same"] = "replace"
    elif pyramid is False:
        policy["same"] = "reject"
    return policy


# --- accounts ----------------------------------------------------------------------------------------------------------


def _accounts(fields: Foreign) -> Json:
    """The accounts that the message names; the bot refuses all but its own."""
    listed, single = fields.take("multiple_accounts"), fields.text("account_id")
    if is_missing(listed) or listed == []:
        return None if single is None else [{"ref": single}]
    if not isinstance(listed, list) or len(listed) > _MOST_ACCOUNTS:
        raise Refusal(
            f"multiple_accounts is {shown(listed)}; a list of at most {_MOST_ACCOUNTS} objects is wanted there."
        )
    named = [_account(item, f"multiple_accounts[{index}]", fields) for index, item in enumerate(listed)]
    return [account for account in named if account is not None] or None


def _account(value: Json, path: str, fields: Foreign) -> JsonObject | None:
    """One entry; None where only the token stands there, which says nothing about the account."""
    if not isinstance(value, dict):
        raise Refusal(f"{path} is {shown(value)}; an object is wanted there.")
    entry = Foreign(value, path + ".", gets_out=fields.gets_out)
    entry.refuse(("risk_percentage",), "a size from the account's equity is not available; send quantity, and 0 here.")
    times = entry.read("quantity_multiplier", not_negative_of)
    connection, ref = entry.text("connection_name"), entry.text("account_id")
    fields.absorb(entry, path)
    name = ref or connection
    sizes = times is not None and times != 1
    if name is None:
        if sizes:
            raise Refusal(f"{path}.account_id is missing; name the account there, or leave quantity_multiplier out.")
        return None
    if times == 0:
        raise Refusal(f"{path}.quantity_multiplier is 0; leave the account out.")
    return {"ref": name, "factor": written(times)} if sizes and times is not None else {"ref": name}
