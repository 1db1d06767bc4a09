"""Environment and ``.env`` → one frozen :class:`Settings`. Importing does nothing; no other file reads the environment.

The class is the table: key, kind, default and meaning of a setting stand beside its field, and ``.env.example`` is
tested against it. A field is called as its key, in lower case, with its unit where the type cannot carry it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from desk.core.errors import ConfigError
from desk.core.secret import Secret
from desk.settings import kinds, sources
from desk.settings.conflicts import conflicts
from desk.settings.hints import hints_for
from desk.settings.kinds import Kind

__all__ = ["SETTINGS", "TRADINGVIEW_ADDRESSES", "Setting", "Settings", "load_settings"]

# The addresses that TradingView publishes; nothing promises that they stay.
TRADINGVIEW_ADDRESSES = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
LIVE_TOKEN_LENGTH = 16


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
        "PROJECT_X_ACCOUNT_ID", kinds.whole(1, 2**63 - 1), None, "The one account to trade. Needed for live.")
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
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "LOG_LEVEL", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "The least a log line must matter.")
    log_format: Literal["auto", "json", "text"] = _setting(
        "LOG_FORMAT", kinds.choice("auto", "json", "text"), "auto", "auto is text on a terminal and JSON into a pipe.")
    no_color: bool = _setting(
        "NO_COLOR", kinds.presence(), None, "Set to anything: no colours (https://no-color.org).")
    # fmt: on
    hints: tuple[str, ...] = ()  # sentences for the start banner, about settings that are legal and yet look unintended


SETTINGS: tuple[Setting, ...] = tuple(f.metadata["setting"] for f in fields(Settings) if f.metadata)


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read, check and freeze. The real environment wins over the file; an empty value counts as not set.

    environ: None means ``os.environ``, which is never changed. env_file: None or a missing file means no file.
    Raises ConfigError with every problem at once; its text repeats no value, because a value may be a misplaced secret.
    """
    known = {row.key for row in SETTINGS}
    given, problems = sources.gather(os.environ if environ is None else environ, env_file, known)
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
    if values.get("trading_mode") == "live":
        problems += _missing_for_live(values)
    if problems:
        raise ConfigError("These settings are wrong:\n" + "\n".join(f"  - {problem}" for problem in problems))
    _complete(values)
    return Settings(**values, hints=hints_for(values, given))


def _missing_for_live(values: Mapping[str, Any]) -> list[str]:
    needed = {
        "PROJECT_X_USERNAME": "your ProjectX user name",
        "PROJECT_X_API_KEY": "the API key that ProjectX made for you",
        "PROJECT_X_ACCOUNT_ID": "the id of the account to trade",
        "WEBHOOK_TOKEN": f"a secret of at least {LIVE_TOKEN_LENGTH} characters for the webhook's address",
    }
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
    values["no_color"] = bool(values["no_color"])
