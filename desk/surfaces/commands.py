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
from desk.core.switches import Switch
from desk.runtime.desk import Desk
from desk.surfaces import (
    alert_table,
    bots_view,
    cache_view,
    chart_command,
    contracts_view,
    depth_view,
    flatten,
    history_command,
    house,
    market,
    monitor,
    order_commands,
    story,
    subscriptions_view,
    trades,
    trading,
    watch,
)
from desk.surfaces.archive_command import archive
from desk.surfaces.arming import STARTING, switch_command
from desk.surfaces.calls import BadCall, Caller, Command, CommandResult, Handler
from desk.surfaces.entry_commands import ticket
from desk.surfaces.entry_terms import ENTRY_OPTIONS
from desk.surfaces.explain_command import explain
from desk.surfaces.former_names import FORMER_NAMES
from desk.surfaces.manual import MANUAL, USAGE
from desk.surfaces.position_commands import POSITION_OPTIONS, position_command
from desk.surfaces.reload import reload_bots
from desk.surfaces.sheet import Line, Page, Sheet
from desk.surfaces.template_command import template
from desk.surfaces.ticket import BREAKEVEN_FLAG

__all__ = ["COMMANDS", "Caller", "Command", "CommandResult", "run_command", "suggestion"]

log = structlog.get_logger()


