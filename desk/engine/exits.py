"""Starting exits, flattening, and guarding: where the engine calls the plans of ``desk/orders``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from desk.bots import may_open
from desk.core.alert import PositionSide
from desk.core.events import FlattenRequested, Outcome
from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.intents import Exit
from desk.core.plans import AmendPlan, ExitPlan, ExitReason, FlattenPlan, ProtectPlan, ReducePlan
from desk.core.records import AlertDecided, PlanEnded, PositionNoted, Verdict, VerdictKind, WouldHaveSent
from desk.core.words import Contract
from desk.engine import stops
from desk.engine.cover import by_hand, entered_qty, need_of, our_need, stop_level, wrong_side_qty
from desk.engine.draft import Context, Decision, Draft, unreported_fill, view_of
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.state import Place, State, contracts_in_play
from desk.engine.waiting import end_waiting
from desk.orders import exit as exit_plan
from desk.orders import flatten as flatten_plan
from desk.orders import protect as protect_plan
from desk.orders import reduce as reduce_plan
from desk.orders.move import Move, Need, Reading, gap_known
from desk.risk import Reason

__all__ = [
    "decide_flatten",
    "exit_ended",
    "flatten_saw",
    "guard",
    "note",
    "on_stop_settled",
    "rule_exit",
    "saw_unprotected",
    "start_exit",
    "start_flatten",
    "start_reduce",
    "supersede_held",
]

AN_EXIT_CAME = "an exit came after it"


def rule_exit(state: State, wanted: Exit, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    """To flat at one contract, or on the whole account. Joins an exit that runs."""
    what = "everything on the account" if wanted.everything or contract is None else contract.name
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would flatten {what}", ctx)
    if wanted.everything or contract is None:
        running_flatten = state.flatten_plan(asker.account_id)
        plan_id = running_flatten.plan_id if running_flatten else f"flatten:{asker.cause}:{asker.account_id}"

        def flatten(draft: Draft) -> None:
            supersede_held(draft, asker.account_id, asker.ts)
            start_flatten(draft, asker.account_id, asker.cause, asker.reason)

        return Ruling(accepted(f"flattening {what}", plan_id=plan_id, warnings=asker.warnings), begin=flatten)
    place = place_of(asker, contract)
    qty = state.position_qty(place)
    is_other_side = (wanted.side is PositionSide.LONG and qty < 0) or (wanted.side is PositionSide.SHORT and qty > 0)
    if is_other_side:
        return denied(Reason.NOTHING_TO_EXIT, f"position is {qty:+d}: nothing {wanted.side} to close", asker.warnings)
    running = state.exit_plan(place)
    if running is not None:
        text = f"an exit of {what} is under way already"
        return Ruling(
            accepted(text, plan_id=running.plan_id, warnings=asker.warnings),
            begin=lambda draft: end_waiting(draft, *place, AN_EXIT_CAME),
        )
    plan_id = f"exit:{asker.cause}:{place[0]}:{place[1]}"

    def begin(draft: Draft) -> None:
        start_exit(draft, place, asker.cause, asker.reason)

    return Ruling(accepted(f"exiting {what}", plan_id=plan_id, warnings=asker.warnings), begin=begin)


def start_exit(draft: Draft, place: Place, cause: CauseId, reason: ExitReason) -> str:
    """Starts an exit at the place, or joins the one that runs. Returns its plan id."""
    end_waiting(draft, *place, AN_EXIT_CAME)
    running = draft.state.exit_plan(place)
    if running is not None:
        return running.plan_id
    reducing = draft.state.reduce_plan(place)
    amending = [
        p for p in draft.state.plans.values() if isinstance(p, AmendPlan) and (p.account_id, p.contract_id) == place
    ]
    for ended in (draft.state.protect_plan(place), reducing, *amending):
        if ended is not None:
            draft.record(PlanEnded(cause=ended.cause, plan_id=ended.plan_id, result="an exit runs", ts=draft.now))
    for entry in list(draft.state.entries_at(place)):
        if entry.state.is_over:  # never sent, waits for another try: that is over
            plan_id = f"enter:{entry.client_order_id}"
            draft.record(PlanEnded(cause=entry.cause, plan_id=plan_id, result="not sent: an exit came", ts=draft.now))
            text = f"{entry.side} {entry.qty} {entry.contract_id} was not carried out: an exit came after it"
            draft.tell(entry.cause, "entry.expired", text)
    closed_at = reduce_plan.close_under_way(reducing, draft.now) if reducing is not None else None
    move = exit_plan.begin(view_of(draft.state, place), cause, reason, draft.now, closed_at)
    assert isinstance(move.plan, ExitPlan), "an exit begins with a plan"
    draft.follow(move.plan, move)
    return move.plan.plan_id


def start_reduce(draft: Draft, place: Place, qty: int, cause: CauseId, reason: ExitReason) -> str:
    """Starts closing ``qty`` contracts of what is held, or joins what runs; all of it or more is an exit. Returns the plan id."""
    running = draft.state.exit_plan(place) or draft.state.reduce_plan(place)
    if isinstance(running, ReducePlan) and running.may_be_replaced:
        result = "a part is closed by the desk"
        draft.record(PlanEnded(cause=running.cause, plan_id=running.plan_id, result=result, ts=draft.now))
    elif running is not None:
        return running.plan_id
    held = draft.state.position_qty(place)
    if qty >= abs(held):
        return start_exit(draft, place, cause, reason)
    move = reduce_plan.begin(
        view_of(draft.state, place), cause, reason, qty, draft.now, entered_qty(draft.state, place)
    )
    assert isinstance(move.plan, ReducePlan), "a partial close begins with a plan"
    draft.follow(move.plan, move)
    return move.plan.plan_id


def start_flatten(draft: Draft, account_id: AccountId, cause: CauseId, reason: ExitReason) -> str:
    """Starts flattening the account, or joins what runs. Known contracts exit at once, the rest after the read."""
    end_waiting(draft, account_id, None, AN_EXIT_CAME)
    running = draft.state.flatten_plan(account_id)
    if running is not None:
        return running.plan_id
    move = flatten_plan.begin(account_id, cause, reason, draft.now)
    assert isinstance(move.plan, FlattenPlan), "flattening begins with a plan"
    known = sorted(contracts_in_play(draft.state, account_id))
    exits = tuple(start_exit(draft, (account_id, contract_id), cause, reason) for contract_id in known)
    if exits:
        move = Move(msgspec.structs.replace(move.plan, waits_for=exits))
    assert move.plan is not None, "flattening begins with a plan"
    draft.follow(move.plan, move)
    return move.plan.plan_id


def flatten_saw(draft: Draft, plan: FlattenPlan, found: set[ContractId]) -> None:
    """A read for the plan came back; ``found`` holds a position or a working order at the venue."""
    in_play = sorted(found | contracts_in_play(draft.state, plan.account_id))
    exits: tuple[str, ...] = ()
    if not plan.waits_for:
        exits = tuple(start_exit(draft, (plan.account_id, contract), plan.cause, plan.reason) for contract in in_play)
    draft.follow(plan, flatten_plan.on_snapshot(plan, exits))


def exit_ended(draft: Draft, plan: ExitPlan) -> None:
    """A flattening or a reversal that waited for this exit goes on."""
    for waiting in list(draft.state.plans.values()):
        if isinstance(waiting, FlattenPlan) and plan.plan_id in waiting.waits_for:
            draft.follow(waiting, flatten_plan.on_exit_ended(waiting, plan.plan_id))


def decide_flatten(draft: Draft, event: FlattenRequested) -> Decision:
    """A person asked for flat: a contract, an account, or everything."""
    known = sorted(draft.state.accounts)
    accounts = [account_id for account_id in known if event.account_id in {None, account_id}]
    if not accounts:
        text = "the desk is not logged in yet; try again in a moment" if not known else "the gateway does not list it"
        text = f"the account is not known: {text}"
        return draft.finish(Verdict(kind=VerdictKind.DENIED, reason=Reason.ACCOUNT_UNKNOWN, text=text))
    if draft.ctx.is_shadow:
        text = "shadow: would flatten; nothing was sent. Use the TopstepX platform to close positions"
        for account_id in accounts:
            draft.record(WouldHaveSent(cause=event.cause, account_id=account_id, text=text, ts=draft.now))
        return draft.finish(Verdict(kind=VerdictKind.WOULD_SEND, reason=Reason.SHADOW, text=text))
    contract_id, started = event.contract_id, []
    held = [a for a in accounts if contract_id is not None and _may_hold(draft.state, (a, contract_id))]
    for account_id in accounts:
        supersede_held(draft, account_id, event.ts)
        if contract_id is None:
            started.append(start_flatten(draft, account_id, event.cause, ExitReason.MANUAL))
        elif account_id in held or not held:  # nothing known anywhere: whoever asks may see what the desk does not
            started.append(start_exit(draft, (account_id, contract_id), event.cause, ExitReason.MANUAL))
        else:
            draft.read_fully(account_id)
    return draft.finish(Verdict(kind=VerdictKind.ACCEPTED, text="flattening", plan_id=" ".join(started)))


def _may_hold(state: State, place: Place) -> bool:
    """Something is held, works or is on its way there, or nobody knows."""
    is_known = state.is_reconciled(place[0])
    return not is_known or place[1] in contracts_in_play(state, place[0]) or unreported_fill(state, place)[1] != 0


def supersede_held(draft: Draft, account_id: AccountId, asked_at: datetime) -> None:
    """Entries that wait to be decided are older than the order to be flat: they are not taken any more."""
    for cause, held in sorted(draft.state.held.items(), key=lambda item: item[1].number):
        bot = draft.ctx.bots.get(held.event.bot)
        is_here = held.event.ts <= asked_at and (bot is None or bot.account_id in {None, account_id})
        if is_here and held.event.alert is not None and may_open(held.event.alert):
            text = "an order to be flat came after it while it waited"
            verdict = Verdict(kind=VerdictKind.DENIED, reason=Reason.EXIT_RUNNING, text=text)
            draft.record(AlertDecided(cause=cause, verdict=verdict, ts=draft.now))


def guard(draft: Draft, place: Place) -> None:
    """Holds a position against its stops: starts the deadline when some are missing, ends it when all are there, or when
    there is nothing to protect. What our own stops and targets opened on the wrong side goes at once."""
    if _leaves_wrong_side(draft, place):
        return
    plan = draft.state.protect_plan(place)
    need = need_of(draft.state, place, draft.ctx.foreign)
    view = view_of(draft.state, place)
    is_protected = need is not None and view.qty != 0 and not gap_known(view, need)
    if plan is not None and (need is None or (is_protected and _has_settled(draft, plan))):
        result = "protected" if need is not None else "flat" if view.qty == 0 else "not a position of ours"
        draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=result, ts=draft.now))
    if plan is not None or need is None or is_protected:
        return
    if draft.ctx.is_shadow or draft.state.exit_plan(place) is not None:
        return
    is_foreign = place in draft.state.positions and not our_need(draft.state, place).qty
    move = protect_plan.begin(place[0], place[1], _opener(draft, place), draft.now, is_foreign=is_foreign)
    assert move.plan is not None, "guarding begins with a plan"
    draft.follow(move.plan, move)


def _has_settled(draft: Draft, plan: ProtectPlan) -> bool:
    placed = draft.state.orders.get(plan.stop) if plan.stop is not None else None
    return placed is None or protect_plan.has_settled(placed, draft.now)


def _opener(draft: Draft, place: Place) -> CauseId:
    """What opened the position there, also one of which only the fill was reported yet."""
    position = draft.state.positions.get(place)
    if position is not None:
        return position.cause
    entry, _ = unreported_fill(draft.state, place)
    assert entry is not None, "something there needs a stop"
    return entry.cause


def _leaves_wrong_side(draft: Draft, place: Place) -> bool:
    """Both legs of a pair filled, or one after its position had ended: what they opened is closed at market."""
    excess = wrong_side_qty(draft.state, place)
    if not excess or draft.ctx.is_shadow or draft.state.exit_plan(place) is not None:
        return False
    position = draft.state.positions[place]
    if draft.state.reduce_plan(place) is not None and excess < abs(position.qty):
        return True
    text = (
        f"{place[1]}: stops or targets of ours opened {position.qty:+d} after their position had ended. It is closed."
    )
    draft.tell(position.cause, "position.reversed", text)
    _close(draft, place, excess, position.cause)
    return True


def _close(draft: Draft, place: Place, qty: int, cause: CauseId) -> None:
    """At market: the whole position when that is all of it, and else no more than ``qty`` contracts."""
    if qty >= abs(draft.state.position_qty(place)):
        start_exit(draft, place, cause, ExitReason.UNPROTECTED)
    else:
        start_reduce(draft, place, qty, cause, ExitReason.UNPROTECTED)
        note(draft, place, cause, theirs=abs(draft.state.position_qty(place)) - qty)


def saw_unprotected(draft: Draft, plan: ProtectPlan, seen: Reading) -> None:
    """A read for a guard came back."""
    place = (plan.account_id, plan.contract_id)
    need = need_of(draft.state, place, draft.ctx.foreign) or Need(0)
    if place not in draft.state.positions:
        need = Need(abs(seen.qty))
    level = stop_level(draft.state, place, draft.ctx)
    _follow_guard(draft, plan, protect_plan.on_snapshot(plan, seen, need, level, draft.now, _placed(draft, plan)))


def on_stop_settled(draft: Draft, plan: ProtectPlan, outcome: Outcome) -> None:
    """The stop that a guard had placed was answered."""
    _follow_guard(draft, plan, protect_plan.on_stop_settled(plan, outcome))


def _placed(draft: Draft, plan: ProtectPlan) -> protect_plan.Placed | None:
    order = draft.state.orders.get(plan.stop) if plan.stop is not None else None
    return protect_plan.Placed(order, f"stop:{plan.stop}" not in draft.state.plans) if order is not None else None


def _follow_guard(draft: Draft, plan: ProtectPlan, move: Move) -> None:
    """Its end may be the position's end: ours is closed as far as it has no stop, somebody else's is left alone."""
    stops.follow(draft, plan, move)
    place = (plan.account_id, plan.contract_id)
    if move.plan is not None or move.result not in {protect_plan.CLOSING, protect_plan.UNPROTECTABLE}:
        return
    own = our_need(draft.state, place)
    gap = gap_known(view_of(draft.state, place), own) if move.result == protect_plan.CLOSING else 0
    if place not in draft.state.positions:
        start_exit(draft, place, plan.cause, ExitReason.UNPROTECTED)
    elif gap:
        qty = gap if own.spare else abs(draft.state.position_qty(place))
        _close(draft, place, qty, plan.cause)
    else:
        note(draft, place, plan.cause, is_given_up=True)


def note(draft: Draft, place: Place, cause: CauseId, *, is_given_up: bool = False, theirs: int = 0) -> None:
    """A person was told of the contracts there that are not ours."""
    position = draft.state.positions[place]
    draft.record(
        PositionNoted(
            cause=cause,
            account_id=place[0],
            contract_id=place[1],
            qty=by_hand(draft.state, place),
            is_given_up=is_given_up,
            theirs=max(theirs, position.theirs_qty),
            ts=draft.now,
        )
    )
