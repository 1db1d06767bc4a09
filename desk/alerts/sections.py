"""The objects inside an alert: position, qty, order, policy, accounts (TradingView reference 11); the exits are in ``legs``.

What a section does not know is kept in the alert's ``extras`` under its path, ``stop.foo``, with a warning.
"""

from __future__ import annotations

from desk.alerts.values import (
    Refusal,
    choice_of,
    contracts_of,
    decimal_of,
    is_missing,
    not_negative_of,
    positive_of,
    seconds_of,
    shown,
    switch_of,
    text_of,
)
from desk.alerts.wire import Json, JsonObject, dump
from desk.core.alert import (
    AlertAccount,
    AlertOrder,
    AlertPolicy,
    AlertPosition,
    AlertQty,
    PositionSide,
)

__all__ = ["Fields", "accounts_of", "order_of", "policy_of", "position_of", "qty_of"]

_SIDES = tuple(side.value for side in PositionSide)
_ORDER_TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop", "join", "market_if_touched")
_NEEDS = {
    "limit": ("price",),
    "stop": ("stop_price",),
    "stop_limit": ("price", "stop_price"),
    "trailing_stop": ("trail_ticks",),
}
_QTY_MODES = (
    "contracts",
    "default",
    "factor",
    "risk_usd",
    "risk_pct",
    "equity_pct",
    "position_pct",
    "notional_usd",
)
_MAX_ACCOUNTS = 64


class Fields:
    """One JSON object while it is read: each known name is taken once, and what is left goes to ``extras``."""

    __slots__ = ("_left", "_path", "extras", "warnings")

    def __init__(self, data: JsonObject, path: str, extras: dict[str, str], warnings: list[str]) -> None:
        self._left = dict(data)
        self._path = path
        self.extras = extras
        self.warnings = warnings

    def take(self, name: str) -> Json:
        return self._left.pop(name, None)

    def path(self, name: str) -> str:
        return self._path + name

    def inner(self, name: str) -> Fields | None:
        """The object under ``name``; None when it is missing. Raises Refusal when it is something else."""
        return self.object(self.take(name), self.path(name))

    def object(self, value: Json, path: str) -> Fields | None:
        if is_missing(value):
            return None
        if not isinstance(value, dict):
            raise Refusal(f"{path} is {shown(value)}; an object is wanted there, see the template.")
        return Fields(value, path + ".", self.extras, self.warnings)

    def leave_rest(self) -> None:
        """What nobody took, verbatim; never a reason to fail (TradingView reference 6)."""
        for name, value in self._left.items():
            self.extras[self.path(name)] = dump(value)
            self.warnings.append(f"unknown field {shown(self.path(name))}: kept, not used")


def position_of(fields: Fields | None) -> AlertPosition | None:
    """Target state after the signal. All parts missing is no position (a strategy placeholder in another alert)."""
    if fields is None:
        return None
    now = choice_of(fields.path("now"), fields.take("now"), _SIDES)
    size = contracts_of(fields.path("size"), fields.take("size"), least=0)
    prev = choice_of(fields.path("prev"), fields.take("prev"), _SIDES)
    prev_size = contracts_of(fields.path("prev_size"), fields.take("prev_size"), least=0)
    fields.leave_rest()
    if now is not None and size is not None and (now == "flat") != (size == 0):
        raise Refusal(f"position says {now} with size {size}; flat goes with 0, long and short with 1 or more.")
    if now is None and size is None and prev is None and prev_size is None:
        return None
    return AlertPosition(
        now=None if now is None else PositionSide(now),
        size=size,
        prev=None if prev is None else PositionSide(prev),
        prev_size=prev_size,
    )


def qty_of(value: Json, top: Fields) -> AlertQty:
    """``{"mode","value","max"}``; a bare number means contracts."""
    if isinstance(value, str) and not is_missing(value):
        return AlertQty(mode="contracts", value=contracts_of("qty", value))
    fields = top.object(value, "qty")
    if fields is None:
        return AlertQty()
    raw = fields.take("value")
    mode = choice_of("qty.mode", fields.take("mode"), _QTY_MODES) or ("default" if is_missing(raw) else "contracts")
    number = contracts_of("qty.value", raw) if mode == "contracts" else positive_of("qty.value", raw)
    if number is None and mode != "default":
        raise Refusal(f"qty.value is missing; qty.mode {mode} needs a number above 0.")
    most = contracts_of("qty.max", fields.take("max"))
    fields.leave_rest()
    return AlertQty(mode=mode, value=number, max=most)


