"""What a person writes on an order ticket, as an intent. Pure: words and what is held in, an intent or a ``BadCall`` out.

A trade against what is held only closes. Prices are checked against each other here, against the market and the limits by
the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from desk.core.intents import BreakEven, Enter, EnterEither, Exit, Intent, Reduce, Reverse, Trail, TrailOn
from desk.core.words import OrderType, Side
from desk.surfaces.amounts import Where, read_price, read_qty, read_ticks, shown
from desk.surfaces.arguments import Arguments
from desk.surfaces.calls import BadCall
from desk.surfaces.entry_terms import Scene, write_entry

__all__ = ["BREAKEVEN_FLAG", "TICKETS", "later", "read_side", "write_ticket"]

BREAKEVEN_FLAG = "--breakeven"
_SIDES = {"buy": Side.BUY, "long": Side.BUY, "sell": Side.SELL, "short": Side.SELL}
_JOINS = {Side.BUY: OrderType.JOIN_BID, Side.SELL: OrderType.JOIN_ASK}


def write_ticket(command: str, scene: Scene, asked: Arguments) -> Intent:
    """The intent of a ticket; its first word, the symbol, is the scene's contract. Raises BadCall, and nothing else."""
    return TICKETS[command](scene, asked)


def read_side(text: str) -> Side:
    side = _SIDES.get(text.lower())
    if side is None:
        raise BadCall(f"{shown(text)}: write buy or sell")
    return side


def later(intent: Intent, passed: timedelta) -> Intent:
    """The same, asked for after ``passed``: a person read a question meanwhile, and only then said yes."""
    match intent:
        case Enter():
            fresh = intent.fresh_until + passed if intent.fresh_until is not None else None
            expires = intent.expires_at + passed if intent.expires_at is not None else None
            return msgspec.structs.replace(intent, fresh_until=fresh, expires_at=expires)
        case EnterEither(first=first, second=second):
            one, two = later(first, passed), later(second, passed)
            assert isinstance(one, Enter), "an entry stays one"
            assert isinstance(two, Enter), "an entry stays one"
            return EnterEither(first=one, second=two)
        case Reverse(enter=enter):
            entry = later(enter, passed)
            assert isinstance(entry, Enter), "an entry stays one"
            return Reverse(enter=entry)
        case _:
            return intent


# --- the forms -----------------------------------------------------------------------------------------------------


def _trade(scene: Scene, asked: Arguments) -> Intent:
    _, side_text, qty_text = asked.of_length(3)
    side, qty = read_side(side_text), read_qty(qty_text)
    if scene.held * side.sign >= 0:
        _refuse_expiry(asked)
        return write_entry(scene, asked, side, qty)
    held = abs(scene.held)
    terms = [f"{name}=" for name in asked.options if name != "account"]
    if terms:
        raise BadCall(
            f"{scene.side_held} {held} {scene.contract.name} is held, so {side} {qty} closes: {', '.join(terms)} belongs to "
            f"an entry. Leave it out to close, or write reverse {asked.words[0]} stop=... to turn the position around"
        )
    if qty > held:
        raise BadCall(
            f"{scene.side_held} {held} {scene.contract.name} is held: {side} {qty} would close it and open {qty - held} the "
            f"other way. Write close {asked.words[0]}, or reverse {asked.words[0]} stop=... to turn it around"
        )
    return Exit(side=scene.side_held) if qty == held else Reduce(qty=qty, side=scene.side_held)


def _limit(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 1)
    price = read_price(texts[0], scene.contract, "limit price")
    return write_entry(scene, asked, side, qty, type=OrderType.LIMIT, limit_price=price)


def _stop(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 1)
    return _stop_entry(scene, asked, side, qty, texts[0])


def _stop_side(side: Side) -> Callable[[Scene, Arguments], Intent]:
    def write(scene: Scene, asked: Arguments) -> Intent:
        _, qty_text, price = asked.of_length(3)
        qty = read_qty(qty_text)
        _refuse_against(scene, asked, side)
        return _stop_entry(scene, asked, side, qty, price)

    return write


def _stop_entry(scene: Scene, asked: Arguments, side: Side, qty: int, price: str) -> Enter:
    return write_entry(
        scene, asked, side, qty, type=OrderType.STOP, stop_price=read_price(price, scene.contract, "entry price")
    )


def _touch(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 1)
    return write_entry(scene, asked, side, qty, touch_price=read_price(texts[0], scene.contract, "touch price"))


def _stop_limit(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 2)
    touch = read_price(texts[0], scene.contract, "stop price")
    limit = read_price(texts[1], scene.contract, "limit price")
    return write_entry(scene, asked, side, qty, type=OrderType.LIMIT, limit_price=limit, touch_price=touch)


def _join(scene: Scene, asked: Arguments) -> Intent:
    side, qty, _ = _resting(scene, asked, 0)
    return write_entry(scene, asked, side, qty, type=_JOINS[side])


