"""Commands about what is held: ``close``, ``modify_stop``, ``modify_tp``, ``breakeven``, ``trail_off``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.core.alert import PositionSide
from desk.core.intents import BreakEvenNow, Exit, Intent, MoveStop, MoveTarget, Reduce, TrailOff
from desk.core.words import Contract, Side
from desk.engine.state import Position
from desk.orders.care import in_favour
from desk.runtime.desk import Desk
from desk.surfaces import market, view
from desk.surfaces.amounts import Ranging, is_distance, read_price, read_qty, read_ticks
from desk.surfaces.arguments import Arguments, take_apart
from desk.surfaces.calls import BadCall, Caller, CommandResult, Handler
from desk.surfaces.giving import Wanted, give
from desk.surfaces.places import contract_of, find_position
from desk.surfaces.plan_words import account_name
from desk.surfaces.shapes import PositionView
from desk.surfaces.show import DASH, money_text, price_text

__all__ = ["POSITION_OPTIONS", "position_command"]

POSITION_OPTIONS = ("account",)

Writer = Callable[[Desk, Position, Contract, Arguments, Ranging], tuple[Intent, str]]
"""The intent of a command, and what it does, for the question."""


def position_command(command: str, usage: str) -> Handler:
    """The handler of one of them."""

    async def handle(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
        asked = take_apart(args, POSITION_OPTIONS, usage)
        if not asked.words:
            raise BadCall(f"which position? Write {usage}; positions shows what is held")
        position = find_position(desk, caller, asked.words[0], asked.options)
        contract = contract_of(desk, position.contract_id)
        await desk.quotes.watch(contract.contract_id)  # the engine holds a moved stop against the market
        ranging = await market.ranging_for(desk, contract, asked)
        intent, does = _WRITERS[command](desk, position, contract, asked, ranging)
        what = f"{_side(position)} {abs(position.qty)} {contract.name} at {price_text(position.avg_price, contract)}"
        question = f"{account_name(desk, position.account_id)}: {what}: {does}."
        place = (position.account_id, position.contract_id)
        wanted = Wanted(*place, intent, question, asked.has_yes, tuple(ranging.said))
        return await give(desk, caller, wanted)

    return handle


def _close(
    desk: Desk, position: Position, contract: Contract, asked: Arguments, ranging: Ranging
) -> tuple[Intent, str]:
    del desk, ranging
    words, held = asked.of_length(1, 2), abs(position.qty)
    qty = read_qty(words[1]) if len(words) > 1 else held
    if qty > held:
        raise BadCall(f"{_side(position)} {held} {contract.name} is held: at most {held} can be closed")
    way = "sell" if position.qty > 0 else "buy"
    if qty == held:
        return Exit(side=_side(position)), f"{way} {qty} at market, all of it; its working orders go"
    rest = held - qty
    stays = "1 remains with its stop" if rest == 1 else f"{rest} remain with their stop"
    return Reduce(qty=qty, side=_side(position)), f"{way} {qty} at market, {stays}"


def _modify_stop(
    desk: Desk, position: Position, contract: Contract, asked: Arguments, ranging: Ranging
) -> tuple[Intent, str]:
    _, text = asked.of_length(2)
    price = _level(text, position, contract, "stop", ranging, way=-1)
    shown = next(p for p in view.view_positions(desk) if _is(p, position))
    now = shown.stop.price if shown.stop is not None else None
    was = f"from {price_text(now, contract)} " if now is not None else "(there is none now) "
    risk = _result_words(position, contract, price)
    return MoveStop(price=price), f"stop {was}to {price_text(price, contract)}, {risk}"


def _modify_tp(
    desk: Desk, position: Position, contract: Contract, asked: Arguments, ranging: Ranging
) -> tuple[Intent, str]:
    _, text = asked.of_length(2)
    price = _level(text, position, contract, "target", ranging, way=1)
    shown = next(p for p in view.view_positions(desk) if _is(p, position))
    now = price_text(shown.target.price, contract) if shown.target is not None else DASH
    covered, held = shown.qty_of("target"), abs(position.qty)
    part = f", for {covered} of {held} contracts" if 0 < covered < held else ""
    return MoveTarget(price=price), f"target from {now} to {price_text(price, contract)}{part}"


def _breakeven(
    desk: Desk, position: Position, contract: Contract, asked: Arguments, ranging: Ranging
) -> tuple[Intent, str]:
    del desk
    words = asked.of_length(1, 2)
    offset = read_ticks(words[1], contract, "offset", least=0, ranging=ranging) if len(words) > 1 else 0
    side = Side.BUY if position.qty > 0 else Side.SELL
    goal = in_favour(side, position.avg_price, offset, contract.tick_size)
    risk = _result_words(position, contract, goal)
    return BreakEvenNow(offset_ticks=offset), f"stop to break-even, {price_text(goal, contract)}, {risk}"


def _trail_off(
    desk: Desk, position: Position, contract: Contract, asked: Arguments, ranging: Ranging
) -> tuple[Intent, str]:
    del desk, position, contract, ranging
    asked.of_length(1)
    return TrailOff(), "no more trailing, the stop stays where it is"


def _level(text: str, position: Position, contract: Contract, name: str, ranging: Ranging, *, way: int) -> Decimal:
    """A price, or a distance with its unit from the average price: ``80t``, ``20p``, ``1.5atr``. way: 1 in favour, -1 against.

    Between two ticks the one nearer to the average price is taken, as it is for an alert.
    """
    if not is_distance(text):
        return read_price(text.removeprefix("@"), contract, f"{name} price")
    points = read_ticks(text, contract, name, ranging=ranging) * contract.tick_size
    sign = way if position.qty > 0 else -way
    price = position.avg_price + sign * points
    nearer = ROUND_FLOOR if sign > 0 else ROUND_CEILING
    level = (price / contract.tick_size).to_integral_value(nearer) * contract.tick_size
    if level <= 0:
        raise BadCall(f"{name} {text[:30]}: that is no price above 0")
    return level


_WRITERS: dict[str, Writer] = {
    "close": _close,
    "modify_stop": _modify_stop,
    "modify_tp": _modify_tp,
    "breakeven": _breakeven,
    "trail_off": _trail_off,
}


def _result_words(position: Position, contract: Contract, stop: Decimal) -> str:
    """What the position makes when it is stopped out there, fees and slippage not counted."""
    usd = (stop - position.avg_price) * position.qty * contract.point_value
    return f"risk {money_text(-usd)} $" if usd < 0 else f"which keeps {money_text(usd)} $"


def _side(position: Position) -> PositionSide:
    return PositionSide.LONG if position.qty > 0 else PositionSide.SHORT


def _is(shown: PositionView, position: Position) -> bool:
    return (shown.account_id, shown.contract_id) == (position.account_id, position.contract_id)
