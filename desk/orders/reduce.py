"""The reduce plan: a part of a position is closed, and what remains never is without its stop.

```
            ┌──────────── too many stops or targets for what shall remain ──────────────┐
            ▼                                                                           │
 RESIZING ──all answered──▶ READING ──a leg cannot be resized──▶ PLACING ──answered──▶ READING
                              │ ▲
              all legs fit,   │ └── WAITING (pause, back-off) ◀── close answered, read failed, read too old
              too much held   ▼                                     ▲
                           CLOSING ─────────────────────────────────┘
        no more than what shall remain, known or in two reads ──▶ ended: reduced
```
Stops and targets come first, because a leg that is larger than the rest of its position opens another one when it trades.
Whole stages go where their sizes add up; otherwise a pair gets smaller; where the venue refuses that, a smaller stop is placed by
itself, and the old pair goes once it works. Only then contracts are closed, counted from a read: as many as are above
``keeps``. A leg that trades meanwhile leaves fewer to close, so that a repeat can never close too much. A partial close carries
no tag: it is repeated only when two reads, asked for after its settling time and apart, still show the contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import CauseId, ClientOrderId, GatewayOrderId, client_order_id
from desk.core.orders import OrderRequest, TrackedOrder
from desk.core.plans import ExitReason, ReducePlan, ReduceStep
from desk.core.words import OrderType, VenueOrder
from desk.orders.move import Move, PlaceView, Reading, Timer, backoff_s
from desk.orders.place import is_wanted_again
from desk.orders.reducing import ModifyOrder, Reducing, cancel_order, close_part, modify_order, place_stop

__all__ = [
    "GIVEN_UP",
    "Sight",
    "Unit",
    "begin",
    "begin_trim",
    "close_under_way",
    "cuts",
    "on_read_failed",
    "on_resume",
    "on_settled",
    "on_snapshot",
    "on_stop_settled",
    "on_stop_working",
    "on_timer",
]

READS_THAT_PROVE = 2
READ_GAP = timedelta(milliseconds=500)  # a read right after a fill can be a moment old (gateway reference 6.3)
SETTLES = timedelta(seconds=1)
AFTER_CLOSE_S = 0.15
BUSY_S = 0.25
TRIES_UNTIL_TOLD = 4
TRIES_AT_MOST = 12  # without a close under way; then the guard puts a stop where one is missing
TRIM_AGAIN_S = 60.0
GIVEN_UP = "given up"
_POSITION_NOT_FOUND = 2
_INVALID_CLOSE_SIZE = 5

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


def begin(view: PlaceView, cause: CauseId, reason: ExitReason, qty: int, now: datetime, entered: int) -> Move:
    """``qty``: less than is held. ``entered``: signed contracts that entries of ours filled until now."""
    assert 0 < qty < abs(view.qty), "a part is closed, and something remains"
    plan = ReducePlan(
        plan_id=f"reduce:{cause}:{view.account_id}:{view.contract_id}",
        cause=cause,
        account_id=view.account_id,
        contract_id=view.contract_id,
        qty=qty,
        keeps=view.qty - qty if view.qty > 0 else view.qty + qty,
        entered=entered,
        reason=reason,
        step=ReduceStep.READING,
        started_at=now,
    )
    return _read(plan)


def begin_trim(view: PlaceView, cause: CauseId, now: datetime, entered: int) -> Move:
    """A read showed legs that are larger than the position. Nothing is sent before the second one."""
    assert view.qty, "without a position its legs are orphans"
    plan = ReducePlan(
        plan_id=f"trim:{view.account_id}:{view.contract_id}:{_ms(now)}",
        cause=cause,
        account_id=view.account_id,
        contract_id=view.contract_id,
        qty=0,
        keeps=view.qty,
        entered=entered,
        reason=ExitReason.MANUAL,
        step=ReduceStep.WAITING,
        started_at=now,
    )
    return Move(plan, timer=Timer(plan.plan_id, READ_GAP.total_seconds()))


def close_under_way(plan: ReducePlan, now: datetime) -> datetime | None:
    """When its partial close was sent, as long as that may still be carried out."""
    if plan.closed_at is None or (plan.step is not ReduceStep.CLOSING and now - plan.closed_at >= SETTLES):
        return None
    return plan.closed_at


def on_settled(plan: ReducePlan, order_id: GatewayOrderId | None, outcome: Outcome, now: datetime) -> Move:
    """A modify or a cancel (``order_id``), or the close (None) was answered. The next read tells what came of it."""
    if order_id is not None:
        return _resized(plan, order_id, outcome, now)
    if plan.step is not ReduceStep.CLOSING:
        return Move(plan)
    plan = _replace(plan, closed_at=now)
    if outcome.kind is OutcomeKind.DONE:
        return _wait(plan, AFTER_CLOSE_S)
    if outcome.kind is OutcomeKind.UNCLEAR:
        return _wait(_replace(plan, tries=plan.tries + 1), SETTLES.total_seconds())
    plan = _replace(plan, closed_at=None)  # surely no close is under way
    if outcome.kind is OutcomeKind.REFUSED and outcome.code in {_POSITION_NOT_FOUND, _INVALID_CLOSE_SIZE}:
        return _try_later(plan)  # fewer are held than were read
    text = f"{plan.contract_id}: the partial close was not carried out ({outcome.text or outcome.code}); trying again"
    return _try_later(plan, ("reduce.refused", text))


def _resized(plan: ReducePlan, order_id: GatewayOrderId, outcome: Outcome, now: datetime) -> Move:
    left = tuple(waiting for waiting in plan.resizing if waiting != order_id)
    is_modify = order_id in plan.modifying
    is_refused = is_modify and outcome.kind is OutcomeKind.REFUSED
    plan = _replace(plan, resizing=left, cannot_resize=plan.cannot_resize or is_refused)
    if left or plan.step is not ReduceStep.RESIZING:
        return Move(plan)
    is_other_way = plan.cannot_resize and bool(plan.modifying)  # what comes next was not sent yet
    return _read(_replace(plan, resized_at=None if is_other_way else now, modifying=()))


def on_stop_settled(plan: ReducePlan, outcome: Outcome) -> Move:
    """The smaller stop was answered."""
    if plan.step is not ReduceStep.PLACING:
        return Move(plan)
    if outcome.kind is OutcomeKind.REFUSED:
        plan = _replace(plan, stop=None, replaces=None, attempt=plan.attempt + 1)
        text = (
            f"{plan.contract_id}: the smaller stop was refused ({outcome.text or outcome.code}); nothing is closed yet"
        )
        return _try_later(plan, ("reduce.refused", text))
    return _read(plan) if outcome.kind is OutcomeKind.DONE else _wait(plan, SETTLES.total_seconds())


def on_stop_working(plan: ReducePlan, old: tuple[GatewayOrderId, ...]) -> Move | None:
    """The hub shows the smaller stop working: the legs that it stands in for go at once, for together they are too many."""
    if plan.step not in {ReduceStep.PLACING, ReduceStep.WAITING} or not old:
        return None
    cancels = tuple(cancel_order(plan.plan_id, plan.account_id, plan.contract_id, order_id) for order_id in old)
    return Move(_replace(_uncounted(plan), step=ReduceStep.RESIZING, resizing=old, modifying=()), reducings=cancels)


def on_snapshot(plan: ReducePlan, sight: Sight, now: datetime) -> Move:
    """The gateway's own word on the place: legs first, then the contracts, then proof."""
    if plan.step is not ReduceStep.READING:
        return Move(plan)  # an answer to an earlier question, older than what this plan did since
    seen, sign = sight.seen, 1 if plan.keeps > 0 else -1
    if sight.keeps * sign <= 0 and not plan.is_trim:
        return _end(plan, "the position turned", "entries filled against it meanwhile")
    if plan.seen_at is None or seen.qty != plan.seen_qty:
        plan = _replace(plan, seen_qty=seen.qty, seen_at=seen.asked_at)
    held, keeps = max(0, seen.qty * sign), abs(sight.keeps)
    if plan.is_trim and (held > keeps or sight.keeps * sign <= 0 or not sight.is_agreed):
        return Move(None, result="the position changed meanwhile")  # the next read begins anew, where it has to
    if held - keeps > plan.qty:
        text = f"{plan.contract_id}: the position grew to {seen.qty:+d} while it was being reduced to {sight.keeps:+d}"
        return _try_later(_uncounted(plan), ("reduce.grown", text))
    if held:
        move = _fit_legs(plan, sight, min(held, keeps))
        if move is not None:
            return move
    if held > keeps:
        return _close(_replace(plan, done_reads=0), sight, held - keeps, now)
    return _done(plan, sight)


