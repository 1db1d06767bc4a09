"""What may be written behind ``history SYMBOL``, in any order, and what a mistake is answered with."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desk.surfaces.calls import BadCall
from desk.surfaces.history_terms import MOST_BARS, HistoryTerms, parse_terms

BERLIN = ZoneInfo("Europe/Berlin")  # UTC+1 in November
NOW = datetime(2026, 11, 20, 15, 2, 30, tzinfo=UTC)


def parsed(line: str) -> HistoryTerms:
    return parse_terms(line.split(), NOW, BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stretch(line: str) -> tuple[datetime, datetime]:
    found = parsed(line).stretch
    assert found is not None
    return found.start, found.end


def refusal(line: str) -> str:
    with pytest.raises(BadCall) as refused:
        parsed(line)
    return str(refused.value)


# --- timeframe, number, words -------------------------------------------------------------------------------------


def test_nothing_said_is_twenty_bars_of_five_minutes() -> None:
    terms = parsed("")
    assert (terms.timeframe.text, terms.n, terms.stretch, terms.words) == ("5m", 20, None, frozenset())


@pytest.mark.parametrize("words", list(permutations(("1h", "300", "raw", "csv"))))
def test_any_order_means_the_same(words: tuple[str, ...]) -> None:
    assert parsed(" ".join(words)) == parsed("1h 300 raw csv")


@pytest.mark.parametrize(
    ("alias", "word"),
    [
        *((word, "raw") for word in ("raw", "--raw", "-r", "-q", "RAW")),
        *((word, "csv") for word in ("csv", "--csv", "-c", "--export")),
        *((word, "parquet") for word in ("parquet", "--parquet", "-p")),
    ],
)
def test_every_alias_is_known(alias: str, word: str) -> None:
    assert parsed(f"5m 10 {alias}").words == {word}


@pytest.mark.parametrize("text", ["30s", "1m", "3m", "4h", "1d", "1w", "1M"])
def test_minutes_and_months_are_never_confused(text: str) -> None:
    assert parsed(text).timeframe.text == text


def test_a_month_says_that_it_is_one() -> None:
    assert parsed("1M").hints == ("1M is 1 month; minutes are written 1m.",)
    assert parsed("1m").hints == ()


def test_days_alone_are_the_length_of_a_bar_and_say_so() -> None:
    assert parsed("7d").timeframe.text == "7d"
    assert "5m 7d" in parsed("7d").hints[0]


@pytest.mark.parametrize("line", ["5m stitch=adjusted", "5m STITCH=Adjusted"])
def test_stitch_is_an_option(line: str) -> None:
    assert parsed(line).stitch == "adjusted"


# --- dates --------------------------------------------------------------------------------------------------------

DAY = (utc("2026-11-17T23:00"), utc("2026-11-18T23:00"))


@pytest.mark.parametrize("text", ["2026-11-18", "11/18/2026", "20261118", '"2026-11-18"'])
def test_the_four_forms_of_a_day_are_that_day_in_the_users_zone(text: str) -> None:
    assert stretch(f"5m {text}") == DAY


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-18T14:30",
        "2026-11-18t14:30:00",
        '"2026-11-18 14:30"',
        "'11/18/2026 14:30'",
        "2026-11-18 14:30",
        "11/18/2026 14:30",
        "20261118T1430",
        "2026-11-18T13:30Z",
        "2026-11-18T07:30-06:00",
    ],
)
def test_a_time_begins_there_and_goes_on_until_now(text: str) -> None:
    assert stretch(f"1m {text} raw") == (utc("2026-11-18T13:30"), NOW)


def test_two_dates_are_from_and_to_and_the_last_day_is_whole() -> None:
    assert stretch("1m 2026-11-16 2026-11-18") == (utc("2026-11-15T23:00"), DAY[1])
    both = stretch('1m "2026-11-18 14:30" "2026-11-18 15:00"')
    assert both == (utc("2026-11-18T13:30"), utc("2026-11-18T14:00"))
    assert stretch("2026-11-18 14:30 2026-11-18 15:00") == both


def test_today_ends_now_and_yesterday_is_whole() -> None:
    assert stretch("today") == (utc("2026-11-19T23:00"), NOW)
    assert stretch("yesterday") == (utc("2026-11-18T23:00"), utc("2026-11-19T23:00"))
    assert stretch("yesterday 14:30") == (utc("2026-11-19T13:30"), NOW)


@pytest.mark.parametrize(
    ("line", "timeframe", "days"), [("5m 7d", "5m", 7), ("7d 5m", "5m", 7), ("1d 2w", "1d", 14), ("1h 1d", "1h", 1)]
)
def test_a_second_length_says_how_far_back(line: str, timeframe: str, days: int) -> None:
    assert parsed(line).timeframe.text == timeframe
    assert stretch(line) == (NOW - timedelta(days=days), NOW)


def test_a_day_on_which_the_clocks_change_has_its_own_length() -> None:
    start, end = stretch("5m 2026-10-25")
    assert end - start == timedelta(hours=25)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("5x", "such as 30s, 5m"),
        ("5m 1h", "5m or 1h?"),
        ("1m 1M", "A capital M is a month"),
        ("5m 1h 1d", "One timeframe"),
        ("5m 0", f"1 to {MOST_BARS}"),
        ("5m 1000001", f"1 to {MOST_BARS}"),
        ("5m 10 20", "one number"),
        ("5m 10 2026-11-18", "not both"),
        ("5m 14:30", "of which day? Write history MNQ 5m 2026-11-18T14:30"),
        ("5m 2026-13-01", "is not a date"),
        ("5m 2026-02-30", "is not a date"),
        ("5m 20261399", "is not a date"),
        ("5m 18.11.2026", "11/18/2026"),
        ("5m 18/11/2026", "is not a date"),
        ("5m 2026-11-18T25:00", "is not a date"),
        ("5m 2026-11-18T2:30pm", "is not a date"),
        ("5m 1999-11-18", "no bar is older than 2000"),
        ("5m 2150-11-18", "is not a date"),
        ("5m 2026-11-25", "lies in the future: it is 2026-11-20 16:02 now"),
        ("5m 2026-11-18 2027-01-01", "lies in the future"),
        ("5m 2026-11-18 2026-11-16", "write the earlier one first"),
        ("5m 2026-11-16 2026-11-17 2026-11-18", "Two dates at most"),
        ("5m 7d 2026-11-18", "not both"),
        ('5m "2026-11-18 14:30', "A quote is not closed"),
        ("csv parquet", "not both"),
        ("stitch=back", "stitch=adjusted"),
        ("html", "is no timeframe"),
        ("nonsense", "is no timeframe"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(line: str, hint: str) -> None:
    assert hint in refusal(line)


WORDS = st.one_of(
    st.sampled_from(
        ["5m", "1M", "7d", "1w", "20", "0", "raw", "-c", "parquet", "stitch=adjusted", "stitch=", "2026-11-18", "14:30", "today",
         "yesterday", "20261118", "11/18/2026", '"2026-11-18', '14:30"', '"', "'", "''", "2026-11-18T14:30+99:99", "9" * 5000]
    ),
    st.text(max_size=12),
    st.from_regex(r"[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}([T ][0-9:+Zz-]{1,9})?", fullmatch=True),
)  # fmt: skip


@given(st.lists(WORDS, max_size=5), st.sampled_from([BERLIN, UTC, None]))
@example(["2026-11-18T14:30+23:59"], UTC)
@example(["\uff19m"], UTC)
@example(["\u0662\u0660\u0662\u0666-11-18"], UTC)
def test_no_words_are_a_crash_and_every_refusal_has_an_example(words: list[str], zone: ZoneInfo | None) -> None:
    said = ""
    try:
        terms = parse_terms(words, NOW, zone)
    except BadCall as refused:
        said, terms = str(refused), None
    if terms is None:
        assert re.search(r"history MNQ|[Ww]rite \S+ ", said), said
        assert len(said) < 600
        return
    assert (terms.n is None) != (terms.stretch is None)
    assert terms.n is None or 1 <= terms.n <= MOST_BARS
    assert terms.stretch is None or terms.stretch.start < terms.stretch.end <= NOW
