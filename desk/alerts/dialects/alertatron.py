"""Alertatron's scripts of commands (TradingView reference 10.6): recognised, and refused with what to send instead.

``account(SYMBOL) { command(args); ... }`` is a small language of orders that follow each other; carrying out some of its lines
would trade something else than its sender meant.
"""

from __future__ import annotations

import re
from typing import NoReturn

from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, shown

__all__ = ["read_alertatron"]

_COMMAND = re.compile(r"([A-Za-z_]\w{0,40})\s*\(")


def read_alertatron(text: str, terms: DialectTerms) -> NoReturn:
    """Raises Refusal."""
    del terms
    commands = dict.fromkeys(match[1] for match in _COMMAND.finditer(text.partition("{")[2][:4096]))
    names = f" ({', '.join(shown(name) for name in list(commands)[:5])})" if commands else ""
    raise Refusal(
        f"An Alertatron script is a series of commands{names}, which is not available. Send one message in the form of the bot's "
        'template ("v":1), with the stop and the targets of the entry inside it.'
    )
