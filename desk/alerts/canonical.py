"""JSON object -> :class:`Alert`, field by field (TradingView reference 11). Nothing is guessed and nothing is dropped.

An alert that only gets out of a position needs neither prices nor a bracket: what is wrong with those becomes a
warning there, so that a chart without a stop value cannot hold an exit up. The same holds for what moves a stop, and
flatten does not even look at sizes. Otherwise the first wrong field refuses all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from desk.alerts.legs import breakeven_of, stop_of, targets_of, trail_of
from desk.alerts.sections import Fields, accounts_of, order_of, policy_of, position_of, qty_of
from desk.alerts.values import Refusal, is_missing, positive_of, shown, switch_of, text_of, time_of
from desk.alerts.wire import Json, JsonObject, dump
from desk.core.alert import Action, Alert, AlertOrder, AlertPosition, AlertQty, PositionSide

__all__ = ["alert_from"]

T = TypeVar("T")

_ACTIONS = {action.value: action for action in Action}
_WITHOUT_SYMBOL = frozenset(
    {Action.CANCEL, Action.FLATTEN, Action.FLATTEN_ALL, Action.PAUSE, Action.RESUME, Action.HEARTBEAT, Action.NOTE}
)
_GETTING_OUT = _WITHOUT_SYMBOL | {Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT, Action.REDUCE}
_AGELESS = frozenset({Action.HEARTBEAT, Action.NOTE, Action.PAUSE, Action.RESUME})
_NEEDED = {  # by an action that changes what protects a position; everything else it can do without
    Action.MOVE_STOP: "stop",
    Action.MOVE_TARGET: "targets",
    Action.BREAKEVEN: "breakeven",
    Action.TRAIL_ON: "trail",
    Action.TRAIL_OFF: None,
}
_TERMS = frozenset({"fired_at", "bar_time", "price", "stop", "targets", "breakeven", "trail"})
_MAX_ID = 128


def alert_from(data: JsonObject) -> Alert:
    """Read one message of our own form. Raises Refusal with the field, its value and what is allowed."""
    warnings: list[str] = []
    top = Fields(data, "", {}, warnings)
    _check_version(top)
    action = _action(top)
    position = position_of(top.inner("position"))
    if action is Action.SET_POSITION:
        _check_target(position)
    if action in {Action.BUY, Action.SELL} and data.get("position"):
        position = position or AlertPosition()  # it was meant to tell an entry from an exit
    soft = _soft_fields(action, position)
    if not soft:
        _check_filled_in(data)
    fired_at = _soft(top, soft, "fired_at", lambda value: time_of("fired_at", value), None)
    if fired_at is None and action not in _AGELESS:
        warnings.append("no fired_at: the age of this alert cannot be checked")
    accounts, terms = accounts_of(top.take("accounts"), top)
    at_once = action is Action.BREAKEVEN
    breakeven = _soft(top, soft, "breakeven", lambda it: breakeven_of(it, top, acts_at_once=at_once), None)
    trail = _soft(top, soft, "trail", lambda it: trail_of(it, top), None)
    top.take("secret")
    return Alert(
        action=action,
        symbol=_symbol(top, action),
        sender_id=_sender_id(top),
        bot=text_of("bot", top.take("bot"), 128),
        alert_version=text_of("alert_version", top.take("alert_version"), 64),
        fired_at=fired_at,
        bar_time=_soft(top, soft, "bar_time", lambda value: time_of("bar_time", value), None),
        interval=text_of("interval", top.take("interval"), 16),
        contract=text_of("contract", top.take("contract"), 64),
        price=_soft(top, soft, "price", lambda value: positive_of("price", value), None),
        position=position,
        qty=_soft(top, soft, "qty", lambda value: qty_of(value, top), AlertQty()),
        order=_soft(top, soft, "order", lambda value: order_of(top.object(value, "order")), AlertOrder()),
        stop=_soft(top, soft, "stop", lambda value: stop_of(value, top), None),
        targets=_soft(top, soft, "targets", lambda value: targets_of(value, top), ()),
        has_breakeven=breakeven is not None,
        has_trail=trail is not None,
        breakeven=breakeven,
        trail=trail,
        policy=policy_of(top.inner("policy")),
        accounts=accounts,
        account_terms=terms,
        comment=text_of("comment", top.take("comment"), 65536),
        tags=_tags(top.take("tags")),
        dry_run=switch_of("dry_run", top.take("dry_run")) or False,
        extras=_extras(top),  # after every other field was taken
        warnings=tuple(warnings),  # last: reading the others adds to it
    )


def _soft_fields(action: Action, position: AlertPosition | None) -> frozenset[str]:
    """What the message can do without."""
    if action in _WITHOUT_SYMBOL or action in _NEEDED:
        return (_TERMS | {"qty", "order"}) - {_NEEDED.get(action)}
    is_out = action in _GETTING_OUT or (position is not None and position.now is PositionSide.FLAT)
    return _TERMS if is_out else frozenset()


def _soft(top: Fields, soft: frozenset[str], name: str, read: Callable[[Json], T], otherwise: T) -> T:
    """Read a field that the message may be able to do without."""
    value = top.take(name)
    try:
        return read(value)
    except Refusal as refusal:
        if name not in soft:
            raise
        top.warnings.append(f"left out, this action does not need it: {refusal}")
        return otherwise


def _check_version(top: Fields) -> None:
    version, schema = top.take("v"), top.take("schema")
    given = schema if version is None else version
    if given is None:
        top.warnings.append('no "v": read as version 1, because every field name is known; add "v":1')
    elif not isinstance(given, str) or given.strip().partition(".")[0] != "1":
        raise Refusal(f'"v" is {shown(given)}; this program reads version 1. Make the message from its template.')


def _action(top: Fields) -> Action:
    word = text_of("action", top.take("action"))
    action = _ACTIONS.get((word or "").lower())
    if action is None:
        what = "is missing (an empty placeholder?)" if word is None else f"is {shown(word)}"
        raise Refusal(f"action {what}; allowed is one of: {', '.join(_ACTIONS)}.")
    return action


def _check_target(position: AlertPosition | None) -> None:
    if position is None or position.now is None or (position.size is None and position.now is not PositionSide.FLAT):
        raise Refusal("set_position needs position.now and position.size, the state wanted after this alert.")


def _check_filled_in(data: JsonObject) -> None:
    """Of what may open: a policy tightens and a dry run sends nothing; left out because nobody filled it in, it would loosen."""
    policy = data.get("policy")
    told = {f"policy.{name}": value for name, value in policy.items()} if isinstance(policy, dict) else {}
    for name, value in (told | {"dry_run": data.get("dry_run")}).items():
        if isinstance(value, str) and "{{" in value:
            raise Refusal(f"{name} is {shown(value)}, a placeholder nobody replaced. Fill it in, or leave it out.")


def _symbol(top: Fields, action: Action) -> str | None:
    """As sent: whether it can be traded is for the bot to say, with the gateway's contracts at hand."""
    value = top.take("symbol")
    symbol = text_of("symbol", value, 64)
    was_meant = action is Action.CANCEL and value is not None  # without it the cancel would be about the whole account
    if symbol is None and (was_meant or action not in _WITHOUT_SYMBOL):
        what = f"is {shown(value)}, a placeholder nobody replaced" if value else "is missing"
        raise Refusal(f"symbol {what}; write for example CME_MINI:MNQ1!.")
    return symbol


def _sender_id(top: Fields) -> str | None:
    """An id with a placeholder left in it is the same every time and would swallow every later signal: not used."""
    value = top.take("id")
    if isinstance(value, str) and "{{" in value:
        top.warnings.append(f"id is {shown(value)}, a placeholder nobody replaced: not used to recognise duplicates")
    return text_of("id", value, _MAX_ID)


def _tags(value: Json) -> tuple[str, ...]:
    if is_missing(value):
        return ()
    if not isinstance(value, list):
        raise Refusal(f"tags is {shown(value)}; a list of texts is wanted there.")
    return tuple(tag for item in value if (tag := text_of("tags", item)) is not None)


def _extras(top: Fields) -> dict[str, str]:
    """The sender's own ``extras`` under their names, then every unknown field."""
    own = top.take("extras")
    if isinstance(own, dict):
        for name, value in own.items():
            top.extras.setdefault(f"extras.{name}" if name in top.extras else name, dump(value))
    elif not is_missing(own):
        top.extras["extras"] = dump(own)
    top.leave_rest()
    return top.extras
