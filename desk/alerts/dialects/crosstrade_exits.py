"""Stop, targets, break-even and trailing of a CrossTrade order (TradingView reference 10.3).

``take_profit`` and ``stop_loss`` are prices, or offsets from the price of the moment: positive above it, negative below. The
``atm_*`` fields are distances from the entry without a sign: ticks, or points with ``pt``.
"""

from __future__ import annotations

import re
from decimal import Decimal

from desk.alerts.dialects.pairs import Pairs, amount, distance_of
from desk.alerts.values import Refusal, contracts_of, not_negative_of, positive_of, shown, switch_of
from desk.alerts.wire import Json, JsonObject

__all__ = ["exit_price_of", "exits_of"]

_OFFSETS = {
    **dict.fromkeys(("ticks", "tick", "t"), "ticks"),
    **dict.fromkeys(("points", "point", "pts", "pt"), "points"),
    "%": "pct",
}
_ATM_LENGTH = re.compile(r"(?P<number>[0-9.]+)\s*(?P<unit>[a-z]*)", re.IGNORECASE)
_ATM_UNIT = re.compile(r"\s*[a-z]+\s*\Z", re.IGNORECASE)
_ATM_UNITS = {"": "ticks", **_OFFSETS}
_STOP_LIMITS = ("stop_loss_limit", "stop_loss_stop")
_WHY_NO_STOP_LIMIT = "a stop-limit may be passed by and leaves the position open. Send stop_loss."


def exits_of(pairs: Pairs, sign: int, qty: Decimal) -> JsonObject:
    """``stop``, ``targets``, ``breakeven`` and ``trail`` of an entry. sign: +1 for a buy. Raises Refusal."""
    pairs.refuse(_STOP_LIMITS, _WHY_NO_STOP_LIMIT, is_out=False)
    stop, target = pairs.take("stop_loss"), pairs.take("take_profit")
    lengths = pairs.take("atm_targets"), pairs.take("atm_stops")
    atm = _atm(pairs, *lengths, qty)
    if atm and (stop is not None or target is not None):
        raise Refusal("atm_* together with stop_loss or take_profit: which of them is meant? Keep one kind.")
    exits: JsonObject = dict(atm)
    if stop is not None:
        exits["stop"] = distance_of("stop_loss", stop, -sign, _OFFSETS)
    if target is not None:
        exits["targets"] = [distance_of("take_profit", target, sign, _OFFSETS)]
    return exits


def exit_price_of(pairs: Pairs, name: str) -> Json:
    """A new stop or target for a position that is there: only a price, for an offset would count from the market."""
    text = pairs.take(name)
    if text is None:
        return None
    distance = distance_of(name, text, -1 if text.startswith("-") else 1, _OFFSETS)
    if not isinstance(distance, dict) or distance.get("unit") != "price":
        raise Refusal(f"{name} is {shown(text)}: for a position that is open only a price is taken, e.g. {name}=21000.")
    return distance


def _atm(pairs: Pairs, targets_text: str | None, stops_text: str | None, qty: Decimal) -> JsonObject:
    """The set of targets and stops inside the message. Nothing when no field of it is there."""
    names = ("qtys", "trail", "trail_trigger", "trail_offset", "breakeven", "breakeven_offset")
    more = {name: value for name in names if (value := pairs.take(f"atm_{name}")) is not None}
    if targets_text is None and stops_text is None and not more:
        return {}
    if targets_text is None or stops_text is None:
        missing = "atm_targets" if targets_text is None else "atm_stops"
        raise Refusal(f"{missing} is missing; a set inside the message needs atm_targets and atm_stops.")
    targets = [_length("atm_targets", part) for part in targets_text.split(",")]
    stops = [_length("atm_stops", part) for part in stops_text.split(",")]
    if len(stops) not in {1, len(targets)} or any(stop != stops[0] for stop in stops):
        raise Refusal(
            f"atm_stops is {shown(stops_text)}: one stop for all of the position is available, so give one value."
        )
    legs: list[JsonObject] = [
        {**target, "qty": amount(share)}
        for target, share in zip(targets, _shares(more.get("qtys"), len(targets), qty), strict=True)
    ]
    found: JsonObject = {"stop": dict(stops[0])}
    found |= _break_even(more.get("breakeven"), more.get("breakeven_offset"), targets, legs)
    found |= _trail(more, stops[0], len(targets))
    return {**found, "targets": [*legs]}


