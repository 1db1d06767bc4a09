"""What a hub connection needs and what it tells: tokens in, news of itself and of the market out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from desk.core.errors import ProtocolError
from desk.core.secret import Secret
from desk.gateway.subscriptions import Subscription

__all__ = ["HubListener", "HubStatus", "Probe", "TokenSource"]

Probe = Callable[[float, datetime], str | None]  # (monotonic seconds, time) -> why the connection must be rebuilt


class TokenSource(Protocol):
    """Where tokens come from; ``auth.TokenKeeper`` is one."""

    @property
    def name(self) -> str:
        """The login, part of the pool's key."""
        ...

    @property
    def expires_at(self) -> datetime | None:
        """When the current token ends, on our clock; None: not known."""
        ...

    async def current(self) -> Secret: ...

    async def replace(self, rejected: Secret) -> Secret: ...

    def reject(self, rejected: Secret) -> None:
        """Forget this token, if it is still the current one: whoever needs one next logs in first."""
        ...


class HubListener(Protocol):
    """What a subscriber of a connection hears, in the reader's task: be quick.

    ``on_event`` may raise ProtocolError, which comes back in ``on_bad_event``; anything else ends the program.
    """

    def on_event(self, target: str, arguments: list[msgspec.Raw], ts_recv: datetime) -> None: ...

    def on_up(self) -> None:
        """Connected, every subscription answered. Nothing is replayed: read the state again over REST."""
        ...

    def on_lost(self, reason: str) -> None:
        """It was up, or had begun to tell, and is not any more: what it said is stale (a gap)."""
        ...

    def on_waiting(self, reason: str, wait_s: float) -> None:
        """An attempt failed; the next one comes in ``wait_s`` seconds."""
        ...

    def on_contested(self, is_contested: bool) -> None:
        """So many GatewayLogout that another program must be using the login (5.4); False: not any more."""
        ...

    def on_refused(self, refused: dict[Subscription, str]) -> None:
        """What the server refuses of all wishes, with its words, changed; what is not in it any more stands from now on.

        What it would have told until then is not known.
        """
        ...

    def on_bad_event(self, error: ProtocolError) -> None:
        """An event that cannot be understood; the connection stays."""
        ...


class HubStatus(NamedTuple):
    """For ``/health``. ``logouts``: GatewayLogout events of the last two minutes; ``is_contested``: too many of them."""

    is_up: bool
    since: datetime | None  # of the present state; None: never up yet
    wanted: int
    active: int
    refused: dict[Subscription, str]
    opened: int  # connections opened so far
    failures: int  # in a row
    last_error: str | None
    logouts: int
    is_contested: bool
    bad_events: int
