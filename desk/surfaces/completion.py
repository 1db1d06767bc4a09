"""What the tab key offers, from the command table and from what the desk knows now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from desk.alerts import TEMPLATE_KINDS
from desk.core.errors import UnknownSymbol
from desk.core.records import VerdictKind
from desk.core.sessions import group_of
from desk.core.symbols import root_of_contract
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import Command
from desk.surfaces.commands import COMMANDS
from desk.surfaces.history_terms import STITCHES
from desk.surfaces.spans import SPAN_WORDS

__all__ = ["complete"]

_DAYS = ("today", "yesterday", "7d")
TIMEFRAMES = ("30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d")
_NEWEST_ALERTS = 20


def complete(desk: Desk, typed: str) -> list[str]:
    """Words that may stand where ``typed`` ends, upper or lower case being the same."""
    words = typed.split()
    last = words.pop() if words and not typed.endswith(" ") else ""
    if not words:
        offered = list(COMMANDS)
    else:
        command = COMMANDS.get(words[0].lower())
        offered = _arguments(desk, command, words[1:], last) if command is not None else []
    return [word for word in offered if word.lower().startswith(last.lower())]


def _arguments(desk: Desk, command: Command, before: Sequence[str], last: str) -> list[str]:
    """What fits by its place, and options where the word could be one. Options do not count as places."""
    name, sign, _ = last.partition("=")
    if sign:
        values = _VALUES.get(name.lower())
        return [f"{name}={text}" for text in values(desk)] if values is not None else []
    taken = {word.partition("=")[0].lower() for word in before if "=" in word}
    position = sum(1 for word in before if "=" not in word)
    kind = command.words[position] if position < len(command.words) else ""
    offered = _OFFERS[kind](desk) if kind else []
    options = [option if option.startswith("--") else f"{option}=" for option in command.options]
    return offered or [option for option in options if option.rstrip("=") not in taken]


def _symbols(desk: Desk) -> list[str]:
    """Roots of what the gateway lists as active."""
    roots = set()
    for contract in desk.catalogue.values():
        try:
            roots.add(root_of_contract(contract.symbol_id))
        except UnknownSymbol:
            continue  # listed, but nothing that can be typed here
    return sorted(roots)


def _groups(desk: Desk) -> list[str]:
    """Of what the gateway lists."""
    return sorted({group_of(root) for root in _symbols(desk)})


def _alert_ids(desk: Desk) -> list[str]:
    """The newest first; their ids sort by time."""
    return sorted({str(seen.alert_id) for seen in desk.state.seen.values()}, reverse=True)[:_NEWEST_ALERTS]


def _accounts(desk: Desk) -> list[str]:
    return sorted(known.account.name for known in desk.state.accounts.values())


def _order_ids(desk: Desk) -> list[str]:
    """What still works, the newest first."""
    orders = reversed(view.view_orders(desk))
    return [str(order.gateway_order_id) for order in orders if order.gateway_order_id is not None]


def _held(desk: Desk) -> list[str]:
    """Symbols that are held."""
    return sorted({position.symbol for position in view.view_positions(desk)})


def _bots(desk: Desk) -> list[str]:
    return [door.name for door in desk.bots]


_VALUES: Mapping[str, Callable[[Desk], list[str]]] = {
    "account": _accounts,
    "bot": _bots,
    "verdict": lambda _: list(VerdictKind),
    "stitch": lambda _: list(STITCHES),
}
_OFFERS: Mapping[str, Callable[[Desk], list[str]]] = {
    "symbol": _symbols,
    "position": _held,
    "side": lambda _: ["buy", "sell"],
    "order": _order_ids,
    "account": _accounts,
    "scope": lambda desk: [*_symbols(desk), *_accounts(desk), "all"],
    "timeframe": lambda _: list(TIMEFRAMES),
    "bars": lambda _: [*_DAYS, "raw", "csv", "parquet", "stitch="],
    "chart": lambda _: [*_DAYS, "html", "ascii"],
    "group": _groups,
    "alert": _alert_ids,
    "bot": _bots,
    "template": lambda _: list(TEMPLATE_KINDS),
    "span": lambda _: [*SPAN_WORDS, "csv"],
    "archive": lambda _: ["import", "export"],
    "command": lambda _: list(COMMANDS),
}