async def _help(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del desk
    if args:
        command = _find(args[0])
        asks = "  Asks y/N in the console; over HTTP it acts at once."
        mark = (asks,) if command.does_change_exposure else ()
        page: Page = tuple(Line(text) for text in (command.usage, f"  {command.help}", *command.more, *mark))
        return CommandResult(True, [_as_data(command)], page)
    room = caller.size()[0] - 2 - max(len(command.help) for command in COMMANDS.values())
    rows = [(_short(command, max(room, _SHORT)), command.help) for command in COMMANDS.values()]
    hints = (
        Line("help trade shows the forms, options and examples of trade.", "dim"),
        Line("Upper or lower case is the same. Symbols: MNQ, MNQZ6, CME_MINI:MNQ1!.", "dim"),
    )
    data = [_as_data(command) for command in COMMANDS.values()]
    return CommandResult(True, data, (Sheet.of("command,what it does", rows), *hints))


def _short(command: Command, room: int) -> str:
    """Its usage where that leaves room for what it does."""
    return command.usage if len(command.usage) <= room else f"{command.name} ..."


_SHORT = 30
_MOST_WORDS = 16  # of a ticket with every option; the handler counts what stands by its place
_KINDS = {"SYMBOL": "symbol", "POSITION|SYMBOL": "position", "buy|sell": "side", "ORDER_ID": "order"}


def _trading(name: str, text: str, handler: Handler, options: tuple[str, ...] = ()) -> Command:
    """A row of a command that changes what is held or may be held."""
    arguments = USAGE[name].partition(" ")[2]
    words = tuple(_KINDS.get(word.strip("[]"), "") for word in arguments.split())
    return Command(
        name, arguments, text, handler, words,
        does_change_exposure=True, most=_MOST_WORDS, options=options, more=MANUAL[name],
    )  # fmt: skip


def _ticket(name: str, text: str) -> Command:
    options = (*ENTRY_OPTIONS, BREAKEVEN_FLAG) if name == "stop_bracket" else ENTRY_OPTIONS
    return _trading(name, text, ticket(name, USAGE[name]), options)


def _on_position(name: str, text: str) -> Command:
    return _trading(name, text, position_command(name, USAGE[name]), POSITION_OPTIONS)


def _switch(switch: Switch, text: str) -> Command:
    starts = switch in STARTING
    return Command(
        switch.value, "[BOT]", text, switch_command(switch), ("bot",),
        does_change_exposure=starts, most=2, more=MANUAL[switch.value],
    )  # fmt: skip


_ROWS = (
    Command("accounts", "", "accounts with balance, and whether state and gateway agree", trading.accounts),
    Command(
        "switch_account", "[NAME|ID|NUMBER]", "the account of this console's commands", trading.switch_account,
        ("account",), most=1, more=MANUAL["switch_account"],
    ),
    Command(
        "contracts", "[text]", "what can be traded, by group: tick, what it is worth, month, roll",
        contracts_view.contracts, ("group",), most=4, more=MANUAL["contracts"],
    ),
    Command("quote", "SYMBOL", "bid, ask and last, how old they are and who said them", market.quote, ("symbol",), most=1),
    Command(
        "depth", "SYMBOL [n]", "the best levels of both sides, a hint", depth_view.depth, ("symbol",), most=2,
        more=MANUAL["depth"],
    ),
    Command(
        "watch", "SYMBOL... [timeframe]", "prices and bars in progress, until a key is pressed", watch.watch,
        ("symbol",) * 8, most=_MOST_WORDS, more=MANUAL["watch"],
    ),
    Command(
        "history", "SYMBOL [timeframe] [n | from [to]] [raw] [csv|parquet]", "bars, the newest 20 of 5m if nothing is said",
        history_command.history, ("symbol", "timeframe", *("bars",) * 4), most=_MOST_WORDS, options=("stitch",),
        more=MANUAL["history"],
    ),
    Command(
        "chart", "SYMBOL [timeframe] [n | from [to]] [html]", "candles here, or as a file for the browser",
        chart_command.chart, ("symbol", "timeframe", *("chart",) * 3), most=_MOST_WORDS, more=MANUAL["chart"],
    ),
    Command(
        "subscriptions", "", "what is wanted of the market hub, confirmed or not, how old its data is",
        subscriptions_view.subscriptions,
    ),
    Command(
        "cache", "[text]", "which bars are stored, hits by tier, sizes, the warm-up", cache_view.cache, most=4,
        more=MANUAL["cache"],
    ),
    Command(
        "archive", "[import FILE|export SYMBOL]", "the bars that are stored; bars out of files, and into files", archive,
        ("archive",), most=1, more=MANUAL["archive"], takes_text=True,
    ),
    Command("positions", "", "open positions with their protective legs, and the last exits", trading.positions),
    Command("orders", "", "working orders, ours and others', and what waits for its price", trading.orders),
    Command(
        "trades", "[from] [to] [csv]", "round trips with costs and statistics, today if nothing is said", trades.trades,
        ("span", "span", "span"), most=5,
    ),
    Command("plans", "", "what takes several steps and is under way", monitor.plans),
    Command(
        "monitor", "", "reads the gateway, compares positions with their stops; changes nothing", monitor.monitor,
        more=MANUAL["monitor"],
    ),
    _ticket("trade", "at market; against a position it only closes"),
    _ticket("limit", "an entry that rests at its price"),
    _ticket("stop", "an entry once the market goes through its price"),
    _ticket("stop_buy", "the same, buying"),
    _ticket("stop_sell", "the same, selling"),
    _ticket("stop_limit", "a limit entry once the market trades at STOP (emulated)"),
    _ticket("touch", "at market once the market trades at PRICE (emulated)"),
    _ticket("join", "an entry at the best bid or ask"),
    _ticket("trail", "trails the stops of a position, or enters by a trailing stop"),
    _ticket("bracket", "at market, stop and target in ticks"),
    _ticket("native_bracket", "at market, stop and target at exact prices"),
    _ticket("stop_bracket", "a stop entry, stop and target at exact prices"),
    _ticket("oco", "a buy stop and a sell stop: one fills, the other goes"),
    _ticket("reverse", "to verified flat, then the other way"),
    _on_position("close", "all of a position, or a part"),
    _on_position("modify_stop", "the stop of a position, towards less risk"),
    _on_position("modify_tp", "the target of a position"),
    _on_position("breakeven", "the stop to the average price"),
    _on_position("trail_off", "no more trailing"),
    _trading("cancel", "one working order", order_commands.cancel),
    _trading("cancel_all", "the resting entries; protective orders stay", order_commands.cancel_all, ("account",)),
    _trading("modify", "quantity or price of one working order", order_commands.modify),
    Command(
        "flatten", "[SYMBOL|ACCOUNT|all] [yes]", "close all or a part of it, and prove that it is flat",
        flatten.flatten, ("scope",), does_change_exposure=True, most=4, options=("account",), more=MANUAL["flatten"],
    ),
    _switch(Switch.PAUSE, "a bot's entries are denied, its exits run"),
    _switch(Switch.RESUME, "ends a pause, and what a lost message halted"),
    _switch(Switch.DISARM, "as pause, and only arm ends it"),
    _switch(Switch.ARM, "a bot may enter again, whatever stopped it"),
    Command(
        "alerts", "[n] [bot=NAME] [verdict=WORD]", "the newest alerts, what became of them, how late", alert_table.alerts,
        most=3, options=("bot", "verdict"),
    ),
    Command("why", "ID", "the whole story of an alert, a command, an order or a plan", story.why, ("alert",), most=1),
    Command("status", "", "mode, start, connections, what is wrong and what that means", house.status),
    Command("bot", "", "the webhook's URL, a message template and a curl line to try it", house.bot),
    Command(
        "explain", "[BOT] [TEXT|FILE]", "what an alert would do, and every rule's answer; sends nothing", explain,
        ("bot",), most=1, more=MANUAL["explain"], takes_text=True,
    ),
    Command(
        "template", "[BOT] [strategy|indicator|exit|heartbeat]", "a message and the URL to paste into TradingView", template,
        ("bot", "template"), most=2, more=MANUAL["template"],
    ),
    Command("bots", "", "each bot: what it may do, and how its alerts came in lately", bots_view.bots),
    Command(
        "reload", "[yes]", "reads the bots of .env and desk.toml again, shows what changes, takes it over", reload_bots,
        does_change_exposure=True, most=1, more=MANUAL["reload"],
    ),
    Command("help", "[command]", "this list, or the forms and examples of a command", _help, ("command",), most=1),
    Command(
        "quit", "[yes]", "stop the daemon; protective stops stay at the venue", house.leave, most=1, more=MANUAL["quit"],
    ),
)  # fmt: skip
COMMANDS = {command.name: command for command in _ROWS}
_ALIKE = 0.7  # less alike, and cancel is offered for compliance
_MOST_MEANT = 3
_OTHER_NAMES = {"exit": "quit", "q": "quit", "?": "help"}


def suggestion(name: str) -> str:
    """The nearest command, as a sentence; or where the list is."""
    if name in FORMER_NAMES:
        return FORMER_NAMES[name]
    near = [command for command in COMMANDS if len(name) > 1 and command.startswith(name)]
    near = near[:_MOST_MEANT] or get_close_matches(name, COMMANDS, n=1, cutoff=_ALIKE)
    return f"Did you mean {' or '.join(near)}?" if near else "help lists the commands."


async def run_command(desk: Desk, line: str, caller: Caller) -> CommandResult:
    """One line as typed. Never raises a DeskError: what went wrong is in the answer, with the next step."""
    words = line.split()
    if not words:
        return CommandResult(True, None, ())
    began = time.perf_counter()
    try:
        command = _find(words[0])
        if command.takes_text:
            words = line.split(maxsplit=1)
        elif len(lines := [text for text in line.splitlines() if text.strip()]) > 1:
            raise BadCall(f"{len(lines)} lines came at once, and nothing was done: write one command at a time")
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
