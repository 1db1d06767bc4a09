"""Canonical alert -> the object that says the same (TradingView reference 11): what ``explain`` shows of any dialect.

``canonical.alert_from`` reads it back to an equal alert, but for warnings, ``extras`` and ``policy.window``: those two are
kept as the texts that they came in.
"""

from __future__ import annotations

from typing import Any

import msgspec

from desk.core.alert import Alert, AlertOrder, AlertPolicy, AlertQty, BreakEvenSpec, Distance, TrailSpec

__all__ = ["written"]

_PLAIN = ("bot", "alert_version", "fired_at", "bar_time", "interval", "symbol", "contract", "price")


def written(alert: Alert) -> dict[str, Any]:
    """``alert`` as an object with the field names of docs/alerts.md; what was not said is left out.

    Numbers stay ``Decimal`` and times aware ``datetime``, for whoever encodes it.
    """
    said: dict[str, Any] = {"v": 1, "id": alert.sender_id}
    said |= {name: getattr(alert, name) for name in _PLAIN}
    said |= {
        "action": alert.action.value,
        "position": _said(alert.position),
        "qty": None if alert.qty == AlertQty() else _said(alert.qty),
        "order": None if alert.order == AlertOrder() else _said(alert.order),
        "stop": None if alert.stop is None else _distance(alert.stop.distance, kind=alert.stop.kind),
        "targets": [
            _distance(t.distance, qty=t.qty, qty_pct=t.qty_pct, qty_ratio=t.qty_ratio, then=t.then)
            for t in alert.targets
        ],
        "breakeven": _breakeven(alert.breakeven),
        "trail": _trail(alert.trail),
        "policy": None if alert.policy == AlertPolicy() else _said(alert.policy),
        "accounts": _accounts(alert),
        "comment": alert.comment,
        "tags": list(alert.tags),
        "dry_run": alert.dry_run or None,
        "extras": dict(alert.extras),
    }
    return {name: value for name, value in said.items() if value is not None and value not in ([], {})}


def _said(part: msgspec.Struct | None) -> dict[str, Any] | None:
    """The fields of a flat part that have a value."""
    if part is None:
        return None
    values = {name: getattr(part, name) for name in part.__struct_fields__}
    return {name: getattr(value, "value", value) for name, value in values.items() if value is not None}


def _distance(distance: Distance | None, **more: object) -> dict[str, Any] | None:
    if distance is None:
        return None
    said = {"unit": distance.unit.value, "value": distance.value, **more}
    return {name: value for name, value in said.items() if value is not None and (name, value) != ("kind", "stop")}


def _breakeven(spec: BreakEvenSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {
        name: said
        for name, distance in (("trigger", spec.trigger), ("offset", spec.offset))
        if (said := _distance(distance)) is not None
    }


def _trail(spec: TrailSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {
        name: said
        for name, distance in (("trigger", spec.trigger), ("distance", spec.distance), ("step", spec.step))
        if (said := _distance(distance)) is not None
    }


def _accounts(alert: Alert) -> list[dict[str, Any]]:
    terms = {term.ref: term for term in alert.account_terms}
    return [(_said(terms[ref]) or {}) if ref in terms else {"ref": ref} for ref in alert.accounts]
