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
from desk.sim.holidays import KNOWN_UNTIL
from desk.sim.market import Market, Print, index_of, instant
from desk.sim.matching import is_triggered
from desk.sim.model import Account, Contract, Order, Reply, Row, UserEvent
from desk.sim.sessions import listing_day
from desk.sim.statefile import StateFile, StateFileError
from desk.sim.words import OrderType, Side, Status

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
        self.catalogue = Catalogue(config.rolled)
        self.on_events: Callable[[list[UserEvent]], None] = lambda events: None
        self.followed: Callable[[], set[str]] = set
        self.tape: dict[str, list[Print]] = {}
        now = config.clock()
        if config.hours == "exchange" and now.date() > KNOWN_UNTIL:
            log.warning("hours unknown after=%s: weekends and daily hours only, no holidays", KNOWN_UNTIL)
        self.exchange = Exchange(_accounts_of(config), self.catalogue.find, _rules_of(config))
        self.exchange.floor.oco_delay = timedelta(milliseconds=config.oco_delay_ms)
        manual = config.market == "manual"
        self.market = Market(
            config.seed, manual=manual, started=now, spread_ticks=config.spread_ticks, hours=config.hours,
            replayed=config.recording.streams if config.recording is not None else None,
        )  # fmt: skip
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
        return self.catalogue.find(contract_id, listing_day(self.config.clock()))

    def available(self) -> list[Contract]:
        """The active contract of every product as of now (reference 3.3)."""
        return self.catalogue.available(listing_day(self.config.clock()))

    def roll(self, symbol: str) -> None:
        """The next listed month of a product such as MNQ becomes the active one; positions stay. Raises KeyError."""
        self.catalogue.roll(symbol)
        log.info("contract rolled symbol=%s months_ahead=%d", symbol, self.catalogue.rolled[symbol])
        self._keep([], self.config.clock())

    def sync(self) -> None:
        """Let everything happen that happens until now: prints, fills, waking legs."""
        now = self.config.clock()
        self._done(self._pass_time(now), now)

    def jumped(self) -> None:
        """The clock was set back: every contract is looked at from now on, not from where it was before."""
        self._seen.clear()

    def act(self, contract_id: str | None, do: Callable[[datetime], Answer]) -> Reply:
        """Bring the world to now, look at the contract's market, then do one thing to the exchange."""
        now = self.config.clock()
        events = self._pass_time(now)
        contract = self.catalogue.find(contract_id, listing_day(now)) if contract_id is not None else None
        if contract is not None:
            self.exchange.on_quote(contract.id, self.market.quote(contract, now))
            self._seen.setdefault(contract.id, index_of(now))
        reply, caused = do(now)
        self._done(events + caused, now)
        return reply

    def set_price(self, contract_id: str, price: Decimal) -> None:
        """Walk a contract to a price, tick by tick, as prints. Raises KeyError or ValueError."""
        now = self.config.clock()
        contract = self.catalogue.find(contract_id, listing_day(now))
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

    def reject(self, order_id: int) -> None:
        """An accepted order is turned down after all: status 5 on the hub, no reason (reference 3.6)."""
        now = self.config.clock()
        self._done(self._pass_time(now) + self.exchange.reject(order_id, now), now)

    def set_partial_fills(self, contracts: int | None) -> None:
        """From now on one fill takes at most so many contracts of an order; None: all of them."""
        self.exchange.floor.fill_limit = lambda order: contracts

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
        """Let every contract trade until now, in the order of time over all of them."""
        watched, followed, index = self.exchange.watched(), self.followed(), index_of(now)
        behind: dict[str, Contract] = {}
        priced: dict[str, Contract] = {}
        for contract_id in watched | followed:
            contract = self.catalogue.find(contract_id, listing_day(now))
            if contract is not None and self._seen.setdefault(contract_id, index) < index:
                behind[contract_id] = contract
            if contract is not None and contract_id in watched:
                priced[contract_id] = contract
        events: list[UserEvent] = []
        if any(index - self._seen[contract_id] > _LONG_GAP for contract_id in behind):
            events += self._search({name: row for name, row in behind.items() if name in watched}, index)
            self._seen |= dict.fromkeys(behind, index - 1)
        for contract_id, one in self._prints(behind, index):
            if contract_id in watched:
                events += self._do_due(priced, one.at)
                events += self.exchange.on_print(contract_id, one.quote, one.at)
        for contract_id in self._seen.keys() - watched - followed:
            del self._seen[contract_id]
        return events + self._do_due(priced, now)

    def _do_due(self, contracts: dict[str, Contract], upto: datetime) -> list[UserEvent]:
        """What is due by then, each at the prices of its own instant: a market order, a leg that wakes, the day's cut."""
        events: list[UserEvent] = []
        while (due := self.exchange.next_due()) is not None and due <= upto:
            self._quote_all(contracts, due)
            events += self.exchange.advance(due)
        return events

    def _prints(self, behind: dict[str, Contract], upto: int) -> list[tuple[str, Print]]:
        """All prints since they were last looked at, oldest first."""
        result: list[tuple[str, Print]] = []
        for contract_id, contract in behind.items():
            result += [(contract_id, one) for one in self.market.prints(contract, self._seen[contract_id], upto)]
            self._seen[contract_id] = upto
        if len(behind) > 1:
            result.sort(key=lambda pair: pair[1].at)
        return result

    def _search(self, contracts: dict[str, Contract], upto: int) -> list[UserEvent]:
        """A long gap: jump from one print that does something to the next, as if each had been seen."""
        events: list[UserEvent] = []
        after = {contract_id: self._seen[contract_id] for contract_id in contracts}
        found: dict[str, tuple[tuple[Decimal | None, Decimal | None], int | None]] = {}
        while True:
            for contract_id, contract in contracts.items():
                triggers = self._triggers(contract)
                if contract_id not in found or found[contract_id][0] != triggers:
                    hit = self.market.first_trigger(contract, after[contract_id], upto, *triggers)
                    found[contract_id] = triggers, hit
            coming = ((hit, contract_id) for contract_id, (_, hit) in found.items() if hit is not None)
            at, which = min(coming, default=(upto, None))
            due = self.exchange.next_due()
            if due is not None and due <= instant(at):
                events += self._do_due(contracts, due)
                last = index_of(due - timedelta(microseconds=1))
                after = {contract_id: max(seen, last) for contract_id, seen in after.items()}
                continue
            if which is None:
                self._quote_all(contracts, instant(upto))
                return events
            quote = self.market.quote(contracts[which], instant(at))
            events += self.exchange.on_print(which, quote, instant(at))
            after[which] = at
            del found[which]

    def _quote_all(self, contracts: dict[str, Contract], at: datetime) -> None:
        for contract_id, contract in contracts.items():
            self.exchange.on_quote(contract_id, self.market.quote(contract, at))

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
        if order.status is not Status.OPEN or is_triggered(order):
            return
        if order.limit_price is not None:
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
            self.catalogue.take_rolled({str(name): int(months) for name, months in named.get("rolled", {}).items()})
        except (TypeError, ValueError, AttributeError, KeyError) as exc:
            raise StateFileError(f"state file {state.path} cannot be used: {exc}. Move it away.") from exc
        self.exchange.restore(rows, last)
        for contract_id, ticks in frozen.items():
            contract = self.catalogue.find(contract_id, listing_day(now))
            if contract is not None:
                self.market.freeze(contract, ticks * contract.tick_size, now)
        for contract_id in sorted(self.exchange.watched()):
            contract = self.catalogue.find(contract_id, listing_day(now))
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
        named = {
            "seed": self.config.seed,
            "clock": now.isoformat(),
            "frozen": self.market.frozen_prices(),
            "rolled": self.catalogue.rolled,
        }
        self._state.write([*rows, *trailing], named)

    def _wind(self, now: datetime) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.exchange.next_due()
        if due is not None:
            delay = max((due - now).total_seconds(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self.sync)


def _rules_of(config: SimConfig) -> FillRules:
    return FillRules(
        timedelta(milliseconds=config.fill_delay_ms),
        timedelta(milliseconds=config.children_delay_ms if config.fill_delay_ms else 0),
        config.stop_slip_ticks,
        config.limit_fills,
        hours=config.hours,
        lot=config.partial_fills,
        resize_legs=config.resize_legs,
        modify_suspended=config.modify_suspended,
        margin_per_mini=config.margin_per_mini_usd,
    )


def _accounts_of(config: SimConfig) -> list[Account]:
    return [
        Account(
            spec.id, spec.name, spec.balance, can_trade=spec.can_trade, auto_oco=spec.auto_oco,
            max_minis=spec.max_minis, follower=spec.follower, simulated=spec.simulated,
            position_stop_usd=spec.position_stop_usd, position_target_usd=spec.position_target_usd,
            login=spec.login,
        )
        for spec in config.accounts
    ]  # fmt: skip
