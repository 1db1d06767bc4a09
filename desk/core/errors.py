"""Errors that tell the catcher what to do. Translated where a library is called, never further in."""

from __future__ import annotations

__all__ = [
    "AuthFailed",
    "ConfigError",
    "DeskError",
    "GatewayError",
    "OutcomeUnknown",
    "ProtocolError",
    "RateLimited",
    "Refused",
    "StoreError",
    "TierDown",
    "Unavailable",
    "UnknownSymbol",
]


class DeskError(Exception):
    """Root of everything this program raises on purpose."""


class ConfigError(DeskError):
    """Settings are wrong. The text names every bad key at once; the process exits with code 2."""


class UnknownSymbol(DeskError):
    """A symbol that no known root explains. Never guessed, never defaulted."""


class GatewayError(DeskError):
    """Something the gateway did or did not do. Carries the endpoint, never the token."""

    def __init__(
        self,
        text: str,
        *,
        endpoint: str = "",
        status: int | None = None,
        code: int | None = None,
        client_order_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.endpoint = endpoint
        self.status = status
        self.code = code
        self.client_order_id = client_order_id

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        marks = [f"HTTP {self.status}" if self.status is not None else "", f"code {self.code}" if self.code else ""]
        tail = ", ".join(mark for mark in marks if mark)
        return f"{where}{self.text}" + (f" ({tail})" if tail else "")


class AuthFailed(GatewayError):
    """The login or the token was refused: log in once more, else stop trading. ``fatal``: do not loop (reference 2.2)."""

    def __init__(self, text: str, *, fatal: bool = False, endpoint: str = "", code: int | None = None) -> None:
        super().__init__(text, endpoint=endpoint, code=code)
        self.fatal = fatal


class Refused(GatewayError):
    """The gateway said no: final, becomes Rejected. A refused place still has an order id (reference 3.6)."""

    def __init__(
        self,
        text: str,
        *,
        endpoint: str = "",
        status: int | None = None,
        code: int | None = None,
        client_order_id: str | None = None,
        gateway_order_id: int | None = None,
    ) -> None:
        super().__init__(text, endpoint=endpoint, status=status, code=code, client_order_id=client_order_id)
        self.gateway_order_id = gateway_order_id


class RateLimited(GatewayError):
    """HTTP 429: it was not accepted. Wait ``retry_after_s`` before the same budget is used again."""

    def __init__(
        self, text: str, *, retry_after_s: float, endpoint: str = "", client_order_id: str | None = None
    ) -> None:
        super().__init__(text, endpoint=endpoint, status=429, client_order_id=client_order_id)
        self.retry_after_s = retry_after_s


class Unavailable(GatewayError):
    """Surely not processed (never sent, connection refused), or a read: may be tried again inside a deadline."""


class OutcomeUnknown(GatewayError):
    """A write that may have landed: reconcile, never resend."""


class ProtocolError(DeskError):
    """The peer sent nonsense: drop the connection, keep the bytes."""

    def __init__(self, text: str, data: bytes | str = b"") -> None:
        super().__init__(text)
        self.data = data


class StoreError(DeskError):
    """The journal cannot be trusted: stop taking entries."""


class TierDown(DeskError):
    """A tier of bars cannot be used now: skip it, name it in the health, try again later."""
