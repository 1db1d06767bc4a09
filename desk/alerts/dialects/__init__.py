"""Messages that were written for other bridges -> our own form (TradingView reference 10). Pure; one file per dialect.

A translator maps fields to the canonical object and nothing else: ``canonical.alert_from`` then reads that object like any
other, so every check stands in one place. What cannot be honoured is refused with the reason (``Refusal``), never dropped.
A dialect's name is what ``alerts``, ``explain`` and a bot's ``dialect`` setting call it. Start with ``words.Translation``;
``fields`` is what the object dialects share. What becomes of each field: docs/dialects.md.
"""

from desk.alerts.dialects.minimal import read_minimal
from desk.alerts.dialects.pickmytrade import read_pickmytrade
from desk.alerts.dialects.robswc import read_robswc
from desk.alerts.dialects.threecommas import read_threecommas
from desk.alerts.dialects.topstepbot import read_topstepbot
from desk.alerts.dialects.traderspost import read_traderspost
from desk.alerts.dialects.words import ReadsObject, ReadsText, Translation

__all__ = ["OBJECT_DIALECTS", "TEXT_DIALECTS", "ReadsObject", "ReadsText", "Translation"]

OBJECT_DIALECTS: dict[str, ReadsObject] = {
    "3Commas": read_threecommas,
    "TradersPost": read_traderspost,
    "PickMyTrade": read_pickmytrade,
    "topstepbot": read_topstepbot,
    "minimal REST": read_minimal,
    "robswc": read_robswc,
}
TEXT_DIALECTS: dict[str, ReadsText] = {}
