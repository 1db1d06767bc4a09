"""What a PickMyTrade message wants around a position: stop, targets, break-even, trailing, and later moves (reference 10.2).

The desk keeps one stop distance per entry. Legs of ``advance_tp_sl`` may differ in size and target; legs that differ in their
stop, break-even or trailing are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from desk.alerts.dialects.fields import Foreign, distance, written
from desk.alerts.values import Refusal, contracts_of, is_missing, not_negative_of, shown
from desk.alerts.wire import Json, JsonObject

__all__ = ["Units", "exits_of", "moves_of"]

_MOST_LEGS = 8
_SHARED = ("stop", "breakeven", "trail")


@dataclass(frozen=True, slots=True)
class Units:
    """dollar: unit of every distance of this form; None: nobody said."""

    dollar: str | None

    def of(self, name: str) -> str:
        if self.dollar is None:
            text = (
                f"{name}: is it in points, in ticks or in dollars per contract? The documents of PickMyTrade differ, so nothing "
                "is guessed. Say it once: PICKMYTRADE_DOLLAR_UNIT=points (or ticks, or usd) in .env, or pickmytrade_dollar_unit "
                "of the bot in desk.toml."
            )
            raise Refusal(text)
        return self.dollar


def exits_of(fields: Foreign, units: Units) -> tuple[JsonObject, Decimal | None]:
    """``stop``, ``targets``, ``breakeven`` and ``trail`` of an entry, and the contracts of its legs, if it has legs."""
    common = _leg(fields, units)
    listed = fields.take("advance_tp_sl")
    if is_missing(listed) or listed == []:
        target = common.pop("target", None)
        return ({**common, "targets": [target]} if target is not None else common), None
    if not isinstance(listed, list) or len(listed) > _MOST_LEGS:
        raise Refusal(f"advance_tp_sl is {shown(listed)}; a list of at most {_MOST_LEGS} legs is wanted there.")
    if "target" in common:
        raise Refusal("tp beside advance_tp_sl: which one is meant? Give each leg its own, and 0 here.")
    return _staged(listed, common, fields, units)


def _staged(listed: list[Json], common: JsonObject, fields: Foreign, units: Units) -> tuple[JsonObject, Decimal]:
    legs = [_stage(item, f"advance_tp_sl[{index}]", fields, units) for index, item in enumerate(listed)]
    shared = {name: _same(name, [leg.get(name, common.get(name)) for _, leg in legs]) for name in _SHARED}
    targets: list[Json] = []
    for index, (qty, leg) in enumerate(legs):
        target = leg.get("target")
        if isinstance(target, dict):
            targets.append({**target, "qty": written(qty)})
        elif any("target" in later for _, later in legs[index + 1 :]):
            text = f"advance_tp_sl[{index}] has no target and later legs have one; put the leg that runs last."
            raise Refusal(text)
    exits: JsonObject = {name: value for name, value in shared.items() if value is not None}
    return ({**exits, "targets": targets} if targets else exits), sum((qty for qty, _ in legs), Decimal(0))


def _stage(value: Json, path: str, fields: Foreign, units: Units) -> tuple[Decimal, JsonObject]:
    if not isinstance(value, dict):
        raise Refusal(f"{path} is {shown(value)}; an object is wanted there.")
    leg = Foreign(value, path + ".")
    qty = contracts_of(leg.path("quantity"), leg.take("quantity"))
    if qty is None:
        raise Refusal(f"{path}.quantity is missing; it says how many contracts the leg has.")
    parts = _leg(leg, units)
    fields.absorb(leg, path)
    return qty, parts


def _same(name: str, found: Iterable[Json]) -> Json:
    """What all legs have in common. One entry has one stop here."""
    values = list(found)
    if any(value != values[0] for value in values):
        what = {"stop": "sl", "breakeven": "breakeven", "trail": "trail"}[name]
        raise Refusal(
            f"advance_tp_sl: the legs differ in {what}; one entry has one {name} here. Give all legs the same."
        )
    return values[0]


def _leg(fields: Foreign, units: Units) -> JsonObject:
    """``stop``, ``target``, ``breakeven``, ``trail``, each as far as it is there."""
    stop, target = _level(fields, "sl", units), _level(fields, "tp", units)
    trail, breakeven = _trail(fields, units), _breakeven(fields, units)
    if stop is None and trail is not None:
        stop = trail["distance"]  # a stop that trails begins where it trails
    parts: JsonObject = {"stop": stop, "target": target, "trail": trail, "breakeven": breakeven}
    return {name: value for name, value in parts.items() if value is not None}


def _level(fields: Foreign, kind: str, units: Units) -> Json:
    """One of ``tp``, ``percentage_tp``, ``dollar_tp``, or of those with ``sl``; None: none is on."""
    names = (kind, f"percentage_{kind}", f"dollar_{kind}")
    on = [(name, value) for name in names if (value := fields.read(name, not_negative_of))]
    if len(on) > 1:
        text = " and ".join(f"{fields.path(name)} {value}" for name, value in on)
        raise Refusal(f"{text}: which one is meant? Leave one of them, and 0 in the others.")
    if not on:
        return None
    name, value = on[0]
    unit = "price" if name == kind else "pct" if name.startswith("percentage") else units.of(fields.path(name))
    return distance(unit, value)


def _trail(fields: Foreign, units: Units) -> JsonObject | None:
    is_on = fields.read("trail", _is_on)
    names = {"trail_stop": "distance", "trail_trigger": "trigger", "trail_freq": "step"}
    given = {ours: (name, value) for name, ours in names.items() if (value := fields.read(name, not_negative_of))}
    if not is_on:
        return None
    if "distance" not in given:
        raise Refusal(
            f"{fields.path('trail')} is on and {fields.path('trail_stop')} is missing: how far behind does it follow?"
        )
    return {ours: distance(units.of(fields.path(name)), value) for ours, (name, value) in given.items()}


def _is_on(path: str, value: object) -> bool | None:
    """``0``, ``1``, ``1.0`` or a switch."""
    return value if isinstance(value, bool) else bool(not_negative_of(path, value))


def _breakeven(fields: Foreign, units: Units) -> JsonObject | None:
    trigger, offset = fields.read("breakeven", not_negative_of), fields.read("breakeven_offset", not_negative_of)
    if not trigger:
        return None
    unit = units.of(fields.path("breakeven"))
    plan: JsonObject = {"trigger": distance(unit, trigger)}
    return {**plan, "offset": distance(unit, offset)} if offset else plan


def moves_of(fields: Foreign, side: str, units: Units) -> list[JsonObject]:
    """``update_sl`` and ``update_tp``: new exits for the open position of that side; nothing is ever opened by them."""
    stops, targets = fields.switch("update_sl"), fields.switch("update_tp")
    if not stops and not targets:
        return []
    moves: list[JsonObject] = []
    policy: JsonObject = {"require_position": side}
    for is_asked, kind, action in ((stops, "sl", "move_stop"), (targets, "tp", "move_target")):
        level = _level(fields, kind, units)
        if not is_asked:
            continue
        if level is None:
            raise Refusal(f"update_{kind} is true and there is no {kind}, percentage_{kind} or dollar_{kind}.")
        moves.append(
            {"action": action, "policy": policy, **({"stop": level} if kind == "sl" else {"targets": [level]})}
        )
    fields.keep("trail", "trail_stop", "trail_trigger", "trail_freq", "breakeven", "breakeven_offset", "advance_tp_sl")
    return moves
