"""What the start and the desk itself are told. Filled by ``load_env.py``'s settings in ``trading_bot.py``."""

from __future__ import annotations

from dataclasses import dataclass

from desk.core.ids import AccountId

__all__ = ["StartConfig"]


@dataclass(frozen=True, slots=True)
class StartConfig:
    """How to come up.

    account_id: the default bot's; None (paper only): the first account that may trade. must_have_account: a start without
    that account in the gateway's list is refused. symbols: roots whose quotes are subscribed. prefetch_*: roots and
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
