"""Identities. An order has one identity from alert to fill (design: order identity).

``CauseId`` is a ULID (48 bits of milliseconds, 80 random bits, Crockford base32, sorts by time) for alerts, commands and
timers alike. ``ClientOrderId`` is a hash of what makes the order unique, so that the same decision gives the same tag
after any restart; it goes out as ``customTag``, which the gateway keeps unique for ever (gateway reference 3.6).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import NewType

__all__ = [
    "AccountId",
    "CauseId",
    "ClientOrderId",
    "ContractId",
    "FillId",
    "GatewayOrderId",
    "client_order_id",
    "is_client_order_id",
    "new_cause_id",
    "stop_leg_id",
    "target_leg_id",
]

AccountId = NewType("AccountId", int)
ContractId = NewType("ContractId", str)
GatewayOrderId = NewType("GatewayOrderId", int)
FillId = NewType("FillId", int)
CauseId = NewType("CauseId", str)
ClientOrderId = NewType("ClientOrderId", str)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX = "dsk-"
MAX_TAG_LENGTH = 40


def new_cause_id(now: datetime, randomness: bytes) -> CauseId:
    """A ULID of ``now`` (aware) and 10 random bytes, 26 characters."""
    assert len(randomness) == 10, "a ULID takes exactly 80 random bits"
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(randomness, "big")
    return CauseId("".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5)))


def client_order_id(cause: CauseId, account: AccountId, leg: str, attempt: int) -> ClientOrderId:
    """Deterministic tag of one order: the same (cause, account, leg, attempt) always gives the same text, 30 characters."""
    digest = hashlib.sha256(f"{cause}|{account}|{leg}|{attempt}".encode()).digest()
    return ClientOrderId(_PREFIX + base64.b32encode(digest).decode()[:26].lower())


def is_client_order_id(tag: str) -> bool:
    """Whether a tag has the form of ours; that of a leg, which the venue made of it, has not."""
    return tag.startswith(_PREFIX) and len(tag) == len(_PREFIX) + 26


def stop_leg_id(entry: ClientOrderId) -> ClientOrderId:
    """Tag that the venue gives the protective stop of a bracketed entry (gateway reference 3.7)."""
    return ClientOrderId(entry + "-SL")


def target_leg_id(entry: ClientOrderId) -> ClientOrderId:
    """Tag that the venue gives the take profit of a bracketed entry (gateway reference 3.7)."""
    return ClientOrderId(entry + "-TP")