def on_read_failed(plan: ReducePlan, reason: str) -> Move:
    """No answer is not "nothing there": keep asking."""
    if plan.step is not ReduceStep.READING:
        return Move(plan)
    text = f"{plan.contract_id}: cannot read the account ({reason}); trying again until it answers"
    tries = min(plan.tries, TRIES_AT_MOST - 2)  # not a reason to give up
    return _try_later(_replace(plan, tries=tries), ("reduce.blind", text))


def on_timer(plan: ReducePlan) -> Move:
    return _read(plan) if plan.step is ReduceStep.WAITING else Move(plan)


def on_resume(plan: ReducePlan, now: datetime) -> Move:
    """After a start: nobody knows which answers were lost, so read first. A close that was sent may still be settling."""
    closed_at = now if plan.closed_at is not None else None
    return _read(
        _replace(_uncounted(plan), resizing=(), modifying=(), seen_at=None, resized_at=None, closed_at=closed_at)
    )


# --- stops and targets ---------------------------------------------------------------------------------------------------


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


def _fit_legs(plan: ReducePlan, sight: Sight, rest: int) -> Move | None:
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
        return _wait(plan, BUSY_S)
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
        return _wait(plan, BUSY_S)
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
        return _end(plan, "stops and targets cannot be made smaller", "look at them, they are larger than the position")
    resizing_plan = _replace(
        _uncounted(plan), step=ReduceStep.RESIZING, resizing=tuple(resizing), modifying=tuple(modifying), tries=tries
    )
    incident = None
    if foreign and plan.resized_at is None:
        text = f"{plan.contract_id}: a stop that the desk did not place is larger than what remains; it is made smaller"
        incident = ("order.foreign", text)
    return Move(resizing_plan, reducings=tuple(steps), incident=incident)


