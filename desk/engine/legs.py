"""What a person or an alert may do with the legs of a position: move stops and targets, break-even, trail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from desk.core.ids import ClientOrderId
from desk.core.intents import BreakEvenNow, Care, MoveStop, MoveTarget, Trail, TrailOff, TrailOn
from desk.core.orders import Role, StopTouch, TrackedOrder
from desk.core.plans import CarePlan, ExitReason
from desk.core.records import Verdict, VerdictKind
from desk.core.words import Contract, OrderType, Side, VenueOrder
from desk.engine import amends, cares
from desk.engine.amends import LIVE
from desk.engine.cares import begun_for, caring_for, current, keep, live_stops, stops_by_hand
from desk.engine.changes import grid_problem, wrong_side_of_limit, wrong_side_of_stop
from desk.engine.draft import Context, Draft, fresh_quote
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.state import Place, Position, State
from desk.orders import amend, care
from desk.risk import Reason

__all__ = ["rule_care"]

Wanted = MoveStop | MoveTarget | BreakEvenNow | TrailOn | TrailOff
Stop = TrackedOrder | VenueOrder


def rule_care(state: State, wanted: Wanted, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """A change to the legs of what is held."""
    place = place_of(asker, contract)
    position = state.positions.get(place)
    if position is None:
        return denied(Reason.NO_POSITION, f"nothing is held in {contract.name}", asker.warnings)
    if state.exit_plan(place) is not None:
        return denied(Reason.EXIT_RUNNING, f"an exit of {contract.name} is under way", asker.warnings)
    match wanted:
        case MoveTarget(price=price):
            return _rule_target(state, place, position, price, contract, asker, ctx)
        case TrailOff():
            return _rule_trail_off(state, place, contract, asker, ctx)
        case _:
            pass
    stops: list[Stop] = [stop for stop in live_stops(state, place) if stop.side.sign * position.qty < 0]
    if asker.reason is ExitReason.MANUAL:
        stops += stops_by_hand(state, place)
    if not stops:
        return denied(Reason.NO_LEG, _why_no_stop(position, contract), asker.warnings)
    if all(stop.type is OrderType.TRAILING_STOP for stop in stops):
        return denied(Reason.NO_LEG, "the venue itself trails the stop there; it cannot be moved", asker.warnings)
    stops = [stop for stop in stops if stop.type is OrderType.STOP]
    match wanted:
        case MoveStop(price=price):
            return _rule_stop(state, stops, price, StopTouch.MOVED, contract, asker, ctx)
        case BreakEvenNow(offset_ticks=offset):
            return _rule_break_even(state, stops, position, offset, contract, asker, ctx)
        case TrailOn():
            return _rule_trail_on(state, stops, position, wanted, contract, asker, ctx)


def _why_no_stop(position: Position, contract: Contract) -> str:
    text = f"no protective stop of {contract.name} works at this moment; "
    if position.entry is None:
        return (
            f"{text}the desk did not open that position and does not close it: place a stop on the platform, or flatten"
        )
    return (
        f"{text}the desk confirms one within 2 s of the fill, and closes the position at market 5 s after it, where there "
        "is none"
    )


def _rule_stop(
    state: State, stops: list[Stop], price: Decimal, touch: StopTouch, contract: Contract, asker: Asker, ctx: Context
) -> Ruling:
    problem = grid_problem(contract, price)
    if problem is not None:
        return problem
    side = stops[0].side
    at = {stop.gateway_order_id: amends.stop_of(state, stop) for stop in stops}
    prices = [where for where in at.values() if where is not None]
    loose = [s for s in stops if (where := at[s.gateway_order_id]) is None or amend.is_tighter(side, price, where)]
    if not loose:
        now_at = _prices(prices, contract)
        if price in prices:
            text = f"the position's stop is at {now_at} already"
            return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text))
        text = f"a stop only moves towards less risk; the position's stop is at {now_at}"
        return denied(Reason.ADDS_RISK, text, asker.warnings)
    problem = wrong_side_of_stop(fresh_quote(ctx, contract.contract_id), side, price, contract)
    if problem is not None:
        return problem
    now_at = _prices((at[stop.gateway_order_id] for stop in loose), contract)
    text = f"{_stop_words(len(loose))} of {contract.name} from {now_at} to {contract.price_text(price)}"
    if len(loose) < len(stops):
        text += f"; {len(stops) - len(loose)} stay, they risk less"

    def begin(draft: Draft) -> None:
        for stop in loose:
            assert stop.gateway_order_id is not None, "a working order has its number"
            place = stop.account_id, stop.contract_id
            amends.start_amend(draft, stop.gateway_order_id, asker.cause, *place, stop_price=price, touch=touch)

    return _ruled("moving", text, begin, asker, ctx)


def _rule_break_even(
    state: State,
    stops: list[Stop],
    position: Position,
    offset: int,
    contract: Contract,
    asker: Asker,
    ctx: Context,
) -> Ruling:
    side = Side.BUY if position.qty > 0 else Side.SELL
    goal = care.in_favour(side, position.avg_price, offset, contract.tick_size)
    quote = fresh_quote(ctx, contract.contract_id)
    market = care.favour(side, quote) if quote is not None else None
    if market is not None and (market - goal) * side.sign <= 0:
        text = (
            f"the market is at {contract.price_text(market)}, not beyond {contract.price_text(goal)} (average price "
            f"{contract.price_text(position.avg_price)}, {offset} ticks in favour); the stop stays"
        )
        return denied(Reason.WRONG_SIDE, text, asker.warnings)
    return _rule_stop(state, stops, goal, StopTouch.BREAK_EVEN, contract, asker, ctx)


def _rule_trail_on(
    state: State,
    stops: list[Stop],
    position: Position,
    wanted: TrailOn,
    contract: Contract,
    asker: Asker,
    ctx: Context,
) -> Ruling:
    trail = wanted.trail
    if trail.distance_ticks < 1 or trail.step_ticks < 1 or trail.trigger_ticks < 0:
        return denied(Reason.BAD_PRICE, "a trail needs a distance and steps of at least one tick", asker.warnings)
    entries = _entries_of(stops)
    if not entries:
        return denied(Reason.NOT_OURS, "the stops there were placed by hand; the desk trails its own", asker.warnings)
    text = f"{_stop_words(len(entries))} of {contract.name} at {trail.distance_ticks} ticks"
    if trail.trigger_ticks:
        text += f", from {trail.trigger_ticks} ticks in favour on"
    text += _stays_until(state, stops, position, trail, contract, ctx)

    def begin(draft: Draft) -> None:
        for entry_id in entries:
            plan = caring_for(draft.state, entry_id) or begun_for(draft, entry_id, Care())
            if plan is not None:
                cares.on_price(draft, keep(draft, care.with_trail(plan, trail)))

    return _ruled("trailing", text, begin, asker, ctx)


def _stays_until(
    state: State, stops: list[Stop], position: Position, trail: Trail, contract: Contract, ctx: Context
) -> str:
    """A trail that begins looser than the stop is: from which price on it moves it. Empty: it moves it as soon as it begins."""
    side = Side.BUY if position.qty > 0 else Side.SELL
    quote = fresh_quote(ctx, contract.contract_id)
    market = care.favour(side, quote) if quote is not None else None
    where = [
        at for at in (amends.stop_of(state, stop) for stop in stops if isinstance(stop, TrackedOrder)) if at is not None
    ]
    trigger = position.avg_price + side.sign * trail.trigger_ticks * contract.tick_size
    begins = [price for price in (market, trigger if trail.trigger_ticks else None) if price is not None]
    if not where or not begins:
        return ""
    first, stop = (max(begins), max(where)) if side is Side.BUY else (min(begins), min(where))
    until = stop + side.sign * (trail.distance_ticks + trail.step_ticks) * contract.tick_size
    if (first - until) * side.sign >= 0:
        return ""
    return (
        f"; that is looser than the stop at {contract.price_text(stop)}, which stays there until the market is at "
        f"{contract.price_text(until)}"
    )


def _rule_trail_off(state: State, place: Place, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    plans = [
        plan
        for plan in state.plans.values()
        if isinstance(plan, CarePlan) and (plan.account_id, plan.contract_id) == place and plan.care.trail is not None
    ]
    if not plans:
        text = f"the desk trails no stop of {contract.name}"
        return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text))

    def begin(draft: Draft) -> None:
        for plan in plans:
            keep(draft, care.with_trail(current(draft, plan), None))

    return _ruled("no longer trailing", f"{_stop_words(len(plans))} of {contract.name}; they stay", begin, asker, ctx)


def _rule_target(
    state: State, place: Place, position: Position, price: Decimal, contract: Contract, asker: Asker, ctx: Context
) -> Ruling:
    problem = grid_problem(contract, price)
    if problem is not None:
        return problem
    targets = [o for o in state.orders_at(place) if o.role is Role.TARGET and o.state in LIVE]
    if not targets:
        text = (
            f"the position in {contract.name} has no target that works, and the gateway ties a new one to the stop only in an "
            "entry. Instead: tighten the stop (modify_stop, trail), or close at that price (close); a limit "
            "order placed on the platform stays when the position ends, cancel it then"
        )
        return denied(Reason.NO_LEG, text, asker.warnings)
    side = Side.SELL if position.qty > 0 else Side.BUY
    problem = wrong_side_of_limit(fresh_quote(ctx, contract.contract_id), side, price, contract)
    if problem is not None:
        return problem
    where = _prices((target.limit_price for target in targets), contract)
    what = "the target" if len(targets) == 1 else f"{len(targets)} targets"

    def begin(draft: Draft) -> None:
        for target in targets:
            assert target.gateway_order_id is not None, "a working order has its number"
            amends.start_amend(draft, target.gateway_order_id, asker.cause, *place, limit_price=price)

    return _ruled(
        "moving", f"{what} of {contract.name} from {where} to {contract.price_text(price)}", begin, asker, ctx
    )


def _ruled(verb: str, text: str, begin: Callable[[Draft], None], asker: Asker, ctx: Context) -> Ruling:
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would be {verb} {text}", ctx)
    return Ruling(accepted(f"{verb} {text}", warnings=asker.warnings), begin=begin)


def _entries_of(stops: list[Stop]) -> list[ClientOrderId]:
    """The entries behind the stops; a stop that was placed by itself stands for its own."""
    return [stop.parent or stop.client_order_id for stop in stops if isinstance(stop, TrackedOrder)]


def _prices(prices: Iterable[Decimal | None], contract: Contract) -> str:
    return ", ".join(sorted({contract.price_text(price) for price in prices}))


def _stop_words(count: int) -> str:
    return "the stop" if count == 1 else f"{count} stops"
