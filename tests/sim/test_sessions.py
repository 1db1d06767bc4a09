"""When products trade, and what the firm's cut does to orders and positions: pure, then over HTTP with a hand-set clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.sim import SimConfig, SimServer
from desk.sim.catalogue import PRODUCTS, Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.holidays import GROUPS, HOLIDAYS
from desk.sim.model import Account, Bracket, PlaceRequest, Quote, Reply
from desk.sim.sessions import (
    is_open,
    is_tradable,
    listing_day,
    next_change,
    next_cut,
    next_tradable,
    open_spans,
    trading_day,
)
from desk.sim.words import Status

from .raw import COMBINE, MNQ, Rest

CHICAGO = ZoneInfo("America/Chicago")
CORN = "CON.F.US.ZCE.Z26"
NOT_TRADING = "Trading is currently unavailable. The instrument is not in an active trading status."
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


def chicago(text: str) -> datetime:
    """``2026-11-18 15:10`` on Chicago's clock, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


# -- the calendar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "opened", "tradable"),
    [
        ("2026-11-18 15:09:59", True, True),
        ("2026-11-18 15:10", True, False),
        ("2026-11-18 15:59:59", True, False),
        ("2026-11-18 16:00", False, False),
        ("2026-11-18 16:59:59", False, False),
        ("2026-11-18 17:00", True, True),
        ("2026-11-20 15:10", True, False),
        ("2026-11-20 17:00", False, False),
        ("2026-11-21 12:00", False, False),
        ("2026-11-22 16:59:59", False, False),
        ("2026-11-22 17:00", True, True),
    ],
)
def test_index_futures_trade_all_day_but_an_hour_and_topstep_a_little_less(
    when: str, opened: bool, tradable: bool
) -> None:
    """Reference 6.4: Sunday 17:00 to Friday 16:00 with a pause; flat by 15:10, again from 17:00."""
    assert (is_open("index", chicago(when)), is_tradable("index", chicago(when))) == (opened, tradable)


@pytest.mark.parametrize(
    ("group", "when", "tradable"),
    [
        ("grains", "2026-11-18 07:44", True),
        ("grains", "2026-11-18 07:45", False),
        ("grains", "2026-11-18 08:30", True),
        ("grains", "2026-11-18 13:20", False),
        ("grains", "2026-11-18 18:59", False),
        ("grains", "2026-11-18 19:00", True),
        ("livestock", "2026-11-18 08:29", False),
        ("livestock", "2026-11-18 08:30", True),
        ("livestock", "2026-11-18 13:05", False),
    ],
)
def test_farm_products_have_hours_of_their_own(group: str, when: str, tradable: bool) -> None:
    """Topstep rules 8."""
    assert is_tradable(group, chicago(when)) is tradable


@pytest.mark.parametrize(
    ("day", "flat_by", "reopens"),
    [
        ("2026-01-01", None, "2026-01-01 17:00"),
        ("2026-01-19", "11:45", "2026-01-19 17:00"),
        ("2026-02-16", "11:45", "2026-02-16 17:00"),
        ("2026-04-03", "08:00", "2026-04-05 17:00"),
        ("2026-05-25", "11:45", "2026-05-25 17:00"),
        ("2026-06-19", "11:45", "2026-06-21 17:00"),
        ("2026-07-03", "11:45", "2026-07-05 17:00"),
        ("2026-09-07", "11:45", "2026-09-07 17:00"),
        ("2026-11-26", "11:45", "2026-11-26 17:00"),
        ("2026-11-27", "12:00", "2026-11-29 17:00"),
        ("2026-12-24", "12:00", "2026-12-27 17:00"),
        ("2026-12-25", None, "2026-12-27 17:00"),
        ("2027-01-01", None, "2027-01-03 17:00"),
        ("2027-01-18", "11:45", "2027-01-18 17:00"),
        ("2027-03-26", None, "2027-03-28 17:00"),
        ("2027-07-05", "11:45", "2027-07-05 17:00"),
        ("2027-11-26", "12:00", "2027-11-28 17:00"),
        ("2027-12-24", None, "2027-12-26 17:00"),
    ],
)
def test_holidays_are_those_of_the_table(day: str, flat_by: str | None, reopens: str) -> None:
    """Topstep rules 10: until when positions may be open, and when orders are taken again."""
    noon = chicago(f"{day} 12:00")
    assert not is_tradable("index", noon)
    assert next_tradable("index", noon) == chicago(reopens)
    if flat_by is not None:
        assert next_cut("index", chicago(f"{day} 07:00")) == chicago(f"{day} {flat_by}")
        assert is_tradable("index", chicago(f"{day} {flat_by}") - timedelta(seconds=1))


def test_groups_close_differently_on_a_holiday() -> None:
    """Topstep rules 10 and 17: index 12:00, metals and energy 13:30, currencies as ever, farm products not at all."""
    at = chicago("2026-11-26 12:30")
    assert {group: is_open(group, at) for group in GROUPS} == {
        "index": False, "rates": False, "crypto": False, "energy": True, "metals": True, "fx": True,
        "grains": False, "livestock": False,
    }  # fmt: skip
    assert not any(is_tradable(group, at) for group in GROUPS)


