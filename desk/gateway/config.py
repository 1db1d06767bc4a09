"""Settings of the gateway client, and the system's clock as its default."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlsplit

from desk.core.errors import ConfigError
from desk.core.secret import Secret
from desk.gateway.pacing import PacingConfig

__all__ = ["AppLogin", "GatewayConfig", "SystemClock"]


@dataclass(frozen=True)
class AppLogin:
    """Who logs in through a vendor's registered application (reference 2.2) rather than with an API key.

    The user is the configuration's.
    """

    password: Secret
    device_id: str
    app_id: str
    verify_key: Secret


@dataclass(frozen=True)
class GatewayConfig:
    """Where the gateway is and who we are there.

    api_url: base without a path, e.g. ``https://api.topstepx.com`` (reference 1). Hub URLs: ``http(s)`` or ``ws(s)``.
    timeout_s: total budget of one call, waiting for the limiter and retries of a read included.
    live_data: market-data entitlement; evaluation, practice and Express accounts need False (reference 3.3).
    read_only: shadow mode; every mutating call raises before anything is sent.
    """

    api_url: str
    user_hub_url: str
    market_hub_url: str
    username: str
    api_key: Secret
    timeout_s: float = 30.0
    live_data: bool = False
    read_only: bool = False
    pacing: PacingConfig = field(default_factory=PacingConfig)

    def __post_init__(self) -> None:
        """Name every bad value at once. Raises ConfigError."""
        wrong = [
            f"{name} must be a URL such as {example}"
            for name, url, schemes, example in (
                ("api_url", self.api_url, {"http", "https"}, "https://api.topstepx.com"),
                ("user_hub_url", self.user_hub_url, _HUB_SCHEMES, "https://rtc.topstepx.com/hubs/user"),
                ("market_hub_url", self.market_hub_url, _HUB_SCHEMES, "https://rtc.topstepx.com/hubs/market"),
            )
            if not _is_url(url, schemes)
        ]
        if not self.username:
            wrong.append("username is empty")
        if not 0 < self.timeout_s <= 600:
            wrong.append("timeout_s must be over 0 and at most 600 seconds")
        if wrong:
            raise ConfigError("; ".join(wrong))


_HUB_SCHEMES = {"http", "https", "ws", "wss"}


def _is_url(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        return False


class SystemClock:
    """The machine's wall and monotonic time.

    ``now`` never goes back, for what happened is put in order by it: where the wall clock is set back, it goes on at half
    its pace until that has caught up. One time for the whole process.
    """

    _told: ClassVar[tuple[float, float]] = (0.0, 0.0)  # wall and monotonic seconds, the last that were told

    def now(self) -> datetime:
        told_s, at_s = SystemClock._told
        monotonic_s = time.monotonic()
        now_s = max(time.time(), told_s + (monotonic_s - at_s) / 2)
        SystemClock._told = (now_s, monotonic_s)
        return datetime.fromtimestamp(now_s, UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    @staticmethod
    def not_before(at: datetime) -> None:
        """Nor before what an earlier process wrote down."""
        SystemClock._told = max(SystemClock._told, (at.timestamp(), time.monotonic()))
