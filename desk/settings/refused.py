"""Variables that other TopstepX bots read and this program does not: each is refused with its successor or the reason.

Two names for one thing and values that were silently ignored have both ended in trades of the wrong size.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["why_refused"]

_SESSIONS = "the gateway logs in with PROJECT_X_USERNAME and PROJECT_X_API_KEY only"
_STRATEGY = "there are no built-in strategies; TradingView's alerts trade"
_CACHE = "closed bars are kept for ever and only missing ranges are fetched"
_WIRE = "the names of the hub's methods belong to the protocol"
_DOORS = "the private door on API_PORT is always on and always protected"
_STORE = "the journal is a file in DATA_DIR"
_TUNNEL = "start the tunnel beside the daemon and point it at WEBHOOK_PORT"
_NOTICES = "notices are not sent yet"
_REDIS = "write it into REDIS_URL: redis://:PASSWORD@HOST:6379/NUMBER"
_LIMITS = "this limit is not enforced yet, and pretending would be worse: set it in TopstepX"
_BREAKEVEN = "an entry says it itself: breakeven in the alert, be=TICKS in the console's command"

# Names that no other program uses: refused in the real environment, too. The first pattern that matches speaks.
_SPECIFIC: dict[str, str] = {
    "TOPSTEPX_USERNAME TOPSETPX_USERNAME": "write PROJECT_X_USERNAME",
    "TOPSTEPX_API_KEY TOPSETPX_API_KEY": "write PROJECT_X_API_KEY",
    "TOPSTEPX_ACCOUNT_ID TOPSETPX_ACCOUNT_ID": "write PROJECT_X_ACCOUNT_ID",
    "TOPSTEPX_* TOPSETPX_*": "the names here start with PROJECT_X_",
    "PROJECT_X_QUOTE_EVENT PROJECT_X_SUBSCRIBE_METHOD PROJECT_X_UNSUBSCRIBE_METHOD": _WIRE,
    "PROJECT_X_JWT* PROJECT_X_TOKEN": _SESSIONS,
    "USE_PROJECTX_SDK": "there is no second client to choose",
    "IGNORE_TP1_SIGNALS": "write IGNORE_NON_ENTRY_SIGNALS",
    "USE_NATIVE_BRACKETS ENABLE_BRACKET_ORDERS": "every entry carries its stop and target to the venue",
    "DASHBOARD_AUTH_TOKEN": "write API_TOKEN",
    "DASHBOARD_ENABLED DASHBOARD_ORDER_HISTORY_TTL DASHBOARD_POSITIONS_TTL WEBSOCKET_REQUIRE_AUTH": _DOORS,
    "PREFETCH_ENABLED": "write PREFETCH_SYMBOLS=none to switch the prefetch off, CACHE_INIT=lazy to postpone it",
    "BAR_DEFAULT_TIMEFRAMES": _CACHE,
    "DAILY_LOSS_LIMIT MAXIMUM_LOSS_LIMIT": _LIMITS,
    "GLOBAL_MAX_POSITIONS": "write MAX_POSITION_SIZE",
    "MANUAL_BREAKEVEN_ENABLED MANUAL_BREAKEVEN_PROFIT_POINTS": _BREAKEVEN,
    "OVERNIGHT_RANGE_* MEAN_REVERSION_* TREND_FOLLOWING_*": _STRATEGY,
    "MAX_CONCURRENT_STRATEGIES AUTO_SELECT_STRATEGIES MARKET_CONDITION_CHECK_INTERVAL": _STRATEGY,
    "OVERNIGHT_START_TIME OVERNIGHT_END_TIME OVERNIGHT_USE_DAILY_ATR MARKET_OPEN_GRACE_MINUTES": _STRATEGY,
    "STOP_ATR_MULTIPLIER TP_ATR_MULTIPLIER BREAKEVEN_PROFIT_POINTS RANGE_BREAK_OFFSET": _STRATEGY,
    "STRATEGY_QUANTITY STRATEGY_SYMBOLS STRATEGY_TIMEZONE": _STRATEGY,
    "BREAKOUT_MONITOR_ENABLED BREAKOUT_PROXIMITY_PERCENT MIN_PROXIMITY_POINTS ORDER_TOLERANCE_POINTS": _STRATEGY,
}

# Names that another program on this machine may own: refused only in the .env file, which is ours alone.
_GENERIC: dict[str, str] = {
    "PORT": "write WEBHOOK_PORT",
    "JWT_TOKEN": _SESSIONS,
    "API_RATE_LIMIT_MAX API_RATE_LIMIT_PERIOD": "the gateway's two published budgets are kept as they are",
    "CACHE_TTL_DEFAULT": "write CACHE_TTL_MARKET_HOURS and CACHE_TTL_OFF_HOURS",
    "CACHE_FORMAT": _CACHE,
    "MEMORY_CACHE_MAX_SIZE": "write BAR_MEMORY_MB: the bound is megabytes, not series",
    "WEBHOOK_TUNNEL NGROK_AUTHTOKEN": _TUNNEL,
    "WEBSOCKET_ENABLED WEBSOCKET_PORT": _DOORS,
    "WEBHOOK_TIMEOUT": "the answer follows the journal's commit; nothing else is waited for",
    "WEBHOOK_SECRET": "write WEBHOOK_TOKEN",
    "ACCESS_LOG_VERBOSE": "write LOG_LEVEL=DEBUG",
    "DISCORD_WEBHOOK_URL DISCORD_NOTIFICATIONS_ENABLED": _NOTICES,
    "DATABASE_URL PUBLIC_DATABASE_URL POSTGRES_*": _STORE,
    "REDIS_DB REDIS_PASSWORD": _REDIS,
    "REDIS_ENABLED": "REDIS_URL or REDIS_HOST switches it on; leave both out to switch it off",
    "RAILWAY*": "Topstep forbids order flow from servers; this program runs on your own computer",
    "INITIAL_BALANCE": "the balance comes from the gateway",
    "MARKET_OPEN_TIME BREAKEVEN_ENABLED MONITOR_INTERVAL_SECONDS": _STRATEGY,
}


def _find(name: str, table: dict[str, str]) -> str | None:
    for patterns, reason in table.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns.split()):
            return reason
    return None


def why_refused(name: str, *, in_file: bool) -> str | None:
    """The reason to refuse a variable that is no setting of ours; None when it is none of our business.

    in_file: it stands in the ``.env`` file, where also names such as PORT can only be meant for us.
    """
    reason = _find(name, _SPECIFIC)
    return _find(name, _GENERIC) if reason is None and in_file else reason