def test_every_holiday_is_a_weekday_and_flat_before_the_index_closes() -> None:
    for day, holiday in HOLIDAYS.items():
        assert day.weekday() < 5
        close = holiday.closes["index"]
        assert (close is None) == (holiday.flat_by is None)
        assert holiday.closes.keys() <= set(GROUPS)
        if close is not None and holiday.flat_by is not None:
            gap = datetime.combine(day, close) - datetime.combine(day, holiday.flat_by)
            assert gap == timedelta(minutes=15)


def test_daylight_saving_moves_the_open_in_utc_and_no_length() -> None:
    """Topstep rules 8: Sunday opens at 23:00 UTC in winter, 22:00 in summer; sessions keep their 23 hours."""
    for sunday, hour in (
        (date(2026, 3, 1), 23),
        (date(2026, 3, 8), 22),
        (date(2026, 10, 25), 22),
        (date(2026, 11, 1), 23),
    ):
        noon = datetime.combine(sunday, time(12), UTC)
        opened = next_change("index", noon)
        assert (opened.date(), opened.hour) == (sunday, hour)
        assert next_change("index", opened) - opened == timedelta(hours=23)


@given(at=INSTANTS, group=st.sampled_from(GROUPS))
def test_nothing_changes_before_the_next_change(at: datetime, group: str) -> None:
    changes = next_change(group, at)
    assert changes > at
    assert is_open(group, changes - timedelta(microseconds=1)) == is_open(group, at)
    assert is_open(group, changes) != is_open(group, at)


@given(at=INSTANTS, group=st.sampled_from(GROUPS))
def test_topstep_trades_inside_the_exchanges_hours_and_up_to_the_cut(at: datetime, group: str) -> None:
    if is_tradable(group, at):
        assert is_open(group, at)
        assert next_tradable(group, at) == at
    cut = next_cut(group, at)
    assert cut > at
    assert is_tradable(group, cut - timedelta(microseconds=1))
    assert not is_tradable(group, cut)
    assert is_tradable(group, next_tradable(group, at))


@given(at=INSTANTS, group=st.sampled_from(GROUPS), days=st.integers(1, 9))
def test_spans_and_instants_agree(at: datetime, group: str, days: int) -> None:
    spans = open_spans(group, at, at + timedelta(days=days))
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert any(span.start <= at < span.end for span in spans) == is_open(group, at)


def test_a_trading_day_begins_in_the_evening_before_and_the_front_month_changes_in_the_pause() -> None:
    """Topstep rules 15: the rollover happens between 16:00 and 17:00."""
    assert trading_day(chicago("2026-11-18 16:59")) == date(2026, 11, 18)
    assert trading_day(chicago("2026-11-18 17:00")) == date(2026, 11, 19)
    assert listing_day(chicago("2026-11-18 15:59")) == date(2026, 11, 18)
    assert listing_day(chicago("2026-11-18 16:00")) == date(2026, 11, 19)


def test_every_product_belongs_to_a_group() -> None:
    groups = {product.symbol: product.group for product in PRODUCTS}
    assert set(groups.values()) == set(GROUPS)
    expected = {
        "MNQ": "index", "NKD": "index", "MCL": "energy", "MGC": "metals", "M6E": "fx", "ZN": "rates",
        "ZL": "grains", "HE": "livestock", "MET": "crypto",
    }  # fmt: skip
    assert {symbol: groups[symbol] for symbol in expected} == expected


# -- the exchange -----------------------------------------------------------------------------------------------------


def quote(price: int | str, tick: str = "0.25") -> Quote:
    last = Decimal(price)
    return Quote(last, last + Decimal(tick), last)


def exchange(**rules: Any) -> Exchange:
    made = Exchange([Account(COMBINE, "A", Decimal(50_000))], Catalogue().find, FillRules(hours="exchange", **rules))
    made.on_quote(MNQ, quote(30000))
    made.on_quote(CORN, quote(435))
    return made


def place(venue: Exchange, at: datetime, contract: str = MNQ, **members: Any) -> Reply:
    return venue.place(PlaceRequest(COMBINE, contract, **({"type": 2, "side": 0, "size": 1} | members)), at)[0]


def test_the_firm_closes_ten_seconds_before_and_removes_what_works() -> None:
    """Topstep rules 8; the removed orders expire (SIM choice)."""
    venue = exchange()
    morning = chicago("2026-11-18 09:00")
    entry = place(venue, morning, size=3, stop_loss=Bracket(-400, 4), take_profit=Bracket(400, 1)).order_id
    resting = place(venue, morning, type=1, limit_price=Decimal(29000), stop_loss=Bracket(-40, 4)).order_id
    assert entry is not None
    assert resting is not None
    assert venue.next_due() == chicago("2026-11-18 15:09:50")
    venue.advance(chicago("2026-11-18 15:09:49"))
    assert venue.books.net(COMBINE, MNQ) == 3
    venue.on_print(MNQ, quote(30010), chicago("2026-11-18 15:09:49.9"))
    venue.advance(chicago("2026-11-18 15:09:50"))
    assert venue.books.positions == {}
    statuses = {number: venue.books.orders[number].status for number in (entry + 1, entry + 2, resting, resting + 1)}
    assert set(statuses.values()) == {Status.EXPIRED}
    assert venue.books.trades[-1].profit == Decimal("58.5")
    assert venue.books.trades[-1].created == chicago("2026-11-18 15:09:50")
    assert venue.next_due() is None


