"""toini666/topstepbot (TradingView reference 10.6): ``{"type", "ticker", "side", "entry", "stop", "tp", "timeframe", "strat"}``.

``SIGNAL`` enters at market with a stop and a target at prices, from flat only. ``PARTIAL`` takes half, for it carries no size.
``CLOSE`` exits, ``MOVEBE`` moves the stop to the entry now, ``SETUP`` is a note. The size is the bot's, never the message's.

Kept, without a meaning for the trade: strat; entry, stop, tp and side of everything but a SIGNAL.
"""

from __future__ import annotations

from desk.alerts.dialects.fields import Foreign, distance, written
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, not_negative_of, positive_of
from desk.alerts.wire import JsonObject

__all__ = ["read_topstepbot"]

_TYPES = ("signal", "partial", "close", "movebe", "setup")
_SIDES = {"buy": "long", "long": "long", "sell": "short", "short": "short"}
_HALF = "50"


def read_topstepbot(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message of ours for each of theirs. Raises Refusal by the sender's field name."""
    del terms
    fields = Foreign(data)
    kind = fields.needed("type", _TYPES)
    fields.gets_out = kind != "signal"
    fields.keep("strat")
    message = {"symbol": fields.symbol("ticker"), "interval": fields.interval("timeframe"), **_asked(fields, kind)}
    return Translation((fields.finished(message),), tuple(fields.warnings))


def _asked(fields: Foreign, kind: str) -> JsonObject:
    if kind == "signal":
        return _signal(fields)
    if kind == "partial" and (fields.peek("stop") or fields.peek("tp")):
        fields.warnings.append("PARTIAL takes contracts only; its stop and tp move nothing. Send MOVEBE for the stop")
    fields.keep("side", "direction", "entry", "stop", "tp")
    if kind == "partial":
        fields.warnings.append("PARTIAL carries no size: half of the position, rounded down")
        return {"action": "reduce", "qty": {"mode": "position_pct", "value": _HALF}}
    return {"action": {"close": "exit", "movebe": "breakeven", "setup": "note"}[kind]}


def _signal(fields: Foreign) -> JsonObject:
    """Older versions call the side ``direction``."""
    name = "direction" if fields.peek("side") is None else "side"
    side = _SIDES[fields.needed(name, tuple(_SIDES))]
    entry, target = fields.positive("entry"), fields.read("tp", not_negative_of)
    stop = positive_of("stop", fields.take("stop"))
    if stop is None:
        raise Refusal("stop is missing (an empty placeholder?); a SIGNAL needs the price of its stop.")
    message: JsonObject = {
        "action": f"enter_{side}",
        "price": None if entry is None else written(entry),
        "stop": distance("price", stop),
        "policy": {"require_position": "flat"},
    }
    return {**message, "targets": [distance("price", target)]} if target else message
