"""Settings of one simulator, and the accounts it opens with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from desk.sim.replay import Recording


@dataclass(frozen=True)
class AccountSpec:
    """One account as it is opened. ``auto_oco`` is the bracket mode of reference 3.6, invisible in the API.

    position_stop_usd, position_target_usd: what the platform's own brackets risk and take per position when ``auto_oco``
    is off; None: it attaches none. ``simulated=False`` is a live account, which the gateway does not let cancel.
    login: the user name, and API key, that this account belongs to; no other login is shown it. None: all see it.
    """

    id: int
    name: str
    balance: Decimal
    auto_oco: bool = True
    can_trade: bool = True
    max_minis: int | None = None
    follower: bool = False
    simulated: bool = True
    position_stop_usd: Decimal | None = None
    position_target_usd: Decimal | None = None
    login: str | None = None


DEFAULT_ACCOUNTS = (
    AccountSpec(21000001, "50KTC-V2-100001-87654321", Decimal(50_000), max_minis=5),
    AccountSpec(21000002, "PRAC-V2-100001-12345678", Decimal(150_000), max_minis=15),
    AccountSpec(21000003, "50KTC-V2-DLL-100001-87654399", Decimal(50_000), auto_oco=False, max_minis=5),
    AccountSpec(21000004, "50KTC-V2-100001-87654412", Decimal(50_000), max_minis=5, follower=True),
)

LATENCY_KEYS: Mapping[str, tuple[str, ...]] = {
    "login": ("/api/Auth/loginKey",),
    "validate": ("/api/Auth/validate",),
    "logout": ("/api/Auth/logout",),
    "ping": ("/api/Status/ping",),
    "accounts": ("/api/Account/search",),
    "contracts": ("/api/Contract/available", "/api/Contract/search", "/api/Contract/searchById"),
    "history": ("/api/History/retrieveBars",),
    "place": ("/api/Order/place",),
    "cancel": ("/api/Order/cancel",),
    "modify": ("/api/Order/modify",),
    "orders": ("/api/Order/search", "/api/Order/searchOpen", "/api/Order/searchById", "/api/Order/v2/query"),
    "positions": ("/api/Position/searchOpen",),
    "close": ("/api/Position/closeContract", "/api/Position/partialCloseContract"),
    "trades": ("/api/Trade/search",),
}


def utc_now() -> datetime:
    """The wall clock, aware, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SimConfig:
    """Everything that can be set. Times carry their unit in the name; ``port=0`` takes a free one.

    latency_ms: short name (``LATENCY_KEYS``) or full path to milliseconds, waited before the call is executed; of half of
    the writes of orders a random part after it, so that events come before the reply (reference 5.4).
    market: ``generated`` moves by itself, ``manual`` stands still until ``set_price``.
    limit_fills: a resting limit fills when the price trades ``through`` it, or already at a ``touch``.
    when_expired: what an open hub does when its token ends (reference 2.3): nothing, close, or GatewayLogout.
    hours: the market never closes, or keeps the ``exchange``'s sessions and Topstep's 15:10 cut (reference 6.4).
    partial_fills: contracts one print fills of one order; None: an order fills whole.
    oco_delay_ms: how long after a bracket leg's fill the other is cancelled; until then both may fill (reference 6.3).
    quote_snapshot: a new subscriber of quotes gets a whole one first; False: the next tick's changes (reference 5.2).
    resize_legs: whether Order/modify may change the size of a bracket leg; modify_suspended: whether it may give a
    sleeping leg its price. The reference (3.7) knows neither.
    margin_per_mini_usd: balance that each mini held needs, else ``Not enough margin.``; None: no limit.
    rolled: product symbol such as MNQ to the number of months its front month is ahead of the calendar (reference 3.3).
    apps: appId to verifyKey for Auth/loginApp.
    hub_cut_chars: hub messages are cut into frames of at most so many characters; None: whole messages (reference 5.1).
    replay_file, replay_speed: recorded bars or ticks take the place of the generated market, so many times as fast, and
    the gateway's clock is that of the recording. The server reads the file into ``recording``.
    log_file: where the complete log goes (``eventlog.py``).
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 7
    users: Mapping[str, str] = field(default_factory=lambda: {"paper": "paper"})
    accounts: tuple[AccountSpec, ...] = DEFAULT_ACCOUNTS
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    state_file: Path | str | None = None
    market: Literal["generated", "manual"] = "generated"
    rate_limits: bool = True
    general_limit: tuple[int, float] = (200, 60.0)
    history_limit: tuple[int, float] = (50, 30.0)
    fill_delay_ms: float = 8.0
    children_delay_ms: float = 18.0
    stop_slip_ticks: int = 0
    limit_fills: Literal["through", "touch"] = "through"
    spread_ticks: int = 1
    token_lifetime_s: float = 86_400.0
    when_expired: Literal["ignore", "close", "logout"] = "ignore"
    hub_ping_s: float = 15.0
    hub_idle_s: float = 30.0
    handshake_s: float = 15.0
    feed_interval_s: float = 0.05
    clock: Callable[[], datetime] = utc_now
    hours: Literal["always", "exchange"] = "always"
    partial_fills: int | None = None
    oco_delay_ms: float = 0.0
    quote_snapshot: bool = True
    resize_legs: bool = True
    modify_suspended: bool = False
    margin_per_mini_usd: Decimal | None = None
    rolled: Mapping[str, int] = field(default_factory=dict)
    apps: Mapping[str, str] = field(default_factory=lambda: {"paper": "paper"})

    hub_cut_chars: int | None = None
    replay_file: Path | str | None = None
    replay_speed: float = 1.0
    recording: "Recording | None" = None
    faults_file: Path | str | None = None
    log_file: Path | str | None = None

    @property
    def logins(self) -> dict[str, str]:
        """User name in lower case to API key or password, those of single accounts included."""
        own = {spec.login: spec.login for spec in self.accounts if spec.login is not None}
        return {name.lower(): secret for name, secret in {**own, **self.users}.items()}

    def __post_init__(self) -> None:
        """Name every unknown latency key at once, before a socket is opened."""
        if self.replay_file is not None and self.state_file is not None:
            raise ValueError("a replay keeps no state: leave one of replay and state out")
        if not 0 < self.replay_speed <= 1000:
            raise ValueError(f"speed {self.replay_speed:g} is not above 0 and at most 1000")
        unknown = [key for key in self.latency_ms if key not in LATENCY_KEYS and not key.startswith("/api/")]
        if unknown:
            raise ValueError(f"unknown latency keys {unknown}; known: {', '.join(LATENCY_KEYS)}, or a path /api/...")


def paths_of(key: str) -> tuple[str, ...]:
    """The REST paths behind a short name such as ``place``; a full path stands for itself."""
    return LATENCY_KEYS.get(key, (key,))


def parse_latency(text: str) -> dict[str, float]:
    """``login=270,accounts=230`` to a mapping of milliseconds. Raises ValueError with the part that is wrong."""
    result: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, sep, value = part.partition("=")
        if not sep:
            raise ValueError(f"latency {part!r}: write name=milliseconds")
        try:
            result[key.strip()] = float(value)
        except ValueError:
            raise ValueError(f"latency {part!r}: {value!r} is not a number of milliseconds") from None
    return result
