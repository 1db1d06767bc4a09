"""Contract months follow each other as the exchange lists them, and ids are those of the simulator's catalogue."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.contractmonths import contract_months, month_of_contract
from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import ROOTS
from desk.sim.catalogue import Catalogue


def test_quarters_roll_on_the_monday_before_the_third_friday() -> None:
    months = contract_months("MNQ", date(2026, 1, 2), date(2026, 12, 20))
    assert [month.name for month in months] == ["MNQH26", "MNQM26", "MNQU26", "MNQZ26", "MNQH27"]
    assert months[0].rolls_on == date(2026, 3, 16)
    assert months[3].contract_id == "CON.F.US.MNQ.Z26"
    assert months[3].rolls_on == date(2026, 12, 14)


def test_gold_jumps_over_october() -> None:
    names = [month.name for month in contract_months("MGC", date(2026, 7, 1), date(2026, 10, 1))]
    assert names == ["MGCQ26", "MGCZ26"]


@pytest.mark.parametrize("root", sorted(root for root, product in ROOTS.items() if product.offered))
def test_the_simulator_knows_every_month_of_the_chain(root: str) -> None:
    today = date(2026, 11, 18)
    for month in contract_months(root, date(2025, 11, 18), today):
        found = Catalogue().find(month.contract_id, today)
        assert found is not None, month.contract_id
        assert found.id == month.contract_id


@given(
    root=st.sampled_from(sorted(ROOTS)),
    start=st.dates(date(2005, 1, 1), date(2080, 1, 1)),
    days=st.integers(0, 900),
)
def test_every_day_has_one_front_month(root: str, start: date, days: int) -> None:
    end = start + timedelta(days=days)
    months = contract_months(root, start, end)
    rolls = [month.rolls_on for month in months]
    assert rolls == sorted(set(rolls))
    assert rolls[0] > start
    assert all(roll <= end for roll in rolls[:-1])
    assert rolls[-1] > end
    assert contract_months(root, end, end)[0] == months[-1]


def test_a_contract_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownSymbol):
        month_of_contract(ContractId("CON.F.US.XXX.Z26"))
    with pytest.raises(UnknownSymbol):
        contract_months("XXX", date(2026, 1, 1), date(2026, 1, 1))
