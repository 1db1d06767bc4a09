"""What a run is told. Made of the settings by :func:`session_config`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from desk.bots.setup import BotSetup
from desk.core.ids import AccountId
from desk.settings.bots import changed_outside_bots
from desk.settings.table import Settings

__all__ = ["BarsConfig", "BotsRead", "SessionConfig", "StartConfig", "session_config"]


@dataclass(frozen=True, slots=True)
class StartConfig:
    """How to come up.

    account_id: of a bot that names none; None (paper only): the first account that may trade. must_have_account: a start
    without that account in the gateway's list is refused. symbols: roots whose quotes are subscribed. prefetch_*: roots and
    timeframes of the history cache, ``prefetch_bars`` each. is_cache_lazy: it is filled at the first ``history`` instead.
    """

    account_id: AccountId | None
    must_have_account: bool
    symbols: tuple[str, ...]
    prefetch_symbols: tuple[str, ...]
    prefetch_timeframes: tuple[str, ...]
    is_cache_lazy: bool = False
    prefetch_bars: int = 500
    first_retry_s: float = 1.0
    last_retry_s: float = 30.0


@dataclass(frozen=True, slots=True)
class BarsConfig:
    """memory_bytes: of pages in memory. tail_s, quiet_tail_s: for how long the newest bars are shown without reading them
    again, while the exchange is open and while it is shut. record_days: of 1-minute bars that are kept complete; 0: none.
    record_ticks: roots whose market trades are written down.
    """

    memory_bytes: int = 32_000_000
    tail_s: float = 3.0
    quiet_tail_s: float = 900.0
    record_days: int = 0
    record_ticks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BotsRead:
    """What the files say now. needs_restart: other settings that changed and are not looked at before the next start."""

    bots: tuple[BotSetup, ...]
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """mode: paper, or live (shadow: decided and journalled, nothing sent). bots: at least one, the default one first.

    read_again: what ``reload`` reads, in a thread; raises ConfigError. None: there are no files to read.
    foreign_stop_ticks: None: positions of others are shown only. atr: of how many closed bars, and how long they are.
    """

    mode: str
    data_dir: Path
    bots: tuple[BotSetup, ...]
    start: StartConfig
    foreign_stop_ticks: int | None = None
    atr: tuple[int, str] = (14, "5m")
    read_again: Callable[[], BotsRead] | None = None
    bars: BarsConfig = BarsConfig()

    @property
    def is_shadow(self) -> bool:
        return self.mode != "paper"


def session_config(settings: Settings, read_settings: Callable[[], Settings]) -> SessionConfig:
    """read_settings: the same settings as the files say them later; raises ConfigError."""
    account = settings.project_x_account_id

    def read_again() -> BotsRead:
        fresh = read_settings()
        return BotsRead(fresh.bots, changed_outside_bots(settings, fresh))

    return SessionConfig(
        mode=settings.trading_mode,
        data_dir=settings.data_dir,
        bots=settings.bots,
        start=StartConfig(
            account_id=AccountId(account) if account is not None else None,
            must_have_account=settings.trading_mode == "live",
            symbols=tuple(sorted({root for bot in settings.bots for root in bot.config.symbols})),
            prefetch_symbols=settings.prefetch_symbols,
            prefetch_timeframes=settings.prefetch_timeframes,
            is_cache_lazy=settings.cache_init == "lazy",
        ),
        foreign_stop_ticks=settings.foreign_stop_ticks,
        atr=(settings.atr_period, settings.atr_timeframe),
        read_again=read_again,
        bars=BarsConfig(
            memory_bytes=settings.bar_memory_mb * 1_000_000,
            tail_s=settings.cache_ttl_market_hours * 60,
            quiet_tail_s=settings.cache_ttl_off_hours * 60,
            record_days=settings.record_days,
            record_ticks=settings.record_ticks,
        ),
    )
