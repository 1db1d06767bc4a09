"""Coming up: log in first; then accounts, contracts, the history cache and both hubs at once; then reconcile; then ready.

Each part stands alone: one that fails is tried again with a growing pause and says what its absence means for trading,
while the others go on. The history cache never delays readiness. The public door is open all the while; alerts are held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog

from desk.bots import BotSetup
from desk.core.errors import AuthFailed, DeskError, GatewayError, ProtocolError, Refused, UnknownSymbol
from desk.core.events import AccountReported
from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.core.words import Account, Contract
from desk.engine import State
from desk.engine.state import contracts_in_play
from desk.gateway import GatewayClient
from desk.runtime.config import StartConfig
from desk.runtime.desk import Desk, Phase, StartStep
from desk.runtime.feeds import MEANING as HUB_MEANING
from desk.runtime.feeds import Feeds
from desk.runtime.roster import assigned, default_account

__all__ = ["StartSequence"]

log = structlog.get_logger("desk.start")
T = TypeVar("T")

MEANING = {
    "login": "nothing can be read or traded; alerts are held",
    "accounts": "no account is known: alerts are held",
    "contracts": "no symbol can be resolved: alerts are held",
    **HUB_MEANING,
    "history cache": "the first `history` of a symbol asks the gateway; trading is not affected",
    "reconcile": "the desk does not know what the account holds: entries are held",
}
CATALOGUE_EVERY_S = 900.0  # a roll has no event: the list is read again (gateway reference 3.3)
SLOW_S = 2.0  # a part that has no answer by then says so
LONGEST_PATIENCE_S = 30.0
HELD_GRACE_S = 10.0  # so long a month that is held and not listed is looked up before anything goes on without it
MARKET_GRACE_S = 1.0  # the market hub is waited for so long when all else is ready: entries do not need it


class StartSequence:
    """Brings one desk up. bots: at least one. background: starts a supervised task that may outlive the start (the cache).

    follow: subscribes what the watched symbols mean now; awaited after each reading of the contract list.
    """

    def __init__(
        self,
        desk: Desk,
        gateway: GatewayClient,
        feeds: Feeds,
        config: StartConfig,
        bots: Sequence[BotSetup],
        background: Callable[[Awaitable[None], str], None],
        follow: Callable[[], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._gateway = gateway
        self._feeds = feeds
        self._config = config
        self._bots = bots
        self._background = background
        self._follow = follow
        self._began = 0.0
        self._market_is_up = asyncio.Event()

    async def run(self) -> None:
        """Returns when the desk is ready. Raises AuthFailed (fatal) and ConfigError (an account is not there)."""
        self._began = self._desk.clock.monotonic()
        await self._part("login", self._gateway.login)
        try:
            async with asyncio.TaskGroup() as parts:
                self._feeds.open_connections()
                accounts = parts.create_task(self._part("accounts", self._accounts), name="start accounts")
                contracts = parts.create_task(self._part("contracts", self._contracts), name="start contracts")
                parts.create_task(self._user_hub(accounts), name="start user hub")
                parts.create_task(self._quotes(contracts), name="start quotes")
                self._background(self._market_hub(), "market hub")
                self._background(self._cache(contracts), "history cache")
        except BaseExceptionGroup as group:
            raise _first(group) from None  # the parts' own retries leave only what ends the start
        await self._reconciled()
        await self._held_months_in_time()
        await self._market_hub_in_time()
        if self._desk.phase is Phase.STARTING:
            self._desk.phase = Phase.READY
        log.info("desk.ready", took_ms=round((self._desk.clock.monotonic() - self._began) * 1000))

    async def keep_catalogue(self) -> None:
        """Reads the contract list again from time to time, so that a roll is noticed. Ends by cancellation."""
        while True:
            await asyncio.sleep(CATALOGUE_EVERY_S)
            try:
                await self._know(await self._gateway.contracts())
                await self._follow()
            except (GatewayError, ProtocolError) as error:
                log.warning("contracts.not_refreshed", error=str(error))

    # -- the parts -----------------------------------------------------------------------------------------------------

    async def _part(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """One part, until it works. A failure, or no answer, and what that means are shown while it is tried again."""
        pause, began = self._config.first_retry_s, self._desk.clock.monotonic()
        while True:
            slow = asyncio.get_running_loop().call_later(SLOW_S, self._failed, name, began, "no answer yet")
            try:
                result = await work()
            except AuthFailed as refused:
                if refused.fatal:
                    raise
                error: DeskError = refused
            except (GatewayError, ProtocolError) as failed:
                error = failed
            else:
                self._worked(name, began)
                return result
            finally:
                slow.cancel()
            self._failed(name, began, str(error), next_try_s=round(pause, 1))
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._config.last_retry_s)

    async def _accounts(self) -> list[Account]:
        accounts = await self._gateway.accounts()
        configs = assigned(self._bots, accounts, self._config.account_id, is_paper=not self._config.must_have_account)
        for account in accounts:
            self._desk.inbox.put(AccountReported(account=account, ts=self._desk.clock.now()))
        self._desk.bot_configs, self._desk.listed = configs, tuple(accounts)
        self._desk.account_id = default_account(configs)
        return accounts

    async def _contracts(self) -> list[Contract]:
        contracts = await self._gateway.contracts()
        await self._know(contracts)
        return contracts

    async def _know(self, contracts: list[Contract]) -> None:
        """Listed contracts; one that is not listed any more stays known as inactive, for what is still held in it."""
        old = {key: msgspec.structs.replace(known, is_active=False) for key, known in self._desk.catalogue.items()}
        known = old | {contract.contract_id: contract for contract in contracts}
        try:
            known |= await self._found(self._in_play_besides(known))
        except GatewayError as error:
            if self._desk.clock.monotonic() - self._began < HELD_GRACE_S:
                raise
            log.warning("contracts.held_month_not_known", error=str(error))  # that one alone: the others are traded
        self._desk.catalogue = known

    async def _held_months_in_time(self) -> None:
        """What is held in months that are not listed any more: a moment, then it is looked up beside what goes on."""
        if not self._in_play_besides(self._desk.catalogue):
            return
        known = asyncio.Event()

        async def look_up() -> None:
            await self._part("contracts", self._know_what_is_held)
            known.set()

        self._background(look_up(), "held months")
        try:
            async with asyncio.timeout(HELD_GRACE_S):
                await known.wait()
        except TimeoutError:
            pass  # the part itself says why

    async def _know_what_is_held(self) -> None:
        """What the reconciliation found in months that are not listed any more."""
        self._desk.catalogue = {
            **self._desk.catalogue,
            **await self._found(self._in_play_besides(self._desk.catalogue)),
        }

    def _in_play_besides(self, known: Mapping[ContractId, Contract]) -> list[ContractId]:
        """Contracts of a position or an order that the list left out before this start: nobody would get out of them by their
        symbol, and what opens would open in the new month besides."""
        state = self._desk.state
        return sorted({c for account in state.accounts for c in contracts_in_play(state, account)} - known.keys())

    async def _found(self, contract_ids: Sequence[ContractId]) -> dict[ContractId, Contract]:
        """By their ids, as inactive. One that the gateway does not tell is left out; no answer raises."""
        found: dict[ContractId, Contract] = {}
        for contract_id in contract_ids:
            try:
                contract = await self._gateway.contract(contract_id)
            except (Refused, ProtocolError) as error:
                log.warning("contracts.not_known", contract=contract_id, error=str(error))
                continue
            if contract is not None:
                found[contract_id] = msgspec.structs.replace(contract, is_active=False)
        return found

    async def _market_hub(self) -> None:
        """Ends when it is up. Readiness does not need it."""
        await self._patiently("market hub", self._feeds.market_is_up, lambda: self._feeds.problem("market hub"))
        self._market_is_up.set()

    async def _market_hub_in_time(self) -> None:
        """A moment, so that the first screen shows quotes where they can be had."""
        try:
            async with asyncio.timeout(MARKET_GRACE_S):
                await self._market_is_up.wait()
        except TimeoutError:
            self._failed("market hub", self._began, self._feeds.problem("market hub"))

    async def _user_hub(self, accounts: asyncio.Task[list[Account]]) -> None:
        """It connects at once, and subscribes to the accounts when they are known."""
        began = self._desk.clock.monotonic()
        ids = tuple(account.account_id for account in await accounts)

        async def is_up(patience_s: float) -> None:
            await self._feeds.user_is_up(ids, patience_s)

        await self._patiently("user hub", is_up, lambda: self._feeds.problem("user hub"), began)

    async def _quotes(self, contracts: asyncio.Task[list[Contract]]) -> None:
        """Asks for the quotes of the symbols that may be traded; they come whenever the market hub is up."""
        await contracts
        await self._follow()

    async def _reconciled(self) -> None:
        """Until the gateway's word on every bot's account is folded in; the engine asks for it when the user hub is up."""

        def is_so(state: State) -> bool:
            ids = [bot.account_id for bot in self._desk.bot_configs.values()]
            return all(account_id is not None and state.is_reconciled(account_id) for account_id in ids)

        async def reconciled(patience_s: float) -> None:
            if not await self._desk.until(is_so, patience_s):
                raise TimeoutError

        def problem() -> str:
            return "no answer yet" if self._desk.account_id is not None else "this login has no account"

        await self._patiently("reconcile", reconciled, problem)

    async def _patiently(
        self,
        name: str,
        work: Callable[[float], Awaitable[None]],
        problem: Callable[[], str],
        began: float | None = None,
    ) -> None:
        """A part that somebody else keeps trying: waits for it, and says from time to time why it is not there yet."""
        patience_s = SLOW_S
        began = self._desk.clock.monotonic() if began is None else began
        while True:
            try:
                await work(patience_s)
            except TimeoutError:
                self._failed(name, began, problem())
                patience_s = min(patience_s * 2, LONGEST_PATIENCE_S)
            else:
                self._worked(name, began)
                return

    async def _cache(self, contracts: asyncio.Task[list[Contract]]) -> None:
        """The history cache: begins as soon as the symbols can be resolved. Ends when it is filled; failures are named."""
        await asyncio.wait([contracts])
        if contracts.cancelled() or contracts.exception() is not None:
            return
        ids, unknown = [], []
        for symbol in self._config.prefetch_symbols:
            try:
                ids.append(self._desk.contract(symbol).contract_id)
            except UnknownSymbol as problem:
                unknown.append(f"{symbol}: {problem}")
        began = self._desk.clock.monotonic()
        timeframes = [parse_timeframe(text) for text in self._config.prefetch_timeframes]

        def on_progress(done: int, wanted: int) -> None:
            nonlocal began
            if not done:
                began = self._desk.clock.monotonic()  # a lazy one waited for somebody to ask
            self._note("history cache", began, is_running=True, progress=f"{done} of {wanted} series")

        report = await self._desk.history.prefetch(
            ids,
            timeframes,
            self._config.prefetch_bars,
            when_asked=self._config.is_cache_lazy,
            on_progress=on_progress,
        )
        problems = unknown + [f"{f.contract_id} {f.timeframe}: {f.reason}" for f in report.failures]
        self._note("history cache", began, "; ".join(problems) or None)
        if problems:
            self._desk.troubles["history cache"] = f"{'; '.join(problems)}; {MEANING['history cache']}"
            log.warning("history.prefetch_failed", problems=problems, meaning=MEANING["history cache"])
        log.info("history.prefetched", series=report.series, bars=report.bars, took_ms=round(report.took_ms))

    def _failed(self, name: str, began: float, error: str, **more: object) -> None:
        self._note(name, began, error)
        self._desk.troubles[name] = f"{error}; {MEANING[name]}"
        log.warning("start.failed", part=name, error=error, meaning=MEANING[name], **more)

    def _worked(self, name: str, began: float) -> None:
        if self._desk.troubles.pop(name, None) is not None:
            log.info("start.healed", part=name)
        self._note(name, began)

    def _note(
        self,
        name: str,
        began: float,
        error: str | None = None,
        *,
        is_running: bool = False,
        progress: str | None = None,
    ) -> None:
        ended_s = self._desk.clock.monotonic() - self._began
        meaning = MEANING[name] if error else None
        step = StartStep(
            name, began - self._began, ended_s, error=error, meaning=meaning, is_running=is_running, progress=progress
        )
        self._desk.steps[:] = [old for old in self._desk.steps if old.name != name] + [step]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
