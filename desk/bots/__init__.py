"""Level 2: a bot, a named receiver. What its alerts mean for its account, its symbols, its sizes.

``config`` (what a bot may do), ``setup`` (the same as its owner wrote it down), ``interpret`` (canonical alert → intent or a
refusal, pure), ``entry`` with ``order``, ``sizes``, ``terms``, ``windows`` and ``distances`` (how it enters), ``steps`` (the
sender's own position before and after), ``parts`` (how it gets out), ``moves`` (what it changes in between), ``words``. Must not
live here: orders' identities, the gateway, the decision whether an order may leave (``risk``). Start with ``interpret.py``.
"""

from desk.bots.config import BotConfig
from desk.bots.interpret import goal_of, interpret, may_open, wants_exit
from desk.bots.setup import DEFAULT_BOT, BotSetup
from desk.bots.words import Meaning, Nothing, Refusal, Situation, Wanted

__all__ = [
    "DEFAULT_BOT",
    "BotConfig",
    "BotSetup",
    "Meaning",
    "Nothing",
    "Refusal",
    "Situation",
    "Wanted",
    "goal_of",
    "interpret",
    "may_open",
    "wants_exit",
]