def _stand_in(plan: ReducePlan, sight: Sight, unit: Unit, size: int) -> Move:
    """The legs of ``unit`` cannot be resized: a stop of the smaller size first, at the same price."""
    if sight.is_sought:
        return _try_later(plan, first_s=BUSY_S)
    if unit.stop is None or unit.stop.stop_price is None or unit.stop.type is not OrderType.STOP:
        return _end(plan, "the stop of its stage cannot be made smaller", "nothing was closed")
    if plan.tries >= TRIES_AT_MOST:
        return _end(plan, "a smaller stop cannot be placed", "nothing was closed")
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
        _uncounted(plan), step=ReduceStep.PLACING, stop=order.client_order_id, replaces=ClientOrderId(unit.key)
    )
    return Move(placing, reducings=(place_stop(plan.plan_id, order, sight.seen.qty),))


def _replace_old(plan: ReducePlan, sight: Sight, old: Unit) -> Move:
    """The old pair goes as soon as the new stop is seen working, and not before."""
    is_working = any(unit.key == plan.stop and unit.stop is not None for unit in sight.units)
    if is_working:
        return _resize(plan, sight, [(old, 0)])
    stop = sight.stop
    if sight.is_sought or stop is None or not stop.state.is_over:
        return _try_later(plan, first_s=BUSY_S)
    attempt = plan.attempt if is_wanted_again(stop) else plan.attempt + 1
    plan = _replace(plan, stop=None, replaces=None, attempt=attempt, tries=plan.tries + 1)
    return _stand_in(plan, sight, old, stop.qty)


# --- contracts -----------------------------------------------------------------------------------------------------------


def _close(plan: ReducePlan, sight: Sight, surplus: int, now: datetime) -> Move:
    """The first close when read and hub agree, or two reads. Another one only when reads that must know of the last one
    show the contracts twice."""
    seen = sight.seen
    if plan.closed_at is not None or not sight.is_agreed:
        is_old = plan.closed_at is not None and seen.asked_at < plan.closed_at + SETTLES
        if is_old or not _is_apart(plan, seen.asked_at):
            return _wait(plan, READ_GAP.total_seconds())
        plan = _replace(plan, full_reads=plan.full_reads + 1, counted_at=seen.asked_at)
        if plan.full_reads < READS_THAT_PROVE:
            return _wait(plan, READ_GAP.total_seconds())
    if plan.tries >= TRIES_AT_MOST:
        return _end(plan, "its close is not carried out", f"{surplus} contracts more than wanted are held")
    closing = _replace(_uncounted(plan), step=ReduceStep.CLOSING, closed_at=now, tries=plan.tries + 1)
    part = close_part(plan.plan_id, plan.account_id, plan.contract_id, seen.qty, surplus)
    return Move(closing, reducings=(part,))


