"""Whose message is this (TradingView reference 10.7). What no translator reads is named, never guessed at.

Text without JSON is a note, unless it looks like an order that somebody else's bridge would execute.
"""

from __future__ import annotations

import re

from desk.alerts.wire import JsonObject

__all__ = ["CANONICAL_KEYS", "default_strategy_text", "dialect_of_object", "dialect_of_text"]

CANONICAL_KEYS = frozenset(
    {
        "v", "schema", "id", "secret", "bot", "alert_version", "fired_at", "bar_time", "interval", "symbol", "contract",
        "price", "action", "position", "qty", "order", "stop", "targets", "breakeven", "trail", "policy", "accounts",
        "comment", "tags", "dry_run", "extras",
    }
)  # fmt: skip

_MINIMAL_WORDS = frozenset({"long", "short", "close"})  # no actions of ours
_STRATEGY_TEXT = re.compile(r"\border (buy|sell) @ ([0-9.]{1,20}) filled on (\S{1,40}?)\.?(?:\s|$)", re.IGNORECASE)
_NAME = re.compile(r"(?<![^;,&\s])([A-Za-z_]{1,30})\s{0,8}=")
_ORDER_NAMES = frozenset({"action", "symbol", "ticker", "instrument", "side", "qty", "quantity", "volume"})
_ALERTATRON = re.compile(r"\A\w{1,40}\s{0,4}\(\s{0,4}[\w:!.]{1,40}\s{0,4}\)\s{0,4}\{")
_HTML = re.compile(r"\A<(?:!doctype|html|head|body|div|p|table)\b", re.IGNORECASE)
_BARE_JSON = re.compile(r"""["'“”](?:action|symbol|ticker|v)["'“”]\s{0,8}:""")


def dialect_of_object(data: JsonObject) -> str | None:
    """Name of the dialect, ``ours``, ``ours without v`` (only canonical names are used), or None."""
    if "embeds" in data:
        return "Discord-embed"
    if "v" in data or "schema" in data:
        return "ours"
    if "bot_uuid" in data or "strategy_info" in data:
        return "3Commas"
    if "ticker" in data and "action" in data:
        return "TradersPost"
    if "data" in data and not data.keys().isdisjoint(("strategy_name", "token", "multiple_accounts")):
        return "PickMyTrade"
    if "pair" in data and not data.keys().isdisjoint(("isBuy", "isSell", "isClose")):
        return "TV-Hub"
    if "type" in data and "strat" in data:
        return "topstepbot"
    if "action" in data and "symbol" in data:
        is_ours = data.keys() <= CANONICAL_KEYS and str(data["action"]).strip().lower() not in _MINIMAL_WORDS
        return "ours without v" if is_ours else "minimal REST"
    if "key" in data:
        return "robswc"
    return None


def dialect_of_text(text: str) -> str | None:
    """Name of a text dialect that would trade somewhere else, or None: a note."""
    if _HTML.match(text):
        return "HTML page or e-mail"
    names = {match[1].lower() for match in _NAME.finditer(text)}
    if "command" in names:
        return "CrossTrade"
    if "signal" in names:
        return "OctoBot"
    if _ALERTATRON.match(text):
        return "Alertatron"
    if len(names & {"a", "e", "s", "b", "c", "q", "t"}) >= 3:
        return "AutoView"
    if len(names & _ORDER_NAMES) >= 2:
        return "name=value"
    if _BARE_JSON.search(text):
        return "JSON with something before it"
    return None


def default_strategy_text(text: str) -> tuple[str, str, str] | None:
    """(side, size, symbol) of TradingView's own strategy message, which is recognised and never traded."""
    match = _STRATEGY_TEXT.search(text)
    return (match[1].lower(), match[2], match[3]) if match else None
