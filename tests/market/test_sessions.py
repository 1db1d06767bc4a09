from datetime import UTC, datetime, timedelta

import pytest

from desk.core.ids import ContractId
from desk.market import cme_is_open, cme_open_since, is_liquid


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-11-15 22:59", False),  # Sunday 16:59 in Chicago, winter time
        ("2026-11-15 23:00", True),
        ("2026-11-18 21:59", True),  # Wednesday 15:59
        ("2026-11-18 22:00", False),
        ("2026-11-18 22:59", False),
        ("2026-11-18 23:00", True),
        ("2026-11-20 21:59", True),  # Friday
        ("2026-11-20 22:00", False),
        ("2026-11-20 23:30", False),
        ("2026-11-21 15:00", False),  # Saturday
        ("2026-07-15 20:59", True),  # summer time: an hour earlier
        ("2026-07-15 21:00", False),
        ("2026-07-15 22:00", True),
        ("2026-11-01 06:30", False),  # Sunday, in the hour before the clocks go back
    ],
)
def test_the_exchanges_week(utc: str, is_open: bool) -> None:
    assert cme_is_open(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is is_open


@pytest.mark.parametrize(
    ("utc", "since"),
    [
        ("2026-11-15 23:00", "2026-11-15 23:00"),  # Sunday 17:00 in Chicago
        ("2026-11-18 21:59", "2026-11-17 23:00"),
        ("2026-11-18 22:30", None),  # the daily pause
        ("2026-11-19 04:00", "2026-11-18 23:00"),
        ("2026-11-21 15:00", None),
        ("2026-07-15 22:01", "2026-07-15 22:00"),  # summer time
    ],
)
def test_a_session_began_at_five_in_chicago(utc: str, since: str | None) -> None:
    now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert cme_open_since(now) == (None if since is None else datetime.fromisoformat(since).replace(tzinfo=UTC))


def test_a_week_has_115_open_hours() -> None:
    start = datetime(2026, 11, 15, tzinfo=UTC)
    assert sum(cme_is_open(start + timedelta(hours=hour)) for hour in range(7 * 24)) == 23 * 5


@pytest.mark.parametrize(
    ("contract_id", "expected"),
    [
        ("CON.F.US.MNQ.Z26", True),
        ("CON.F.US.EP.Z26", True),
        ("CON.F.US.CLE.X26", True),
        ("CON.F.US.ZCE.Z26", False),
        ("CON.F.US.ZZZ.Z26", False),
        ("", False),
        ("MNQ", False),
    ],
)
def test_liquid_contracts_are_known_by_their_id(contract_id: str, expected: bool) -> None:
    assert is_liquid(ContractId(contract_id)) is expected
