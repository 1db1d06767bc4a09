"""The bots of a run: by which secret each one is reached, and which account it trades. Checked as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from desk.bots import DEFAULT_BOT, BotConfig, BotSetup
from desk.core.errors import ConfigError, StoreError
from desk.core.ids import AccountId
from desk.core.secret import Secret
from desk.core.symbols import ROOTS
from desk.core.words import Account
from desk.runtime.desk import BotDoor
from desk.settings.kinds import token as token_kind
from desk.store import load_or_make_token

__all__ = ["assigned", "default_account", "doors_of", "waiting"]


def doors_of(setups: Iterable[BotSetup], data_dir: Path) -> tuple[BotDoor, ...]:
    """Each bot's door. A secret that nobody gave is made at the first start and kept in DATA_DIR.

    Raises StoreError for a file that holds none, ConfigError where a secret means two bots.
    """
    doors = tuple(BotDoor(bot.name, _token(bot, data_dir), bot.config.dialect) for bot in setups)
    names: dict[Secret, str] = {}
    for door in doors:
        if (other := names.setdefault(door.token, door.name)) != door.name:
            raise ConfigError(f"{other} and {door.name} have the same secret: a secret says which bot is meant")
    return doors


def _token(bot: BotSetup, data_dir: Path) -> Secret:
    if bot.token is not None:
        return bot.token
    name = "webhook" if bot.name == DEFAULT_BOT else f"bot_{bot.name}"
    token = load_or_make_token(data_dir, name)
    try:
        token_kind().parse(token.reveal())
    except ValueError:  # a person wrote it
        path = data_dir / f"{name}.token"
        raise StoreError(
            f"the token in {path} fits into no address: it must be {token_kind().allowed}; delete the file to get a new one"
        ) from None
    return token


def waiting(setups: Iterable[BotSetup]) -> Mapping[str, BotConfig]:
    """The bots before the gateway listed the accounts: their alerts are held."""
    return {bot.name: bot.config for bot in setups}


def assigned(
    setups: Sequence[BotSetup], accounts: Sequence[Account], fallback: AccountId | None, *, is_paper: bool
) -> Mapping[str, BotConfig]:
    """Every bot with its account. fallback: of a bot that names none; on paper the first one that may trade will do.

    Raises ConfigError with all problems: an account that the login does not list, and bots that would trade the same thing.
    """
    problems: list[str] = []
    configs: dict[str, BotConfig] = {}
    for bot in setups:
        wanted = bot.account if bot.account is not None else fallback
        if wanted is None and is_paper:
            wanted = _first(accounts)
        account_id = None if wanted is None else _account(bot, wanted, accounts, problems)
        configs[bot.name] = replace(bot.config, account_id=account_id, takes_delayed_data=is_paper)
    problems += _collisions(setups, configs)
    if problems:
        raise ConfigError("\n".join(problems))
    return {name: replace(config, others_symbols=_of_others(config, configs)) for name, config in configs.items()}


def default_account(configs: Mapping[str, BotConfig]) -> AccountId | None:
    """The one that a person's commands mean at first: the default bot's, else the first bot's."""
    chosen = configs.get(DEFAULT_BOT) or next(iter(configs.values()), None)
    return chosen.account_id if chosen is not None else None


def _first(accounts: Sequence[Account]) -> AccountId | None:
    tradable = [account for account in accounts if account.can_trade] or accounts
    return tradable[0].account_id if tradable else None


def _account(
    bot: BotSetup, wanted: AccountId | str, accounts: Sequence[Account], problems: list[str]
) -> AccountId | None:
    found = [account.account_id for account in accounts if str(wanted) in {str(account.account_id), account.name}]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{a.account_id} ({a.name})" for a in accounts) or "none"
    is_from_env = bot.account is None or bot.where == ".env"
    key = f"PROJECT_X_ACCOUNT_ID={wanted}" if is_from_env else f"{bot.where} account"
    if found:
        problems.append(f"{key} is the name of several accounts of this login: {listed}.\nWrite the id of one of them.")
    else:
        problems.append(
            f"{key} is not among the accounts of this login: {listed}.\n"
            "Set it to one of these ids. Ids change when an account is reset."
        )
    return None


def _collisions(setups: Sequence[BotSetup], configs: Mapping[str, BotConfig]) -> list[str]:
    """Two bots in one product family of one account: they would share a position, or hold opposite ones, which is hedging."""
    problems = []
    for index, bot in enumerate(setups):
        mine = configs[bot.name]
        for other in setups[:index]:
            theirs = configs[other.name]
            shared = {_family(root) for root in mine.symbols} & {_family(root) for root in theirs.symbols}
            if mine.account_id is None or mine.account_id != theirs.account_id or not shared:
                continue
            roots = sorted(root for root in mine.symbols | theirs.symbols if _family(root) in shared)
            problems.append(
                f"{bot.where}: {bot.name} and {other.name} ({other.where}) would both trade {', '.join(roots)} on account "
                f"{mine.account_id}, and each would close or turn round what the other one opened. Give them different "
                "accounts or symbols; SYMBOLS=none in .env lets the default bot open nothing."
            )
    return problems


def _family(root: str) -> str:
    """NQ and MNQ are one: opposite positions in them count as hedging (TradingView reference 9.2)."""
    product = ROOTS.get(root)
    return product.family if product is not None else root


def _of_others(mine: BotConfig, configs: Mapping[str, BotConfig]) -> frozenset[str]:
    others = [bot.symbols for bot in configs.values() if bot.name != mine.name and bot.account_id == mine.account_id]
    return frozenset().union(*others)
