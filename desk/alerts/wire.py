"""Text -> JSON tree, strictly (TradingView reference 1 and 6). The header is never asked; the bytes decide.

Numbers stay the characters that were sent (:class:`Number`): exact, verbatim in ``extras``, and no digit count hurts.
``NaN`` and ``Infinity`` as bare words come through as such and are refused or dropped by the field that holds them.
"""

from __future__ import annotations

import codecs
import json
from typing import TypeAlias

from desk.alerts.faults import explain_json_fault
from desk.alerts.values import Refusal

__all__ = ["MAX_BODY_BYTES", "MAX_DEPTH", "Json", "JsonObject", "Number", "decode_body", "dump", "parse_json"]

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 32


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


Json: TypeAlias = "dict[str, Json] | list[Json] | str | bool | None"  # a number is the str subclass Number
JsonObject: TypeAlias = "dict[str, Json]"


def decode_body(body: bytes) -> tuple[str, str | None]:
    """Text of the body without a byte order mark, never failing, and what is wrong with its encoding, if anything."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = body.decode("utf-16", errors="replace")
        return text, "The body is UTF-16. Send it as UTF-8, as TradingView does."
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError as exc:
        return body.decode("utf-8", errors="replace"), (
            f"Byte {exc.start + 1} (0x{body[exc.start]:02x}) is not UTF-8. Save or send the message as UTF-8."
        )


def parse_json(text: str) -> Json:
    """Strict JSON. Raises Refusal with place and likely cause; also for duplicate keys and for nesting bombs."""
    try:
        tree: Json = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise Refusal(explain_json_fault(text, exc)) from exc
    except RecursionError as exc:
        raise Refusal(_TOO_DEEP) from exc
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(tree)
    return _without_odd_characters(tree) if "\\u" in text else tree


def dump(value: Json) -> str:
    """JSON text of a tree, numbers as they were written. Used for ``extras`` and for a body that must be rewritten."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(key)}:{dump(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


_TOO_DEEP = f"The JSON is nested deeper than {MAX_DEPTH} levels. No alert needs that; nothing was read."


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    """First or last of two equal keys: senders and readers disagree, so neither (TradingView reference 4)."""
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal(f"The key {key[:40]!a} stands twice in one JSON object. Keep one of them.")
            seen.add(key)
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number)


def _check_depth(tree: Json) -> None:
    level: list[Json] = [tree]
    for _ in range(MAX_DEPTH):
        deeper: list[Json] = []
        for node in level:
            if isinstance(node, dict):
                deeper += node.values()
            elif isinstance(node, list):
                deeper += node
        if not deeper:
            return
        level = deeper
    raise Refusal(_TOO_DEEP)


def _without_odd_characters(value: Json) -> Json:
    r"""NUL and lone surrogates, which only ``\u`` escapes can smuggle in, would make a text that no database stores."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return (
            value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
            if not value.isascii() or "\x00" in value
            else value
        )
    if isinstance(value, dict):
        return {str(_without_odd_characters(key)): _without_odd_characters(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_odd_characters(inner) for inner in value]
    return value
