"""Stops and targets as large as what remains of a position: which get another size, and the steps that see to it.

Whole stages go where their sizes add up; otherwise a pair gets smaller; where the venue refuses that, a smaller stop is placed by
itself, and the old pair goes once it works. How a plan pauses, and how it ends without success, is said here, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from desk.core.ids import ClientOrderId, GatewayOrderId, client_order_id
from desk.core.orders import OrderRequest, TrackedOrder
from desk.core.plans import ReducePlan, ReduceStep
from desk.core.words import OrderType, VenueOrder
from desk.orders.move import Move, Reading, Timer, backoff_s
from desk.orders.place import is_wanted_again
from desk.orders.reducing import ModifyOrder, Reducing, cancel_order, modify_order, place_stop

__all__ = [
    "BUSY_S",
    "GIVEN_UP",
    "SETTLES",
    "TRIES_AT_MOST",
    "TRIM_AGAIN_S",
    "Sight",
    "Unit",
    "cuts",
    "fit_legs",
    "give_up",
    "ms_of",
    "read",
    "try_later",
    "uncounted",
    "wait",
]

SETTLES = timedelta(seconds=1)
BUSY_S = 0.25
TRIES_UNTIL_TOLD = 4
TRIES_AT_MOST = 12  # without a close under way; then the guard puts a stop where one is missing
TRIM_AGAIN_S = 60.0
GIVEN_UP = "given up"

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Unit:
    """A stop and a target that end each other, or either alone. ``key``: their entry, or the order's own identity."""

    key: str
    stop: VenueOrder | None = None
    target: VenueOrder | None = None
    is_ours: bool = True

    @property
    def stop_qty(self) -> int:
        return _left(self.stop) if self.stop is not None else 0

    @property
    def target_qty(self) -> int:
        return _left(self.target) if self.target is not None else 0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a read showed of the place, in the words of the plan.

    units: against the position, first in first, other people's stops last. keeps: as it is now, see ``ReducePlan.keeps``.
    is_agreed: what the hub told says the same of the position. stop: the plan's own one, ``is_sought`` while nobody knows of it.
    """

    seen: Reading
    units: tuple[Unit, ...]
    keeps: int
    is_agreed: bool
    stop: TrackedOrder | None = None
    is_sought: bool = False


def cuts(units: Sequence[Unit], rest: int) -> dict[str, int]:
    """Which units get another size, so that all stops together cover ``rest`` and no more: their key and that size.

    Whole units where their sizes add up, else the first one that is large enough gets smaller; first in, first out.
    """
    excess = sum(unit.stop_qty for unit in units) - rest
    sizes: dict[str, int] = {}
    whole = _adding_up([unit for unit in units if unit.stop_qty], excess) if excess > 0 else None
    for key in whole or ():
        sizes[key] = 0
    if whole is None and excess > 0:
        for unit in sorted((u for u in units if u.stop_qty), key=lambda unit: unit.stop_qty <= excess):
            size = max(0, unit.stop_qty - excess)
            sizes[unit.key] = size
            excess -= unit.stop_qty - size
            if not excess:
                break
    return sizes | _target_cuts(units, sizes, rest)


def _adding_up(units: list[Unit], qty: int) -> tuple[str, ...] | None:
    """The first units, in their order, whose stops are ``qty`` together."""
    if qty == 0:
        return ()
    for index, unit in enumerate(units):
        if unit.stop_qty <= qty:
            rest = _adding_up(units[index + 1 :], qty - unit.stop_qty)
            if rest is not None:
                return (unit.key, *rest)
    return None


def _target_cuts(units: Sequence[Unit], sizes: dict[str, int], rest: int) -> dict[str, int]:
    """A target is no larger than its stop, and one without a stop goes as far as all of them are too many."""
    more: dict[str, int] = {}
    for unit in units:
        size = sizes.get(unit.key, unit.stop_qty)
        if unit.target is not None and unit.stop is not None and unit.target_qty > size:
            more[unit.key] = size
    alone = [unit for unit in units if unit.target is not None and unit.stop is None]
    paired = sum(min(u.target_qty, sizes.get(u.key, u.stop_qty)) for u in units if u.stop is not None)
    excess = paired + sum(unit.target_qty for unit in alone) - rest
    for unit in alone:
        if excess > 0:
            more[unit.key] = max(0, unit.target_qty - excess)
            excess -= unit.target_qty - more[unit.key]
    return more


def fit_legs(plan: ReducePlan, sight: Sight, rest: int) -> Move | None:
    """Makes stops and targets as large as the rest. None: they are."""
    units = sight.units
    if plan.replaces is not None:
        old = next((unit for unit in units if unit.key == plan.replaces), None)
        if old is not None and old.stop is not None:
            return _replace_old(plan, sight, old)
        plan = _replace(plan, stop=None, replaces=None)  # the new stop has taken its place
    sizes = cuts(units, rest)
    if not sizes:
        return None
    if not _is_sure(plan, sight):
        return wait(plan, BUSY_S)
    by_key = {unit.key: unit for unit in units}
    wanted = [(by_key[key], size) for key, size in sizes.items()]
    if plan.cannot_resize:
        stuck = next((pair for pair in wanted if pair[1] and pair[0].stop is not None), None)
        if stuck is not None:
            return _stand_in(plan, sight, *stuck)
        wanted = [(unit, 0) for unit, _ in wanted]  # of a target alone, or whole units
    return _resize(plan, sight, wanted)


def _is_sure(plan: ReducePlan, sight: Sight) -> bool:
    """The legs that the read shows are those of the position that it shows: orders and position are two requests, and the one
    may lag the other by a second. Else the leg that stayed could be taken for the one that traded."""
    is_old = plan.seen_at is not None and sight.seen.asked_at >= plan.seen_at + SETTLES
    return sight.is_agreed and (sight.seen.is_settled or is_old)


def _resize(plan: ReducePlan, sight: Sight, wanted: list[tuple[Unit, int]]) -> Move:
    """Sends what makes the legs fit. Not again while a read may still show what was before the last answer."""
    if plan.resized_at is not None and sight.seen.asked_at < plan.resized_at + SETTLES:
        return wait(plan, BUSY_S)
    steps: list[Reducing] = []
    resizing: list[GatewayOrderId] = []
    modifying: list[GatewayOrderId] = []
    foreign = [unit for unit, _ in wanted if not unit.is_ours]
    for unit, size in wanted:
        for order in (unit.stop, unit.target):
            if order is None or _left(order) <= size:
                continue
            resizing.append(order.gateway_order_id)
            if size:
                modifying.append(order.gateway_order_id)
                change = ModifyOrder(gateway_order_id=order.gateway_order_id, qty=order.filled_qty + size)
                steps.append(modify_order(plan.plan_id, plan.account_id, plan.contract_id, change))
            else:
                steps.append(cancel_order(plan.plan_id, plan.account_id, plan.contract_id, order.gateway_order_id))
    tries = plan.tries + (plan.resized_at is not None)
    if tries >= TRIES_AT_MOST:
        return give_up(
            plan, "stops and targets cannot be made smaller", "look at them, they are larger than the position"
        )
    resizing_plan = _replace(
        uncounted(plan), step=ReduceStep.RESIZING, resizing=tuple(resizing), modifying=tuple(modifying), tries=tries
    )
    incident = None
    if foreign and plan.resized_at is None:
        text = f"{plan.contract_id}: a stop that the desk did not place is larger than what remains; it is made smaller"
        incident = ("order.foreign", text)
    return Move(resizing_plan, reducings=tuple(steps), incident=incident)


def _stand_in(plan: ReducePlan, sight: Sight, unit: Unit, size: int) -> Move:
    """The legs of ``unit`` cannot be resized: a stop of the smaller size first, at the same price."""
    if sight.is_sought:
        return try_later(plan, first_s=BUSY_S)
    if unit.stop is None or unit.stop.stop_price is None or unit.stop.type is not OrderType.STOP:
        return give_up(plan, "the stop of its stage cannot be made smaller", "nothing was closed")
    if plan.tries >= TRIES_AT_MOST:
        return give_up(plan, "a smaller stop cannot be placed", "nothing was closed")
    order = OrderRequest(
        client_order_id=client_order_id(plan.cause, plan.account_id, _leg_name(plan, unit), plan.attempt),
        account_id=plan.account_id,
        contract_id=plan.contract_id,
        type=OrderType.STOP,
        side=unit.stop.side,
        qty=size,
        stop_price=unit.stop.stop_price,
    )
    placing = _replace(
        uncounted(plan), step=ReduceStep.PLACING, stop=order.client_order_id, replaces=ClientOrderId(unit.key)
    )
    return Move(placing, reducings=(place_stop(plan.plan_id, order, sight.seen.qty),))


def _replace_old(plan: ReducePlan, sight: Sight, old: Unit) -> Move:
    """The old pair goes as soon as the new stop is seen working, and not before."""
    is_working = any(unit.key == plan.stop and unit.stop is not None for unit in sight.units)
    if is_working:
        return _resize(plan, sight, [(old, 0)])
    stop = sight.stop
    if sight.is_sought or stop is None or not stop.state.is_over:
        return try_later(plan, first_s=BUSY_S)
    attempt = plan.attempt if is_wanted_again(stop) else plan.attempt + 1
    plan = _replace(plan, stop=None, replaces=None, attempt=attempt, tries=plan.tries + 1)
    return _stand_in(plan, sight, old, stop.qty)


# --- pauses and ends ----------------------------------------------------------------------------------------------------


def uncounted(plan: ReducePlan) -> ReducePlan:
    return _replace(plan, done_reads=0, full_reads=0, counted_at=None)


def _leg_name(plan: ReducePlan, unit: Unit) -> str:
    """Each trim has stops of its own: its cause, what opened the position, may be that of another one."""
    return f"trim-{ms_of(plan.started_at)}-{unit.key}" if plan.is_trim else f"reduce-{unit.key}"


def ms_of(ts: datetime) -> int:
    return int(ts.timestamp() * 1000)


def _left(order: VenueOrder) -> int:
    return order.qty - order.filled_qty


def read(plan: ReducePlan) -> Move:
    return Move(_replace(plan, step=ReduceStep.READING), reads=True)


def wait(plan: ReducePlan, delay_s: float, incident: tuple[str, str] | None = None) -> Move:
    return Move(_replace(plan, step=ReduceStep.WAITING), timer=Timer(plan.plan_id, delay_s), incident=incident)


def try_later(plan: ReducePlan, trouble: tuple[str, str] | None = None, first_s: float = 0.5) -> Move:
    """It does not get on: pause with back-off, tell a person once, and give up in the end."""
    plan = _replace(plan, tries=plan.tries + 1)
    if plan.tries >= (TRIES_AT_MOST if plan.closed_at is None else 2 * TRIES_AT_MOST):
        return give_up(
            plan, "it does not get on", trouble[1] if trouble is not None else "what it waits for does not come"
        )
    if trouble is None and plan.tries >= TRIES_UNTIL_TOLD:
        what = "making stops and targets as small as the position" if plan.is_trim else "the partial close"
        trouble = ("reduce.slow", f"{plan.contract_id}: {what} does not get on; still trying")
    is_news = trouble is not None and not plan.is_announced
    plan = _replace(plan, is_announced=plan.is_announced or is_news)
    return wait(plan, backoff_s(plan.tries - 1, first_s), incident=trouble if is_news else None)


def give_up(plan: ReducePlan, why: str, more: str) -> Move:
    """Not carried out, or not all of it: a person is told, and the guard looks after what has no stop. A trim is tried again."""
    if plan.is_trim:
        text = (
            f"{plan.contract_id}: a part of the position was closed outside the desk, and its stops and targets cannot be made "
            f"smaller: {why}. They would open the other side: look at them, or exit."
        )
        news = None if plan.is_announced else ("reduce.failed", text)
        plan = _replace(uncounted(plan), tries=0, resized_at=None, cannot_resize=False, is_announced=True)
        return wait(plan, TRIM_AGAIN_S, news)
    text = f"{plan.contract_id}: the partial close of {plan.qty} is given up: {why}; {more}."
    return Move(None, result=f"{GIVEN_UP}: {why}", incident=("reduce.failed", text))
