"""Session tokens: JWTs with an ``exp`` claim, signed with a key made from the seed, so that they outlive a restart."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class Token:
    """What a valid token says: whose it is, its own id, and when it ends (epoch seconds)."""

    user: str
    identity: str
    expires: float


class Tokens:
    """Issues and checks tokens. A new one leaves older ones valid (reference 2.1)."""

    def __init__(self, seed: int, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._key = hashlib.sha256(f"desk.sim|{seed}".encode()).digest()
        self._serial = count(1)
        self._ended: set[str] = set()
        self._not_before = 0.0

    def issue(self, user: str, now: datetime) -> str:
        """A fresh token for 24 hours, or for the configured life."""
        at = now.timestamp()
        identity = f"{int(at * 1_000_000):x}-{next(self._serial)}"
        claims = {"sub": user, "unique_name": user, "jti": identity, "iat": at, "exp": at + self.lifetime_s}
        signed = f"{_encode(_HEADER)}.{_encode(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, text: str, now: datetime) -> Token | None:
        """The token when it is ours, alive and not ended; else None."""
        signed, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        claims = _decode(signed.partition(".")[2])
        if claims is None or claims["exp"] <= now.timestamp() or claims["iat"] < self._not_before:
            return None
        if claims["jti"] in self._ended:
            return None
        return Token(claims["sub"], claims["jti"], claims["exp"])

    def end(self, token: Token) -> None:
        """Logout: this one token is dead."""
        self._ended.add(token.identity)

    def end_all(self, now: datetime) -> None:
        """Every token issued before now is dead, as if 24 hours had passed."""
        self._not_before = now.timestamp()

    def _signature(self, signed: str) -> str:
        digest = hmac.new(self._key, signed.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _decode(part: str) -> dict[str, Any] | None:
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None
