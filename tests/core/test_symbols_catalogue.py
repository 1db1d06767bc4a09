"""Our root table against the simulator's catalogue, which was written from the gateway's documentation alone.

Every product, every way of writing it (TradingView reference 9.1), at several times of the year: one gateway id, and back.
"""

from __future__ import annotations

from datetime import date

import pytest

from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import MONTHS, ROOTS, expiry_of_contract, parse_symbol, resolve, roll_notice, root_of_contract
from desk.core.words import Contract
from desk.sim import catalogue

OFFERED = sorted(root for root, product in ROOTS.items() if product.offered)
DAYS = [date(2026, 1, 5), date(2026, 3, 20), date(2026, 6, 10), date(2026, 11, 20), date(2029, 12, 28)]


def listed(day: date) -> list[Contract]:
    return [
        Contract(
            contract_id=ContractId(row.id),
            name=row.name,
            description=row.description,
            tick_size=row.tick_size,
            tick_value=row.tick_value,
            symbol_id=row.symbol_id,
            is_active=row.active,
        )
        for row in catalogue.Catalogue().available(day)
    ]


def spellings(root: str, month: str, year: int) -> list[str]:
    """Everything that senders write for the contract that is listed, and for its product."""
    product = ROOTS[root]
    dated = [f"{root}{month}{year}", f"{root}{month}{year % 100:02}", f"{root}{month}{year % 10}"]
    number = MONTHS.index(month) + 1
    bare = [product.tradingview, f"{root}1!", root, f"@{root}", f"/{root}", product.symbol_id]
    delayed = [f"{product.prefix}{suffix}:{name}" for suffix in ("_DL", "_DLY") for name in (f"{root}1!", dated[0])]
    return [
        *bare,
        *dated,
        *(f"{product.prefix}:{name}" for name in dated),
        *(f"{mark}{name}" for mark in "/@" for name in dated),
        f"{root} {number:02}-{year % 100:02}",
        f"CON.{product.symbol_id}.{month}{year % 100:02}",
        *delayed,
    ]


def test_both_tables_hold_the_same_51_products() -> None:
    theirs = {product.symbol: product.symbol_id for product in catalogue.PRODUCTS}
    assert theirs == {root: ROOTS[root].symbol_id for root in OFFERED}
    assert len(theirs) == 51
    for product in catalogue.PRODUCTS:
        assert set(product.months) <= set(ROOTS[product.symbol].months), product.symbol


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_spelling_of_every_product_leads_to_the_listed_contract_and_back(day: date) -> None:
    contracts = listed(day)
    assert len(contracts) == 51
    for contract in contracts:
        root = root_of_contract(contract.contract_id)
        assert root_of_contract(contract.symbol_id) == root
        month, year = expiry_of_contract(contract.contract_id)
        for text in spellings(root, month, year):
            for written in (text, text.lower(), f" {text} "):
                assert resolve(parse_symbol(written), contracts) is contract, written
        assert contract.name == f"{root}{month}{year % 10}"


@pytest.mark.parametrize("root", OFFERED)
def test_a_month_that_is_not_listed_is_refused_and_never_another_one(root: str) -> None:
    contracts = listed(DAYS[3])
    month, year = next(expiry_of_contract(c.contract_id) for c in contracts if c.symbol_id == ROOTS[root].symbol_id)
    others = [f"{root}{month}{year + 1}", f"{root}{month}{(year + 1) % 10}", f"CON.{ROOTS[root].symbol_id}.{month}36"]
    for text in [*others, f"{root}2!", f"{ROOTS[root].prefix}:{root}2!"]:
        with pytest.raises(UnknownSymbol, match=r"Listed: "):
            resolve(parse_symbol(text), contracts)


@pytest.mark.parametrize("other", ["SPREAD", "INDEX", "CFD", "CRYPTO"])
def test_what_is_no_future_is_refused_for_every_product(other: str) -> None:
    for root in OFFERED:
        name = ROOTS[root].tradingview
        text = {
            "SPREAD": f"{name}-CME_MINI:ES1!",
            "INDEX": f"TVC:{root}",
            "CFD": f"OANDA:{root}1!",
            "CRYPTO": f"BINANCE:{root}USDT",
        }[other]
        with pytest.raises(UnknownSymbol):
            parse_symbol(text)


# --- the roll week -------------------------------------------------------------------------------------------------------


def mnq() -> Contract:
    (contract,) = [c for c in listed(DAYS[3]) if c.symbol_id == "F.US.MNQ"]
    assert contract.contract_id == "CON.F.US.MNQ.Z26"
    return contract


@pytest.mark.parametrize("chart", ["MNQH2027", "CME_MINI:MNQH27", "MNQ 03-27", "CON.F.US.MNQ.H27"])
def test_in_the_roll_week_both_months_are_named(chart: str) -> None:
    assert roll_notice(chart, mnq()) == "TradingView chart is on H27, Gateway trades Z26"


def test_a_chart_with_one_digit_of_a_year_is_named_as_it_was_written() -> None:
    assert roll_notice("MNQH7", mnq()) == "TradingView chart is on H7, Gateway trades Z26"


@pytest.mark.parametrize("chart", [None, "", "MNQ1!", "MNQ", "MNQZ2026", "MNQZ26", "MNQZ6", "NQH2027", "nonsense"])
def test_otherwise_there_is_nothing_to_tell(chart: str | None) -> None:
    assert roll_notice(chart, mnq()) is None