def _trail(scene: Scene, asked: Arguments) -> Intent:
    """Against what is held: its stops trail from now on. Else an entry by a trailing stop."""
    _, side_text, qty_text, amount = asked.of_length(4)
    side, qty = read_side(side_text), read_qty(qty_text)
    ticks = read_ticks(amount, scene.contract, "amount", ranging=scene.ranging, is_points=True)
    if scene.held * side.sign >= 0:
        return write_entry(scene, asked, side, qty, type=OrderType.TRAILING_STOP, trail_ticks=ticks)
    held = abs(scene.held)
    if qty != held:
        raise BadCall(
            f"{scene.side_held} {held} {scene.contract.name} is held, and its stops trail as a whole: "
            f"write trail {asked.words[0]} {side} {held} {amount}"
        )
    terms = [f"{name}=" for name in asked.options if name != "account"]
    if terms:
        raise BadCall(f"{', '.join(terms)} belongs to an entry; this trails the stops of the position that is held")
    return TrailOn(trail=Trail(distance_ticks=ticks))


def _bracket(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 2)
    _refuse_expiry(asked)
    stop = Where(ticks=read_ticks(texts[0], scene.contract, "stop", ranging=scene.ranging))
    target = Where(ticks=read_ticks(texts[1], scene.contract, "profit", ranging=scene.ranging))
    return write_entry(scene, asked, side, qty, stop=stop, target=target)


def _native_bracket(scene: Scene, asked: Arguments) -> Intent:
    side, qty, texts = _resting(scene, asked, 2)
    _refuse_expiry(asked)
    stop = Where(price=read_price(texts[0].removeprefix("@"), scene.contract, "stop price"))
    target = Where(price=read_price(texts[1].removeprefix("@"), scene.contract, "profit price"))
    return write_entry(scene, asked, side, qty, stop=stop, target=target)


def _stop_bracket(scene: Scene, asked: Arguments) -> Intent:
    """``--breakeven``: once the market is as far in favour as the stop was away, the stop goes to the entry."""
    side, qty, texts = _resting(scene, asked, 3)
    contract = scene.contract
    entry = read_price(texts[0], contract, "entry price")
    stop = read_price(texts[1], contract, "stop price")
    target = read_price(texts[2], contract, "profit price")
    made = write_entry(
        scene, asked, side, qty,
        type=OrderType.STOP, stop_price=entry, stop=Where(price=stop), target=Where(price=target),
    )  # fmt: skip
    if BREAKEVEN_FLAG not in asked.options or made.care.breakeven is not None:
        return made
    breakeven = BreakEven(trigger_ticks=contract.ticks_floor(abs(entry - stop)))
    return msgspec.structs.replace(made, care=msgspec.structs.replace(made.care, breakeven=breakeven))


def _oco(scene: Scene, asked: Arguments) -> Intent:
    """A buy stop above and a sell stop below: whichever the market reaches first."""
    _, qty_text, buy_text, sell_text = asked.of_length(4)
    qty = read_qty(qty_text)
    buy = read_price(buy_text, scene.contract, "buy stop")
    sell = read_price(sell_text, scene.contract, "sell stop")
    if buy <= sell:
        raise BadCall(f"the buy stop ({buy_text}) has to lie above the sell stop ({sell_text})")
    if scene.held:
        raise BadCall(
            f"{scene.side_held} {abs(scene.held)} {scene.contract.name} is held: one of the two would close it"
        )
    if any("@" in asked.options.get(name, "") for name in ("stop", "target")):
        raise BadCall("one price cannot fit both sides: write stop= and target= as distances, 80, 20p or 2atr")
    first = write_entry(scene, asked, Side.BUY, qty, type=OrderType.STOP, stop_price=buy)
    return EnterEither(
        first=first, second=write_entry(scene, asked, Side.SELL, qty, type=OrderType.STOP, stop_price=sell)
    )


def _reverse(scene: Scene, asked: Arguments) -> Intent:
    words = asked.of_length(1, 2)
    if not scene.held:
        raise BadCall(f"no {scene.contract.name} is held, so there is nothing to reverse. Write trade {words[0]} ...")
    _refuse_expiry(asked)
    qty = read_qty(words[1]) if len(words) > 1 else abs(scene.held)
    side = Side.SELL if scene.held > 0 else Side.BUY
    return Reverse(enter=write_entry(scene, asked, side, qty))


TICKETS: Mapping[str, Callable[[Scene, Arguments], Intent]] = {
    "trade": _trade,
    "limit": _limit,
    "stop": _stop,
    "stop_buy": _stop_side(Side.BUY),
    "stop_sell": _stop_side(Side.SELL),
    "touch": _touch,
    "stop_limit": _stop_limit,
    "join": _join,
    "trail": _trail,
    "bracket": _bracket,
    "native_bracket": _native_bracket,
    "stop_bracket": _stop_bracket,
    "oco": _oco,
    "reverse": _reverse,
}


def _resting(scene: Scene, asked: Arguments, n: int) -> tuple[Side, int, tuple[str, ...]]:
    """Side, quantity and ``n`` more words of a ticket that can only open."""
    _, side_text, qty_text, *rest = asked.of_length(3 + n)
    side, qty = read_side(side_text), read_qty(qty_text)
    _refuse_against(scene, asked, side)
    return side, qty, tuple(rest)


def _refuse_against(scene: Scene, asked: Arguments, side: Side) -> None:
    if scene.held * side.sign < 0:
        symbol = asked.words[0]
        raise BadCall(
            f"{scene.side_held} {abs(scene.held)} {scene.contract.name} is held, and this opens the other side. To get out: "
            f"close {symbol}; at a price: modify_tp {symbol} PRICE or modify_stop {symbol} PRICE; to turn: reverse {symbol}"
        )


def _refuse_expiry(asked: Arguments) -> None:
    if "expire" in asked.options:
        raise BadCall("expire= is for an order that rests; a market order fills at once")
