"""Commands about working orders: ``cancel``, ``cancel_all``, ``modify``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from desk.core.ids import ContractId
from desk.core.intents import Cancel, Modify
from desk.core.orders import Role, TrackedOrder
from desk.core.words import Contract, OrderType
from desk.runtime.desk import Desk
from desk.surfaces import market, view
from desk.surfaces.amounts import MOST_QTY, has_decimal_point, read_price, read_qty, shown
from desk.surfaces.arguments import take_apart
from desk.surfaces.calls import BadCall, Caller, CommandResult, whole_number
from desk.surfaces.giving import Wanted, give
from desk.surfaces.intent_words import at_once_words, enter_words, market_words
from desk.surfaces.manual import USAGE
from desk.surfaces.places import FoundOrder, account_for, contract_of, find_order, find_waiting
from desk.surfaces.plan_words import account_name, symbol_of
from desk.surfaces.shapes import WaitingView
from desk.surfaces.show import price_text

__all__ = ["cancel", "cancel_all", "modify"]


async def cancel(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    asked = take_apart(args, (), USAGE["cancel"])
    (text,) = asked.of_length(1)
    waiting = find_waiting(desk, text)
    if waiting is not None:
        words = enter_words(
            waiting.enter, desk.catalogue.get(waiting.contract_id), symbol_of(desk, waiting.contract_id)
        )
        question = f"{account_name(desk, waiting.account_id)}: cancel what waits: {words}."
        intent = Cancel(waiting=(waiting.plan_id,))
        return await give(
            desk, caller, Wanted(waiting.account_id, waiting.contract_id, intent, question, asked.has_yes)
        )
    found = find_order(desk, text)
    guards = ". It is a protective stop: it only goes where another one covers the position" if _is_stop(found) else ""
    question = f"{_where(desk, found)}: cancel {_order_words(desk, found)}{guards}."
    intent = Cancel(order_ids=(found.gateway_order_id,))
    place = (found.order.account_id, found.order.contract_id)
    return await give(desk, caller, Wanted(*place, intent, question, asked.has_yes))


async def cancel_all(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Resting entries, and the emulated ones that wait; protective orders stay."""
    asked = take_apart(args, ("account",), USAGE["cancel_all"])
    words = asked.of_length(0, 1)
    account_id = account_for(desk, caller, asked.options)
    contract = desk.contract(words[0]) if words else None
    contract_id = None if contract is None else contract.contract_id
    resting = [
        _entry_words(desk, order.side, order.qty, order.contract_id, order.type, order.stop_price or order.limit_price)
        for order in view.view_orders(desk)
        if order.role == "entry" and order.account_id == account_id and contract_id in {None, order.contract_id}
    ]
    waiting = [
        f"{order.side} {order.qty} {order.symbol} once {_at(desk, order)} trades"
        for order in view.view_waiting(desk)
        if order.account_id == account_id and contract_id in {None, order.contract_id}
    ]
    what = "every symbol" if contract is None else contract.name
    found = ", ".join([*resting, *waiting]) or "none is known"
    account = account_name(desk, account_id)
    question = f"{account}: cancel all resting entries of {what}: {found}. Protective stops and targets stay."
    return await give(desk, caller, Wanted(account_id, contract_id, Cancel(), question, asked.has_yes))


async def modify(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """One number: with a decimal point a price, else a quantity. Two: quantity, then price."""
    asked = take_apart(args, (), USAGE["modify"])
    text, *numbers = asked.of_length(2, 3)
    found = find_order(desk, text)
    contract = contract_of(desk, found.order.contract_id)
    qty, price = _goals(numbers, contract)
    order = found.order
    if qty == order.qty:  # both numbers were given, and only the price is another one
        if price is None:
            raise BadCall(f"order #{found.gateway_order_id} is for {qty} already")
        qty = None
    goals = [f"quantity {order.qty} to {qty}"] if qty is not None else []
    if price is not None:
        if order.type is OrderType.MARKET:
            raise BadCall("a market order has no price to change")
        goals.append(f"price {price_text(_price_of(found), contract)} to {price_text(price, contract)}")
    tightens = " A stop of a position only tightens." if _is_stop(found) else ""
    now = "" if price is None else await _market(desk, found, contract, price, caller, has_yes=asked.has_yes)
    question = f"{_where(desk, found)}: {_order_words(desk, found)}: {', '.join(goals)}.{tightens}{now}"
    intent = Modify(order_id=found.gateway_order_id, qty=qty, price=price)
    return await give(desk, caller, Wanted(order.account_id, order.contract_id, intent, question, asked.has_yes))


async def _market(
    desk: Desk, found: FoundOrder, contract: Contract, price: Decimal, caller: Caller, *, has_yes: bool
) -> str:
    """Where the market is, for somebody who is asked; and whether the order would fill at its new price at once."""
    if has_yes or caller.confirm is None:
        return ""
    await desk.quotes.watch(contract.contract_id)
    await market.newest_quote(desk, contract.contract_id)
    quote = market.fresh_quote(desk, contract.contract_id)
    is_limit = found.order.type is OrderType.LIMIT
    through = at_once_words(found.order.side, price, contract, quote) if is_limit else ""
    return market_words(contract, quote) + through


def _goals(numbers: Sequence[str], contract: Contract) -> tuple[int | None, Decimal | None]:
    if len(numbers) == 2:
        return read_qty(numbers[0]), read_price(numbers[1], contract)
    (text,) = numbers
    if has_decimal_point(text):
        return None, read_price(text, contract)
    if text.isascii() and text.isdecimal() and whole_number(text, MOST_QTY) is None:
        raise BadCall(f"quantity {shown(text)}: from 1 to {MOST_QTY:,}. A price is written with a point: {text[:12]}.0")
    return read_qty(text), None


def _where(desk: Desk, found: FoundOrder) -> str:
    return account_name(desk, found.order.account_id)


def _order_words(desk: Desk, found: FoundOrder) -> str:
    order, contract = found.order, desk.catalogue.get(found.order.contract_id)
    symbol = contract.name if contract is not None else order.contract_id
    role = order.role.value if isinstance(order, TrackedOrder) else "not ours"
    price = _price_of(found)
    at = f" at {price_text(price, contract)}" if price is not None else ""
    kind = order.type.value.replace("_", " ")
    return f"#{found.gateway_order_id} {order.side} {order.qty} {symbol} {kind}{at} ({role})"


def _entry_words(desk: Desk, side: str, qty: int, contract_id: ContractId, kind: str, price: Decimal | None) -> str:
    at = f" at {price_text(price, desk.catalogue.get(contract_id))}" if price is not None else ""
    return f"{side} {qty} {symbol_of(desk, contract_id)} {kind.replace('_', ' ')}{at}"


def _at(desk: Desk, waiting: WaitingView) -> str:
    return price_text(waiting.touch_price, desk.catalogue.get(waiting.contract_id))


def _price_of(found: FoundOrder) -> Decimal | None:
    order = found.order
    return order.stop_price if order.type in {OrderType.STOP, OrderType.TRAILING_STOP} else order.limit_price


def _is_stop(found: FoundOrder) -> bool:
    return isinstance(found.order, TrackedOrder) and found.order.role is Role.STOP
