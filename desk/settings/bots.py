"""From ``.env`` and ``desk.toml`` to the bots: the default one first, then the others in the file's order.

The default bot is described by ``.env``. Where ``desk.toml`` has ``[bots.default]`` it comes from there alone, and a variable of
``.env`` that describes it is refused: one thing, one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from desk.alerts.terms import DialectTerms, DiscordTerms
from desk.bots.config import BotConfig, Sizing
from desk.bots.setup import DEFAULT_BOT, BotSetup
from desk.core.ids import AccountId
from desk.core.secret import Secret
from desk.settings.botfields import BOT_FIELDS
from desk.settings.deskfile import BotTable, read_desk_file
from desk.settings.sources import Given
from desk.settings.table import SETTINGS, Settings

__all__ = ["ENV_KEYS", "Bots", "bots_of", "changed_outside_bots"]

_OWN_NAMES = {"token": "WEBHOOK_TOKEN", "sides": "BOT_SIDES", "dialect": "BOT_DIALECT"}
_KNOWN = {row.key for row in SETTINGS}
ENV_KEYS: dict[str, str] = {key: name for key in BOT_FIELDS if (name := _OWN_NAMES.get(key, key.upper())) in _KNOWN}
"""Key of a bot's table -> the variable that says the same of the default bot."""
LIVE_TOKEN_LENGTH = 16
_USUAL_FILE = Path("desk.toml")  # which need not be there


class Bots(NamedTuple):
    """``setups`` is empty where there are problems. has_own_default: the default bot is described in desk.toml."""

    setups: tuple[BotSetup, ...]
    problems: list[str]
    has_own_default: bool


def bots_of(values: Mapping[str, Any], given: Mapping[str, Given]) -> Bots:
    """values: the settings by field name, as far as they could be read. given: what was set, by key."""
    path: Path | None = values.get("desk_toml")
    tables: dict[str, BotTable] = {}
    problems: list[str] = []
    if path is not None:
        tables, problems = read_desk_file(path, must_exist=path != _USUAL_FILE)
    has_default = DEFAULT_BOT in tables
    if has_default:
        problems += _twice(given)
        tables = {DEFAULT_BOT: tables[DEFAULT_BOT], **tables}
    file = path.name if path is not None else "desk.toml"
    problems += _guessable(values, tables, file) + _shared_secrets(values, tables, file, has_default)
    if problems:
        return Bots((), problems, has_default)
    account = values.get("project_x_account_id")
    from_env = () if has_default or not _is_read(values) else (_default_of(values),)
    from_file = tuple(_setup(name, table, account, f"{file} [bots.{name}]") for name, table in tables.items())
    return Bots(from_env + from_file, [], has_default)


def changed_outside_bots(before: Settings, now: Settings) -> tuple[str, ...]:
    """Keys of settings that differ and do not describe bots: they are looked at when the program starts."""
    bots = {_field_of(key) for key in ENV_KEYS} | {"project_x_account_id", "desk_toml"}
    pairs = [(f.name, f.metadata["setting"].key) for f in fields(Settings) if f.metadata]
    return tuple(key for name, key in pairs if name not in bots and getattr(before, name) != getattr(now, name))


def _field_of(key: str) -> str:
    """Name of the field of Settings that carries a bot's key."""
    name = ENV_KEYS[key].lower()
    return "max_alert_age_s" if name == "max_alert_age" else name


def _is_read(values: Mapping[str, Any]) -> bool:
    """Every setting of the default bot could be read; what could not is told elsewhere."""
    return all(_field_of(key) in values for key in ENV_KEYS)


def _default_of(values: Mapping[str, Any]) -> BotSetup:
    table = {key: values[_field_of(key)] for key in ENV_KEYS}
    return _setup(DEFAULT_BOT, table, values.get("project_x_account_id"), ".env")


def _setup(name: str, table: BotTable, account: int | None, where: str) -> BotSetup:
    """account: the one of a bot that names none."""

    def value(key: str) -> Any:
        return table[key] if key in table else BOT_FIELDS[key].fallback

    size: int = value("position_size")
    heartbeat = value("heartbeat_minutes")
    config = BotConfig(
        name=name,
        account_id=None,
        symbols=frozenset(value("symbols") or ()),
        default_qty=size,
        max_position=value("max_position_size") or 2 * size,
        max_alert_age_s=value("max_alert_age"),
        sizing=Sizing(value("sizing"), value("sizing_value")),
        sides=value("sides"),
        windows=value("windows") or (),
        cooldown_s=value("cooldown_seconds"),
        debounce_s=value("debounce_seconds"),
        bare_side=value("bare_side"),
        opposite=value("opposite"),
        same=value("same"),
        mode=value("signal_mode"),
        on_gap=value("on_gap"),
        reorder_ms=value("reorder_ms"),
        price_bound_pct=value("price_bound_pct"),
        contract_policy=value("contract_policy"),
        entries_per_minute=value("entries_per_minute"),
        heartbeat_s=None if heartbeat is None else heartbeat * 60,
        dialect=DialectTerms(
            pinned=value("dialect"),
            pickmytrade_dollar=value("pickmytrade_dollar_unit"),
            discord=DiscordTerms(
                uses_stop_entry=value("use_stop_entry"),
                closes_all_at_tp1=value("close_entire_position_at_tp1"),
                tp1_fraction=value("tp1_fraction"),
                ignores_non_entries=value("ignore_non_entry_signals"),
            ),
        ),
    )
    wanted = table.get("account", account)
    return BotSetup(config, AccountId(wanted) if isinstance(wanted, int) else wanted, table.get("token"), where)


# --- what contradicts itself ---------------------------------------------------------------------------------------


def _twice(given: Mapping[str, Given]) -> list[str]:
    return [
        f"{name} ({given[name].where}): the default bot is described by [bots.default] in desk.toml; move it there as {key}"
        for key, name in ENV_KEYS.items()
        if name in given
    ]


def _guessable(values: Mapping[str, Any], tables: Mapping[str, BotTable], file: str) -> list[str]:
    if values.get("trading_mode") != "live":
        return []
    return [
        f"{file} [bots.{name}] token: must have at least {LIVE_TOKEN_LENGTH} characters in live: anybody may try to guess it"
        for name, table in tables.items()
        if "token" in table and len(table["token"].reveal()) < LIVE_TOKEN_LENGTH
    ]


def _shared_secrets(
    values: Mapping[str, Any], tables: Mapping[str, BotTable], file: str, has_default: bool
) -> list[str]:
    """A secret says which bot is meant, and that of the private door opens nothing else."""
    owners: dict[Secret, str] = {}
    for key in ("api_token",) if has_default else ("api_token", "webhook_token"):
        if values.get(key) is not None:
            owners.setdefault(values[key], key.upper())
    problems = []
    for name, table in tables.items():
        token: Secret | None = table.get("token")
        if token is None:
            continue
        if token in owners:
            problems.append(f"{file} [bots.{name}] token: is the same as {owners[token]}; every secret opens one thing")
        owners.setdefault(token, f"that of [bots.{name}]")
    return problems
