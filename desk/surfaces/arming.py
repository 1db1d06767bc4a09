"""``arm``, ``disarm``, ``pause`` and ``resume``: whether a bot may enter. Its exits always run.

Stopping is done at once; what lets a bot enter again asks first and says what it was stopped for.
"""

from __future__ import annotations

from collections.abc import Sequence

from desk.core.errors import StoreError, Unavailable
from desk.core.events import BotCommanded
from desk.core.records import VerdictKind
from desk.core.switches import Switch
from desk.runtime.desk import Desk
from desk.surfaces.arguments import YES
from desk.surfaces.calls import BadCall, Caller, CommandResult, Handler
from desk.surfaces.giving import ask_person
from desk.surfaces.sheet import Line

__all__ = ["STARTING", "switch_command"]

MOST_CLOCK_OFFSET_S = 2.0  # the gateway tells its time in whole seconds
STARTING = frozenset({Switch.ARM, Switch.RESUME})
_ENDS = {Switch.ARM: ("disarmed", "halted", "paused"), Switch.RESUME: ("halted", "paused")}


def switch_command(switch: Switch) -> Handler:
    """The handler of one of the four commands."""

    async def handle(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
        words = [arg for arg in args if arg.lower() not in YES]
        name = _bot_name(desk, switch, words)
        if switch is Switch.ARM:
            _check_clock(desk)
        if switch in STARTING:
            question = f"{switch.capitalize()} bot {name}: {_stops(desk, switch, name)}. Its messages may enter then."
            answer = await ask_person(caller, question, has_yes=len(words) < len(args))
            if answer is not None:
                return answer
        return await _ask(desk, switch, name, caller)

    return handle


def _bot_name(desk: Desk, switch: Switch, words: Sequence[str]) -> str:
    """As it is configured, whatever its case. Without a name only where there is one bot."""
    names = [door.name for door in desk.bots]
    known = ", ".join(names) or "none"
    if not words and len(names) == 1:
        return names[0]
    if len(words) != 1:
        raise BadCall(f"{switch}: which bot? Write {switch} BOT; there are: {known}")
    found = [name for name in names if name.lower() == words[0].lower()]
    if not found:
        raise BadCall(f"There is no bot {words[0][:40]!a}. There are: {known}")
    return found[0]


def _check_clock(desk: Desk) -> None:
    """Alerts are aged by our clock: with a wrong one late entries pass, or every entry is refused (TradingView reference 7)."""
    offset_s = desk.clock_offset()
    if offset_s is not None and abs(offset_s) >= MOST_CLOCK_OFFSET_S:
        where = "behind" if offset_s > 0 else "ahead of"
        raise BadCall(
            f"This computer's clock is {abs(offset_s):,.1f} s {where} the gateway's: set it, then arm. status shows both."
        )


def _stops(desk: Desk, switch: Switch, name: str) -> str:
    memory = desk.state.bot(name)
    found = [(word, getattr(memory, word)) for word in _ENDS[switch]]
    texts = [f"only reducing in {symbol} since a message was lost" for symbol in memory.only_reduces]
    texts += [f"{word} since {stop.ts:%Y-%m-%d %H:%M:%S} UTC by {stop.by} ({stop.why})" for word, stop in found if stop]
    return ", ".join(texts) or "nothing stops it"


async def _ask(desk: Desk, switch: Switch, name: str, caller: Caller) -> CommandResult:
    event = BotCommanded(cause=desk.new_cause(), bot=name, switch=switch, by=caller.by, ts=desk.clock.now())
    try:
        verdict = await desk.ask(event)
    except StoreError as error:
        return CommandResult.failed(f"Nothing was done, the journal could not be written: {error}. Try again.")
    except Unavailable as error:
        return CommandResult.failed(f"Nothing was done: {error}")
    data = {
        "command_id": event.cause,
        "bot": name,
        "verdict": verdict.kind.value,
        "reason": verdict.reason or None,
        "text": verdict.text,
    }
    is_done = verdict.kind in {VerdictKind.ACCEPTED, VerdictKind.IGNORED}
    colour = "green" if verdict.kind is VerdictKind.ACCEPTED else "yellow"
    return CommandResult(is_done, data, (Line(f"{verdict.kind.value}: {verdict.text}", colour),))
