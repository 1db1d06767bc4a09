"""Numbers as people type them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.surfaces.amounts import Ranging, Where, read_order_id, read_price, read_qty, read_span, read_ticks, read_where
from desk.surfaces.calls import BadCall
from tests.surfaces.room import MNQ

NO_NUMBERS = [
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-1",
    "+1",
    "1e5",
    "1,000",
    "0x10",
    "½",
    "٣",
    "1" * 5000,
    ".",
    "1..2",
    "1.2.3",
]


@pytest.mark.parametrize(
    ("text", "price"), [("21034.25", "21034.25"), ("21034", "21034"), ("0.25", "0.25"), (".5", "0.5")]
)
def test_a_price_is_on_the_grid(text: str, price: str) -> None:
    assert read_price(text, MNQ) == Decimal(price)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("21034.30", "the nearest prices are 21034.25 or 21034.50"),
        ("0.1", "the nearest prices are 0.25"),
        ("0", "above 0"),
        ("99999999", "above 0"),
        *((text, "above 0") for text in NO_NUMBERS),
    ],
)
def test_a_wrong_price_gets_what_to_write_instead(text: str, hint: str) -> None:
    with pytest.raises(BadCall, match="price") as refused:
        read_price(text, MNQ)
    assert hint in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "ticks"), [("80", 80), ("80t", 80), ("20p", 80), ("0.25P", 1), ("80.0", 80), ("100000", 100_000)]
)
def test_a_distance_is_in_ticks_or_points(text: str, ticks: int) -> None:
    assert read_ticks(text, MNQ, "stop") == ticks


@pytest.mark.parametrize(
    ("text", "ticks", "points"),
    [("2atr", 53, "13.25"), ("1.5ATR", 40, "10.00"), (".5atr", 13, "3.25"), ("3atr", 80, "20.00")],
)
def test_a_distance_in_ranges_is_rounded_down_to_ticks_and_said(text: str, ticks: int, points: str) -> None:
    ranging = Ranging(points=Decimal("6.6666667"), name="ATR(14, 5m)")
    assert read_ticks(text, MNQ, "stop", ranging=ranging) == ticks
    assert read_where(text, MNQ, "stop", ranging) == Where(ticks=ticks)
    sentence = f"stop {text.lower()} is {ticks} ticks ({points} points), the ATR(14, 5m) is 6.6666667"
    assert ranging.said == [sentence, sentence]


@pytest.mark.parametrize(
    ("text", "range_", "hint"),
    [
        ("2atr", None, "the ATR(14, 5m) of MNQZ6 is not known yet"),
        ("atr", "5", "a multiple of the average true range, such as 1.5atr"),
        ("-1atr", "5", "a multiple"),
        ("0.01atr", "5", "from 1 to"),
        ("999999999atr", "5", "from 1 to"),
        ("2atr", "0", "from 1 to"),
    ],
)
def test_a_distance_in_ranges_that_cannot_be_had(text: str, range_: str | None, hint: str) -> None:
    ranging = Ranging(None if range_ is None else Decimal(range_))
    with pytest.raises(BadCall) as refused:
        read_ticks(text, MNQ, "stop", ranging=ranging)
    assert hint in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("20.1p", "write 20.00p or 20.25p"),
        ("20.5", "for points write 20.5p"),
        ("0", "from 1 to"),
        ("100001", "from 1 to"),
        ("p", "80 for ticks or 20p for points"),
        *((text, "80 for ticks") for text in NO_NUMBERS),
    ],
)
def test_a_wrong_distance_gets_what_to_write_instead(text: str, hint: str) -> None:
    with pytest.raises(BadCall) as refused:
        read_ticks(text, MNQ, "stop")
    assert hint in str(refused.value)


def test_a_stop_is_a_distance_or_an_exact_price() -> None:
    assert read_where("80", MNQ, "stop") == Where(ticks=80)
    assert read_where("@21000.25", MNQ, "stop") == Where(price=Decimal("21000.25"))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2H", 7200), ("7d", 604_800)])
def test_a_span_of_time(text: str, seconds: int) -> None:
    assert read_span(text, "expire") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0", "-5", "8d", "15 m", "m", "1.5h", "9" * 400, "15w"])
def test_a_wrong_span_is_refused(text: str) -> None:
    with pytest.raises(BadCall, match="15m"):
        read_span(text, "expire")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1001", "two", "²", *NO_NUMBERS])
def test_a_quantity_is_whole_contracts(text: str) -> None:
    with pytest.raises(BadCall, match="whole contracts"):
        read_qty(text)


READERS: list[Callable[[str], object]] = [
    read_qty,
    read_order_id,
    lambda text: read_price(text, MNQ),
    lambda text: read_ticks(text, MNQ, "stop"),
    lambda text: read_where(text, MNQ, "stop"),
    lambda text: read_span(text, "expire"),
]


@given(
    text=st.text(max_size=40) | st.from_regex(r"@?[0-9.]{0,15}[ptsmhd]?", fullmatch=True),
    reader=st.sampled_from(READERS),
)
def test_whatever_is_typed_is_read_or_refused(text: str, reader: Callable[[str], object]) -> None:
    try:
        answer = reader(text)
    except BadCall as refused:
        answer = str(refused)
    assert not isinstance(answer, str) or answer.isprintable()


@given(ticks=st.integers(1, 100_000))
def test_points_and_ticks_say_the_same(ticks: int) -> None:
    points = (ticks * MNQ.tick_size).normalize()
    assert read_ticks(f"{points:f}p", MNQ, "stop") == read_ticks(str(ticks), MNQ, "stop") == ticks
