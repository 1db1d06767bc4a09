"""What the tab key offers, from the command table and from what the desk knows now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from desk.core.errors import UnknownSymbol
from desk.core.symbols import root_of_contract
from desk.runtime.desk import Desk
from desk.surfaces.commands import COMMANDS
from desk.surfaces.spans import SPAN_WORDS

__all__ = ["complete"]

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
        position = len(words) - 1
        kinds = command.words if command is not None else ()
        offered = _OFFERS[kinds[position]](desk) if position < len(kinds) else []
    return [word for word in offered if word.lower().startswith(last.lower())]


def _symbols(desk: Desk) -> list[str]:
    """Roots of what the gateway lists as active."""
    roots = set()
    for contract in desk.catalogue.values():
        try:
            roots.add(root_of_contract(contract.symbol_id))
        except UnknownSymbol:
            continue  # listed, but nothing that can be typed here
    return sorted(roots)


def _alert_ids(desk: Desk) -> list[str]:
    """The newest first; their ids sort by time."""
    return sorted({str(seen.alert_id) for seen in desk.state.seen.values()}, reverse=True)[:_NEWEST_ALERTS]


_OFFERS: Mapping[str, Callable[[Desk], list[str]]] = {
    "symbol": _symbols,
    "timeframe": lambda _: list(TIMEFRAMES),
    "alert": _alert_ids,
    "span": lambda _: [*SPAN_WORDS, "csv"],
    "command": lambda _: list(COMMANDS),
}
