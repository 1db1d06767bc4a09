"""The order tickets of the console: ``trade``, ``limit``, ``bracket`` and the others of ``ticket.py``, one handler for all."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from desk.core.alert import PositionSide
from desk.core.ids import AccountId
from desk.core.intents import Enter, Exit, Intent, Reduce, Reverse, TrailOn
from desk.core.words import Contract, OrderType, Quote
from desk.engine.state import Place
from desk.runtime.desk import Desk
from desk.surfaces import market, view
from desk.surfaces.arguments import Arguments, take_apart
from desk.surfaces.calls import BadCall, Caller, CommandResult, Handler
from desk.surfaces.entry_terms import ENTRY_OPTIONS, Scene
from desk.surfaces.giving import Wanted, give
from desk.surfaces.intent_words import (
    at_once_words,
    entries_of,
    expected_fill,
    intent_words,
    market_words,
    risk_words,
)
from desk.surfaces.places import account_for, contract_of, find_position
from desk.surfaces.plan_words import account_name, symbol_of
from desk.surfaces.show import price_text
from desk.surfaces.ticket import BREAKEVEN_FLAG, write_ticket

__all__ = ["ticket"]


def ticket(command: str, usage: str) -> Handler:
    """The handler of one kind of ticket."""

    async def handle(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
        flags = {BREAKEVEN_FLAG} if command == "stop_bracket" else ()
        asked = take_apart(args, ENTRY_OPTIONS, usage, flags)
        if not asked.words:
            raise BadCall(f"which symbol? Write {usage}")
        account_id, contract = _place(desk, caller, command, asked)
        ranging = await market.ranging_for(desk, contract, asked)
        held = desk.state.position_qty((account_id, contract.contract_id))
        scene = Scene(
            contract=contract, held=held, max_position=desk.max_position, now=desk.clock.now(), ranging=ranging
        )
        intent = write_ticket(command, scene, asked)
        is_asked = caller.confirm is not None and not asked.has_yes
        newest = await _quote_for(desk, contract, intent, is_asked=is_asked)
        for entry in entries_of(intent):
            _check_market(entry, contract, newest)
        place = (account_id, contract.contract_id)
        question = _question(desk, account_id, contract, held, intent, newest) + _what_goes_too(desk, place, intent)
        said = tuple(dict.fromkeys(ranging.said))

        def still() -> Intent:
            return _still(intent, contract, held, desk.state.position_qty(place))

        return await give(desk, caller, Wanted(*place, intent, question, asked.has_yes, said, still))

    return handle


def _place(desk: Desk, caller: Caller, command: str, asked: Arguments) -> tuple[AccountId, Contract]:
    if command == "reverse":
        position = find_position(desk, caller, asked.words[0], asked.options)
        return position.account_id, contract_of(desk, position.contract_id)
    return account_for(desk, caller, asked.options), desk.contract(asked.words[0])


async def _quote_for(desk: Desk, contract: Contract, intent: Intent, *, is_asked: bool) -> Quote | None:
    """A quote that is not old. Waited for where the question, the risk or the engine's own prices cannot do without."""
    await desk.quotes.watch(contract.contract_id)  # trailing needs them, too
    entries = entries_of(intent)
    if not entries:
        return None
    needs = is_asked or any(entry.stop_ticks is None or entry.touch_price is not None for entry in entries)
    needs = needs or any(entry.type is OrderType.TRAILING_STOP for entry in entries)
    if needs:
        await market.newest_quote(desk, contract.contract_id)
    return market.fresh_quote(desk, contract.contract_id)


def _what_goes_too(desk: Desk, place: Place, intent: Intent) -> str:
    """Entries that the end of a position takes with it."""
    if not isinstance(intent, Exit | Reverse):
        return ""
    resting = [o for o in view.view_orders(desk) if o.role == "entry" and (o.account_id, o.contract_id) == place]
    waiting = [o for o in view.view_waiting(desk) if (o.account_id, o.contract_id) == place]
    n, symbol = len(resting) + len(waiting), symbol_of(desk, place[1])
    if not n:
        return ""
    return f" 1 resting entry of {symbol} goes, too." if n == 1 else f" {n} resting entries of {symbol} go, too."


def _still(intent: Intent, contract: Contract, was: int, held: int) -> Intent:
    """The intent for what is held at the yes: a close takes as many as the question said, else it is asked anew."""
    if held == was:
        return intent
    if held * was > 0 and isinstance(intent, Exit | Reduce):
        qty = intent.qty if isinstance(intent, Reduce) else abs(was)
        side = PositionSide.LONG if held > 0 else PositionSide.SHORT
        return Reduce(qty=qty, side=side) if qty < abs(held) else Exit(side=side)
    if held * was > 0 and isinstance(intent, TrailOn):
        return intent
    before, now = (f"{'long' if qty > 0 else 'short'} {abs(qty)}" if qty else "" for qty in (was, held))
    raise BadCall(
        f"{before or 'no'} {contract.name} was held when this was asked, now it is {now or 'flat'}. Nothing was done. "
        "positions shows what is held; write it again if it is still meant"
    )


def _check_market(entry: Enter, contract: Contract, newest: Quote | None) -> None:
    """Exact exits of an order that fills where the market is lie on their sides of it."""
    fill = expected_fill(entry, newest)
    if fill is None:
        return
    below, above = ("below", "above") if entry.side.sign > 0 else ("above", "below")
    exits: list[tuple[str, Decimal | None, int]] = [("stop", entry.care.stop_price, 1)]
    exits += [("target", stage.target_price, -1) for stage in entry.stages]
    for name, price, sign in exits:
        if price is not None and (fill - price) * sign * entry.side.sign <= 0:
            raise BadCall(
                f"the {name} {price_text(price, contract)} of a {entry.side} has to lie {below if sign > 0 else above} "
                f"where it fills, and {contract.name} is at {price_text(fill, contract)}"
            )


def _question(
    desk: Desk, account_id: AccountId, contract: Contract, held: int, intent: Intent, newest: Quote | None
) -> str:
    account = account_name(desk, account_id)
    side = "long" if held > 0 else "short"
    if isinstance(intent, Exit | Reduce):
        qty = intent.qty if isinstance(intent, Reduce) else abs(held)
        way = "sell" if held > 0 else "buy"
        return (
            f"{account}: {way} {qty} {contract.name} at market, which closes {qty} of {side} {abs(held)}; "
            "reduce-only, it never opens the other side."
        )
    words = intent_words(intent, contract, contract.name)
    if not entries_of(intent):
        return f"{account}: {side} {abs(held)} {words}."
    has = f" Held now: {side} {abs(held)}." if held else ""
    now = market_words(contract, newest)
    for entry in entries_of(intent):
        if entry.type is OrderType.LIMIT and entry.touch_price is None:
            now += at_once_words(entry.side, entry.limit_price, contract, newest)
    return f"{account}: {words}; {risk_words(intent, contract, newest)}.{has}{now}"
