"""What a bot was told about when it may open: stopped, windows, pauses between entries, how far a price may be off. Pure.

Only what opens is asked. A reversal that may not open still closes: the message surely wants the old side gone. What only
replaces leaves everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from desk.bots import BotConfig, Meaning, Nothing, Refusal, Situation, Wanted, goal_of
from desk.bots.windows import why_closed
from desk.core.alert import Action, Alert, PositionSide, Unit
from desk.core.errors import UnknownSymbol
from desk.core.intents import Enter, Exit, Reverse
from desk.core.switches import Switch
from desk.core.symbols import ROOTS, expiry_of_contract, parse_symbol, roll_notice
from desk.core.words import Contract, Quote, Side
from desk.engine.bots import A_MINUTE, BotState
from desk.engine.draft import Context, fresh_quote
from desk.engine.state import State
from desk.risk import Reason

__all__ = ["Asked", "gated"]

_STOPPED = {
    Switch.DISARM: (Reason.DISARMED, "disarmed", "arm"),
    Switch.HALT: (Reason.HALTED, "halted", "resume"),
    Switch.PAUSE: (Reason.PAUSED, "paused", "resume"),
}
_CONTRACT_POLICIES = ("follow_gateway", "reject", "require_match")  # from the loosest to the tightest


@dataclass(frozen=True, slots=True)
class Asked:
    """An opening message at its place. only_reduces: a gap lets the bot do no more than that."""

    state: State
    alert: Alert
    bot: BotConfig
    now_at: Situation
    ctx: Context
    only_reduces: bool = False

    @property
    def memory(self) -> BotState:
        return self.state.bot(self.bot.name)


def gated(wanted: Wanted, asked: Asked) -> Meaning:
    """``wanted`` as it is, with what a person should know; or less than it; or why not."""
    intent = wanted.intent
    if not isinstance(intent, Enter | Reverse):
        return wanted
    enter = intent if isinstance(intent, Enter) else intent.enter
    problem = next(_problems(asked, enter.side), None)
    if problem is None:
        return Wanted(intent, (*wanted.warnings, *_contract_note(asked)))
    if isinstance(intent, Reverse) and not intent.replaces:  # what cannot be replaced stays
        text = f"closing only, the entry on the other side is refused: {problem.reason}: {problem.text}"
        return Wanted(Exit(), (text,))
    return problem


def _problems(asked: Asked, side: Side) -> Iterator[Refusal | Nothing]:
    """Every one that stands in the way, the weightiest first."""
    for problem in (
        _stopped(asked),
        _gap(asked),
        _closed_window(asked),
        _contract_mismatch(asked),
        _repeated(asked, side),
        _cooling(asked, side),
        _too_many(asked),
        _far_price(asked),
    ):
        if problem is not None:
            yield problem


def _stopped(asked: Asked) -> Refusal | None:
    found = asked.memory.stopped_by
    if found is None:
        return None
    switch, stop = found
    reason, word, command = _STOPPED[switch]
    text = f"bot {asked.bot.name} is {word} since {stop.ts:%Y-%m-%d %H:%M:%S} UTC by {stop.by} ({stop.why})"
    return Refusal(reason, f"{text}; its exits run. The console's {command} {asked.bot.name} lets it enter again")


def _gap(asked: Asked) -> Refusal | None:
    if not asked.only_reduces:
        return None
    text = "a message before it was lost, and the bot only reduces until its sender is flat (on_gap)"
    return Refusal(Reason.GAP, text)


# -- when ---------------------------------------------------------------------------------------------------------------


def _closed_window(asked: Asked) -> Refusal | None:
    """Asked when it is decided: what was held until the window closed is late."""
    closed = why_closed(asked.bot.windows, asked.ctx.now)
    return None if closed is None else Refusal(Reason.OUTSIDE_WINDOW, f"{closed}. Exits run at any time")


def _repeated(asked: Asked, side: Side) -> Nothing | None:
    """A repeat of an entry, also one that the bot or a fixed ``policy.same`` would add or replace by. A target with a size is
    none, it says how much there shall be; nor is the action ``add``, which nobody sends by mistake for an entry."""
    if asked.alert.action is Action.ADD:
        return None
    held, wait = asked.now_at.held * side.sign, timedelta(seconds=asked.bot.debounce_s)
    position = asked.alert.position
    is_target = goal_of(asked.alert) is not None and position is not None and position.size is not None
    last = asked.memory.last_entry(asked.now_at.symbol.root, _side(side))
    if held <= 0 or is_target or last is None or asked.ctx.now - last >= wait:
        return None
    ago = (asked.ctx.now - last).total_seconds()
    text = f"a repeat: the bot entered {_side(side)} {ago:.1f} s ago and holds {asked.now_at.held:+d}"
    return Nothing(Reason.DEBOUNCED, f"{text} (debounce_s {asked.bot.debounce_s:g})")


def _cooling(asked: Asked, side: Side) -> Refusal | None:
    """From the end of a position until the next entry of that symbol, whatever ended it: its stop or a person, too. A reversal
    is an exit and an entry at once."""
    wait, held = timedelta(seconds=asked.bot.cooldown_s), asked.now_at.held * side.sign
    if not wait or held > 0:
        return None
    ended_at = asked.ctx.now if held < 0 else _last_exit(asked)
    if ended_at is None or asked.ctx.now - ended_at >= wait:
        return None
    left = (ended_at + wait - asked.ctx.now).total_seconds()
    text = f"a position in {asked.now_at.symbol.root} ended {asked.bot.cooldown_s - left:.0f} s ago"
    return Refusal(Reason.COOLDOWN, f"{text}; the bot waits {left:.0f} s more (cooldown_s {asked.bot.cooldown_s:g})")


def _last_exit(asked: Asked) -> datetime | None:
    """Of the bot's account, in any month of the symbol."""
    catalogue, symbol_id = asked.ctx.contracts, asked.now_at.contract.symbol_id
    ends = [
        last.ts
        for (account_id, contract_id), last in asked.state.last_exits.items()
        if account_id == asked.bot.account_id
        and contract_id in catalogue
        and catalogue[contract_id].symbol_id == symbol_id
    ]
    return max(ends, default=None)


