"""What an alert asks for, given what its bot holds. Pure: canonical alert in, intent out. ``docs/alerts.md`` is its table.

The position target wins over the action (TradingView reference 8 and 11), but a message that says exit or reduce never opens
anything: the live bracket may have closed the position before it came. A bot in difference mode trades the sender's own step
instead (``steps``). What this version cannot honour is refused by name: dropping a trailing stop or a second target silently
would trade something else than the sender asked for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from desk.bots.config import BotConfig
from desk.bots.entry import enter_of
from desk.bots.moves import MOVES, move
from desk.bots.parts import exit_or_part, exit_whole, part_of
from desk.bots.sizes import goal_size, share_to_close
from desk.bots.steps import Step, step_of, tighter_opposite, tighter_same, with_contracts
from desk.bots.terms import SEE_TABLE, account_problem, required_position
from desk.bots.words import CannotHave, Meaning, Nothing, Refusal, Situation, Wanted
from desk.core.alert import Action, Alert, AlertPosition, PositionSide
from desk.core.intents import Cancel, Exit, Reverse
from desk.core.words import Side
from desk.risk import Reason

__all__ = ["goal_of", "interpret", "may_open", "wants_exit"]

_ENTRIES = {Action.ENTER_LONG: Side.BUY, Action.ENTER_SHORT: Side.SELL}
_EXITS = {Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT}
_ONLY_OUT = {*_EXITS, Action.REDUCE}
_RAW = {Action.BUY: Side.BUY, Action.SELL: Side.SELL}
_SILENT = {Action.NOTE, Action.HEARTBEAT}
_SWITCHES = {
    Action.PAUSE: "paused: its entries are denied from now on, its exits run",
    Action.RESUME: "resumed, where a message had paused it; what a person or a gap stopped, a person starts again",
}
_TARGETED = {*_ENTRIES, *_EXITS, *_RAW, Action.SET_POSITION, Action.ADD, Action.REDUCE, Action.REVERSE}
_SIDES = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}
_OPENS = {side: position for position, side in _SIDES.items()}
_NAMES = {side: position.value for position, side in _SIDES.items()}
FLAT_TWICE = "flat before and after: entry and exit inside one bar that came late, or a wrong template; nothing to do"


def wants_exit(alert: Alert) -> bool:
    """It asks for flat, whatever is held."""
    if alert.action in {Action.FLATTEN, Action.FLATTEN_ALL}:
        return True
    goal = goal_of(alert)
    if goal is not None:
        return goal is PositionSide.FLAT
    return alert.action in _EXITS and exit_whole(alert)


def may_open(alert: Alert) -> bool:
    """It may turn out to open a position."""
    return alert.action in _TARGETED - _ONLY_OUT and not wants_exit(alert)


def interpret(alert: Alert, bot: BotConfig, now_at: Situation | None, received: datetime) -> Meaning:
    """``now_at`` is None only for messages without a symbol. ``received``: when the alert came in."""
    if alert.action in _SILENT:
        if alert.is_text:
            text = "plain text, kept and not an order: nothing was done. A message that trades starts with {"
            return Nothing(Reason.NO_ORDER, text)
        return Nothing(Reason.NOTED, "noted; no order asked for")
    if alert.action in _SWITCHES:
        return Nothing(Reason.NOTED, f"bot {bot.name} {_SWITCHES[alert.action]}")
    elsewhere = account_problem(alert, bot)
    if elsewhere is not None:
        return elsewhere
    if alert.action is Action.FLATTEN_ALL:
        return Wanted(Exit(everything=True))
    if alert.action is Action.CANCEL and now_at is None:
        return Wanted(Cancel())
    if now_at is None:
        return Refusal(Reason.UNKNOWN_SYMBOL, "the message names no symbol")
    return _Reader(alert, bot, now_at, received).meaning()


def goal_of(alert: Alert) -> PositionSide | None:
    """The side of the position that a trading message says its sender has afterwards; None: it says none."""
    return alert.position.now if alert.position is not None and alert.action in _TARGETED else None


class _Reader:
    """One alert that is about a place."""

    def __init__(self, alert: Alert, bot: BotConfig, now_at: Situation, received: datetime) -> None:
        self.alert = alert
        self.bot = bot
        self.now_at = now_at
        self.received = received

    def meaning(self) -> Meaning:
        """What is required of the position binds every action, but an exit finds nothing before it finds it wrong."""
        alert, held = self.alert, self.now_at.held
        is_out = alert.action is Action.FLATTEN or wants_exit(alert) or alert.action in _ONLY_OUT
        refused = None if is_out and not self.now_at.position_qty else required_position(alert, self.now_at)
        if refused is not None:
            return refused
        if alert.action is Action.FLATTEN:
            return exit_or_part(alert, self.now_at)
        if alert.position is not None and goal_of(alert) is not None:
            return self._towards(alert.position)
        if alert.action in _ONLY_OUT:
            return exit_or_part(alert, self.now_at)
        if alert.action in _ENTRIES:
            return self._entry(_ENTRIES[alert.action])
        if alert.action in _RAW:
            return self._raw(_RAW[alert.action])
        if alert.action is Action.ADD:
            return self._add(Side.BUY if held > 0 else Side.SELL)
        if alert.action is Action.REVERSE:
            return self._reverse_what_is_held()
        if alert.action in MOVES:
            return move(alert, self.now_at)
        if alert.action is Action.CANCEL:
            return Wanted(Cancel())
        return Refusal(Reason.NOT_SUPPORTED, f"action {alert.action}: not available; {SEE_TABLE}")

    # --- towards a position ----------------------------------------------------------------------------------------

    def _towards(self, position: AlertPosition) -> Meaning:
        """The sender's position after the signal is the goal: idempotent, and a lost message does no harm.

        In difference mode the sender's step is made instead, where the message tells it. A step that its action contradicts
        is not: the goal then tells how far to go down, and nothing is opened.
        """
        alert = self.alert
        assert position.now is not None, "the caller checked that a target is there"
        step = step_of(position)
        if position.now is PositionSide.FLAT:
            if step is not None and not step.prev and (self.bot.mode == "difference" or not self.now_at.has_anything):
                return Nothing(Reason.NOTHING_TO_EXIT, FLAT_TWICE)
            return exit_or_part(alert, self.now_at)
        side = _SIDES[position.now]
        said = _ENTRIES.get(alert.action)
        if said is not None and said is not side:
            text = f"{alert.action} with a position that is {position.now} afterwards: which one is meant?"
            return Refusal(Reason.AMBIGUOUS_SIDE, text)
        held = self.now_at.held * side.sign
        only_out = alert.action in _ONLY_OUT or _RAW.get(alert.action) is side.opposite
        if alert.action is Action.ADD and held <= 0:
            return self._add(side)
        if self.bot.mode == "difference" and step is not None and (step.is_partial_exit or not only_out):
            return self._by_step(step, side, held)
        if only_out and held <= 0:
            return self._out_of_the_other_side(position.now)
        try:
            size = goal_size(position.size, position.prev_size, self.bot, max(held, 0))
        except CannotHave as problem:
            return Refusal(problem.reason, problem.text)
        if size == 0 and held > 0:
            text = f"{position.now} {position.size} is less than one contract here (sizing {self.bot.sizing.mode}): all goes"
            return Wanted(Exit(), (text,))
        if only_out:
            return self._down_to(position.now, size, held)
        if self._clears_first() and held != size:
            return self._replace(side, size)
        if held < 0:
            return self._opposite(side, size, "reverse")
        if size is not None and held > size:
            return part_of(self.now_at, held - size)
        if size is not None and held == size:
            return Nothing(Reason.ALREADY_THERE, f"already {position.now} {size}")
        if held > 0:
            adds = size is not None or alert.action is Action.ADD
            return self._same(side, goal=size, default="add" if adds else "ignore")
        return self._enter(side, goal=size)

    def _by_step(self, step: Step, side: Side, held: int) -> Meaning:
        """Difference mode, with something left afterwards: ``side``. ``held`` counts on that side."""
        if step.is_partial_exit:
            if held <= 0:
                text = f"{step}: nothing {_NAMES[side]} is held, nothing to reduce"
                return Nothing(Reason.NOTHING_TO_EXIT, text)
            return part_of(self.now_at, min(share_to_close(step.prev, step.now, self.bot, held), held))
        if not step.contracts:
            return Nothing(Reason.ALREADY_THERE, f"{step}: nothing changes")
        if self._clears_first():
            return self._replace(side, None, step.contracts)
        if held < 0:
            return self._opposite(side, self._own(step.contracts), "reverse")
        if held > 0 and tighter_same(self.alert.policy.same, self.bot.same) == "replace":
            return self._replace(side, self._own(abs(step.now)))
        if held > 0:
            return self._same(side, qty=step.contracts, default="add" if step.is_add else "ignore")
        return self._enter(side, qty=step.contracts)

    def _own(self, contracts: int) -> int | None:
        """The sender's contracts in the bot's own count; None: its sizing gives them."""
        return goal_size(Decimal(contracts), None, self.bot, 0)

    def _out_of_the_other_side(self, now: PositionSide) -> Meaning:
        """A message that leaves a position smaller, and that position is not there. It opens nothing."""
        held = self.now_at.held
        text = f"{self.alert.action} leaves {now}, and nothing {now} is held: nothing to reduce"
        if held == 0:
            return Nothing(Reason.NOTHING_TO_EXIT, text)
        return Wanted(Exit(), (f"the position is {held:+d} and goes; a message that only reduces opens nothing",))

    def _down_to(self, now: PositionSide, size: int | None, held: int) -> Meaning:
        if size is None:
            return exit_or_part(self.alert, self.now_at, needs_size=True)
        if held > size:
            return part_of(self.now_at, held - size)
        text = f"{self.alert.action} leaves {now} {size}, and {held} are held: nothing to reduce"
        return Nothing(Reason.ALREADY_THERE, text)

    # --- as the action says ----------------------------------------------------------------------------------------

    def _entry(self, side: Side) -> Meaning:
        held = self.now_at.held * side.sign
        if self._clears_first():
            return self._replace(side, None)
        if held > 0:
            return self._same(side)
        if held < 0:
            return self._opposite(side, None, None)
        return self._enter(side)

    def _raw(self, side: Side) -> Meaning:
        """A bare side is what the bot was told that it is; untold, an entry only where the message's policy says that it turns
        a position round. A sell that is an exit never becomes a short (TradingView reference 8)."""
        opposite = self.alert.policy.opposite
        is_against = self.now_at.held * side.sign < 0
        if self.bot.bare_side == "exit_opposite":
            if is_against:
                return Wanted(Exit())
            text = f"a bare {self.alert.action} only closes here, and nothing {_NAMES[side.opposite]} is held"
            return Nothing(Reason.NOTHING_TO_EXIT, text)
        if self.alert.position is not None:
            text = (
                f"position.now is empty, so nobody knows whether {self.alert.action} enters or exits. No order was made"
            )
            return Refusal(Reason.AMBIGUOUS_SIDE, text)
        if self.bot.bare_side == "entry" or opposite == "reverse":
            return self._entry(side)
        if opposite == "close_only" and is_against:
            return Wanted(Exit())
        text = (
            f"a bare {self.alert.action} may be an entry or an exit; send enter_long, enter_short, exit, the position "
            "fields, or policy.opposite reverse"
        )
        return Refusal(Reason.AMBIGUOUS_SIDE, text)

    def _add(self, side: Side) -> Meaning:
        held = self.now_at.held * side.sign
        if held <= 0:
            what = f"the position is {self.now_at.held:+d}" if held else "nothing is held"
            return Refusal(Reason.REQUIRED_POSITION, f"add: {what}, nothing to add to", by_position=True)
        if self.alert.policy.same == "replace":
            return Refusal(Reason.NOT_SUPPORTED, "add with policy same: replace: which one is meant?")
        return self._same(side, default="add")

    def _reverse_what_is_held(self) -> Meaning:
        held = self.now_at.held
        if held == 0:
            return Nothing(Reason.NOTHING_TO_EXIT, f"no position in {self.now_at.contract.name} to reverse")
        return self._opposite(Side.SELL if held > 0 else Side.BUY, None, "reverse")

    # --- what a position means for an entry ------------------------------------------------------------------------

    def _same(self, side: Side, goal: int | None = None, default: str = "ignore", qty: int | None = None) -> Meaning:
        text = f"already {self.now_at.held:+d} {self.now_at.contract.name}, entries under way included"
        match tighter_same(self.alert.policy.same, self.bot.same) or default:
            case "reject":
                return Refusal(Reason.ALREADY_THERE, text, by_position=True)
            case "ignore":
                return Nothing(Reason.ALREADY_THERE, text)
            case "replace":
                return self._replace(side, goal)
            case _:
                return self._enter(side, goal=goal, held=0 if goal is None else abs(self.now_at.held), qty=qty)

    def _opposite(self, side: Side, goal: int | None, default: str | None) -> Meaning:
        held = self.now_at.held
        match tighter_opposite(self.alert.policy.opposite, self.bot.opposite) or default:
            case "reverse":
                return self._reverse(side, goal)
            case "ignore":
                return Nothing(Reason.OPPOSITE_POSITION, f"position is {held:+d}; the policy ignores the other side")
            case "close_only":
                return Wanted(Exit())
            case _:
                text = f"position is {held:+d}; exit first, or say in policy.opposite what to do: reverse, close_only, ignore"
                return Refusal(Reason.OPPOSITE_POSITION, text, by_position=True)

    def _reverse(self, side: Side, goal: int | None) -> Meaning:
        """An entry that cannot be had does not keep the old side: the message surely wants that one gone."""
        warnings: list[str] = []
        after_exit = replace(self.now_at, has_working_orders=False, has_entries=False)
        not_allowed = self._side_problem(side)
        if not_allowed is not None:
            return Wanted(Exit(), (f"closing only: {not_allowed}",))
        try:
            enter = enter_of(self.alert, self.bot, after_exit, side, self.received, warnings, goal=goal)
        except CannotHave as problem:
            text = f"closing only, the entry on the other side is refused: {problem.reason}: {problem.text}"
            return Wanted(Exit(), (text,))
        return Wanted(Reverse(enter=enter), tuple(warnings))

    def _clears_first(self) -> bool:
        """The message cancels what works at its place, and nothing is held there: all that works may go."""
        is_busy = self.now_at.has_working_orders or self.now_at.has_entries or self.now_at.entering_qty != 0
        return bool(self.alert.policy.cancel_working) and is_busy and self.now_at.position_qty == 0

    def _replace(self, side: Side, goal: int | None, qty: int | None = None) -> Meaning:
        """To verified flat, whatever is there, then the entry. One that cannot be had leaves everything as it is."""
        not_allowed = self._side_problem(side)
        if not_allowed is not None:
            return Refusal(Reason.SIDE_NOT_ALLOWED, not_allowed)
        warnings: list[str] = []
        after_exit = replace(self.now_at, has_working_orders=False, has_entries=False)
        alert = self.alert if qty is None else with_contracts(self.alert, qty)
        try:
            enter = enter_of(alert, self.bot, after_exit, side, self.received, warnings, goal=goal)
        except CannotHave as problem:
            return Refusal(problem.reason, problem.text, by_position=True)
        return Wanted(Reverse(enter=enter, replaces=True), tuple(warnings))

    def _enter(self, side: Side, goal: int | None = None, held: int = 0, qty: int | None = None) -> Meaning:
        """goal: of the position, of which ``held`` is there. qty: contracts of the entry itself, by the sender's step."""
        not_allowed = self._side_problem(side)
        if not_allowed is not None:
            return Refusal(Reason.SIDE_NOT_ALLOWED, not_allowed)
        warnings: list[str] = []
        alert = self.alert if qty is None else with_contracts(self.alert, qty)
        try:
            enter = enter_of(alert, self.bot, self.now_at, side, self.received, warnings, goal=goal, held=held)
        except CannotHave as problem:
            by_position = goal is not None or qty is not None or bool(self.alert.policy.cancel_working)
            return Refusal(problem.reason, problem.text, by_position)
        return Wanted(enter, tuple(warnings))

    def _side_problem(self, side: Side) -> str | None:
        """Exits know no side: only what opens is asked."""
        if _OPENS[side] in self.bot.sides:
            return None
        return f"bot {self.bot.name} may not open {_NAMES[side]} positions (sides: {', '.join(sorted(self.bot.sides))})"
