"""The kinds of value a setting can have: how its text is read, and the sentence that says what may stand there."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from desk.core.alert import PositionSide
from desk.core.secret import Secret

__all__ = [
    "Kind",
    "addresses",
    "choice",
    "exact",
    "file",
    "flag",
    "header",
    "host",
    "is_loopback",
    "line",
    "loopback_url",
    "number",
    "or_none",
    "path",
    "presence",
    "redis_url",
    "roots",
    "secret",
    "sides",
    "timeframes",
    "token",
    "url",
    "whole",
]


class Kind(NamedTuple):
    """``allowed`` completes "must be ..."; ``parse`` takes stripped, non-empty text or raises ValueError."""

    allowed: str
    parse: Callable[[str], object]


def is_loopback(name: str) -> bool:
    """Whether a host name or address can only mean this computer."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _matching(pattern: str, text: str) -> str:
    if re.fullmatch(pattern, text, re.ASCII) is None:
        raise ValueError
    return text


def _items(text: str, pattern: str) -> tuple[str, ...]:
    """Comma list without repeats, in the order given; ``none`` is the empty list."""
    if text.lower() == "none":
        return ()
    return tuple(dict.fromkeys(_matching(pattern, item.strip()) for item in text.split(",")))


def whole(low: int, high: int) -> Kind:
    def parse(text: str) -> int:
        value = int(_matching(r"[+-]?[0-9]{1,19}", text))
        if not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low} to {high}", parse)


def number(low: float, high: float) -> Kind:
    def parse(text: str) -> float:
        value = float(_matching(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", text))
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError
        return value

    return Kind(f"a number from {low:g} to {high:g}", parse)


def exact(low: str, high: str) -> Kind:
    """A number of which every digit counts."""

    def parse(text: str) -> Decimal:
        value = Decimal(_matching(r"[0-9]{1,9}(\.[0-9]{1,9})?", text))
        if not Decimal(low) <= value <= Decimal(high):
            raise ValueError
        return value

    return Kind(f"a number from {low} to {high}", parse)


def or_none(kind: Kind) -> Kind:
    """``none`` switches it off."""
    return Kind(f"{kind.allowed}, or none", lambda text: None if text.lower() == "none" else kind.parse(text))


def flag() -> Kind:
    words = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}

    def parse(text: str) -> bool:
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]

    return Kind("true or false", parse)


def sides() -> Kind:
    """On which sides something may be opened."""
    both = {side.value: frozenset({side}) for side in (PositionSide.LONG, PositionSide.SHORT)}
    words = both | {"both": both["long"] | both["short"]}

    def parse(text: str) -> frozenset[PositionSide]:
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]

    return Kind("one of long, short, both", parse)


def choice(*words: str) -> Kind:
    def parse(text: str) -> str:
        by_lower = {word.lower(): word for word in words}
        if text.lower() not in by_lower:
            raise ValueError
        return by_lower[text.lower()]

    return Kind(f"one of {', '.join(words)}", parse)


def presence() -> Kind:
    """A switch by convention of its name: any text means yes."""
    return Kind("anything, or left out", lambda _text: True)


def line() -> Kind:
    return Kind("one line of 1 to 200 characters", lambda text: _matching(r"[^\x00-\x1f\x7f]{1,200}", text))


def secret() -> Kind:
    """A credential that somebody else made."""
    return Kind("one word of 1 to 1000 characters", lambda text: Secret(_matching(r"[!-~]{1,1000}", text)))


def token() -> Kind:
    """A secret of ours. It stands in addresses and headers, so it keeps to characters that need no escaping."""
    allowed = "1 to 200 of the characters A-Z a-z 0-9 . _ ~ -"
    return Kind(allowed, lambda text: Secret(_matching(r"[A-Za-z0-9._~-]{1,200}", text)))


def host() -> Kind:
    """An address or name to listen on; a bare address may be IPv6."""

    def parse(text: str) -> str:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            # All digits and dots is a mistyped address, never a name.
            return _matching(r"(?![0-9.]+$)[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", text)

    return Kind("an address such as 127.0.0.1 or a host name, without port", parse)


def header() -> Kind:
    return Kind("the name of a header, such as CF-Connecting-IP", lambda text: _matching(r"[A-Za-z0-9-]{1,64}", text))


def path() -> Kind:
    return Kind("a directory", lambda text: Path(_matching(r"[^\x00-\x1f]{1,1000}", text)).expanduser())


def file() -> Kind:
    return Kind("the path of a file", lambda text: Path(_matching(r"[^\x00-\x1f]{1,1000}", text)).expanduser())


def roots() -> Kind:
    """Contract roots, upper-cased. Whether a root exists is the gateway's to say."""
    allowed = "roots with commas, such as MNQ,ES (letters and digits), or none"
    return Kind(allowed, lambda text: _items(text.upper(), r"[A-Z0-9]{1,6}"))


def timeframes() -> Kind:
    allowed = "bar lengths with commas, such as 30s,1m,4h,1d, or none"
    return Kind(allowed, lambda text: _items(text.lower(), r"[1-9][0-9]{0,3}[smhd]"))


def addresses() -> Kind:
    """IP addresses in their shortest form; ``any`` is the empty tuple."""

    def parse(text: str) -> tuple[str, ...]:
        if text.lower() == "any":
            return ()
        return tuple(dict.fromkeys(str(ipaddress.ip_address(item.strip())) for item in text.split(",")))

    return Kind("IP addresses with commas, or any", parse)


def _url(text: str, *, loopback_only: bool) -> str:
    _matching(r"[!-~]{1,500}", text)
    parts = urlsplit(text)
    name = parts.hostname or ""
    schemes = {"http", "https"} if is_loopback(name) else {"https"}
    if parts.scheme not in schemes or not name or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError
    if parts.port == 0 or (loopback_only and not is_loopback(name)):
        raise ValueError
    return text.rstrip("/")


def url() -> Kind:
    allowed = (
        "an address that starts with https:// (http:// only for this computer; not ws:// or wss://, "
        "the hubs are given as https:// too), without user name and query"
    )
    return Kind(allowed, lambda text: _url(text, loopback_only=False))


def loopback_url() -> Kind:
    return Kind(
        "an address on this computer, such as http://127.0.0.1:9100", lambda text: _url(text, loopback_only=True)
    )


def redis_url() -> Kind:
    """Without a query: it could change how the client reads and waits."""

    def parse(text: str) -> Secret:
        parts = urlsplit(_matching(r"[!-~]{1,500}", text))
        if parts.query or parts.fragment or parts.port == 0:
            raise ValueError
        if parts.scheme == "unix":
            is_known = bool(parts.path.strip("/"))
        else:
            is_known = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
            _matching(r"(/[0-9]{0,4})?", parts.path)
        if not is_known:
            raise ValueError
        return Secret(text)

    allowed = "an address such as redis://127.0.0.1:6379/0 or rediss://:password@host:6379/0 or unix:///run/redis.sock"
    return Kind(allowed, parse)
