"""Bodies that come packed: unpacked here, after the door knows who sends them, and never beyond its bound."""

from __future__ import annotations

import zlib

from aiohttp import web

__all__ = ["unpacked"]

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_IS_ZLIB = 8  # in the low half of the first byte; some call the bare stream deflate, too


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before it was packed. What does not unpack stays as it came, for its reader says what is wrong.

    encoding: the header's text. Raises HTTPRequestEntityTooLarge beyond ``most`` bytes.
    """
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            kind = _GZIP
        case "deflate":
            kind = _ZLIB if body and body[0] & 0x0F == _IS_ZLIB else _RAW
        case _:
            return body
    opening = zlib.decompressobj(kind)
    try:
        text = opening.decompress(body, most + 1)
    except zlib.error:
        return body
    if len(text) > most:
        raise web.HTTPRequestEntityTooLarge(most, len(text))
    return text if opening.eof else body
