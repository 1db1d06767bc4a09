from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import ContractId
from desk.market import QuoteBook, QuoteUpdate

MNQ = ContractId("CON.F.US.MNQ.Z26")
T0 = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


def update(at: float = 0.0, *, bid: str | None = None, ask: str | None = None, last: str | None = None) -> QuoteUpdate:
    ts = T0 + timedelta(seconds=at)
    prices = [None if text is None else Decimal(text) for text in (bid, ask, last)]
    return QuoteUpdate(
        contract_id=MNQ, bid=prices[0], ask=prices[1], last=prices[2], ts_event=ts, ts_order=ts, ts_recv=ts
    )


def test_an_absent_member_keeps_its_value_and_is_never_zero() -> None:
    book = QuoteBook()
    book.apply(update(0, bid="100"))
    quote = book.apply(update(1, ask="100.5"))
    assert (quote.bid, quote.ask, quote.last) == (Decimal("100"), Decimal("100.5"), None)


def test_an_older_update_overwrites_nothing_but_may_fill_what_is_missing() -> None:
    book = QuoteBook()
    book.apply(update(2, bid="100"))
    quote = book.apply(update(1, bid="99", ask="99.25"))
    assert (quote.bid, quote.ask) == (Decimal("100"), Decimal("99.25"))
    assert book.age_s(MNQ, T0 + timedelta(seconds=5)) == 3, "a late update is not fresh data"


def test_an_update_of_the_same_time_overwrites() -> None:
    book = QuoteBook()
    book.apply(update(1, last="100"))
    assert book.apply(update(1, last="101")).last == Decimal("101")


def test_nothing_of_before_a_gap_is_mixed_with_what_comes_after() -> None:
    book = QuoteBook()
    book.apply(update(1, bid="100"))
    book.clear()
    assert book.get(MNQ) is None
    assert book.age_s(MNQ, T0) is None
    assert book.apply(update(0, ask="90")).bid is None


def test_a_forgotten_contract_has_no_quote() -> None:
    book = QuoteBook()
    book.apply(update(1, bid="100"))
    book.forget(MNQ)
    assert book.get(MNQ) is None


_price = st.none() | st.integers(1, 999).map(Decimal)


@given(st.lists(st.tuples(_price, _price, _price), min_size=1, max_size=20))
def test_in_order_updates_leave_the_newest_value_of_every_member(rows: list[tuple[Decimal | None, ...]]) -> None:
    book = QuoteBook()
    for second, (bid, ask, last) in enumerate(rows):
        ts = T0 + timedelta(seconds=second)
        book.apply(QuoteUpdate(contract_id=MNQ, bid=bid, ask=ask, last=last, ts_event=ts, ts_order=ts, ts_recv=ts))
    quote = book.get(MNQ)
    assert quote is not None
    for column, value in enumerate((quote.bid, quote.ask, quote.last)):
        said = [row[column] for row in rows if row[column] is not None]
        assert value == (said[-1] if said else None)
