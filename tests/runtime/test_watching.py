"""A roll: the new month is subscribed, the old one stays as long as something is held in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from desk.core.errors import ProtocolError
from desk.core.ids import ContractId
from desk.core.symbols import parse_symbol, resolve
from desk.core.timeframe import parse_timeframe
from desk.core.words import Contract
from desk.gateway import Kind
from desk.runtime.liveseries import BarsInDoubt
from desk.runtime.watching import Watching
from tests.runtime.tape import MNQ, Stage, stage

H27 = ContractId("CON.F.US.MNQ.H27")


class Desk:
    def __init__(self, one: Stage) -> None:
        self.one = one
        self.catalogue: dict[ContractId, Contract] = {}
        self.troubles = one.troubles
        self.state = SimpleNamespace(positions={})

    async def read(self) -> None:
        """As ``start.keep_catalogue`` does."""
        old = {key: msgspec.structs.replace(known, is_active=False) for key, known in self.catalogue.items()}
        self.catalogue = old | {row.contract_id: row for row in await self.one.gateway.contracts()}

    def contract(self, text: str) -> Contract:
        return resolve(parse_symbol(text), list(self.catalogue.values()))


async def test_after_a_roll_the_new_month_is_watched_and_the_old_one_only_while_it_is_held() -> None:
    async with stage() as one:
        desk = Desk(one)
        watching = Watching(cast(Any, desk), one.feeds, one.live, lambda: ("MNQ", "BTC"), ("ES",))
        await watching.follow()
        assert set(one.troubles) == {"symbol MNQ", "symbol BTC"}
        assert not watching.contracts
        await desk.read()
        await watching.follow()
        assert set(one.troubles) == {"symbol BTC"}
        both = {Kind.QUOTES: 1, Kind.TRADES: 1}
        es = next(iter(watching.contracts - {MNQ}))
        assert one.feeds.subscriptions() == {MNQ: both, es: {Kind.TRADES: 1}}

        one.sim.roll("MNQ")
        await desk.read()
        desk.state.positions[1, MNQ] = 2
        await watching.follow()
        assert one.feeds.subscriptions() == {MNQ: both, H27: both, es: {Kind.TRADES: 1}}
        desk.state.positions.clear()
        await watching.follow()
        assert one.feeds.subscriptions() == {H27: both, es: {Kind.TRADES: 1}}
        assert watching.contracts == {H27, es}
        await one.feeds.market_is_up(5.0)
        assert one.feeds.market is not None
        assert one.feeds.market.subscribed == {H27, es}


async def test_a_symbol_that_a_reload_added_is_followed_when_its_position_ends_and_when_it_rolls() -> None:
    async with stage() as one:
        desk, traded = Desk(one), {"ES"}
        watching = Watching(cast(Any, desk), one.feeds, one.live, lambda: traded)
        await desk.read()
        desk.state.positions[1, MNQ] = 2  # held, and not a symbol of a bot yet
        await watching.follow()
        traded.add("MNQ")
        await one.feeds.watch(MNQ)  # as the reload does
        desk.state.positions.clear()
        await watching.follow()
        assert Kind.QUOTES in one.feeds.subscriptions()[MNQ]
        one.sim.roll("MNQ")
        await desk.read()
        await watching.follow()
        assert Kind.QUOTES in one.feeds.subscriptions()[H27]
        assert MNQ not in one.feeds.subscriptions()


async def test_depth_is_subscribed_only_while_somebody_looks() -> None:
    async with stage() as one:
        book = await one.feeds.watch_depth(MNQ)
        assert await one.feeds.watch_depth(MNQ) is book is one.feeds.depth(MNQ)
        await one.until(lambda: len(book.top(5, one.clock.now()).bids) == 5)
        top = book.top(5, one.clock.now())
        assert top.bids[0].price < top.asks[0].price
        await one.feeds.unwatch_depth(MNQ)
        assert one.feeds.depth(MNQ) is book
        await one.feeds.unwatch_depth(MNQ)
        assert one.feeds.depth(MNQ) is None
        assert one.feeds.subscriptions() == {}


async def test_trades_that_are_not_understood_put_the_bars_in_doubt() -> None:
    s5 = parse_timeframe("5s")
    async with stage() as one:
        await one.live.subscribe(MNQ, s5)
        await one.until(lambda: one.live.stats().live == 1)
        assert one.feeds.market is not None
        raw = [msgspec.Raw(f'"{MNQ}"'.encode()), msgspec.Raw(b'[{"price":"much"}]')]
        with pytest.raises(ProtocolError):
            one.feeds.market.on_event("GatewayTrade", raw, one.clock.now())
        doubts = [event for event in one.heard if isinstance(event, BarsInDoubt)]
        assert [event.reason for event in doubts] == ["trades that were not understood"]
        assert one.live.tail(MNQ, s5, int(one.live.now())) is None
        await one.until(lambda: one.live.stats().live == 1)