def _length(name: str, text: str) -> JsonObject:
    match = _ATM_LENGTH.fullmatch(text.strip())
    unit = _ATM_UNITS.get(match["unit"].lower()) if match else None
    number = positive_of(name, match["number"]) if match else None
    if unit is None or unit == "pct" or number is None:
        raise Refusal(f"{name} is {shown(text.strip())}; allowed are ticks, or points with pt: 20,40 or 5pt,10pt.")
    return {"unit": unit, "value": amount(number)}


def _shares(text: str | None, tiers: int, qty: Decimal) -> list[Decimal]:
    """Contracts of each tier; without ``atm_qtys`` equal ones, what is left over goes to the last."""
    if text is None:
        least = qty // tiers
        if least < 1:
            raise Refusal(f"atm_targets has {tiers} targets for qty={amount(qty)}; every target needs a contract.")
        return [least] * (tiers - 1) + [qty - least * (tiers - 1)]
    found = [contracts_of("atm_qtys", part) for part in text.split(",")]
    shares = [share for share in found if share is not None]
    if len(shares) != tiers or len(found) != tiers or sum(shares) != qty:
        raise Refusal(
            f"atm_qtys is {shown(text)}; wanted are {tiers} sizes, one per target, that add up to qty={amount(qty)}."
        )
    return shares


def _break_even(
    tier_text: str | None, offset_text: str | None, targets: list[JsonObject], legs: list[JsonObject]
) -> JsonObject:
    """``atm_breakeven`` is the number of the target whose fill moves the stop to the entry."""
    if tier_text is None:
        if offset_text is not None:
            raise Refusal("atm_breakeven_offset without atm_breakeven, the number of the target that moves the stop.")
        return {}
    tier = contracts_of("atm_breakeven", tier_text)
    if tier is None or tier > len(targets):
        text = f"atm_breakeven is {shown(tier_text)}; wanted is the number of a target, from 1 to {len(targets)}."
        raise Refusal(f"{text} For a distance send our own form with breakeven.trigger.")
    offset = _offset(offset_text)
    if offset is None:
        legs[int(tier) - 1]["then"] = "breakeven"
        return {}
    return {"breakeven": {"trigger": dict(targets[int(tier) - 1]), "offset": offset}}


def _offset(text: str | None) -> Json:
    if text is None or not_negative_of("atm_breakeven_offset", _ATM_UNIT.sub("", text)) == 0:
        return None
    return _length("atm_breakeven_offset", text)


def _trail(more: dict[str, str], stop: JsonObject, tiers: int) -> JsonObject:
    """``atm_trail`` true: the stop follows at its own distance, or at ``atm_trail_offset`` from ``atm_trail_trigger`` on."""
    text = more.get("trail")
    switches = [] if text is None else [switch_of("atm_trail", part) for part in text.split(",")]
    if len(switches) not in {0, 1, tiers} or len(set(switches)) > 1:
        raise Refusal(
            f"atm_trail is {shown(text)}: all of the position trails or none of it, so give one true or false."
        )
    terms = {name: more[name] for name in ("trail_trigger", "trail_offset") if name in more}
    if not switches or not switches[0]:
        if terms:
            raise Refusal(f"atm_{next(iter(terms))} without atm_trail=true: is the stop meant to trail?")
        return {}
    trail: JsonObject = {"distance": dict(stop)}
    if "trail_offset" in terms:
        trail["distance"] = _length("atm_trail_offset", terms["trail_offset"])
    if "trail_trigger" in terms:
        trail["trigger"] = _length("atm_trail_trigger", terms["trail_trigger"])
    return {"trail": trail}
