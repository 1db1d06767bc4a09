"""robswc/tradingview-webhooks-bot (TradingView reference 10.6): ``{"key": "EventName:abc123", ...}``.

What such an event does stands in its owner's code, so it is recognised and refused; the key is masked like every secret.
"""

from __future__ import annotations

from typing import NoReturn

from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal
from desk.alerts.wire import JsonObject

__all__ = ["read_robswc"]


def read_robswc(data: JsonObject, terms: DialectTerms) -> NoReturn:
    """Raises Refusal: nobody here knows what the event means."""
    del data, terms
    raise Refusal(
        'This is an event of tradingview-webhooks-bot: what "key" triggers stands in your own code, not in the message. '
        'Make the message from the template of the bot ("v":1); "action", "symbol" and "stop" say what is to be done.'
    )
