"""Why a trip ended: what the journal says of the position, laid beside the fill that closed it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.core.ids import CauseId, ClientOrderId
from desk.core.plans import ExitReason
from desk.core.records import ExitExplained, FillRecorded
from desk.ledger import LedgerRecord, keep_ledger
from tests.ledger.samples import ACCOUNT, CAUSE, CONTRACTS, MNQ, T0, VENUE, closed, fill

STOP_LEG, TARGET_LEG = ClientOrderId("dsk-entry-SL"), ClientOrderId("dsk-entry-TP")
OTHER = CauseId("01KA0000000000000000000002")


def trade(start: int, *, tag: ClientOrderId | None = None, recorded_s: float | None = None) -> list[FillRecorded]:
    """Long one MNQ, out a minute later."""
    return [
        fill(start, "buy", 1, "21000", after_s=start * 60),
        fill(start + 1, "sell", 1, "21010", "20", after_s=start * 60 + 60, tag=tag, recorded_s=recorded_s),
    ]


def reasons(*records: LedgerRecord) -> list[ExitReason]:
    return [trip.exit_reason for trip in keep_ledger(records, CONTRACTS).trips]


@pytest.mark.parametrize("reason", list(ExitReason))
def test_a_trip_ended_as_the_position_did(reason: ExitReason) -> None:
    assert reasons(*trade(0), closed(60.2, reason=reason)) == [reason]


@pytest.mark.parametrize("apart_s", [-1.5, 0, 30])
def test_the_position_may_be_reported_before_the_fill_or_after_it(apart_s: float) -> None:
    assert reasons(*trade(0), closed(60 + apart_s, reason=ExitReason.ALERT)) == [ExitReason.ALERT]


def test_an_end_that_lies_far_away_is_of_another_trip() -> None:
    assert reasons(*trade(0), closed(600)) == [ExitReason.UNKNOWN]


def test_an_end_of_the_other_side_is_of_another_trip() -> None:
    assert reasons(*trade(0), closed(60, qty=-1)) == [ExitReason.UNKNOWN]


def test_each_end_serves_one_trip_and_the_nearest() -> None:
    ends = [closed(60.1, reason=ExitReason.STOP), closed(180.1, reason=ExitReason.TARGET)]
    assert reasons(*trade(0), *trade(2), *ends) == [ExitReason.STOP, ExitReason.TARGET]


def test_the_same_alert_counts_more_than_the_nearer_time() -> None:
    second = [fill(10, "buy", 1, "21000", after_s=61, cause=OTHER), fill(11, "sell", 1, "21001", "2", after_s=62)]
    ends = [closed(61.6, reason=ExitReason.STOP), closed(61.7, reason=ExitReason.TARGET, cause=OTHER)]
    assert reasons(*trade(0), *second, *ends) == [ExitReason.STOP, ExitReason.TARGET]


def test_a_close_during_downtime_is_matched_by_when_it_was_written_down() -> None:
    assert reasons(*trade(0, recorded_s=90_000), closed(90_000.1, reason=ExitReason.STOP)) == [ExitReason.STOP]


def test_a_reason_that_became_known_later_counts() -> None:
    explained = ExitExplained(
        cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id, reason=ExitReason.MANUAL,
        ts=T0 + timedelta(seconds=65),
    )  # fmt: skip
    assert reasons(*trade(0), closed(60, reason=ExitReason.UNKNOWN), explained) == [ExitReason.MANUAL]


@pytest.mark.parametrize(
    ("tag", "reason"),
    [(STOP_LEG, ExitReason.STOP), (TARGET_LEG, ExitReason.TARGET), (None, ExitReason.UNKNOWN)],
)
def test_without_the_journals_word_the_leg_that_filled_tells(tag: ClientOrderId | None, reason: ExitReason) -> None:
    assert reasons(*trade(0, tag=tag)) == [reason]


def test_the_journals_word_counts_more_than_the_leg() -> None:
    assert reasons(*trade(0, tag=STOP_LEG), closed(60, reason=ExitReason.MANUAL)) == [ExitReason.MANUAL]


def test_a_fill_that_outran_its_order_learns_its_alert_from_the_end() -> None:
    records = [fill(1, "buy", 1, "21000", tag=None, cause=VENUE), fill(2, "sell", 1, "21010", "20")]
    (trip,) = keep_ledger([*records, closed(120)], CONTRACTS).trips
    assert trip.cause == CAUSE
    (trip,) = keep_ledger(records, CONTRACTS).trips
    assert trip.cause == VENUE
