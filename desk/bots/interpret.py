"""What an alert asks for, given what its bot holds. Pure: canonical alert in, intent out. ``docs/alerts.md`` is its table.

The position target wins over the action (TradingView reference 8 and 11), but a message that says exit or reduce never opens
anything: the live bracket may have closed the position before it came. What this version cannot honour is refused by name:
dropping a trailing stop or a second target silently would trade something else than the sender asked for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from desk.bots.config import BotConfig
from desk.bots.entry import enter_of
from desk.bots.moves import MOVES, move
from desk.bots.parts import exit_or_part, exit_whole, part_of
from desk.bots.sizes import whole
from desk.bots.terms import SEE_TABLE, account_problem, required_position
from desk.bots.words import CannotHave, Meaning, Nothing, Refusal, Situation, Wanted
from desk.core.alert import Action, Alert, AlertPosition, PositionSide
from desk.core.intents import Cancel, Exit, Reverse
from desk.core.words import Side
from desk.risk import Reason

__all__ = ["interpret", "may_open", "wants_exit"]

_ENTRIES = {Action.ENTER_LONG: Side.BUY, Action.ENTER_SHORT: Side.SELL}
_EXITS = {Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT}
_ONLY_OUT = {*_EXITS, Action.REDUCE}
_RAW = {Action.BUY: Side.BUY, Action.SELL: Side.SELL}
_SILENT = {Action.NOTE, Action.HEARTBEAT}
_LATER = {Action.PAUSE, Action.RESUME}
_TARGETED = {*_ENTRIES, *_EXITS, *_RAW, Action.SET_POSITION, Action.ADD, Action.REDUCE, Action.REVERSE}
_SIDES = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}


def wants_exit(alert: Alert) -> bool:
    """It asks for flat, whatever is held."""
    if alert.action in {Action.FLATTEN, Action.FLATTEN_ALL}:
        return True
    goal = _goal(alert)
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
    if alert.action in _LATER:
        return Refusal(Reason.NOT_SUPPORTED, f"action {alert.action}: not available; {SEE_TABLE}")
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


def _goal(alert: Alert) -> PositionSide | None:
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
        if alert.position is not None and _goal(alert) is not None:
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
        """The sender's position after the signal is the goal: idempotent, and a lost message does no harm."""
        alert = self.alert
        assert position.now is not None, "the caller checked that a target is there"
        if position.now is PositionSide.FLAT:
            return exit_or_part(alert, self.now_at)
        side = _SIDES[position.now]
        said = _ENTRIES.get(alert.action)
        if said is not None and said is not side:
            text = f"{alert.action} with a position that is {position.now} afterwards: which one is meant?"
            return Refusal(Reason.AMBIGUOUS_SIDE, text)
        held = self.now_at.held * side.sign
        only_out = alert.action in _ONLY_OUT or _RAW.get(alert.action) is side.opposite
        if only_out and held <= 0:
            return self._out_of_the_other_side(position.now)
        if alert.action is Action.ADD and held <= 0:
            return self._add(side)
        size = None if position.size is None else whole(position.size)
        if position.size is not None and (size is None or size < 1):
            return Refusal(Reason.BAD_SIZE, f"position.size {position.size}: whole contracts, at least 1")
        if only_out and held > 0:
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
        """A bare side is an entry only where the policy says that it turns a position round."""
        opposite = self.alert.policy.opposite
        if opposite == "reverse":
            return self._entry(side)
        if opposite == "close_only" and self.now_at.held * side.sign < 0:
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

    def _same(self, side: Side, goal: int | None = None, default: str = "ignore") -> Meaning:
        text = f"already {self.now_at.held:+d} {self.now_at.contract.name}, entries under way included"
        match self.alert.policy.same or default:
            case "reject":
                return Refusal(Reason.ALREADY_THERE, text, by_position=True)
            case "ignore":
                return Nothing(Reason.ALREADY_THERE, text)
            case "replace":
                return self._replace(side, goal)
            case _:
                return self._enter(side, goal=goal, held=0 if goal is None else abs(self.now_at.held))

    def _opposite(self, side: Side, goal: int | None, default: str | None) -> Meaning:
        held = self.now_at.held
        match self.alert.policy.opposite or default:
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

    def _replace(self, side: Side, goal: int | None) -> Meaning:
        """To verified flat, whatever is there, then the entry. One that cannot be had leaves everything as it is."""
        warnings: list[str] = []
        after_exit = replace(self.now_at, has_working_orders=False, has_entries=False)
        try:
            enter = enter_of(self.alert, self.bot, after_exit, side, self.received, warnings, goal=goal)
        except CannotHave as problem:
            return Refusal(problem.reason, problem.text, by_position=True)
        return Wanted(Reverse(enter=enter, replaces=True), tuple(warnings))

    def _enter(self, side: Side, goal: int | None = None, held: int = 0) -> Meaning:
        warnings: list[str] = []
        try:
            enter = enter_of(self.alert, self.bot, self.now_at, side, self.received, warnings, goal=goal, held=held)
        except CannotHave as problem:
            by_position = goal is not None or bool(self.alert.policy.cancel_working)
            return Refusal(problem.reason, problem.text, by_position)
        return Wanted(enter, tuple(warnings))
