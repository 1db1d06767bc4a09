"""Accounts and contracts of the pure exchange: followers, locks and limits, the platform's own brackets, the roll."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from desk.sim.catalogue import Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.model import Account, Bracket, Order, PlaceRequest, Quote, Reply
from desk.sim.words import OrderType, Side, Status

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
MNQ, MES, SIL = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26", "CON.F.US.SIL.Z26"
TICK = Decimal("0.25")
AUTO, PLATFORM, FOLLOWER, LIVE = 1, 2, 3, 4
BOTH: dict[str, Any] = {"stop_loss": Bracket(-40, 4), "take_profit": Bracket(80, 1)}


def at(price: Decimal | int | str) -> Quote:
    last = Decimal(price)
    return Quote(last, last + TICK, last)


def exchange(catalogue: Catalogue | None = None, **rules: Any) -> Exchange:
    accounts = [
        Account(AUTO, "A", Decimal(50_000)),
        Account(PLATFORM, "B", Decimal(50_000), auto_oco=False),
        Account(FOLLOWER, "C", Decimal(50_000), follower=True),
        Account(LIVE, "D", Decimal(50_000), simulated=False),
    ]
    made = Exchange(accounts, (catalogue or Catalogue()).find, FillRules(**rules))
    made.on_quote(MNQ, at(30000))
    made.on_quote(MES, at(7700))
    return made


def place(venue: Exchange, account: int = AUTO, contract: str = MNQ, **members: Any) -> Reply:
    plain = {"type": OrderType.MARKET, "side": Side.BUY, "size": 1}
    return venue.place(PlaceRequest(account, contract, **(plain | members)), NOW)[0]


def number(reply: Reply) -> int:
    assert reply.code == 0, reply
    assert reply.order_id is not None
    return reply.order_id


def order(venue: Exchange, identity: int) -> Order:
    return venue.books.orders[identity]


# -- accounts ---------------------------------------------------------------------------------------------------------


def test_a_follower_account_takes_no_orders_and_says_so_on_cancel() -> None:
    """Reference 3.8 and 3.13: AccountRejected is 10, 6, 6, 8 and 9."""
    venue = exchange()
    reply = place(venue, FOLLOWER)
    assert reply.code == 10
    assert reply.order_id is not None
    assert order(venue, reply.order_id).status is Status.REJECTED
    assert venue.cancel(FOLLOWER, reply.order_id, NOW)[0] == Reply(6, "Follower accounts cannot cancel orders")
    assert venue.modify(FOLLOWER, reply.order_id, NOW, size=2)[0].code == 6
    assert venue.close(FOLLOWER, MNQ, NOW)[0].code == 8
    assert venue.close(FOLLOWER, MNQ, NOW, 1)[0].code == 9


def test_a_live_account_cannot_cancel_through_the_api() -> None:
    """Reference 3.8 and 3.9."""
    venue = exchange()
    identity = number(place(venue, LIVE, type=1, limit_price=Decimal(29990)))
    assert venue.cancel(LIVE, identity, NOW)[0] == Reply(6, "Live accounts not supported")
    place(venue, LIVE, size=2)
    assert venue.close(LIVE, MNQ, NOW, 1)[0].code == 9


def test_a_locked_account_may_close_and_cancel_but_not_place() -> None:
    """Reference 3.2: canTrade false is AccountViolation."""
    venue = exchange()
    resting = number(place(venue, type=1, limit_price=Decimal(29990)))
    place(venue)
    venue.set_account(replace(venue.books.accounts[AUTO], can_trade=False))
    assert place(venue).code == 4
    assert venue.cancel(AUTO, resting, NOW)[0].code == 0
    assert venue.close(AUTO, MNQ, NOW)[0].code == 0


def test_the_position_limit_adds_up_over_products_and_never_stops_an_exit() -> None:
    """Topstep rules 5.1: micros count a tenth, SIL a fifth, crypto one each; an oversized reversal is one order."""
    venue = exchange()
    venue.on_quote(SIL, Quote(Decimal(51), Decimal("51.005"), Decimal(51)))
    venue.set_account(replace(venue.books.accounts[AUTO], max_minis=5))
    number(place(venue, contract=MES, size=30, side=Side.SELL))
    assert place(venue, size=21).message == "Maximum position size exceeded"
    number(place(venue, size=16))
    assert place(venue, contract=SIL, size=3).message == "Maximum position size exceeded"
    number(place(venue, contract=SIL, size=2))
    assert place(venue, size=1).code == 2
    venue.set_account(replace(venue.books.accounts[AUTO], max_minis=1))
    number(place(venue, side=Side.SELL, size=16))
    number(place(venue, contract=MES, side=Side.BUY, size=60 - 30))
    minis = {row.display_name[:3]: row.minis for row in venue.books.positions.values()}
    assert minis == {"SIL": Decimal("0.2")}


def test_a_modify_cannot_grow_an_order_past_the_limit() -> None:
    venue = exchange()
    venue.set_account(replace(venue.books.accounts[AUTO], max_minis=1))
    identity = number(place(venue, type=1, size=5, limit_price=Decimal(29990)))
    assert venue.modify(AUTO, identity, NOW, size=11)[0] == Reply(3, "Maximum position size exceeded")
    assert venue.modify(AUTO, identity, NOW, size=10)[0].code == 0


def test_money_can_run_out() -> None:
    """Reference 3.13 and 3.14: InsufficientFunds with `Not enough margin.`."""
    venue = exchange(margin_per_mini=Decimal(20_000))
    reply = place(venue, size=26)
    assert (reply.code, reply.message) == (3, "Not enough margin.")
    number(place(venue, size=25))
    number(place(venue, side=Side.SELL, size=25))


# -- the platform's own brackets --------------------------------------------------------------------------------------


def platform(**rules: Any) -> Exchange:
    venue = exchange(**rules)
    account = venue.books.accounts[PLATFORM]
    venue.set_account(replace(account, position_stop_usd=Decimal(100), position_target_usd=Decimal(200)))
    return venue


def exits(venue: Exchange) -> list[tuple[int, int, int, Decimal | None]]:
    rows = [row for row in venue.books.orders.values() if row.of_position and row.is_working]
    assert all(row.custom_tag is None and row.parent_id is None and row.linked_id is None for row in rows)
    return [(row.type, row.side, row.size, row.stop_price or row.limit_price) for row in rows]


def test_position_brackets_follow_the_position_in_dollars() -> None:
    """Reference 3.6, Topstep rules 15: per position, no parent, no tag; MNQ 50 cents a tick."""
    venue = platform()
    number(place(venue, PLATFORM))
    assert exits(venue) == [(4, 1, 1, Decimal("29950.25")), (1, 1, 1, Decimal("30100.25"))]
    number(place(venue, PLATFORM))
    assert exits(venue) == [(4, 1, 2, Decimal("29975.25")), (1, 1, 2, Decimal("30050.25"))]
    venue.close(PLATFORM, MNQ, NOW, 1)
    assert exits(venue) == [(4, 1, 1, Decimal("29975.25")), (1, 1, 1, Decimal("30050.25"))]
    venue.on_print(MNQ, at(29970), NOW)
    assert venue.books.positions == {}
    assert exits(venue) == []


def test_position_brackets_turn_with_a_reversal_and_keep_four_ticks() -> None:
    venue = platform()
    number(place(venue, PLATFORM))
    number(place(venue, PLATFORM, side=Side.SELL, size=101))
    assert exits(venue) == [(4, 0, 100, Decimal(30001)), (1, 0, 100, Decimal(29999))]
    venue.close(PLATFORM, MNQ, NOW)
    assert exits(venue) == []


def test_an_auto_oco_account_gets_none() -> None:
    venue = platform()
    number(place(venue))
    assert exits(venue) == []


# -- contracts --------------------------------------------------------------------------------------------------------


def test_a_roll_leaves_the_position_in_the_old_month_which_can_only_be_closed() -> None:
    """Reference 3.3: the old id resolves with activeContract false, place answers 9, the position stays."""
    catalogue = Catalogue()
    venue = exchange(catalogue)
    number(place(venue, size=2, **BOTH))
    catalogue.roll("MNQ")
    old, new = catalogue.find(MNQ, NOW.date()), catalogue.find("CON.F.US.MNQ.H27", NOW.date())
    assert old is not None
    assert new is not None
    assert (old.active, new.active) == (False, True)
    assert [row.id for row in catalogue.available(NOW.date()) if row.symbol_id == "F.US.MNQ"] == ["CON.F.US.MNQ.H27"]
    assert place(venue).code == 9
    assert venue.books.net(AUTO, MNQ) == 2
    assert venue.modify(AUTO, 3_408_995_736, NOW, stop_price=Decimal(29980))[0].code == 0
    assert venue.close(AUTO, MNQ, NOW, 1)[0].code == 0
    venue.on_print(MNQ, at(29980), NOW)
    assert venue.books.net(AUTO, MNQ) == -1, "the leg kept its size"


def test_an_expired_contract_cannot_be_closed() -> None:
    """Reference 3.13: ContractNotActive is 4 for both closes."""
    venue = exchange()
    number(place(venue))
    later = datetime(2027, 1, 4, 15, tzinfo=UTC)
    assert venue.close(AUTO, MNQ, later)[0].code == 4
    assert venue.close(AUTO, MNQ, later, 1)[0].code == 4


def test_the_front_month_follows_the_calendar_and_a_roll_needs_a_known_product() -> None:
    catalogue = Catalogue({"MCL": 1})
    days = (datetime(2026, 8, 18, tzinfo=UTC).date(), datetime(2026, 8, 19, tzinfo=UTC).date())
    fronts = [next(row.id for row in catalogue.available(day) if row.symbol_id == "F.US.CLE") for day in days]
    assert fronts == ["CON.F.US.CLE.U26", "CON.F.US.CLE.V26"]
    with pytest.raises(KeyError):
        catalogue.roll("NOPE")
