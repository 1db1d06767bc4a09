"""Exchange, market, clock and state file as one: time passes here, and everything that happens is kept and told."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from desk.sim.catalogue import Catalogue
from desk.sim.config import SimConfig
from desk.sim.exchange import Answer, Exchange, FillRules
from desk.sim.market import Market, Print, index_of, instant
from desk.sim.model import Account, Contract, Order, Reply, Row, UserEvent
from desk.sim.statefile import StateFile, StateFileError
from desk.sim.words import OrderType, Side

log = logging.getLogger("desk.sim")
T = TypeVar("T")

_LONG_GAP = 2400
"""Prints (ten minutes) beyond which the tape is searched instead of replayed print by print."""
_CHECKPOINT_EVERY = 500


class Venue:
    """The one owner of exchange and market. Every method runs to its end without waiting.

    ``sync`` brings the world to now; ``act`` does that and then one mutation. Both keep what changed in the state
    file first and hand the events to ``on_events`` after it.
    """

    def __init__(self, config: SimConfig) -> None:
        """Open the state file and replay the down time. Raises StateFileError. May take a second: call in a thread."""
        self.config = config
        self.catalogue = Catalogue()
        self.on_events: Callable[[list[UserEvent]], None] = lambda events: None
        self.followed: Callable[[], set[str]] = set
        self.tape: dict[str, list[Print]] = {}
        rules = FillRules(
            timedelta(milliseconds=config.fill_delay_ms),
            timedelta(milliseconds=config.children_delay_ms if config.fill_delay_ms else 0),
            config.stop_slip_ticks,
            config.limit_fills,
        )
        accounts = [
            Account(
                spec.id, spec.name, spec.balance, can_trade=spec.can_trade, auto_oco=spec.auto_oco,
                max_minis=spec.max_minis, follower=spec.follower,
            )
            for spec in config.accounts
        ]  # fmt: skip
        now = config.clock()
        self.exchange = Exchange(accounts, self.catalogue.find, rules)
        manual = config.market == "manual"
        self.market = Market(config.seed, manual=manual, started=now, spread_ticks=config.spread_ticks)
        self._seen: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="sim-worker")
        self._state = StateFile(Path(config.state_file)) if config.state_file is not None else None
        if self._state is not None:
            try:
                self._restore(self._state, now)
            except BaseException:
                self._state.close()
                raise

    def find(self, contract_id: str) -> Contract | None:
        """A contract as of now."""
        return self.catalogue.find(contract_id, self.config.clock().date())

    def sync(self) -> None:
        """Let everything happen that happens until now: prints, fills, waking legs."""
        now = self.config.clock()
        self._done(self._pass_time(now), now)

    def act(self, contract_id: str | None, do: Callable[[datetime], Answer]) -> Reply:
        """Bring the world to now, look at the contract's market, then do one thing to the exchange."""
        now = self.config.clock()
        events = self._pass_time(now)
        contract = self.catalogue.find(contract_id, now.date()) if contract_id is not None else None
        if contract is not None:
            self.exchange.on_quote(contract.id, self.market.quote(contract, now))
            self._seen.setdefault(contract.id, index_of(now))
        reply, caused = do(now)
        self._done(events + caused, now)
        return reply

    def set_price(self, contract_id: str, price: Decimal) -> None:
        """Walk a contract to a price, tick by tick, as prints. Raises KeyError or ValueError."""
        now = self.config.clock()
        contract = self.catalogue.find(contract_id, now.date())
        if contract is None:
            raise KeyError(f"no contract {contract_id}")
        events = self._pass_time(now)
        prints = self.market.walk(contract, price, now)
        self.tape.setdefault(contract.id, []).extend(prints)
        for one in prints:
            events += self.exchange.on_print(contract.id, one.quote, now)
        log.info("price set contract=%s price=%s prints=%d", contract_id, price, len(prints))
        self._done(events, now, frozen=True)

    def set_account(self, account_id: int, **changes: Any) -> None:
        """Change an account from outside, such as ``can_trade=False``. Raises KeyError."""
        now = self.config.clock()
        account = self.exchange.books.accounts[account_id]
        self._done(self.exchange.set_account(Account(**{**account.__dict__, **changes})), now)

    def order_contract(self, order_id: int) -> str | None:
        """The contract of an order, None when there is no such order."""
        order = self.exchange.books.orders.get(order_id)
        return order.contract_id if order else None

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run a long calculation off the loop, in a thread that ends with the venue."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def checkpoint(self) -> None:
        """Fold the state file's log, off the loop, when it has grown."""
        if self._state is not None and self._state.commits >= _CHECKPOINT_EVERY:
            self._state.commits = 0
            await self.in_thread(self._state.checkpoint)

    def close(self) -> None:
        """Stop the clockwork, end the threads and let go of the state file."""
        if self._timer is not None:
            self._timer.cancel()
        self._workers.shutdown(cancel_futures=True)
        if self._state is not None:
            self._state.close()

    # -- inside -----------------------------------------------------------------------------------------------

    def _pass_time(self, now: datetime) -> list[UserEvent]:
        events: list[UserEvent] = []
        watched = self.exchange.watched()
        index = index_of(now)
        for contract_id in watched | self.followed():
            contract = self.catalogue.find(contract_id, now.date())
            seen = self._seen.setdefault(contract_id, index)
            if contract is None or index <= seen:
                continue
            if index - seen > _LONG_GAP:
                events += self._search(contract, seen, index)
                seen = index - 1
            for one in self.market.prints(contract, seen, index):
                self.tape.setdefault(contract_id, []).append(one)
                if contract_id in watched:
                    events += self.exchange.on_print(contract_id, one.quote, one.at)
            self._seen[contract_id] = index
        for contract_id in self._seen.keys() - watched - self.followed():
            del self._seen[contract_id]
        return events + self.exchange.advance(now)

    def _search(self, contract: Contract, after: int, upto: int) -> list[UserEvent]:
        """A long gap: jump from one print that does something to the next, as if each had been seen."""
        events: list[UserEvent] = []
        while True:
            up, down = self._triggers(contract)
            hit = self.market.first_trigger(contract, after, upto, up, down)
            due = self.exchange.next_due()
            if due is not None and due <= instant(hit if hit is not None else upto):
                quote = self.market.quote(contract, due)
                self.exchange.on_quote(contract.id, quote)
                events += self.exchange.advance(due)
                after = max(after, index_of(due))
                continue
            if hit is None:
                self.exchange.on_quote(contract.id, self.market.quote(contract, instant(upto)))
                return events
            events += self.exchange.on_print(contract.id, self.market.quote(contract, instant(hit)), instant(hit))
            after = hit

    def _triggers(self, contract: Contract) -> tuple[Decimal | None, Decimal | None]:
        """The nearest prices above and below at which a print would do something to a working order."""
        ups: list[Decimal] = []
        downs: list[Decimal] = []
        for order_id in self.exchange.books.working.get(contract.id, ()):
            order = self.exchange.books.orders[order_id]
            self._add_triggers(order, contract.tick_size, ups, downs)
        return min(ups, default=None), max(downs, default=None)

    def _add_triggers(self, order: Order, tick: Decimal, ups: list[Decimal], downs: list[Decimal]) -> None:
        margin = tick if self.config.limit_fills == "through" else Decimal(0)
        against, along = (ups, downs) if order.side is Side.BUY else (downs, ups)
        sign = order.side.sign
        if order.limit_price is not None and order.is_working:
            along.append(order.limit_price - sign * margin)
        elif order.stop_price is not None:
            against.append(order.stop_price)
            if order.type is OrderType.TRAILING_STOP and order.trail_price is not None:
                along.append(order.stop_price - sign * (order.trail_price + tick))

    def _restore(self, state: StateFile, now: datetime) -> None:
        rows, named = state.read()
        if "clock" not in named:
            self._keep(list(self.exchange.books.accounts.values()), now)
            return
        if named.get("seed") != self.config.seed:
            raise StateFileError(
                f"state file {state.path} belongs to the market of seed {named.get('seed')}, not {self.config.seed}"
            )
        try:
            last = datetime.fromisoformat(named["clock"])
            frozen = {str(name): int(ticks) for name, ticks in named.get("frozen", {}).items()}
        except (TypeError, ValueError, AttributeError) as exc:
            raise StateFileError(f"state file {state.path} cannot be used: {exc}. Move it away.") from exc
        self.exchange.restore(rows, last)
        for contract_id, ticks in frozen.items():
            contract = self.catalogue.find(contract_id, now.date())
            if contract is not None:
                self.market.freeze(contract, ticks * contract.tick_size, now)
        for contract_id in sorted(self.exchange.watched()):
            contract = self.catalogue.find(contract_id, now.date())
            if contract is not None:
                self.exchange.on_quote(contract_id, self.market.quote(contract, last))
                self._seen[contract_id] = index_of(last)
        events = self.exchange.advance(last) + self._pass_time(now)
        log.info("state restored rows=%d down_s=%.1f events=%d", len(rows), (now - last).total_seconds(), len(events))
        self._keep([event.row for event in events], now)

    def _done(self, events: list[UserEvent], now: datetime, *, frozen: bool = False) -> None:
        """Keep, tell, and wind the alarm for what is due next."""
        if events or frozen:
            self._keep([event.row for event in events], now)
        if events:
            self.on_events(events)
        self._wind(now)

    def _keep(self, rows: list[Row], now: datetime) -> None:
        if self._state is None:
            return
        books = self.exchange.books
        trailing = [
            books.orders[order_id]
            for orders in books.working.values()
            for order_id in orders
            if books.orders[order_id].type is OrderType.TRAILING_STOP
        ]
        named = {"seed": self.config.seed, "clock": now.isoformat(), "frozen": self.market.frozen_prices()}
        self._state.write([*rows, *trailing], named)

    def _wind(self, now: datetime) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.exchange.next_due()
        if due is not None:
            delay = max((due - now).total_seconds(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self.sync)
