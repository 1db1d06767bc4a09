"""Down time over several contracts: every stop, target and cut in the order in which it would have come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.sim import SimConfig
from desk.sim.model import Bracket, Order, PlaceRequest
from desk.sim.venue import Venue

from .raw import COMBINE, MNQ, PRACTICE

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
AWAY = timedelta(hours=12)  # over the end of the trading day; the last trade comes after six
CONTRACTS = (MNQ, "CON.F.US.MES.Z26", "CON.F.US.ZCE.Z26", "CON.F.US.MGC.Z26")


class World:
    """A venue with a hand-set clock."""

    def __init__(self, path: Path | None, **settings: Any) -> None:
        self.now = NOW
        self.config = SimConfig(state_file=path, clock=lambda: self.now, fill_delay_ms=0, **settings)
        self.venue = Venue(self.config)

    def place(self, contract: str, account: int = COMBINE, **members: Any) -> None:
        request = PlaceRequest(account, contract, **({"type": 2, "side": 0, "size": 1} | members))
        reply = self.venue.act(contract, lambda now: self.venue.exchange.place(request, now))
        assert reply.code == 0, reply

    def rows(self) -> list[Order]:
        return sorted(self.venue.exchange.books.orders.values(), key=lambda row: row.id)

    def trade_all(self) -> None:
        """In each contract a bracketed position and a resting entry."""
        for number, contract in enumerate(CONTRACTS):
            kind = 5 if number % 2 else 4
            self.place(contract, stop_loss=Bracket(-60, kind), take_profit=Bracket(60, 1))
            row = self.venue.find(contract)
            assert row is not None
            level = self.venue.market.quote(row, self.now).last - 20 * row.tick_size
            self.place(contract, PRACTICE, type=1, limit_price=level, stop_loss=Bracket(-60, 4))


@pytest.mark.parametrize("hours", ["always", "exchange"])
async def test_several_contracts_trade_the_down_time_in_one_order(tmp_path: Path, hours: Any) -> None:
    """Away for half a day, or there all the time: the same orders, trades with the same ids, and balances."""
    away = World(tmp_path / "state.db", hours=hours)
    away.trade_all()
    away.venue.close()
    back = World.__new__(World)
    back.now = NOW + AWAY
    back.config = SimConfig(state_file=tmp_path / "state.db", clock=lambda: back.now, fill_delay_ms=0, hours=hours)
    back.venue = Venue(back.config)
    back.venue.close()

    lived = World(None, hours=hours)
    lived.trade_all()
    while lived.now < NOW + AWAY:
        lived.now += timedelta(minutes=5)
        lived.venue.sync()
    lived.venue.close()
    ours, theirs = back.venue.exchange.books, lived.venue.exchange.books
    assert [row.created for row in ours.trades] == sorted(row.created for row in ours.trades)
    assert len(ours.trades) > 10
    assert back.rows() == lived.rows()
    assert ours.trades == theirs.trades
    assert ours.accounts == theirs.accounts
    assert ours.positions == theirs.positions
    if hours == "exchange":
        assert ours.positions == {}
        assert not any(row.is_working for row in back.rows())


async def test_a_roll_survives_a_restart(tmp_path: Path) -> None:
    """Reference 3.3: the front month stays where it was rolled to, the position where it is."""
    first = World(tmp_path / "state.db", market="manual")
    first.place(MNQ)
    first.venue.roll("MNQ")
    first.venue.close()
    second = World(tmp_path / "state.db", market="manual")
    assert [row.id for row in second.venue.available() if row.symbol_id == "F.US.MNQ"] == ["CON.F.US.MNQ.H27"]
    assert second.venue.exchange.books.net(COMBINE, MNQ) == 1
    second.venue.close()


async def test_an_accepted_order_can_be_turned_down_after_all() -> None:
    """Reference 3.6: accepted by REST, rejected on the hub a moment later."""
    world = World(None, market="manual")
    quote = world.venue.market.quote(next(row for row in world.venue.available() if row.id == MNQ), NOW)
    world.place(MNQ, type=4, stop_price=quote.last + Decimal(10))
    told: list[object] = []
    world.venue.on_events = told.extend
    (order,) = world.rows()
    world.venue.reject(order.id)
    assert [int(row.status) for row in world.rows()] == [5]
    assert len(told) == 1
    world.venue.set_partial_fills(1)
    world.place(MNQ, type=1, size=3, limit_price=quote.last)
    world.venue.set_price(MNQ, quote.last - Decimal("0.25"))
    assert world.rows()[-1].fill_volume == 1
    world.venue.close()
