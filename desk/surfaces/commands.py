"""The one table of commands, for the console and for ``POST /api/command``.

A handler gets ``(desk, args, caller)`` and returns a ``CommandResult``; what it refuses it raises as ``BadCall`` or
another ``DeskError``, and :func:`run_command` makes the answer of it. To add a command: a handler in the file of its
group, a row here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from difflib import get_close_matches

import structlog

from desk.core.errors import DeskError
from desk.runtime.desk import Desk
from desk.surfaces import flatten, house, market, story, trades, trading
from desk.surfaces.calls import BadCall, Caller, Command, CommandResult
from desk.surfaces.sheet import Line, Page, Sheet

__all__ = ["COMMANDS", "Caller", "Command", "CommandResult", "run_command", "suggestion"]

log = structlog.get_logger()


async def _help(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del desk, caller
    if args:
        command = _find(args[0])
        mark = ("Changes what you hold: asks y/N in the console.",) if command.does_change_exposure else ()
        page: Page = tuple(Line(text) for text in (command.usage, f"  {command.help}", *mark))
        return CommandResult(True, [_as_data(command)], page)
    rows = [(command.usage, command.help) for command in COMMANDS.values()]
    hint = Line(
        "Upper or lower case is the same. Symbols: MNQ, MNQZ6, CME_MINI:MNQ1!. Timeframes: 30s 5m 1h 1d.", "dim"
    )
    return CommandResult(
        True, [_as_data(command) for command in COMMANDS.values()], (Sheet.of("command,what it does", rows), hint)
    )


_ROWS = (
    Command("accounts", "", "accounts with balance, and whether state and gateway agree", trading.accounts),
    Command("contracts", "", "tradable contracts with tick size and value", market.contracts),
    Command("quote", "SYMBOL", "bid, ask and last with their age", market.quote, ("symbol",), most=1),
    Command(
        "history", "SYMBOL [timeframe] [n]", "the newest bars, 20 of 5m if nothing is said", market.history,
        ("symbol", "timeframe"), most=3,
    ),
    Command("positions", "", "open positions with their protective legs, and the last exits", trading.positions),
    Command("orders", "", "working orders, ours and others'", trading.orders),
    Command(
        "trades", "[from] [to] [csv]", "round trips with costs and statistics, today if nothing is said", trades.trades,
        ("span", "span", "span"), most=3,
    ),
    Command("alerts", "[n]", "the newest alerts and what became of them", story.alerts, most=1),
    Command("why", "ID", "the whole story of an alert, a command, an order or a plan", story.why, ("alert",), most=1),
    Command(
        "flatten", "[SYMBOL] [yes]", "close everything, or one symbol, and prove that it is flat", flatten.flatten,
        ("symbol",), does_change_exposure=True, most=2,
    ),
    Command("status", "", "mode, start, connections, what is wrong and what that means", house.status),
    Command("bot", "", "the webhook's URL, a message template and a curl line to try it", house.bot),
    Command("help", "[command]", "this list", _help, ("command",), most=1),
    Command("quit", "", "stop the daemon; protective stops stay at the venue", house.leave),
)  # fmt: skip
COMMANDS = {command.name: command for command in _ROWS}
_OTHER_NAMES = {"exit": "quit", "q": "quit", "?": "help"}


def suggestion(name: str) -> str:
    """The nearest command, as a sentence; or where the list is."""
    near = get_close_matches(name, COMMANDS, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else "help lists the commands."


async def run_command(desk: Desk, line: str, caller: Caller) -> CommandResult:
    """One line as typed. Never raises a DeskError: what went wrong is in the answer, with the next step."""
    words = line.split()
    if not words:
        return CommandResult(True, None, ())
    began = time.perf_counter()
    try:
        command = _find(words[0])
        if len(words) - 1 > command.most:
            raise BadCall(f"{command.name}: too many arguments. Write {command.usage}")
        result = await command.handler(desk, words[1:], caller)
    except DeskError as error:
        return CommandResult.failed(str(error))
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    log.debug("command.ran", command=command.name, by=caller.by, ok=result.ok, took_ms=took_ms)
    return result


def _find(name: str) -> Command:
    known = name.lower()
    command = COMMANDS.get(_OTHER_NAMES.get(known, known))
    if command is None:
        raise BadCall(f"There is no command {name[:40]!a}. {suggestion(known)}")
    return command


def _as_data(command: Command) -> dict[str, object]:
    return {
        "name": command.name,
        "arguments": command.arguments,
        "help": command.help,
        "does_change_exposure": command.does_change_exposure,
    }
