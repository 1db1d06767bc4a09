"""What a bot's owner said about the messages that its senders write. Part of the bot's configuration; nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["DISCORD_DEFAULTS", "NO_TERMS", "DialectTerms", "DiscordTerms"]


@dataclass(frozen=True, slots=True)
class DiscordTerms:
    """How the words of the Discord-embed form are carried out (the names are those of ``.env``).

    uses_stop_entry: an entry is a stop order at the alert's entry price, else a market order (USE_STOP_ENTRY).
    closes_all_at_tp1: the first target takes the whole position (CLOSE_ENTIRE_POSITION_AT_TP1).
    tp1_fraction: else this share of it, the second target the rest (TP1_FRACTION).
    ignores_non_entries: only entries, stop outs and the session close are carried out (IGNORE_NON_ENTRY_SIGNALS).
    """

    uses_stop_entry: bool = True
    closes_all_at_tp1: bool = False
    tp1_fraction: Decimal = Decimal("0.75")
    ignores_non_entries: bool = False


DISCORD_DEFAULTS = DiscordTerms()


@dataclass(frozen=True, slots=True)
class DialectTerms:
    """pinned: the only dialect that the bot reads, by its name; None: whichever is recognised.

    pickmytrade_dollar: unit of ``dollar_tp`` and ``dollar_sl``, which documents and examples give differently (points, ticks
    or usd); None: such messages are refused with the question.
    """

    pinned: str | None = None
    pickmytrade_dollar: str | None = None
    discord: DiscordTerms = DISCORD_DEFAULTS


NO_TERMS = DialectTerms()
