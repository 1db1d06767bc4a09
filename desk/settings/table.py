"""The table of settings: key, kind, default and meaning stand beside the field that carries the value.

``.env.example`` is tested against it. A field is called as its key, in lower case, with its unit where the type cannot carry
it. The rows of the default bot are keys of a table ``[bots.NAME]`` in ``desk.toml``, too: ``botfields.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from desk.bots.setup import BotSetup
from desk.core.alert import PositionSide
from desk.core.secret import Secret
from desk.settings import kinds
from desk.settings.kinds import Kind

__all__ = ["DIALECTS", "SETTINGS", "Setting", "Settings"]

# What a bot may be pinned to: "desk" is our own form, the others are named as desk/alerts/detect.py names them.
DIALECTS = (
    "desk", "TradersPost", "PickMyTrade", "CrossTrade", "3Commas", "OctoBot", "Discord-embed", "topstepbot", "minimal REST",
    "robswc", "AutoView", "Alertatron",
)  # fmt: skip
# They divide the hour, so their ends are known; shorter bars would eat the gateway's budget for history.
ATR_TIMEFRAMES = ("1m", "2m", "3m", "4m", "5m", "6m", "10m", "12m", "15m", "20m", "30m", "1h")


class Setting(NamedTuple):
    """One row of the table. ``default`` is text, read by the same kind; None: not set, see ``meaning``."""

    key: str
    kind: Kind
    default: str | None
    meaning: str


def _setting(key: str, kind: Kind, default: str | None, meaning: str) -> Any:
    return field(metadata={"setting": Setting(key, kind, default, meaning)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the program was told, checked as a whole. Secrets show as ``***``; None means off or not given."""

    # fmt: off
    trading_mode: Literal["paper", "live"] = _setting(
        "TRADING_MODE", kinds.choice("paper", "live"), "paper",
        "paper trades on a simulated gateway on this computer; live logs in to the real one and sends no order yet.")
    project_x_username: str | None = _setting(
        "PROJECT_X_USERNAME", kinds.line(), None, "Your ProjectX user name. Needed for live.")
    project_x_api_key: Secret | None = _setting(
        "PROJECT_X_API_KEY", kinds.secret(), None, "Your ProjectX API key. Needed for live. Never shown or logged.")
    project_x_account_id: int | None = _setting(
        "PROJECT_X_ACCOUNT_ID", kinds.whole(1, 2**63 - 1), None,
        "The account that the default bot trades, and every bot that names none. Needed for live.")
    project_x_api_url: str = _setting(
        "PROJECT_X_API_URL", kinds.url(), "https://api.topstepx.com", "The gateway's REST address, for live.")
    project_x_user_hub_url: str = _setting(
        "PROJECT_X_USER_HUB_URL", kinds.url(), "https://rtc.topstepx.com/hubs/user",
        "The hub that reports your orders, fills and positions, for live.")
    project_x_market_hub_url: str = _setting(
        "PROJECT_X_MARKET_HUB_URL", kinds.url(), "https://rtc.topstepx.com/hubs/market",
        "The hub that streams quotes and trades, for live.")
    websocket_pool_max_size: int = _setting(
        "WEBSOCKET_POOL_MAX_SIZE", kinds.whole(1, 50), "5",
        "How many hub connections may exist. One serves every symbol of a login; beyond the bound is an error.")
    api_timeout_s: float = _setting(
        "API_TIMEOUT", kinds.number(1, 120), "30", "Seconds one request to the gateway may take.")
    paper_seed: int = _setting(
        "PAPER_SEED", kinds.whole(0, 2**32 - 1), "7", "The simulated market's dice. Another seed needs another DATA_DIR.")
    paper_gateway_url: str | None = _setting(
        "PAPER_GATEWAY_URL", kinds.loopback_url(), None,
        "Paper mode uses this running simulator instead of starting its own.")
    data_dir: Path = _setting(
        "DATA_DIR", kinds.path(), "./data", "Where the journal and everything else that must survive is kept.")
    webhook_host: str = _setting(
        "WEBHOOK_HOST", kinds.host(), "127.0.0.1",
        "Address of the public door. 127.0.0.1 suits a tunnel; 0.0.0.0 a port forward.")
    webhook_port: int = _setting("WEBHOOK_PORT", kinds.whole(0, 65535), "8080", "Port of the public door. 0: any.")
    webhook_token: Secret | None = _setting(
        "WEBHOOK_TOKEN", kinds.token(), None,
        "Secret of the default bot's webhook, /tv/<WEBHOOK_TOKEN>. Not set: paper makes one at the first start and "
        "keeps it in DATA_DIR. Needed for live, at least 16 characters.")
    webhook_allowed_ips: tuple[str, ...] | None = _setting(
        "WEBHOOK_ALLOWED_IPS", kinds.addresses(), None,
        "Who may post to the public door, with commas. Not set: TradingView's four addresses in live, anybody in "
        "paper. any: anybody who knows the secret.")
    webhook_proxy_header: str | None = _setting(
        "WEBHOOK_PROXY_HEADER", kinds.header(), None,
        "Header in which your tunnel names the real sender, such as CF-Connecting-IP. Set it only behind that tunnel.")
    webhook_client_cert_header: str | None = _setting(
        "WEBHOOK_CLIENT_CERT_HEADER", kinds.header(), None,
        "Header in which your proxy on this computer reports the client certificate; the proxy must overwrite it. See "
        "docs/receiver.md.")
    webhook_client_cert: Literal["warn", "require"] = _setting(
        "WEBHOOK_CLIENT_CERT", kinds.choice("warn", "require"), "warn",
        "What happens when that certificate is not TradingView's: warn says so in the log, require answers 404.")
    api_port: int = _setting(
        "API_PORT", kinds.whole(0, 65535), "8081", "Port of the private door, on 127.0.0.1 only. 0: any.")
    api_token: Secret | None = _setting(
        "API_TOKEN", kinds.token(), None,
        "Secret of the private door. Not set: made at the first start and kept in DATA_DIR.")
    symbols: tuple[str, ...] = _setting(
        "SYMBOLS", kinds.roots(), "MNQ,MES,NQ,ES", "The roots that the default bot may trade.")
    position_size: int = _setting(
        "POSITION_SIZE", kinds.whole(1, 100), "1", "Contracts of an entry whose alert names no quantity.")
    max_position_size: int = _setting(
        "MAX_POSITION_SIZE", kinds.whole(1, 200), None,
        "The most contracts the default bot may hold per symbol. Not set: twice POSITION_SIZE.")
    max_alert_age_s: float = _setting(
        "MAX_ALERT_AGE", kinds.number(1, 300), "15",
        "Seconds after which an entry is too late and refused. A late exit is always executed.")
    stop_loss_ticks: int | None = _setting(
        "STOP_LOSS_TICKS", kinds.or_none(kinds.whole(4, 1000)), "none",
        "Ticks to the stop of an entry whose message has none. none: such an entry is refused.")
    take_profit_ticks: int | None = _setting(
        "TAKE_PROFIT_TICKS", kinds.or_none(kinds.whole(4, 10000)), "none",
        "Ticks to the target of an entry whose message has none. none: it has no target.")
    bot_sides: frozenset[PositionSide] = _setting(
        "BOT_SIDES", kinds.sides(), "both", "On which sides the default bot may open positions.")
    bare_side: Literal["refuse", "entry", "exit_opposite"] = _setting(
        "BARE_SIDE", kinds.choice("refuse", "entry", "exit_opposite"), "refuse",
        "What a message means that only says buy or sell. entry opens on that side; exit_opposite closes an opposite "
        "position and opens nothing.")
    debounce_seconds: float = _setting(
        "DEBOUNCE_SECONDS", kinds.number(0, 86400), "300",
        "While a position is held, a repeated entry of the same symbol and side is ignored for so many seconds.")
    price_bound_pct: Decimal | None = _setting(
        "PRICE_BOUND_PCT", kinds.or_none(kinds.exact("0.01", "50")), "1",
        "An entry whose price is further than so many per cent from the live price is refused.")
    heartbeat_minutes: float | None = _setting(
        "HEARTBEAT_MINUTES", kinds.or_none(kinds.number(1, 10080)), "none",
        "How often TradingView sends a heartbeat. One that is overdue in trading hours is told.")
    bot_dialect: str | None = _setting(
        "BOT_DIALECT", kinds.or_none(kinds.choice(*DIALECTS)), "none",
        "The only form of message that the default bot reads. none: whichever is recognised.")
    pickmytrade_dollar_unit: Literal["points", "ticks", "usd"] | None = _setting(
        "PICKMYTRADE_DOLLAR_UNIT", kinds.or_none(kinds.choice("points", "ticks", "usd")), "none",
        "What dollar_tp and dollar_sl of PickMyTrade messages are counted in. none: such messages are refused.")
    use_stop_entry: bool = _setting(
        "USE_STOP_ENTRY", kinds.flag(), "true",
        "Discord-style messages: an entry is a stop order at the alert's entry price; false: a market order.")
    close_entire_position_at_tp1: bool = _setting(
        "CLOSE_ENTIRE_POSITION_AT_TP1", kinds.flag(), "false",
        "Discord-style messages: the first target takes the whole position.")
    tp1_fraction: Decimal = _setting(
        "TP1_FRACTION", kinds.exact("0.01", "1"), "0.75",
        "Discord-style messages: else the first target takes this share of it, the second one the rest.")
    ignore_non_entry_signals: bool = _setting(
        "IGNORE_NON_ENTRY_SIGNALS", kinds.flag(), "false",
        "Discord-style messages: only entries, stop outs and the session close are carried out.")
    desk_toml: Path = _setting(
        "DESK_TOML", kinds.file(), "./desk.toml",
        "More bots, each with an account, rules and a secret of its own: docs/settings.md. Not there: one bot.")
    atr_period: int = _setting(
        "ATR_PERIOD", kinds.whole(2, 200), "14", "How many closed bars the average true range is the mean of.")
    atr_timeframe: str = _setting(
        "ATR_TIMEFRAME", kinds.choice(*ATR_TIMEFRAMES), "5m",
        "Length of those bars. Distances in atr, of alerts and of the console, are multiples of that average.")
    foreign_positions: Literal["show", "protect"] = _setting(
        "FOREIGN_POSITIONS", kinds.choice("show", "protect"), "show",
        "Positions made by hand or by another tool are shown and told, and never closed by the desk. protect also places "
        "a stop for what has none.")
    foreign_stop_ticks: int | None = _setting(
        "FOREIGN_STOP_TICKS", kinds.whole(4, 1000), None,
        "Ticks between the average price of such a position and that stop. Needed for protect.")
    cache_init: Literal["eager", "lazy"] = _setting(
        "CACHE_INIT", kinds.choice("eager", "lazy"), "eager",
        "eager fetches history beside the start, lazy at the first `history`. Neither delays trading.")
    prefetch_symbols: tuple[str, ...] = _setting(
        "PREFETCH_SYMBOLS", kinds.roots(), "MNQ,ES,NQ,MES", "The roots whose history is fetched ahead.")
    prefetch_timeframes: tuple[str, ...] = _setting(
        "PREFETCH_TIMEFRAMES", kinds.timeframes(), "1m,5m", "The bar lengths that are fetched ahead.")
    record_ticks: tuple[str, ...] = _setting(
        "RECORD_TICKS", kinds.roots(), "none",
        "The roots whose market trades are written below DATA_DIR, for replays: docs/history.md. none: nothing is.")
    record_days: int = _setting(
        "RECORD_DAYS", kinds.whole(0, 365), "30",
        "The 1-minute bars of the symbols above, and of those that may be traded, are kept complete for so many days back: "
        "the gateway drops them when a month expires. 0: no recording.")
    cache_ttl_market_hours: float = _setting(
        "CACHE_TTL_MARKET_HOURS", kinds.number(0.01, 60), "0.05",
        "For so many minutes the newest bars are shown without reading them again; closed bars are kept for ever.")
    cache_ttl_off_hours: float = _setting(
        "CACHE_TTL_OFF_HOURS", kinds.number(0.01, 60), "15", "The same while the exchange is shut. Minutes.")
    bar_memory_mb: int = _setting(
        "BAR_MEMORY_MB", kinds.whole(4, 4096), "32",
        "Bars in memory, megabytes; a bar takes 48 bytes. What was not asked for longest goes first.")
    redis_url: Secret | None = _setting(
        "REDIS_URL", kinds.redis_url(), None,
        "A Redis server as a hot tier for bars, between memory and the archive. May carry a password; never shown or "
        "logged. Not set: none, unless REDIS_HOST names one. Needs pip install redis.")
    redis_host: str | None = _setting(
        "REDIS_HOST", kinds.host(), None, "The same by its host, for a server without a password. Not both.")
    redis_port: int = _setting("REDIS_PORT", kinds.whole(1, 65535), "6379", "The port of REDIS_HOST.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "LOG_LEVEL", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "The least a log line must matter.")
    log_format: Literal["auto", "json", "text"] = _setting(
        "LOG_FORMAT", kinds.choice("auto", "json", "text"), "auto", "auto is text on a terminal and JSON into a pipe.")
    no_color: bool = _setting(
        "NO_COLOR", kinds.presence(), None, "Set to anything: no colours (https://no-color.org).")
    # fmt: on
    bots: tuple[BotSetup, ...] = ()  # the default one first; the others from desk.toml
    hints: tuple[str, ...] = ()  # sentences for the start banner, about settings that are legal and yet look unintended


SETTINGS: tuple[Setting, ...] = tuple(f.metadata["setting"] for f in fields(Settings) if f.metadata)