def order_of(fields: Fields | None) -> AlertOrder:
    if fields is None:
        return AlertOrder()
    order = AlertOrder(
        type=choice_of("order.type", fields.take("type"), _ORDER_TYPES) or "market",
        price=positive_of("order.price", fields.take("price")),
        stop_price=positive_of("order.stop_price", fields.take("stop_price")),
        trail_ticks=positive_of("order.trail_ticks", fields.take("trail_ticks")),
        offset_ticks=decimal_of("order.offset_ticks", fields.take("offset_ticks")),
        max_slippage_ticks=not_negative_of("order.max_slippage_ticks", fields.take("max_slippage_ticks")),
        expire_s=not_negative_of(
            "order.expire_s", fields.take("expire_s"), "seconds, 0 or more"
        ),  # NaN would rest for ever
    )
    fields.leave_rest()
    for name in _NEEDS.get(order.type, ()):
        if getattr(order, name) is None:
            raise Refusal(f"order.{name} is missing; order.type {order.type} needs it.")
    return order


def policy_of(fields: Fields | None) -> AlertPolicy:
    """An unknown word is refused: policies only tighten, and ignoring one would loosen."""
    if fields is None:
        return AlertPolicy()
    window = fields.take("window")
    policy = AlertPolicy(
        opposite=choice_of("policy.opposite", fields.take("opposite"), ("reverse", "close_only", "ignore", "reject")),
        same=choice_of("policy.same", fields.take("same"), ("ignore", "add", "replace", "reject")),
        require_position=choice_of(
            "policy.require_position", fields.take("require_position"), ("flat", "long", "short", "any")
        ),
        max_position=contracts_of("policy.max_position", fields.take("max_position")),
        cancel_working=switch_of("policy.cancel_working", fields.take("cancel_working")),
        max_age_s=seconds_of("policy.max_age_s", fields.take("max_age_s")),
        contract=choice_of("policy.contract", fields.take("contract"), ("follow_gateway", "require_match", "reject")),
        on_gap=choice_of("policy.on_gap", fields.take("on_gap"), ("follow_target", "reduce_only", "halt_bot")),
        window=None if is_missing(window) else dump(window),
    )
    fields.leave_rest()
    return policy


def accounts_of(value: Json, top: Fields) -> tuple[tuple[str, ...], tuple[AlertAccount, ...]]:
    """All references, and those entries that change the size. An entry is ``{"ref": ...}`` or just the reference."""
    if is_missing(value):
        return (), ()
    if not isinstance(value, list) or len(value) > _MAX_ACCOUNTS:
        raise Refusal(f"accounts is {shown(value)}; a list of at most {_MAX_ACCOUNTS} entries is wanted there.")
    entries = [_account(item, f"accounts[{index}]", top) for index, item in enumerate(value)]
    terms = tuple(entry for entry in entries if entry != AlertAccount(ref=entry.ref))
    return tuple(entry.ref for entry in entries), terms


def _account(value: Json, path: str, top: Fields) -> AlertAccount:
    if isinstance(value, str) and (name := text_of(path, value)):
        return AlertAccount(ref=name)
    fields = top.object(value, path) if isinstance(value, dict) else None
    ref = None if fields is None else text_of(f"{path}.ref", fields.take("ref"))
    if fields is None or not ref:
        raise Refusal(f"{path}.ref is missing; name the account there.")
    entry = AlertAccount(
        ref=ref,
        factor=positive_of(f"{path}.factor", fields.take("factor")),
        qty=contracts_of(f"{path}.qty", fields.take("qty")),
        risk_usd=positive_of(f"{path}.risk_usd", fields.take("risk_usd")),
    )
    fields.leave_rest()
    return entry
