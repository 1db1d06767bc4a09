"""Another configuration of the bots while the desk runs: read, compare, check against what is open, journal, take over.

All or nothing: one wrong part and everything stays as it is. New secrets open the doors at once, and old ones no longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from desk.bots import BotConfig, BotSetup
from desk.core.errors import ConfigError, UnknownSymbol
from desk.core.events import BotsReloaded
from desk.core.ids import CauseId
from desk.core.symbols import root_of_contract
from desk.engine.state import State, contracts_in_play
from desk.runtime.config import SessionConfig
from desk.runtime.desk import BotDoor, Desk
from desk.runtime.differences import Difference, differences
from desk.runtime.roster import assigned, default_account, doors_of

__all__ = ["Reloader", "Reread", "what_is_open"]

log = structlog.get_logger("desk.reload")


@dataclass(frozen=True, slots=True)
class Reread:
    """What the files say now. needs_restart: keys of other settings that changed."""

    doors: tuple[BotDoor, ...]
    configs: Mapping[str, BotConfig]
    changes: tuple[Difference, ...]
    needs_restart: tuple[str, ...]

    @property
    def may_trade_more(self) -> bool:
        return any(change.may_trade_more for change in self.changes)


class Reloader:
    """``desk.reloader``. The files are read in a thread; nothing of the desk changes before :meth:`apply`."""

    def __init__(self, desk: Desk, config: SessionConfig) -> None:
        self._desk = desk
        self._config = config

    async def read(self) -> Reread:
        """Raises ConfigError with everything that is wrong, StoreError for a secret that cannot be kept."""
        read_again = self._config.read_again
        if read_again is None:
            raise ConfigError("this desk was started without files to read again")
        fresh = await asyncio.to_thread(read_again)
        doors = await asyncio.to_thread(doors_of, fresh.bots, self._config.data_dir)
        configs = self._assigned(fresh.bots)
        desk = self._desk
        names = {account.account_id: account.name for account in desk.listed}
        changes = differences((desk.bot_configs, desk.bots), (configs, doors), names)
        self._check(configs)
        return Reread(doors, configs, changes, fresh.needs_restart)

    async def apply(self, reread: Reread, by: str) -> CauseId:
        """Once more against what is open now: a person may have thought about it for minutes."""
        self._check(reread.configs)
        desk = self._desk
        lines = tuple(change.text for change in reread.changes)
        event = BotsReloaded(cause=desk.new_cause(), changes=lines, by=by, ts=desk.clock.now())
        await desk.ask(event)
        desk.bots, desk.bot_configs = reread.doors, reread.configs
        desk.account_id = default_account(reread.configs)
        desk.max_position = reread.configs[reread.doors[0].name].max_position
        log.info("bots.reloaded", cause=event.cause, by=by, changes=lines)
        await self._watch_symbols()
        return event.cause

    def _assigned(self, bots: tuple[BotSetup, ...]) -> Mapping[str, BotConfig]:
        if not self._desk.listed:
            raise ConfigError(
                "the desk is starting: the accounts of this login are not known yet; try again in a moment"
            )
        fallback, is_paper = self._config.start.account_id, not self._config.start.must_have_account
        return assigned(bots, self._desk.listed, fallback, is_paper=is_paper)

    def _check(self, configs: Mapping[str, BotConfig]) -> None:
        problems = what_is_open(self._desk.state, self._desk.bot_configs, configs)
        if problems:
            raise ConfigError("\n".join(problems))

    async def _watch_symbols(self) -> None:
        """Quotes of the new symbols. One that the gateway does not list is a trouble, as at the start."""
        troubles = self._desk.troubles  # others write into it, too: it stays the same one
        for about in [about for about in troubles if about.startswith("symbol ")]:
            del troubles[about]
        for root in sorted({root for bot in self._desk.bot_configs.values() for root in bot.symbols}):
            try:
                await self._desk.quotes.watch(self._desk.contract(root).contract_id)
            except UnknownSymbol as problem:
                troubles[f"symbol {root}"] = f"{problem}; alerts for it are refused"


def what_is_open(state: State, before: Mapping[str, BotConfig], now: Mapping[str, BotConfig]) -> list[str]:
    """Why the bots cannot change like this at the moment: what a bot has open stays its own until it is closed. Pure."""
    return [problem for bot in before.values() for problem in _kept(state, bot, now)]


def _kept(state: State, bot: BotConfig, now: Mapping[str, BotConfig]) -> list[str]:
    new = now.get(bot.name)
    if bot.account_id is None:
        return []
    is_moved = new is None or new.account_id != bot.account_id
    if is_moved and not state.is_reconciled(bot.account_id):
        return [
            f"{bot.name}: what is open on account {bot.account_id} is not known at the moment; try again once it is reconciled"
        ]
    takers = {root: name for name, other in now.items() if name != bot.name and other.account_id == bot.account_id
              for root in other.symbols}  # fmt: skip
    problems = []
    for contract_id in sorted(contracts_in_play(state, bot.account_id)):
        root = _root(contract_id)
        if root in bot.others_symbols:
            continue
        what = f"{bot.name} has {contract_id} open on account {bot.account_id}"
        if is_moved:
            change = "it cannot be taken away" if new is None else "its account cannot change"
            problems.append(f"{what}: {change} before that is closed, for its exits would not find it")
        elif root in takers:
            problems.append(f"{what}: {root} cannot go to {takers[root]} before that is closed")
    return problems


def _root(contract_id: str) -> str:
    try:
        return root_of_contract(contract_id)
    except UnknownSymbol:
        return contract_id
