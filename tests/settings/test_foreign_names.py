"""Every variable of the older TopstepX bots: accepted, or refused with a sentence that names its successor or the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desk.core.errors import ConfigError
from load_env import SETTINGS, load_settings

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([A-Z][A-Z0-9_]+\*?)` \| (.*?) \| (\w+) \| (.*) \|$", PAGE, re.MULTILINE)
OURS = {row.key for row in SETTINGS}
PER_STRATEGY = (
    "ENABLED SYMBOLS MAX_POSITIONS POSITION_SIZE RISK_PERCENT MAX_DAILY_TRADES PREFERRED_CONDITIONS AVOID_CONDITIONS "
    "START_TIME END_TIME NO_TRADE_START NO_TRADE_END RESPECT_DLL RESPECT_MLL MAX_DLL_USAGE"
)
ENDINGS = {
    "POSTGRES_*": ["HOST", "PORT", "DB", "USER", "PASSWORD"],
    "RAILWAY*": ["", "_URL", "_ENVIRONMENT"],
    **dict.fromkeys(("OVERNIGHT_RANGE_*", "MEAN_REVERSION_*", "TREND_FOLLOWING_*"), PER_STRATEGY.split()),
}
# All that those bots read or documented (existing bots 1.10).
KNOWN = """
PROJECT_X_API_KEY PROJECT_X_USERNAME TOPSTEPX_API_KEY TOPSTEPX_USERNAME TOPSETPX_API_KEY TOPSETPX_USERNAME JWT_TOKEN
TOPSTEPX_ACCOUNT_ID PROJECT_X_ACCOUNT_ID API_TIMEOUT API_RATE_LIMIT_MAX API_RATE_LIMIT_PERIOD USE_PROJECTX_SDK
PROJECT_X_MARKET_HUB_URL PROJECT_X_QUOTE_EVENT PROJECT_X_SUBSCRIBE_METHOD PROJECT_X_UNSUBSCRIBE_METHOD WEBSOCKET_POOL_MAX_SIZE
CACHE_TTL_MARKET_HOURS CACHE_TTL_OFF_HOURS CACHE_TTL_DEFAULT CACHE_FORMAT MEMORY_CACHE_MAX_SIZE PREFETCH_ENABLED PREFETCH_SYMBOLS
PREFETCH_TIMEFRAMES BAR_DEFAULT_TIMEFRAMES POSITION_SIZE MAX_POSITION_SIZE CLOSE_ENTIRE_POSITION_AT_TP1 TP1_FRACTION
IGNORE_NON_ENTRY_SIGNALS IGNORE_TP1_SIGNALS DEBOUNCE_SECONDS USE_NATIVE_BRACKETS USE_STOP_ENTRY WEBHOOK_HOST WEBHOOK_PORT PORT
WEBHOOK_TUNNEL NGROK_AUTHTOKEN DASHBOARD_ENABLED DASHBOARD_AUTH_TOKEN DASHBOARD_ORDER_HISTORY_TTL DASHBOARD_POSITIONS_TTL
WEBSOCKET_ENABLED WEBSOCKET_PORT WEBSOCKET_REQUIRE_AUTH ACCESS_LOG_VERBOSE LOG_LEVEL DISCORD_WEBHOOK_URL DATABASE_URL
PUBLIC_DATABASE_URL POSTGRES_* RAILWAY* MANUAL_BREAKEVEN_ENABLED MANUAL_BREAKEVEN_PROFIT_POINTS MAX_CONCURRENT_STRATEGIES
AUTO_SELECT_STRATEGIES MARKET_CONDITION_CHECK_INTERVAL OVERNIGHT_RANGE_* MEAN_REVERSION_* TREND_FOLLOWING_* OVERNIGHT_START_TIME
OVERNIGHT_END_TIME MARKET_OPEN_TIME STRATEGY_TIMEZONE MARKET_OPEN_GRACE_MINUTES ATR_PERIOD ATR_TIMEFRAME STOP_ATR_MULTIPLIER
TP_ATR_MULTIPLIER OVERNIGHT_USE_DAILY_ATR BREAKEVEN_ENABLED BREAKEVEN_PROFIT_POINTS RANGE_BREAK_OFFSET STRATEGY_QUANTITY
STRATEGY_SYMBOLS BREAKOUT_MONITOR_ENABLED BREAKOUT_PROXIMITY_PERCENT MIN_PROXIMITY_POINTS MONITOR_INTERVAL_SECONDS
ORDER_TOLERANCE_POINTS DAILY_LOSS_LIMIT MAXIMUM_LOSS_LIMIT INITIAL_BALANCE GLOBAL_MAX_POSITIONS ENABLE_BRACKET_ORDERS
STOP_LOSS_TICKS DISCORD_NOTIFICATIONS_ENABLED WEBHOOK_TIMEOUT REDIS_ENABLED REDIS_HOST REDIS_PORT REDIS_DB REDIS_PASSWORD
"""
SAMPLES = {
    "PROJECT_X_API_KEY": "key",
    "PROJECT_X_USERNAME": "trader",
    "PROJECT_X_ACCOUNT_ID": "4711",
    "PROJECT_X_MARKET_HUB_URL": "https://rtc.topstepx.com/hubs/market",
    "MAX_POSITION_SIZE": "2",
    "STOP_LOSS_TICKS": "80",
}


def written(tmp_path: Path, name: str, value: str = "1") -> Path:
    file = tmp_path / ".env"
    file.write_text(f"{name}={value}\n")
    return file


def test_the_table_of_the_page_has_every_variable() -> None:
    names = [name for name, *_ in ROWS]
    assert len(names) == len(set(names))
    assert set(KNOWN.split()) <= set(names)


@pytest.mark.parametrize(("name", "default"), [(n, d) for n, d, kind, _ in ROWS if kind == "kept"])
def test_a_variable_that_is_kept_is_a_setting_and_takes_the_value_it_had(
    tmp_path: Path, name: str, default: str
) -> None:
    assert name in OURS
    value = SAMPLES.get(name, default)
    assert load_settings({}, written(tmp_path, name, value)) is not None


@pytest.mark.parametrize(("name", "kind", "words"), [(n, kind, words) for n, _, kind, words in ROWS if kind != "kept"])
def test_a_variable_that_is_gone_is_refused_in_the_words_of_the_page(
    tmp_path: Path, name: str, kind: str, words: str
) -> None:
    assert kind in {"renamed", "refused"}
    for full in [name.replace("*", end) for end in ENDINGS.get(name, [""])]:
        assert full not in OURS
        with pytest.raises(ConfigError) as caught:
            load_settings({}, written(tmp_path, full))
        assert str(caught.value).splitlines()[1:] == [f"  - {full} (.env line 1): {words}"]
    if kind == "renamed":
        assert words.removeprefix("write ") in OURS
