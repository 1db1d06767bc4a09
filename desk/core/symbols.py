"""Symbols: every product that TopstepX offers, its names in three worlds, and the grammar senders write.

Three names for one thing (gateway reference 3.3): the exchange root ``NQ`` (TradingView ``CME_MINI:NQ1!``), the
gateway's vendor root ``ENQ`` (``F.US.ENQ``) and the contract ``CON.F.US.ENQ.Z26``. The table is total both ways; a
root that is not in it raises, because a position whose symbol could not be translated back once ran unprotected
(TradingView reference 9.2). Economics (tick, dollars) are not here: they come from the gateway's contract record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType

import msgspec

from desk.core.errors import UnknownSymbol
from desk.core.words import Contract

__all__ = [
    "MONTHS",
    "PREFIXES",
    "ROOTS",
    "Product",
    "Symbol",
    "expiry_of_contract",
    "parse_symbol",
    "resolve",
    "roll_notice",
    "root_of_contract",
]

MONTHS = "FGHJKMNQUVXZ"  # January ... December (TradingView reference 9.1)


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the root table. ``months`` is the exchange's usual cycle, for display: what is listed decides."""

    root: str  # exchange root, as senders write it
    name: str
    prefix: str  # TradingView's exchange prefix
    vendor_root: str  # the gateway's
    months: str
    family: str  # root of the full-size contract; hedging and sizing look at families
    ratio: Decimal  # size as a share of the family's full-size contract
    offered: bool = True

    @property
    def symbol_id(self) -> str:
        return f"F.US.{self.vendor_root}"

    @property
    def tradingview(self) -> str:
        """The continuous symbol on TradingView, e.g. ``CME_MINI:MNQ1!``."""
        return f"{self.prefix}:{self.root}1!"

    @property
    def is_micro(self) -> bool:
        return self.name.startswith("Micro")


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender wrote, taken apart. Bare ``MNQ`` has neither ``continuous`` nor ``month``."""

    root: str
    continuous: int | None = None  # 1 in MNQ1!
    month: str | None = None  # one letter of MONTHS
    year: int | None = None  # 2026; a single digit 0-9 when the sender wrote only the year's last digit
    prefix: str | None = None  # without the delayed-data suffix
    delayed: bool = False  # _DL or _DLY: the sender's chart runs on delayed data


# TradingView reference 9.2 and gateway reference 7:
# root | TradingView prefix | vendor root | months | family | share of the full-size contract | name
_TABLE = """
ES  CME_MINI   EP   HMUZ         ES  1    E-mini S&P 500
MES CME_MINI   MES  HMUZ         ES  0.1  Micro E-mini S&P 500
NQ  CME_MINI   ENQ  HMUZ         NQ  1    E-mini Nasdaq-100
MNQ CME_MINI   MNQ  HMUZ         NQ  0.1  Micro E-mini Nasdaq-100
RTY CME_MINI   RTY  HMUZ         RTY 1    E-mini Russell 2000
M2K CME_MINI   M2K  HMUZ         RTY 0.1  Micro E-mini Russell 2000
YM  CBOT_MINI  YM   HMUZ         YM  1    E-mini Dow
MYM CBOT_MINI  MYM  HMUZ         YM  0.1  Micro E-mini Dow
EMD CME_MINI   EMD  HMUZ         EMD 1    E-mini MidCap 400
NKD CME        NKD  HMUZ         NKD 1    Nikkei 225 (USD)
MBT CME        MBT  FGHJKMNQUVXZ MBT 1    Micro Bitcoin
MET CME        GMET FGHJKMNQUVXZ MET 1    Micro Ether
6A  CME        DA6  HMUZ         6A  1    Australian dollar
6B  CME        BP6  HMUZ         6B  1    British pound
6C  CME        CA6  HMUZ         6C  1    Canadian dollar
6E  CME        EU6  HMUZ         6E  1    Euro FX
E7  CME_MINI   EEU  HMUZ         6E  0.5  E-mini euro FX
6J  CME        JY6  HMUZ         6J  1    Japanese yen
6M  CME        MX6  HMUZ         6M  1    Mexican peso
6N  CME        NE6  HMUZ         6N  1    New Zealand dollar
6S  CME        SF6  HMUZ         6S  1    Swiss franc
M6A CME_MINI   M6A  HMUZ         6A  0.1  Micro AUD/USD
M6B CME_MINI   M6B  HMUZ         6B  0.1  Micro GBP/USD
M6E CME_MINI   M6E  HMUZ         6E  0.1  Micro EUR/USD
CL  NYMEX      CLE  FGHJKMNQUVXZ CL  1    Crude oil WTI
QM  NYMEX_MINI NQM  FGHJKMNQUVXZ CL  0.5  E-mini crude oil
MCL NYMEX      MCLE FGHJKMNQUVXZ CL  0.1  Micro WTI crude
NG  NYMEX      NGE  FGHJKMNQUVXZ NG  1    Natural gas
QG  NYMEX_MINI NQG  FGHJKMNQUVXZ NG  0.25 E-mini natural gas
MNG NYMEX      MNG  FGHJKMNQUVXZ NG  0.1  Micro Henry Hub natural gas
RB  NYMEX      RBE  FGHJKMNQUVXZ RB  1    RBOB gasoline
HO  NYMEX      HOE  FGHJKMNQUVXZ HO  1    NY Harbor ULSD
GC  COMEX      GCE  GJMQVZ       GC  1    Gold
MGC COMEX_MINI MGC  GJMQVZ       GC  0.1  Micro gold
SI  COMEX      SIE  HKNUZ        SI  1    Silver
SIL COMEX_MINI SIL  HKNUZ        SI  0.2  Micro silver (1000 oz)
HG  COMEX      CPE  HKNUZ        HG  1    Copper
MHG COMEX_MINI MHG  HKNUZ        HG  0.1  Micro copper
PL  NYMEX      PLE  FJNV         PL  1    Platinum
ZT  CBOT       TUA  HMUZ         ZT  1    2-year note
ZF  CBOT       FVA  HMUZ         ZF  1    5-year note
ZN  CBOT       TYA  HMUZ         ZN  1    10-year note
TN  CBOT       TNA  HMUZ         TN  1    Ultra 10-year note
ZB  CBOT       USA  HMUZ         ZB  1    30-year bond
UB  CBOT       ULA  HMUZ         UB  1    Ultra bond
ZC  CBOT       ZCE  HKNUZ        ZC  1    Corn
ZW  CBOT       ZWA  HKNUZ        ZW  1    Wheat
ZS  CBOT       ZSE  FHKNQUX      ZS  1    Soybeans
ZM  CBOT       ZME  FHKNQUVZ     ZM  1    Soybean meal
ZL  CBOT       ZLE  FHKNQUVZ     ZL  1    Soybean oil
HE  CME        HE   GJKMNQVZ     HE  1    Lean hogs
LE  CME        GLE  GJMQVZ       LE  1    Live cattle
"""
_NOT_OFFERED = {"EMD"}  # in a list of 2025, gone in 2026


def _product(line: str) -> Product:
    root, prefix, vendor, months, family, ratio, name = line.split(maxsplit=6)
    return Product(
        root=root,
        name=name,
        prefix=prefix,
        vendor_root=vendor,
        months=months,
        family=family,
        ratio=Decimal(ratio),
        offered=root not in _NOT_OFFERED,
    )


ROOTS: Mapping[str, Product] = MappingProxyType({p.root: p for p in map(_product, _TABLE.strip().splitlines())})
_BY_VENDOR = {product.vendor_root: product.root for product in ROOTS.values()}
_LONGEST_FIRST = sorted(ROOTS, key=len, reverse=True)

# The prefix is a plausibility check only: people write COMEX:MGC1! and CME:MNQ1! (TradingView reference 9.2). A foreign
# one is refused all the same, because NYSE:HE is a share and not lean hogs.
PREFIXES = frozenset({product.prefix for product in ROOTS.values()})

_TAIL = re.compile(
    r"(?:(?P<n>[1-9][0-9]?)!"
    rf"|(?P<month>[{MONTHS}])(?P<year>20[0-9]{{2}}|[0-9]{{1,2}})"
    r"| +(?P<mm>0[1-9]|1[0-2])-(?P<yy>[0-9]{2}))?"
)
_CONTRACT_ID = re.compile(rf"CON\.F\.US\.(?P<vendor>[A-Z0-9]+)\.(?P<month>[{MONTHS}])(?P<year>[0-9]{{2}})")
_SYMBOL_ID = re.compile(r"F\.US\.(?P<vendor>[A-Z0-9]+)")
_EXPRESSION = re.compile(r"(?<!^)[-+*/^]|:.*:")
_DELAYED = re.compile(r"(.+)_(?:DL|DLY)")

# What people have on their chart when they mean a future (TradingView reference 9.1): beginning of the name -> root.
_LOOKALIKES = {
    **dict.fromkeys(("US100", "NAS100", "USTEC", "NDX", "QQQ", "NASDAQ"), "MNQ"),
    **dict.fromkeys(("US500", "SPX", "SP500", "SPY"), "MES"),
    **dict.fromkeys(("US30", "DJI", "WS30", "DIA"), "MYM"),
    **dict.fromkeys(("US2000", "RUT", "IWM"), "M2K"),
    **dict.fromkeys(("XAU", "GOLD"), "MGC"),
    **dict.fromkeys(("XAG", "SILVER"), "SIL"),
    **dict.fromkeys(("USOIL", "UKOIL", "WTI", "XTI"), "MCL"),
    **dict.fromkeys(("NATGAS", "XNG"), "MNG"),
    **dict.fromkeys(("BTC", "XBT"), "MBT"),
    "ETH": "MET",
    "EURUSD": "M6E",
    "GBPUSD": "M6B",
    "AUDUSD": "M6A",
    **dict.fromkeys(("USDJPY", "M6J"), "6J"),
    **dict.fromkeys(("USDCAD", "M6C"), "6C"),
    **dict.fromkeys(("USDCHF", "M6S"), "6S"),
}


def parse_symbol(text: str) -> Symbol:
    """Take a sender's symbol apart (TradingView reference 9.1): known roots, longest first; digits are never stripped.

    Raises UnknownSymbol for spreads, indices, CFDs, crypto pairs and unknown roots, with a text that says what to
    write instead.
    """
    asked = text.strip().upper() if text.isascii() else ""
    if not asked or len(asked) > 64:
        raise UnknownSymbol(f"{_shown(text)} is not a futures symbol. Write for example CME_MINI:MNQ1! or MNQZ2026.")
    if match := _CONTRACT_ID.fullmatch(asked):
        root = _root_of_vendor(match["vendor"], asked)
        return Symbol(root=root, month=match["month"], year=2000 + int(match["year"]))
    if match := _SYMBOL_ID.fullmatch(asked):
        return Symbol(root=_root_of_vendor(match["vendor"], asked))
    prefix, delayed, rest = _split_prefix(asked)
    for root in _LONGEST_FIRST:
        if rest.startswith(root) and (match := _TAIL.fullmatch(rest, len(root))):
            if prefix is not None and prefix not in PREFIXES:
                raise UnknownSymbol(f"{asked} is not a future of CME Group. {_suggestion(root)}")
            return _built(root, match, prefix, delayed)
    raise UnknownSymbol(_why_unknown(asked, rest))


def root_of_contract(identity: str) -> str:
    """Exchange root of a contract id (``CON.F.US.ENQ.Z26``) or a symbol id (``F.US.ENQ``), here ``NQ``.

    Raises UnknownSymbol: never a default.
    """
    match = _CONTRACT_ID.fullmatch(identity) or _SYMBOL_ID.fullmatch(identity)
    if match is None:
        raise UnknownSymbol(f"{_shown(identity)} is neither a contract id (CON.F.US.MNQ.Z26) nor a symbol id.")
    return _root_of_vendor(match["vendor"], identity)


def expiry_of_contract(contract_id: str) -> tuple[str, int]:
    """Month letter and full year of a contract id. Raises UnknownSymbol."""
    match = _CONTRACT_ID.fullmatch(contract_id)
    if match is None:
        raise UnknownSymbol(f"{_shown(contract_id)} is not a contract id such as CON.F.US.MNQ.Z26.")
    return match["month"], 2000 + int(match["year"])


def resolve(symbol: Symbol, contracts: Sequence[Contract]) -> Contract:
    """The gateway's contract for a symbol (TradingView reference 9.3). No calendar arithmetic: what is listed decides.

    Continuous and bare symbols give the active contract. A dated one gives exactly that contract, active or not:
    whoever opens a position checks ``is_active``. Raises UnknownSymbol with the contracts that are listed.
    """
    product = ROOTS[symbol.root]
    listed = list({c.contract_id: c for c in contracts if c.symbol_id == product.symbol_id}.values())
    names = ", ".join(f"{c.name} ({c.contract_id}{'' if c.is_active else ', not active'})" for c in listed)
    if not listed:
        why = "TopstepX does not offer it" if not product.offered else "without it nothing can be traded in it"
        raise UnknownSymbol(f"The gateway lists no {product.root} contract ({product.symbol_id}): {why}.")
    if symbol.continuous is not None and symbol.continuous > 1:
        raise UnknownSymbol(
            f"{symbol.root}{symbol.continuous}! is not the front month, and only the gateway's active contract "
            f"can be traded. Write {product.tradingview}. Listed: {names}."
        )
    if symbol.month is None:
        found, wanted = [c for c in listed if c.is_active], f"active {product.root} contract"
    else:
        found, wanted = [c for c in listed if _is_dated(symbol, c)], f"{symbol.root}{symbol.month}{symbol.year}"
        if len(found) > 1:  # MNQZ6 with 2026 and 2036 both listed
            found = [c for c in found if c.is_active]
    if len(found) != 1:
        verb = "lists no" if not found else "lists more than one"
        raise UnknownSymbol(f"The gateway {verb} {wanted}. Listed: {names}.")
    return found[0]


def roll_notice(chart: str | None, traded: Contract) -> str | None:
    """What a person is told in the roll week: the chart's month is not the one that is traded (TradingView reference 9.3).

    chart: a dated symbol or contract as the sender wrote it. None when it is the same contract, when it names no month, or
    when it is another product or nothing that is known: that is somebody else's complaint.
    """
    try:
        symbol = parse_symbol(chart or "")
        month, year = expiry_of_contract(traded.contract_id)
    except UnknownSymbol:
        return None
    if symbol.month is None or symbol.year is None or ROOTS[symbol.root].symbol_id != traded.symbol_id:
        return None
    if _is_dated(symbol, traded):
        return None
    shown = f"{symbol.month}{symbol.year % 100:02}" if symbol.year > 9 else f"{symbol.month}{symbol.year}"
    return f"TradingView chart is on {shown}, Gateway trades {month}{year % 100:02}"


def _is_dated(symbol: Symbol, contract: Contract) -> bool:
    match = _CONTRACT_ID.fullmatch(contract.contract_id)
    if match is None:
        return False
    year = 2000 + int(match["year"])
    return match["month"] == symbol.month and symbol.year in (year, year % 10)


def _built(root: str, match: re.Match[str], prefix: str | None, delayed: bool) -> Symbol:
    month, year = match["month"], match["year"]
    if match["mm"]:  # NinjaTrader writes MNQ 12-26
        month, year = MONTHS[int(match["mm"]) - 1], match["yy"]
    return Symbol(
        root=root,
        continuous=int(match["n"]) if match["n"] else None,
        month=month,
        year=None if year is None else int(year) + (2000 if len(year) == 2 else 0),
        prefix=prefix,
        delayed=delayed,
    )


def _split_prefix(asked: str) -> tuple[str | None, bool, str]:
    """Prefix without its delayed-data suffix, whether it had one, and the rest without a leading / or @."""
    head, colon, rest = asked.partition(":")
    if not colon:
        return None, False, asked[1:] if asked[0] in "/@" else asked
    delayed = _DELAYED.fullmatch(head)
    return (delayed[1] if delayed else head), delayed is not None, rest.strip()


def _root_of_vendor(vendor: str, asked: str) -> str:
    root = _BY_VENDOR.get(vendor)
    if root is None:
        raise UnknownSymbol(f"{_shown(asked)}: no product with the gateway root {_shown(vendor)} is known.")
    return root


def _why_unknown(asked: str, rest: str) -> str:
    shown = _shown(asked)
    if _EXPRESSION.search(asked):
        return f"{shown} is a spread or an expression, not one contract. Alert on one symbol, such as CME_MINI:MNQ1!."
    for vendor in sorted(_BY_VENDOR, key=len, reverse=True):
        if rest.startswith(vendor) and vendor not in ROOTS and _TAIL.fullmatch(rest, len(vendor)):
            return f"{shown}: {vendor} is the gateway's own name. {_suggestion(_BY_VENDOR[vendor])}"
    for name, root in _LOOKALIKES.items():
        if rest.startswith(name):
            return f"{shown} is not a future that TopstepX offers. {_suggestion(root)}"
    for root in _LONGEST_FIRST:
        if rest.startswith(root) and not rest[len(root) :].isalpha():
            return f"{shown}: {_shown(rest[len(root) :])} after {root} is no contract month. {_suggestion(root)}"
    stem = rest.rstrip("!0123456789") or rest
    near = get_close_matches(stem, [root for root in ROOTS if root[0] == stem[:1]], n=1, cutoff=0.6)
    return f"{shown} is not a futures symbol known here. " + (
        _suggestion(near[0]) if near else "Write for example CME_MINI:MNQ1! or MNQZ2026."
    )


def _suggestion(root: str) -> str:
    product = ROOTS[root]
    return f"Did you mean {root} ({product.name})? Write {product.tradingview}."


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "...")
