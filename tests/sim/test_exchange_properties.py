"""What must hold at the exchange whatever is sent to it, in parts or whole, by day and by night, over restarts."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from desk.sim.books import Books
from desk.sim.catalogue import Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.model import Account, Bracket, HalfTurn, Order, PlaceRequest, Position, Quote, Row
from desk.sim.statefile import StateFile, _row
from desk.sim.wire import BadRequest, Body, place_request
from desk.sim.words import OrderType, Side, Status

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
MNQ = "CON.F.US.MNQ.Z26"
TICK = Decimal("0.25")
START = Decimal(50_000)
AUTO, PLATFORM = 1, 2
ACCOUNTS = (
    Account(AUTO, "A", START, max_minis=5),
    Account(PLATFORM, "B", START, auto_oco=False, position_stop_usd=Decimal(20), position_target_usd=Decimal(30)),
)
PRICES = st.integers(-60, 60).map(lambda ticks: Decimal(30000) + ticks * TICK)


def at(price: Decimal) -> Quote:
    return Quote(price, price + TICK, price)


def rows_of(books: Books) -> list[Row]:
    return [*books.accounts.values(), *books.orders.values(), *books.positions.values(), *books.trades]


def through_a_file(rows: list[Row]) -> list[Row]:
    """Written and read back."""
    with tempfile.TemporaryDirectory() as folder:
        kept = StateFile(Path(folder) / "state.db")
        try:
            kept.write(rows, {})
            return kept.read()[0]
        finally:
            kept.close()


class AnyTrading(RuleBasedStateMachine):
    """Orders, prices, cancels, modifies, closes, nights and restarts in any order; the invariants are those of a venue."""

    @initialize(
        delay=st.sampled_from([0, 8]), slip=st.sampled_from([0, 1]), lot=st.sampled_from([None, 1, 2]),
        hours=st.sampled_from(["always", "exchange"]), suspended=st.booleans(),
    )  # fmt: skip
    def begin(self, delay: int, slip: int, lot: int | None, hours: Any, suspended: bool) -> None:
        wait = timedelta(milliseconds=delay)
        self.rules = FillRules(wait, wait, slip, hours=hours, lot=lot, modify_suspended=suspended)
        self.venue = Exchange(ACCOUNTS, Catalogue().find, self.rules)
        self.venue.on_quote(MNQ, at(Decimal(30000)))
        self.now = NOW
        self.seen: dict[int, Order] = {}
        self.resized: set[int | None] = set()

    @rule(
        account=st.sampled_from([AUTO, AUTO, PLATFORM]), kind=st.integers(1, 7), side=st.sampled_from(list(Side)),
        size=st.integers(1, 4), price=PRICES, stop=st.none() | st.integers(4, 40), profit=st.none() | st.integers(4, 40),
        trails=st.booleans(), tag=st.none() | st.sampled_from("abcd"),
    )  # fmt: skip
    def send(
        self, account: int, kind: int, side: Side, size: int, price: Decimal, stop: int | None, profit: int | None,
        trails: bool, tag: str | None,
    ) -> None:  # fmt: skip
        used = {row.custom_tag for row in self.venue.books.orders.values() if row.account_id == account}
        reply, _ = self.venue.place(
            PlaceRequest(
                account, MNQ, kind, side, size, price, price, price, tag,
                Bracket(-stop * side.sign, 5 if trails else 4) if stop else None,
                Bracket(profit * side.sign, 1) if profit else None,
            ),
            self.now,
        )  # fmt: skip
        assert reply.order_id is not None
        assert tag is None or tag not in used or reply.message == "Specified custom tag is already in use"

    @rule(price=PRICES, later=st.integers(0, 20))
    def trade(self, price: Decimal, later: int) -> None:
        self.now += timedelta(milliseconds=later)
        self.venue.on_print(MNQ, at(price), self.now)

    @rule(hours=st.integers(1, 12))
    def sleep(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.venue.advance(self.now)

    @rule()
    def restart(self) -> None:
        """Every row through the state file, into a new exchange that goes on."""
        before = self.venue.books
        self.venue = Exchange(ACCOUNTS, Catalogue().find, self.rules)
        self.venue.restore(through_a_file(rows_of(before)), self.now)
        self.venue.on_quote(MNQ, at(Decimal(30000)))
        after = self.venue.books
        assert (after.accounts, after.orders, after.positions) == (before.accounts, before.orders, before.positions)
        assert (after.trades, after.tags) == (before.trades, before.tags)
        assert after.next_order_id == before.next_order_id
        assert {name: set(rows) for name, rows in after.working.items() if rows} == {
            name: set(rows) for name, rows in before.working.items() if rows
        }

    @rule(pick=st.integers(0, 5))
    def cancel(self, pick: int) -> None:
        order = self._working(pick)
        self.venue.cancel(self._account(order), order, self.now)

    @rule(pick=st.integers(0, 5), price=PRICES, size=st.none() | st.integers(1, 4))
    def modify(self, pick: int, price: Decimal, size: int | None) -> None:
        order = self._working(pick)
        if size is not None and order in self.venue.books.orders:
            self.resized.add(self.venue.books.orders[order].parent_id)
        self.venue.modify(
            self._account(order), order, self.now, size=size, limit_price=price, stop_price=price, trail_price=price,
        )  # fmt: skip

    @rule(account=st.sampled_from([AUTO, PLATFORM]), size=st.none() | st.integers(1, 4))
    def close(self, account: int, size: int | None) -> None:
        self.venue.close(account, MNQ, self.now, size)

    def _working(self, pick: int) -> int:
        ids = [order.id for order in self.venue.books.orders.values() if order.is_working]
        return ids[pick % len(ids)] if ids else 0

    def _account(self, order_id: int) -> int:
        order = self.venue.books.orders.get(order_id)
        return order.account_id if order else AUTO

    @invariant()
    def the_position_is_the_sum_of_the_fills(self) -> None:
        for account in (AUTO, PLATFORM):
            fills = sum(row.side.sign * row.size for row in self.venue.books.trades if row.account_id == account)
            assert self.venue.books.net(account, MNQ) == fills

    @invariant()
    def the_balance_is_start_and_gross_less_fees(self) -> None:
        for account in (AUTO, PLATFORM):
            rows = [row for row in self.venue.books.trades if row.account_id == account]
            net = sum(((row.profit or Decimal(0)) - row.fees - row.commissions for row in rows), Decimal(0))
            assert self.venue.books.accounts[account].balance == START + net

    @invariant()
    def the_profit_of_a_flat_account_is_the_cash_of_its_fills(self) -> None:
        """Bought and sold over the whole history: what the rows call profit is what the prices say."""
        for account in (AUTO, PLATFORM):
            rows = [row for row in self.venue.books.trades if row.account_id == account]
            if self.venue.books.net(account, MNQ) == 0:
                cash = sum((-row.side.sign * row.size * row.price for row in rows), Decimal(0)) / TICK * Decimal("0.5")
                profit = sum((row.profit or Decimal(0) for row in rows), Decimal(0))
                assert abs(cash - profit) <= Decimal("0.001") * len(rows)

    @invariant()
    def no_order_leaves_a_terminal_state_and_ids_rise(self) -> None:
        orders = self.venue.books.orders
        for known in self.seen.values():
            assert not known.status.is_terminal or orders[known.id] == known
            assert known.fill_volume <= orders[known.id].fill_volume
        new = orders.keys() - self.seen.keys()
        assert min(new, default=2**40) > max(self.seen, default=0)
        assert [row.id for row in self.venue.books.trades] == sorted({row.id for row in self.venue.books.trades})
        self.seen = dict(orders)

    @invariant()
    def an_oco_pair_never_fills_twice(self) -> None:
        """Both legs together never exit more than the entry brought in; whole fills know one leg only."""
        orders = self.venue.books.orders
        for entry in {row.parent_id for row in orders.values() if row.parent_id is not None} - self.resized:
            assert entry is not None
            legs = [row for row in orders.values() if row.parent_id == entry]
            assert sum(leg.fill_volume for leg in legs) <= orders[entry].fill_volume
            assert sum(leg.status is Status.FILLED for leg in legs) <= 1
            assert self.rules.lot is not None or sum(leg.fill_volume > 0 for leg in legs) <= 1

    @invariant()
    def tags_are_unique(self) -> None:
        tags = [(row.account_id, row.custom_tag) for row in self.venue.books.orders.values() if row.custom_tag]
        assert len(tags) == len(set(tags))
        assert set(tags) == self.venue.books.tags

    @invariant()
    def every_order_has_its_trades_and_filled_means_whole(self) -> None:
        traded: dict[int, int] = {}
        for row in self.venue.books.trades:
            traded[row.order_id] = traded.get(row.order_id, 0) + row.size
        for order in self.venue.books.orders.values():
            assert traded.get(order.id, 0) == order.fill_volume <= order.size
            assert (order.status is Status.FILLED) == (order.fill_volume == order.size)
            assert (order.filled_price is None) == (order.fill_volume == 0)

    @invariant()
    def the_platforms_exits_fit_the_position(self) -> None:
        net = self.venue.books.net(PLATFORM, MNQ)
        for order in self.venue.books.orders.values():
            if order.of_position and order.is_working and order.id not in self.resized:
                assert order.side.sign * net < 0


TestAnyTrading = AnyTrading.TestCase
TestAnyTrading.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

PRICE = st.decimals("0.0000005", "99999", places=9)
INSTANT = st.datetimes(timezones=st.just(UTC))
ANY_ORDER = st.builds(
    Order, id=st.integers(0, 2**62), account_id=st.integers(0, 2**31), contract_id=st.text(), symbol_id=st.text(),
    created=INSTANT, updated=INSTANT, status=st.sampled_from(Status), type=st.sampled_from(OrderType),
    side=st.sampled_from(Side), size=st.integers(0, 10**6), limit_price=st.none() | PRICE, stop_price=st.none() | PRICE,
    trail_price=st.none() | PRICE, trail_ticks=st.none() | st.integers(-1000, 1000), fill_volume=st.integers(0, 99),
    filled_price=st.none() | PRICE, custom_tag=st.none() | st.text(), parent_id=st.none() | st.integers(0, 2**62),
    linked_id=st.none() | st.integers(0, 2**62), of_position=st.booleans(),
)  # fmt: skip
ANY_ROW = st.one_of(
    ANY_ORDER,
    st.builds(Account, id=st.integers(0, 2**31), name=st.text(), balance=PRICE, position_stop_usd=st.none() | PRICE),
    st.builds(
        Position, id=st.integers(0, 2**31), account_id=st.integers(0, 9), contract_id=st.text(), display_name=st.text(),
        created=INSTANT, net=st.integers(-99, 99), average_price=PRICE, minis=PRICE,
    ),
    st.builds(
        HalfTurn, id=st.integers(0, 2**62), account_id=st.integers(0, 9), contract_id=st.text(), created=INSTANT,
        price=PRICE, profit=st.none() | PRICE, fees=PRICE, commissions=PRICE, side=st.sampled_from(Side),
        size=st.integers(1, 9), order_id=st.integers(0, 2**62),
    ),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(ANY_ROW, max_size=8, unique_by=lambda row: (type(row).__name__, row.id)))
def test_rows_come_back_from_the_state_file_as_they_went(rows: list[Row]) -> None:
    back = {(type(row).__name__, row.id): row for row in through_a_file(rows)}
    assert back == {(type(row).__name__, row.id): row for row in rows}


def test_a_state_file_of_an_older_simulator_still_opens() -> None:
    """Rows without the members that came later take their defaults."""
    made = _row("account", {"id": 1, "name": "A", "balance": "1.5"})
    assert made == Account(1, "A", Decimal("1.5"))
    assert replace(made, balance=Decimal(2)).balance == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "accountId", "contractId", "type", "side", "size", "limitPrice", "stopPrice", "trailPrice", "customTag",
    "stopLossBracket", "takeProfitBracket",
)  # fmt: skip


@given(
    body=st.dictionaries(st.sampled_from(MEMBERS), JSON | st.integers(0, 9) | st.fixed_dictionaries({"ticks": JSON}))
)
def test_any_json_either_binds_or_is_a_bad_request_and_never_breaks_the_exchange(body: dict[str, Any]) -> None:
    venue = Exchange(ACCOUNTS, Catalogue().find, FillRules())
    venue.on_quote(MNQ, at(Decimal(30000)))
    try:
        request = place_request(Body.parse(json.dumps(body | {"accountId": AUTO, "contractId": MNQ}).encode()))
    except BadRequest:
        return
    reply, _ = venue.place(request, NOW)
    assert (reply.code == 0) == (reply.message is None)


@given(
    raw=st.binary()
    | st.sampled_from([b"[" * 5000, b'{"a":1e99999999999999999999}', b'{"a":' + b"9" * 5000 + b"}", b"NaN"])
)
def test_any_bytes_are_a_body_or_a_bad_request(raw: bytes) -> None:
    try:
        Body.parse(raw).maybe(Body.parse(raw).price, "a")
    except BadRequest:
        pass