def test_who_comes_in_between_is_closed_at_the_cut_itself() -> None:
    venue = exchange()
    place(venue, chicago("2026-11-18 15:09:55"))
    assert venue.books.net(COMBINE, MNQ) == 1
    venue.advance(chicago("2026-11-18 15:10"))
    assert venue.books.net(COMBINE, MNQ) == 0


def test_a_shut_market_refuses_and_still_cancels() -> None:
    """Reference 3.9, 3.14: place 2 with its text, closeContract 5, partial 6 without, modify 3; cancel goes."""
    venue = exchange()
    shut = chicago("2026-11-18 07:50")
    place(venue, chicago("2026-11-18 07:00"), CORN, size=2)
    resting = place(venue, chicago("2026-11-18 07:00"), CORN, type=1, limit_price=Decimal(400)).order_id
    assert resting is not None
    assert place(venue, shut, CORN) == Reply(2, NOT_TRADING, resting + 1)
    assert venue.close(COMBINE, CORN, shut)[0] == Reply(5)
    assert venue.close(COMBINE, CORN, shut, 1)[0] == Reply(6)
    assert venue.modify(COMBINE, resting, shut, limit_price=Decimal(401))[0] == Reply(3, NOT_TRADING)
    assert venue.cancel(COMBINE, resting, shut)[0] == Reply(0)


def test_nothing_fills_in_a_pause_and_what_was_on_its_way_fills_after_it() -> None:
    """Grains pause 07:45 to 08:30 (Topstep rules 8); orders and positions stay."""
    venue = exchange(fill_delay=timedelta(milliseconds=8))
    place(venue, chicago("2026-11-18 07:44:59.995"), CORN)
    resting = place(venue, chicago("2026-11-18 07:44:59.995"), CORN, type=1, limit_price=Decimal(430)).order_id
    assert resting is not None
    venue.on_print(CORN, quote(420), chicago("2026-11-18 07:50"))
    assert venue.books.trades == []
    venue.on_quote(CORN, quote(436))
    venue.advance(chicago("2026-11-18 08:30"))
    assert venue.books.net(COMBINE, CORN) == 1
    assert venue.books.orders[resting].status is Status.OPEN
    venue.advance(chicago("2026-11-18 13:19:50"))
    assert venue.books.net(COMBINE, CORN) == 0


def test_each_group_has_its_own_cut() -> None:
    venue = exchange()
    place(venue, chicago("2026-11-18 09:00"))
    place(venue, chicago("2026-11-18 09:00"), CORN)
    venue.advance(chicago("2026-11-18 13:30"))
    assert {contract for _, contract in venue.books.positions} == {MNQ}
    venue.advance(chicago("2026-11-18 15:30"))
    assert venue.books.positions == {}


def test_the_cut_is_planned_again_after_a_restart() -> None:
    venue = exchange()
    place(venue, chicago("2026-11-18 09:00"))
    books = venue.books
    again = exchange()
    again.restore(
        [*books.accounts.values(), *books.orders.values(), *books.positions.values()], chicago("2026-11-18 10:00")
    )
    again.advance(chicago("2026-11-18 16:00"))
    assert again.books.positions == {}


# -- over HTTP --------------------------------------------------------------------------------------------------------


async def test_the_session_clock_over_http() -> None:
    """Reference 6.5, row 9: trade in the day, be closed at 15:09:50, be refused until 17:00, trade again."""
    now = chicago("2026-11-18 15:09")
    config = SimConfig(hours="exchange", market="manual", fill_delay_ms=0, feed_interval_s=3600, clock=lambda: now)
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        await rest.login()
        entry = (await rest.place(stopLossBracket={"ticks": -40, "type": 4}))["orderId"]
        now = chicago("2026-11-18 15:09:50")
        assert (await rest.ok("/api/Position/searchOpen", {"accountId": COMBINE}))["positions"] == []
        leg = (await rest.ok("/api/Order/searchById", {"accountId": COMBINE, "orderId": entry + 1}))["order"]
        assert leg["status"] == 4
        for text in ("15:10", "15:48", "16:30", "16:59:59"):
            now = chicago(f"2026-11-18 {text}")
            reply = await rest.place()
            assert (reply["success"], reply["errorCode"], reply["errorMessage"]) == (False, 2, NOT_TRADING)
            assert reply["orderId"] is not None
        now = chicago("2026-11-18 17:00")
        assert (await rest.place())["success"] is True
