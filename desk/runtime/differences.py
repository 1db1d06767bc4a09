"""What two configurations of the bots differ in, in words: bot, key as it is written in ``desk.toml``, before and now. Pure.

A secret is never shown. Each difference says whether it may lead to more being traded than before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from desk.bots import BotConfig
from desk.bots.config import Sizing, Window
from desk.core.ids import AccountId
from desk.runtime.desk import BotDoor

__all__ = ["Difference", "differences"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NONE = "none"


@dataclass(frozen=True, slots=True)
class Difference:
    """``key`` is empty for a bot that came or went as a whole."""

    bot: str
    key: str
    before: str
    now: str
    may_trade_more: bool

    @property
    def text(self) -> str:
        return f"{self.bot} {self.key}: {self.before} -> {self.now}".replace(" :", ":")


@dataclass(frozen=True, slots=True)
class _Field:
    """``adds``: whether going from the first value to the second may trade more; not known is yes."""

    key: str
    value: Callable[[BotConfig], Any]
    adds: Callable[[Any, Any], bool] = lambda before, now: True


def _larger(before: float | Decimal, now: float | Decimal) -> bool:
    return now > before


def _smaller(before: float, now: float) -> bool:
    return now < before


def _looser(before: float | Decimal | None, now: float | Decimal | None) -> bool:
    """Of a limit; None: there is none."""
    return before is not None and (now is None or now > before)


def _more(before: frozenset[Any], now: frozenset[Any]) -> bool:
    return bool(now - before)


def _never(before: object, now: object) -> bool:
    return False


_FIELDS = (
    _Field("account", lambda bot: bot.account_id),
    _Field("symbols", lambda bot: bot.symbols, _more),
    _Field("sides", lambda bot: bot.sides, _more),
    _Field("position_size", lambda bot: bot.default_qty, _larger),
    _Field("max_position_size", lambda bot: bot.max_position, _larger),
    _Field("sizing", lambda bot: bot.sizing),
    _Field("max_alert_age", lambda bot: bot.max_alert_age_s, _larger),
    _Field("windows", lambda bot: bot.windows),
    _Field("entries_per_minute", lambda bot: bot.entries_per_minute, _looser),
    _Field("cooldown_seconds", lambda bot: bot.cooldown_s, _smaller),
    _Field("debounce_seconds", lambda bot: bot.debounce_s, _smaller),
    _Field("same", lambda bot: bot.same),
    _Field("opposite", lambda bot: bot.opposite),
    _Field("bare_side", lambda bot: bot.bare_side),
    _Field("signal_mode", lambda bot: bot.mode),
    _Field("on_gap", lambda bot: bot.on_gap),
    _Field("reorder_ms", lambda bot: bot.reorder_ms, _never),
    _Field("price_bound_pct", lambda bot: bot.price_bound_pct, _looser),
    _Field("contract_policy", lambda bot: bot.contract_policy),
    _Field("heartbeat_minutes", lambda bot: None if bot.heartbeat_s is None else bot.heartbeat_s / 60, _never),
    _Field("dialect", lambda bot: bot.dialect.pinned),
    _Field("pickmytrade_dollar_unit", lambda bot: bot.dialect.pickmytrade_dollar),
    _Field("use_stop_entry", lambda bot: bot.dialect.discord.uses_stop_entry),
    _Field("close_entire_position_at_tp1", lambda bot: bot.dialect.discord.closes_all_at_tp1),
    _Field("tp1_fraction", lambda bot: bot.dialect.discord.tp1_fraction),
    _Field("ignore_non_entry_signals", lambda bot: bot.dialect.discord.ignores_non_entries),
)


def differences(
    before: tuple[Mapping[str, BotConfig], Sequence[BotDoor]],
    now: tuple[Mapping[str, BotConfig], Sequence[BotDoor]],
    account_names: Mapping[AccountId, str],
) -> tuple[Difference, ...]:
    """Both with the accounts that the bots trade. In the order of the new bots; those that are gone come last."""
    old_configs, old_doors = before
    configs, doors = now
    tokens = {door.name: door.token for door in old_doors}
    found: list[Difference] = []
    for door in doors:
        bot, old = configs[door.name], old_configs.get(door.name)
        if old is None:
            words = f"account {_shown(bot.account_id, account_names)}, symbols {_shown(bot.symbols)}"
            words += f", at most {bot.max_position} contracts"
            found.append(Difference(bot.name, "", "not there", words, may_trade_more=True))
            continue
        for field in _FIELDS:
            was, becomes = field.value(old), field.value(bot)
            if was != becomes:
                names = account_names if field.key == "account" else {}
                shown = (_shown(was, names), _shown(becomes, names))
                found.append(Difference(bot.name, field.key, *shown, may_trade_more=field.adds(was, becomes)))
        if tokens[door.name] != door.token:
            found.append(Difference(bot.name, "token", "***", "replaced", may_trade_more=False))
    gone = [name for name in old_configs if name not in configs]
    return (*found, *(Difference(name, "", "there", "gone", may_trade_more=False) for name in gone))


def _shown(value: object, account_names: Mapping[AccountId, str] = MappingProxyType({})) -> str:
    match value:
        case None | () | frozenset() if not value:
            return NONE
        case bool():
            return "true" if value else "false"
        case frozenset():
            return ",".join(sorted(str(item) for item in value))
        case tuple():
            return ", ".join(_window(item) for item in value)
        case Sizing():
            return value.mode if value.value is None else f"{value.mode} {value.value}"
        case float():
            return f"{value:g}"
        case int() if value in account_names:
            return f"{value} ({account_names[AccountId(value)]})"
        case _:
            return str(value)


def _window(window: Window) -> str:
    days = "" if len(window.days) == len(DAYS) else ",".join(DAYS[day] for day in sorted(window.days)) + " "
    return f"{days}{window.start:%H:%M}-{window.end:%H:%M} {window.zone}"
