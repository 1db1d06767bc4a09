"""Messages that were written for other bridges -> our own form (TradingView reference 10). Pure; one file per dialect.

A translator maps fields to the canonical object and nothing else: ``canonical.alert_from`` then reads that object like any
other, so every check stands in one place. What cannot be honoured is refused with the reason (``Refusal``), never dropped.
A dialect's name is what ``alerts``, ``explain`` and a bot's ``dialect`` setting call it. Start with ``words.Translation``.
"""

from desk.alerts.dialects.alertatron import read_alertatron
from desk.alerts.dialects.autoview import read_autoview
from desk.alerts.dialects.crosstrade import read_crosstrade
from desk.alerts.dialects.discord import read_discord
from desk.alerts.dialects.octobot import read_octobot
from desk.alerts.dialects.words import ReadsObject, ReadsText, Translation

__all__ = ["OBJECT_DIALECTS", "TEXT_DIALECTS", "ReadsObject", "ReadsText", "Translation"]

OBJECT_DIALECTS: dict[str, ReadsObject] = {
    "Discord-embed": read_discord,
}
TEXT_DIALECTS: dict[str, ReadsText] = {
    "CrossTrade": read_crosstrade,
    "OctoBot": read_octobot,
    "AutoView": read_autoview,
    "Alertatron": read_alertatron,
}