def _done(plan: ReducePlan, sight: Sight) -> Move:
    seen = sight.seen
    if sight.is_agreed:
        return Move(
            None, result=f"stops and targets fit {seen.qty:+d}" if plan.is_trim else f"reduced to {seen.qty:+d}"
        )
    if not _is_apart(plan, seen.asked_at):
        return _wait(plan, READ_GAP.total_seconds())
    done = plan.done_reads + 1
    if done >= READS_THAT_PROVE:
        return Move(None, result=f"reduced to {seen.qty:+d}")
    return _wait(_replace(plan, done_reads=done, full_reads=0, counted_at=seen.asked_at), READ_GAP.total_seconds())


def _is_apart(plan: ReducePlan, asked_at: datetime) -> bool:
    """Asked long enough after the last read that counted to be a second witness."""
    return plan.counted_at is None or asked_at - plan.counted_at >= READ_GAP


def _uncounted(plan: ReducePlan) -> ReducePlan:
    return _replace(plan, done_reads=0, full_reads=0, counted_at=None)


def _leg_name(plan: ReducePlan, unit: Unit) -> str:
    """Each trim has stops of its own: its cause, what opened the position, may be that of another one."""
    return f"trim-{_ms(plan.started_at)}-{unit.key}" if plan.is_trim else f"reduce-{unit.key}"


def _ms(ts: datetime) -> int:
    return int(ts.timestamp() * 1000)


def _left(order: VenueOrder) -> int:
    return order.qty - order.filled_qty


def _read(plan: ReducePlan) -> Move:
    return Move(_replace(plan, step=ReduceStep.READING), reads=True)


def _wait(plan: ReducePlan, delay_s: float, incident: tuple[str, str] | None = None) -> Move:
    return Move(_replace(plan, step=ReduceStep.WAITING), timer=Timer(plan.plan_id, delay_s), incident=incident)


def _try_later(plan: ReducePlan, trouble: tuple[str, str] | None = None, first_s: float = 0.5) -> Move:
    """It does not get on: pause with back-off, tell a person once, and give up in the end."""
    plan = _replace(plan, tries=plan.tries + 1)
    if plan.tries >= (TRIES_AT_MOST if plan.closed_at is None else 2 * TRIES_AT_MOST):
        return _end(
            plan, "it does not get on", trouble[1] if trouble is not None else "what it waits for does not come"
        )
    if trouble is None and plan.tries >= TRIES_UNTIL_TOLD:
        what = "making stops and targets as small as the position" if plan.is_trim else "the partial close"
        trouble = ("reduce.slow", f"{plan.contract_id}: {what} does not get on; still trying")
    is_news = trouble is not None and not plan.is_announced
    plan = _replace(plan, is_announced=plan.is_announced or is_news)
    return _wait(plan, backoff_s(plan.tries - 1, first_s), incident=trouble if is_news else None)


def _end(plan: ReducePlan, why: str, more: str) -> Move:
    """Not carried out, or not all of it: a person is told, and the guard looks after what has no stop. A trim is tried again."""
    if plan.is_trim:
        text = (
            f"{plan.contract_id}: a part of the position was closed outside the desk, and its stops and targets cannot be made "
            f"smaller: {why}. They would open the other side: look at them, or exit."
        )
        news = None if plan.is_announced else ("reduce.failed", text)
        plan = _replace(_uncounted(plan), tries=0, resized_at=None, cannot_resize=False, is_announced=True)
        return _wait(plan, TRIM_AGAIN_S, news)
    text = f"{plan.contract_id}: the partial close of {plan.qty} is given up: {why}; {more}."
    return Move(None, result=f"{GIVEN_UP}: {why}", incident=("reduce.failed", text))
