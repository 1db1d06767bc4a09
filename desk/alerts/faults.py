"""Where a JSON text broke, and what a person should change (TradingView reference 6).

The text names the character and its place, never the values around it: they may be secret.
"""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = ["explain_json_fault"]

_SMART_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"  # double, single, low, French
_OPEN_OBJECT = re.compile(r"[A-Za-z_]\w{0,40}")


def explain_json_fault(text: str, fault: json.JSONDecodeError) -> str:
    """One sentence with place and cause. Positions count characters from 1, after a byte order mark."""
    at, cause = _cause(text, fault)
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"Not valid JSON: {cause}, at character {at + 1} (line {line}, column {column}). No order was made."


def _cause(text: str, fault: json.JSONDecodeError) -> tuple[int, str]:
    at = fault.pos
    if at >= len(text):
        return len(text), "the text ends too early, a closing bracket or quote is missing"
    if fault.msg.startswith("Unterminated string"):
        return at, "the text value that starts here never ends, its closing quote is missing"
    if fault.msg.startswith("Invalid control character"):
        return at, f"a {_named_control(text[at])} inside a text value (write \\n, or leave it out)"
    if fault.msg.startswith("Invalid \\"):
        return at, "a backslash that starts no JSON escape (write \\\\ for one backslash)"
    if fault.msg.startswith("Extra data"):
        if text[at] in "{[":
            return at, "a second message is glued to the first (send several as one array: [{...},{...}])"
        return at, f"{_named(text[at])} after the end of the JSON"
    return _cause_by_character(text, at)


def _cause_by_character(text: str, at: int) -> tuple[int, str]:
    """The scanner met something it did not expect at ``at``: what people type by accident, most telling first."""
    before = len(text[:at].rstrip()) - 1  # index of the last thing that was understood
    previous, here = text[before] if before >= 0 else "", text[at]
    if here == "," and text[at + 1 :].lstrip()[:1] in {"}", "]"}:
        return at, "a comma before a closing bracket (trailing comma)"
    if here in "}]" and previous == ",":
        return before, "a comma before a closing bracket (trailing comma)"
    if here in _SMART_QUOTES:
        return at, f'a typographic quote {_named(here)} (JSON wants the straight "; retype it, do not paste it)'
    if here == "'":
        return at, "a single quote (JSON wants double quotes)"
    if here == "#" or text.startswith(("//", "/*"), at):
        return at, "a comment (JSON has none; put it into the field comment)"
    if here == "{" and (text.startswith("{{", at) or text.startswith("{{", at - 1)):
        return (
            at,
            "a placeholder {{...}} that was not replaced (it does not exist in this kind of alert, or is misspelt)",
        )
    if here.isdigit() and previous == "," and text[before - 1 : before].isdigit():
        return before, "a decimal comma (write numbers with a dot: 21034.25)"
    if here in ",}]" and previous == ":":
        return at, "a value is missing (an empty placeholder?)"
    return _cause_by_quotes(text, at, before, previous)


def _cause_by_quotes(text: str, at: int, before: int, previous: str) -> tuple[int, str]:
    here = text[at]
    if previous == '"':
        if here == '"' and at - before > 1:
            return at, "a comma is missing between two fields"
        return before, 'a quote inside a text value that is not escaped (leave quotes out, or write \\")'
    if word := _OPEN_OBJECT.match(text, at):
        if previous in "{,":
            return at, "a name without double quotes"
        shown = word[0] if word[0].lower() in _KNOWN_WORDS else "text"
        return at, f"{shown} without double quotes"
    if here == '"':
        return at, "a comma is missing between two fields"
    return at, f"{_named(here)} where JSON allows none"


_KNOWN_WORDS = frozenset(
    {"true", "false", "none", "null", "nan", "na", "undefined", "buy", "sell", "long", "short", "flat"}
)


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    shown = char if char.isprintable() and not unicodedata.combining(char) else ascii(char)[1:-1]
    return f"{shown} (U+{ord(char):04X}{', ' + name.lower() if name and not char.isascii() else ''})"


def _named_control(char: str) -> str:
    return {"\n": "line break", "\r": "line break", "\t": "tab"}.get(char, f"control character U+{ord(char):04X}")
