"""Root table and symbol grammar (TradingView reference 9, gateway reference 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import (
    MONTHS,
    PREFIXES,
    ROOTS,
    Symbol,
    expiry_of_contract,
    parse_symbol,
    resolve,
    root_of_contract,
)
from desk.core.words import Contract

ALL = sorted(ROOTS)


def contract(root: str, month: str = "Z", year: int = 26, active: bool = True) -> Contract:
    symbol_id = ROOTS[root].symbol_id
    return Contract(
        contract_id=ContractId(f"CON.{symbol_id}.{month}{year:02}"),
        name=f"{root}{month}{year % 10}",
        description="",
        tick_size=1,  # type: ignore[arg-type]
        tick_value=1,  # type: ignore[arg-type]
        symbol_id=symbol_id,
        is_active=active,
    )


CATALOGUE = [contract(root) for root in ALL if ROOTS[root].offered]


def test_the_table_holds_51_products_and_one_that_is_gone() -> None:
    assert len(CATALOGUE) == 51
    assert [root for root in ALL if not ROOTS[root].offered] == ["EMD"]
    assert len({product.vendor_root for product in ROOTS.values()}) == len(ROOTS)


def test_families_point_to_full_size_contracts() -> None:
    for product in ROOTS.values():
        family = ROOTS[product.family]
        assert (family.family, family.ratio) == (product.family, 1)
        assert 0 < product.ratio <= 1
    assert {root for root in ALL if ROOTS[root].family == "CL"} == {"CL", "MCL", "QM"}
    assert {root for root in ALL if ROOTS[root].family == "6E"} == {"6E", "M6E", "E7"}
    assert ROOTS["MNQ"].is_micro
    assert not ROOTS["NQ"].is_micro


@pytest.mark.parametrize("root", ALL)
def test_every_root_is_read_in_every_spelling_and_leads_to_one_contract(root: str) -> None:
    product = ROOTS[root]
    spellings = [
        product.tradingview, f"{root}1!", root, f"{root}Z2026", f"{root}Z26", f"{root}Z6",
        f"{product.prefix}:{root}Z2026",
        f"{root} 12-26", f"/{root}Z26", f"@{root}", f"@{root}Z6", product.symbol_id, f"CON.{product.symbol_id}.Z26",
        f" {product.tradingview.lower()} ", f"{product.prefix}_DL:{root}1!", f"{product.prefix}_DLY:{root}Z6",
    ]  # fmt: skip
    for spelling in spellings:
        symbol = parse_symbol(spelling)
        assert symbol.root == root, spelling
        assert symbol.delayed is ("_DL" in spelling)
        if product.offered:
            assert resolve(symbol, CATALOGUE).contract_id == f"CON.{product.symbol_id}.Z26"
        else:
            with pytest.raises(UnknownSymbol, match="does not offer"):
                resolve(symbol, CATALOGUE)


@pytest.mark.parametrize("root", ALL)
def test_every_contract_leads_back_to_its_root(root: str) -> None:
    product = ROOTS[root]
    assert root_of_contract(product.symbol_id) == root
    assert root_of_contract(f"CON.{product.symbol_id}.H27") == root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CME_MINI:MNQ1!", Symbol(root="MNQ", continuous=1, prefix="CME_MINI")),
        ("MNQ2!", Symbol(root="MNQ", continuous=2)),
        ("MNQZ2026", Symbol(root="MNQ", month="Z", year=2026)),
        ("MNQZ6", Symbol(root="MNQ", month="Z", year=6)),
        ("MNQ 03-27", Symbol(root="MNQ", month="H", year=2027)),
        ("M2K1!", Symbol(root="M2K", continuous=1)),
        ("6E1!", Symbol(root="6E", continuous=1)),
        ("E71!", Symbol(root="E7", continuous=1)),
        ("M6E1!", Symbol(root="M6E", continuous=1)),
        ("SILZ6", Symbol(root="SIL", month="Z", year=6)),
        ("NQM6", Symbol(root="NQ", month="M", year=6)),  # not the gateway's NQM, which is QM
        ("COMEX:MGC1!", Symbol(root="MGC", continuous=1, prefix="COMEX")),
        ("CME_MINI_DL:MNQ1!", Symbol(root="MNQ", continuous=1, prefix="CME_MINI", delayed=True)),
    ],
)
def test_symbols_are_taken_apart(text: str, expected: Symbol) -> None:
    assert parse_symbol(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CME_MINI:NQ1!-CME_MINI:ES1!", "spread"),
        ("MNQ1!*2", "spread"),
        ("TVC:DJI", "MYM"),
        ("SP:SPX", "MES"),
        ("NASDAQ:NDX", "MNQ"),
        ("OANDA:NAS100USD", "MNQ"),
        ("US100", "MNQ"),
        ("XAUUSD", "MGC"),
        ("USOIL", "MCL"),
        ("BTCUSDT", "MBT"),
        ("CME:BTC1!", "MBT"),
        ("NYSE:HE", "not a future of CME Group"),
        ("ENQZ26", "Did you mean NQ"),
        ("EU6", "Did you mean 6E"),
        ("MNW1!", "Did you mean MNQ"),
        ("MNQZ999", "no contract month"),
        ("MNQ!", "no contract month"),
        ("MNQ0!", "no contract month"),
        ("MNQA6", "MNQ"),
        ("AAPL", "Write for example"),
        ("F.US.XYZ", "no product"),
        ("", "Write for example"),
        ("\uff2d\uff2e\uff31", "Write for example"),
        ("x" * 1000, "Write for example"),
        ("CME_MINI:", "Write for example"),
        ("/", "Write for example"),
    ],
)
def test_what_is_no_known_future_is_refused_with_help(text: str, says: str) -> None:
    with pytest.raises(UnknownSymbol, match=says):
        parse_symbol(text)


def test_a_continuous_symbol_is_the_active_contract_and_not_the_nearest() -> None:
    listed = [contract("MNQ", "Z", 26, active=False), contract("MNQ", "H", 27)]
    assert resolve(parse_symbol("MNQ1!"), listed).name == "MNQH7"
    assert resolve(parse_symbol("MNQ"), listed).name == "MNQH7"
    assert resolve(parse_symbol("MNQZ6"), listed).name == "MNQZ6"
    with pytest.raises(UnknownSymbol, match="not the front month"):
        resolve(parse_symbol("MNQ2!"), listed)


def test_a_dated_symbol_that_is_not_listed_names_what_is() -> None:
    with pytest.raises(UnknownSymbol, match=r"lists no MNQH2027\. Listed: MNQZ6 \(CON\.F\.US\.MNQ\.Z26\)"):
        resolve(parse_symbol("MNQH2027"), CATALOGUE)
    with pytest.raises(UnknownSymbol, match="lists no MNQ contract"):
        resolve(parse_symbol("MNQ1!"), [])


def test_two_active_contracts_are_never_chosen_between() -> None:
    listed = [contract("MNQ", "Z", 26), contract("MNQ", "H", 27)]
    with pytest.raises(UnknownSymbol, match="more than one active"):
        resolve(parse_symbol("MNQ1!"), listed)
    assert resolve(parse_symbol("MNQ1!"), [listed[0], listed[0]]) == listed[0]


def test_a_one_digit_year_is_the_listed_decade() -> None:
    listed = [contract("MNQ", "Z", 26), contract("MNQ", "Z", 36, active=False)]
    assert resolve(parse_symbol("MNQZ6"), listed).contract_id.endswith("Z26")
    assert resolve(parse_symbol("MNQZ36"), listed).contract_id.endswith("Z36")


def test_contract_ids_tell_their_expiry() -> None:
    assert expiry_of_contract("CON.F.US.MNQ.Z26") == ("Z", 2026)
    for wrong in ("MNQZ6", "F.US.MNQ", "CON.F.US.MNQ.A26", ""):
        with pytest.raises(UnknownSymbol):
            expiry_of_contract(wrong)
    for wrong in ("MNQ", "F.US.6E", "CON.F.US.6E.Z26", "f.us.mnq"):
        with pytest.raises(UnknownSymbol):
            root_of_contract(wrong)


@given(
    st.sampled_from(ALL), st.sampled_from(MONTHS), st.integers(2000, 2099), st.sampled_from([None, *sorted(PREFIXES)])
)
def test_a_dated_symbol_survives_being_written_and_read(root: str, month: str, year: int, prefix: str | None) -> None:
    head = f"{prefix}:" if prefix else ""
    assert parse_symbol(f"{head}{root}{month}{year}") == Symbol(root=root, month=month, year=year, prefix=prefix)
    assert parse_symbol(f"{head}{root}{month}{year % 100:02}").year == year
    assert parse_symbol(f"{head}{root}{month}{year % 10}").year == year % 10


@given(st.one_of(st.text(max_size=80), st.text("MNQESZ126!:/@.-_ CONFU", max_size=20)))
def test_any_text_is_a_known_symbol_or_refused(text: str) -> None:
    try:
        root = parse_symbol(text).root
    except UnknownSymbol:
        return
    assert root in ROOTS