def _too_many(asked: Asked) -> Refusal | None:
    most = asked.bot.entries_per_minute
    recent = [at for at in asked.memory.entries if at > asked.ctx.now - A_MINUTE]
    if most is None or len(recent) < most:
        return None
    text = f"{len(recent)} entries in the last minute, {most} may be (entries_per_minute)"
    return Refusal(Reason.TOO_MANY_ENTRIES, text)


# -- where --------------------------------------------------------------------------------------------------------------


def _far_price(asked: Asked) -> Refusal | None:
    """Prices of a back-adjusted chart or of another contract are off by the roll gap (TradingView reference 9.1)."""
    bound, contract = asked.bot.price_bound_pct, asked.now_at.contract
    prices = _prices(asked.alert)
    if bound is None or not prices:
        return None
    live = _live(fresh_quote(asked.ctx, contract.contract_id))
    if live is None:
        text = f"its prices cannot be checked: there is no quote of {contract.name} younger than 2 s (price_bound_pct)"
        return Refusal(Reason.NO_QUOTE, text)
    for name, price in prices:
        off = abs(price - live) * 100 / live
        if off > bound:
            text = f"{name} {price:f} is {off:.2f} per cent off the live price {live:f} of {contract.name}"
            return Refusal(Reason.PRICE_BOUND, f"{text}; {bound:f} may be (price_bound_pct). Is the chart adjusted?")
    return None


def _prices(alert: Alert) -> list[tuple[str, Decimal]]:
    found = [("price", alert.price), ("order.price", alert.order.price), ("order.stop_price", alert.order.stop_price)]
    if alert.stop is not None and alert.stop.distance.unit is Unit.PRICE:
        found.append(("stop", alert.stop.distance.value))
    for number, target in enumerate(alert.targets):
        if target.distance.unit is Unit.PRICE:
            found.append((f"targets[{number}]", target.distance.value))
    return [(name, price) for name, price in found if price is not None and price.is_finite()]


def _live(quote: Quote | None) -> Decimal | None:
    if quote is None:
        return None
    return next((price for price in (quote.last, quote.bid, quote.ask) if price), None)


# -- which month --------------------------------------------------------------------------------------------------------


def _contract_policy(asked: Asked) -> str:
    said = asked.alert.policy.contract
    return max(said or _CONTRACT_POLICIES[0], asked.bot.contract_policy, key=_CONTRACT_POLICIES.index)


def _contract_mismatch(asked: Asked) -> Refusal | None:
    policy, named = _contract_policy(asked), asked.alert.contract
    if policy == "follow_gateway":
        return None
    if named is None:
        text = "contract is missing, and the bot requires that it matches (contract_policy require_match)"
        return Refusal(Reason.CONTRACT_MISMATCH, text) if policy == "require_match" else None
    other = _other_month(named, asked.now_at.contract)
    return None if other is None else Refusal(Reason.CONTRACT_MISMATCH, f"{other}; policy contract: {policy}")


def _contract_note(asked: Asked) -> tuple[str, ...]:
    """Roll week: the chart went to the next month, the gateway did not yet, or the other way round."""
    other = None if asked.alert.contract is None else _other_month(asked.alert.contract, asked.now_at.contract)
    return () if other is None else (other,)


def _other_month(named: str, traded: Contract) -> str | None:
    """In words, when the chart is on another contract than the one that is traded, also where that is no other month."""
    try:
        chart, _ = parse_symbol(named), expiry_of_contract(traded.contract_id)
    except UnknownSymbol as problem:
        return f"the chart's contract cannot be compared: {problem}"
    if ROOTS[chart.root].symbol_id != traded.symbol_id:
        return f"TradingView chart is on {named}, Gateway trades {traded.name}"
    return roll_notice(named, traded)


def _side(side: Side) -> PositionSide:
    return PositionSide.LONG if side is Side.BUY else PositionSide.SHORT
