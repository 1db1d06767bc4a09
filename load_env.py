"""Environment, ``.env`` and ``desk.toml`` → one frozen :class:`Settings`. Importing does nothing; no other file reads the
environment. The table of settings is ``desk/settings/table.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from desk.core.errors import ConfigError
from desk.core.secret import Secret
from desk.settings import sources
from desk.settings.bots import LIVE_TOKEN_LENGTH, bots_of
from desk.settings.conflicts import conflicts
from desk.settings.hints import hints_for
from desk.settings.table import SETTINGS, Setting, Settings

__all__ = ["SETTINGS", "TRADINGVIEW_ADDRESSES", "Setting", "Settings", "load_settings"]

# The addresses that TradingView publishes; nothing promises that they stay.
TRADINGVIEW_ADDRESSES = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")


_USUAL_FILE = Path(".env")  # which need not be there


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = _USUAL_FILE, *, must_exist: bool = False
) -> Settings:
    """Read, check and freeze. The real environment wins over the file; an empty value counts as not set.

    environ: None means ``os.environ``, which is never changed. env_file: None or a missing file means no file;
    ``must_exist``: that is wrong, for somebody named it.
    Raises ConfigError with every problem at once; its text repeats no value, because a value may be a misplaced secret.
    """
    known = {row.key for row in SETTINGS}
    given, problems = sources.gather(os.environ if environ is None else environ, env_file, known)
    if must_exist and env_file is not None and not env_file.exists():
        problems.append(f"{env_file.absolute()} is not there: --env-file must name a file with settings")
    values: dict[str, Any] = {}
    for f in fields(Settings):
        if f.metadata:
            row: Setting = f.metadata["setting"]
            origin = given.get(row.key, sources.Given(row.default or "", "default"))
            try:
                values[f.name] = row.kind.parse(origin.text) if origin.text else None
            except ValueError:
                problems.append(f"{row.key} ({origin.where}): must be {row.kind.allowed}")
    problems += conflicts(values)
    bots = bots_of(values, given)
    problems += bots.problems
    if values.get("trading_mode") == "live":
        problems += _missing_for_live(values, has_own_default=bots.has_own_default)
    if problems:
        raise ConfigError("These settings are wrong:\n" + "\n".join(f"  - {problem}" for problem in problems))
    _complete(values)
    return Settings(**values, bots=bots.setups, hints=hints_for(values, given) + _overlooked(env_file))


def _overlooked(env_file: Path | None) -> tuple[str, ...]:
    """Started from another folder: the file beside the program is not read, and data lies elsewhere, too."""
    beside = Path(__file__).with_name(".env")
    if env_file != _USUAL_FILE or env_file.exists() or not beside.exists():
        return ()
    return (f"{beside} is not read, for the program was started in {Path.cwd()}: start it there, or use --env-file.",)


def _missing_for_live(values: Mapping[str, Any], *, has_own_default: bool) -> list[str]:
    """has_own_default: the default bot is described in desk.toml, its secret, too."""
    needed = {
        "PROJECT_X_USERNAME": "your ProjectX user name",
        "PROJECT_X_API_KEY": "the API key that ProjectX made for you",
        "PROJECT_X_ACCOUNT_ID": "the id of the account to trade",
    }
    if not has_own_default:
        needed["WEBHOOK_TOKEN"] = f"a secret of at least {LIVE_TOKEN_LENGTH} characters for the webhook's address"
    problems = [
        f"{key} is missing: live needs it. Set it to {what}, or leave TRADING_MODE out to trade on paper"
        for key, what in needed.items()
        if values.get(key.lower(), "refused") is None
    ]
    for key in ("WEBHOOK_TOKEN", "API_TOKEN"):
        token: Secret | None = values.get(key.lower())
        if token is not None and len(token.reveal()) < LIVE_TOKEN_LENGTH:
            problems.append(
                f"{key} must have at least {LIVE_TOKEN_LENGTH} characters in live: anybody may try to guess it"
            )
    return problems


def _complete(values: dict[str, Any]) -> None:
    """Fill in the defaults that depend on another setting."""
    if values["max_position_size"] is None:
        values["max_position_size"] = 2 * values["position_size"]
    if values["webhook_allowed_ips"] is None and values["trading_mode"] == "live":
        values["webhook_allowed_ips"] = TRADINGVIEW_ADDRESSES
    values["webhook_allowed_ips"] = values["webhook_allowed_ips"] or None
    if values["foreign_positions"] == "show":
        values["foreign_stop_ticks"] = None
    if values["redis_host"] is not None:
        host = f"[{values['redis_host']}]" if ":" in values["redis_host"] else values["redis_host"]
        values["redis_url"] = Secret(f"redis://{host}:{values['redis_port']}/0")
    values["no_color"] = bool(values["no_color"])
