"""What a person means by an account, a position or an order: names, ids and the numbers that a list showed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import TrackedOrder
from desk.core.plans import TouchPlan
from desk.core.words import Contract, VenueOrder
from desk.engine.state import Position
from desk.runtime.desk import Desk
from desk.surfaces.amounts import read_order_id, shown
from desk.surfaces.calls import BadCall, Caller, whole_number
from desk.surfaces.plan_words import account_name, symbol_of

__all__ = [
    "FoundOrder",
    "account_for",
    "account_of_name",
    "chosen_account",
    "contract_of",
    "find_account",
    "find_order",
    "find_position",
    "find_waiting",
]

_MOST_NUMBERS = 10_000


def find_account(desk: Desk, text: str) -> AccountId:
    """By id, by name (upper or lower case being the same), or by its number in ``accounts``."""
    known = sorted(desk.state.accounts)
    named = [a for a in known if text.lower() in {str(a), account_name(desk, a).lower()}]
    number = whole_number(text, _MOST_NUMBERS)
    if not named and number is not None and number <= len(known):
        named = [known[number - 1]]
    if len(named) == 1:
        return named[0]
    if not known:
        raise BadCall("no account is known yet: the gateway's list was not read. See status")
    names = ", ".join(f"{number} {account_name(desk, a)} ({a})" for number, a in enumerate(known, 1))
    raise BadCall(f"there is no account {shown(text)}. Write its name, id or number: {names}")


def chosen_account(desk: Desk, caller: Caller) -> AccountId:
    """What ``switch_account`` chose in this console, else the default bot's."""
    account_id = caller.sitting.account_id if caller.sitting is not None else None
    account_id = account_id if account_id is not None else desk.account_id
    if account_id is None:
        raise BadCall("which account? None is set. Write account=NAME; accounts lists them")
    return account_id


def account_of_name(desk: Desk, text: str) -> AccountId | None:
    """The account whose id or whole name this is."""
    return next(
        (a for a in sorted(desk.state.accounts) if text.lower() in {str(a), account_name(desk, a).lower()}), None
    )


def account_for(desk: Desk, caller: Caller, options: Mapping[str, str]) -> AccountId:
    return find_account(desk, options["account"]) if "account" in options else chosen_account(desk, caller)


def find_position(desk: Desk, caller: Caller, text: str, options: Mapping[str, str]) -> Position:
    """By its number in the list that was shown, else by its symbol in the chosen account."""
    number = whole_number(text, _MOST_NUMBERS)
    if number is not None and not text.startswith("0"):
        return _by_number(desk, caller, number)
    contract, account_id = desk.contract(text), account_for(desk, caller, options)
    position = desk.state.positions.get((account_id, contract.contract_id))
    if position is not None:
        return position
    others = [account_name(desk, a) for a, c in sorted(desk.state.positions) if c == contract.contract_id]
    where = f"; it is held in {', '.join(others)}: add account=NAME" if others else ". positions shows what is held"
    raise BadCall(f"no {contract.name} is held in {account_name(desk, account_id)}{where}")


def _by_number(desk: Desk, caller: Caller, number: int) -> Position:
    """Of the list that this person saw: a position that ended meanwhile must not make another one be meant."""
    if caller.sitting is None:
        raise BadCall(
            "numbers belong to a list on a screen. Write the symbol, and account=NAME where it is not the default"
        )
    if caller.sitting.listing is None:
        raise BadCall("which list? Write positions first, then the number that stands there; or the symbol")
    if number > len(caller.sitting.listing):
        raise BadCall(f"the list that was shown has no position {number}. positions shows a new one")
    place = caller.sitting.listing[number - 1]
    position = desk.state.positions.get(place)
    if position is None:
        what = f"{symbol_of(desk, place[1])} in {account_name(desk, place[0])}"
        raise BadCall(f"position {number} ({what}) is flat meanwhile. positions shows a new list")
    return position


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """A working order, ours or somebody else's."""

    order: TrackedOrder | VenueOrder
    gateway_order_id: GatewayOrderId

    @property
    def is_ours(self) -> bool:
        return isinstance(self.order, TrackedOrder)


def find_order(desk: Desk, text: str) -> FoundOrder:
    """By the gateway's id, or by the tag of one of ours."""
    if find_waiting(desk, text) is not None:
        raise BadCall(f"it waits at the desk, the gateway has no order of it yet. cancel {text} takes it away")
    tag = next((tag for tag in desk.state.orders if tag == text), None)
    if tag is None:
        order_id = read_order_id(text)
        foreign = desk.state.foreign_orders.get(order_id)
        if foreign is not None:
            return FoundOrder(foreign, order_id)
        tag = desk.state.by_gateway_id.get(order_id)
    order = desk.state.orders.get(tag) if tag is not None else None
    if order is None:
        raise BadCall(f"no working order has the id {shown(text)}. orders shows them in its first column")
    if order.state.is_over:
        raise BadCall(f"order {shown(text)} is {order.state.value} already. orders shows what still works")
    if order.gateway_order_id is None:
        raise BadCall(f"order {shown(text)} is on its way, the gateway has not named it yet. Try again in a moment")
    return FoundOrder(order, order.gateway_order_id)


def find_waiting(desk: Desk, text: str) -> TouchPlan | None:
    """An emulated order, by the id that ``orders`` shows, which is that of what asked for it, or by its plan's."""
    plans = [plan for plan in desk.state.plans.values() if isinstance(plan, TouchPlan)]
    return next((plan for plan in plans if text.lower() in {plan.cause.lower(), plan.plan_id.lower()}), None)


def contract_of(desk: Desk, contract_id: ContractId) -> Contract:
    contract = desk.catalogue.get(contract_id)
    if contract is None:
        raise BadCall(f"{contract_id} is not in the gateway's contract list, so its prices cannot be checked")
    return contract
