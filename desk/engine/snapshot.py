"""The state as bytes and back, so that recovery need not fold years. A format that does not match is folded from the start."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from immutables import Map

from desk.engine.state import State

__all__ = ["FORMAT", "decode_state", "encode_state"]

FORMAT = 11  # raise it whenever State or one of its parts changes shape or meaning


def encode_state(state: State) -> bytes:
    """JSON; maps as lists of pairs, because their keys are not always texts."""
    return msgspec.json.encode(state, enc_hook=_encode)


def decode_state(data: bytes) -> State:
    """Raises msgspec.ValidationError when the bytes are not a state of this format."""
    return msgspec.json.decode(data, type=State, dec_hook=_decode)


def _encode(value: object) -> object:
    if isinstance(value, Map):
        return list(value.items())
    raise NotImplementedError(f"a state holds no {type(value).__name__}")


def _decode(kind: type, value: object) -> Any:
    arguments = get_args(kind)
    if len(arguments) != 2:
        raise NotImplementedError(f"a state holds no {kind}")
    pairs = msgspec.convert(value, list[tuple[arguments[0], arguments[1]]], dec_hook=_decode)  # type: ignore[valid-type]
    return Map(pairs)
