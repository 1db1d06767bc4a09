"""The minimal REST style (TradingView reference 10.6): ``{"action", "symbol", "quantity", "price", "stop_loss", ...}``.

``stop_loss`` and ``take_profit`` are prices. ``CLOSE`` and ``FLATTEN`` are about the message's symbol, never about the account.
Nobody owns this form, so an entry with a field that is not known is refused: it may be another bridge's order type or size.
"""

from __future__ import annotations

from desk.alerts.dialects.fields import Foreign, distance, written
from desk.alerts.dialects.words import Translation
from desk.alerts.redact import is_secret_name
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, not_negative_of, shown
from desk.alerts.wire import JsonObject

__all__ = ["MINIMAL_ACTIONS", "read_minimal"]

MINIMAL_ACTIONS = {
    "buy": "enter_long", "long": "enter_long", "sell": "enter_short", "short": "enter_short",
    "close": "exit", "flatten": "flatten", "exit": "exit",
}  # fmt: skip
_KNOWN = frozenset(
    {
        "action", "symbol", "quantity", "qty", "price", "stop_loss", "take_profit", "time", "timestamp", "interval", "comment",
        "strategy", "strategy_name", "message", "exchange", "dry_run",
    }
)  # fmt: skip


def read_minimal(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message of ours for each of theirs. Raises Refusal by the sender's field name."""
    del terms
    fields = Foreign(data)
    action = MINIMAL_ACTIONS[fields.needed("action", tuple(MINIMAL_ACTIONS))]
    fields.gets_out = not action.startswith("enter")
    if not fields.gets_out:
        _check_names(data)
    fields.keep("strategy", "strategy_name", "message", "exchange")
    price = fields.read("price", not_negative_of)
    message: JsonObject = {
        "action": action,
        "symbol": fields.symbol("symbol"),
        "price": written(price) if price else None,
        "fired_at": fields.time("timestamp") or fields.time("time"),
        "interval": fields.interval("interval"),
        "comment": fields.comment("comment"),
        **_terms(fields, action),
    }
    return Translation((fields.finished(message),), tuple(fields.warnings))


def _check_names(data: JsonObject) -> None:
    unknown = [name for name in data if name not in _KNOWN and not is_secret_name(name)]
    if unknown:
        names = ", ".join(shown(name) for name in unknown[:5])
        text = f"{names}: not known in this form, and it may change the order."
        raise Refusal(f'{text} Make the message from the template of the bot ("v":1), or leave it out.')


def _terms(fields: Foreign, action: str) -> JsonObject:
    """Size and bracket. A flatten takes everything."""
    if action == "flatten":
        fields.keep("quantity", "qty", "stop_loss", "take_profit")
        return {}
    name = "qty" if fields.peek("quantity") is None else "quantity"
    size = fields.size(name)
    found: JsonObject = {} if size is None else {"qty": {"mode": "contracts", "value": written(size)}}
    if fields.gets_out:
        fields.keep("stop_loss", "take_profit")
        return found
    stop, target = fields.read("stop_loss", not_negative_of), fields.read("take_profit", not_negative_of)
    if stop:
        found["stop"] = distance("price", stop)
    if target:
        found["targets"] = [distance("price", target)]
    return found
