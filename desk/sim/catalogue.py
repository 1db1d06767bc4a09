"""The simulator's own contract catalogue: the 51 products of reference 7, and which month is listed when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from desk.sim.model import Contract

MONTHS = "FGHJKMNQUVXZ"
_MONTH_WORDS = "January February March April May June July August September October November December"
MONTH_NAMES = tuple(_MONTH_WORDS.split(" "))
LISTED_DAYS = 400
"""A contract has bars for this many days before its expiry."""


@dataclass(frozen=True)
class Product:
    """One row of the table.

    ``walk`` names the price path (mini and micro share one), ``daily_pct`` its usual daily move. ``fees_2025`` is
    per side; since 2026 it is 0.01 lower and a commission came on top. ``roll_day``: day of the month before (when
    negative) or of the contract month from which the next listed month is the active one.
    """

    symbol: str
    root: str
    description: str
    tick_size: Decimal
    tick_value: Decimal
    months: str
    fees_2025: Decimal
    micro: bool
    walk: str
    price: float
    daily_pct: float
    roll_day: int

    @property
    def symbol_id(self) -> str:
        """``F.US.`` and the vendor's root."""
        return f"F.US.{self.root}"

    @property
    def group(self) -> str:
        """The product group whose hours it keeps."""
        return _GROUPS[self.walk]


_MINIS = {"SIL": Decimal("0.2"), "MBT": Decimal(1), "MET": Decimal(1)}
"""What a contract counts when it is a micro and yet not a tenth (Topstep rules 5.1)."""
_GROUPS = {
    **dict.fromkeys(("ES", "NQ", "RTY", "YM", "NKD"), "index"),
    **dict.fromkeys(("CL", "NG", "RB", "HO"), "energy"),
    **dict.fromkeys(("GC", "SI", "HG", "PL"), "metals"),
    **dict.fromkeys(("6A", "6B", "6C", "6E", "6J", "6M", "6N", "6S"), "fx"),
    **dict.fromkeys(("ZT", "ZF", "ZN", "TN", "ZB", "UB"), "rates"),
    **dict.fromkeys(("ZC", "ZW", "ZS", "ZM", "ZL"), "grains"),
    **dict.fromkeys(("HE", "LE"), "livestock"),
    **dict.fromkeys(("BTC", "ETH"), "crypto"),
}
"""Price path to product group, which decides the hours (``sessions.py``)."""
_METAL_FEES = {"SI": "1.66", "SIL": "1.11"}
"""Fees per side of 2026 that are known not to be the figure of 2025 less one cent."""
_PASSED_OVER = {"ZC": "U", "ZW": "U", "ZS": "QU", "ZM": "QUV", "ZL": "QUV"}
"""Months that are listed and never the active one: in August the harvest's month is (reference 7)."""

_QUARTERS, _ALL, _GRAINS = "HMUZ", "FGHJKMNQUVXZ", "HKNUZ"
_TABLE = f"""
ES|EP|E-mini S&P 500|0.25|12.50|{_QUARTERS}|1.40|mini|ES|7730|0.85|15
MES|MES|Micro E-mini S&P 500|0.25|1.25|{_QUARTERS}|0.37|micro|ES|7730|0.85|15
NQ|ENQ|E-mini NASDAQ-100|0.25|5.00|{_QUARTERS}|1.40|mini|NQ|29500|1.2|15
MNQ|MNQ|Micro E-mini Nasdaq-100|0.25|0.50|{_QUARTERS}|0.37|micro|NQ|29500|1.2|15
RTY|RTY|E-mini Russell 2000|0.1|5.00|{_QUARTERS}|1.40|mini|RTY|2550|1.3|15
M2K|M2K|Micro E-mini Russell 2000|0.1|0.50|{_QUARTERS}|0.37|micro|RTY|2550|1.3|15
YM|YM|E-mini Dow ($5)|1|5.00|{_QUARTERS}|1.40|mini|YM|49500|0.8|15
MYM|MYM|Micro E-mini Dow ($0.50)|1|0.50|{_QUARTERS}|0.37|micro|YM|49500|0.8|15
NKD|NKD|Nikkei 225 (USD)|5|25|{_QUARTERS}|2.17|mini|NKD|52000|1.2|8
CL|CLE|Crude Oil WTI|0.01|10|{_ALL}|1.52|mini|CL|64|2.1|-19
QM|NQM|E-mini Crude Oil|0.025|12.50|{_ALL}|1.22|mini|CL|64|2.1|-18
MCL|MCLE|Micro WTI Crude Oil|0.01|1|{_ALL}|0.52|micro|CL|64|2.1|-18
NG|NGE|Natural Gas|0.001|10|{_ALL}|1.60|mini|NG|3.9|3.2|-20
QG|NQG|E-mini Natural Gas|0.005|12.50|{_ALL}|0.52|mini|NG|3.9|3.2|-20
MNG|MNG|Micro Henry Hub Natural Gas|0.001|1|{_ALL}|0.62|micro|NG|3.9|3.2|-20
RB|RBE|RBOB Gasoline|0.0001|4.20|{_ALL}|1.52|mini|RB|2.02|2.1|-18
HO|HOE|NY Harbor ULSD|0.0001|4.20|{_ALL}|1.52|mini|HO|2.38|2.1|-18
GC|GCE|Gold|0.1|10|GJMQZ|1.62|mini|GC|4150|1.1|-24
MGC|MGC|Micro Gold|0.1|1|GJMQZ|0.62|micro|GC|4150|1.1|-24
SI|SIE|Silver|0.005|25|{_GRAINS}|1.62|mini|SI|51|1.9|-24
SIL|SIL|Micro Silver (1000 oz)|0.005|5|{_GRAINS}|1.02|micro|SI|51|1.9|-24
HG|CPE|Copper|0.0005|12.50|{_GRAINS}|1.62|mini|HG|5.1|1.4|-24
MHG|MHG|Micro Copper|0.0005|1.25|{_GRAINS}|0.62|micro|HG|5.1|1.4|-24
PL|PLE|Platinum|0.1|5|FJNV|1.62|mini|PL|1580|1.6|-24
6A|DA6|Australian Dollar|0.00005|5|{_QUARTERS}|1.62|mini|6A|0.655|0.5|14
6B|BP6|British Pound|0.0001|6.25|{_QUARTERS}|1.62|mini|6B|1.325|0.45|14
6C|CA6|Canadian Dollar|0.00005|5|{_QUARTERS}|1.62|mini|6C|0.72|0.35|14
6E|EU6|Euro FX|0.00005|6.25|{_QUARTERS}|1.62|mini|6E|1.165|0.45|14
E7|EEU|E-mini Euro FX|0.0001|6.25|{_QUARTERS}|0.87|mini|6E|1.165|0.45|14
6J|JY6|Japanese Yen|0.0000005|6.25|{_QUARTERS}|1.62|mini|6J|0.0065|0.55|14
6M|MX6|Mexican Peso|0.00001|5|{_QUARTERS}|1.62|mini|6M|0.0538|0.6|14
6N|NE6|New Zealand Dollar|0.00005|5|{_QUARTERS}|1.62|mini|6N|0.58|0.5|14
6S|SF6|Swiss Franc|0.00005|6.25|{_QUARTERS}|1.62|mini|6S|1.255|0.45|14
M6A|M6A|Micro AUD/USD|0.0001|1|{_QUARTERS}|0.26|micro|6A|0.655|0.5|14
M6B|M6B|Micro GBP/USD|0.0001|0.625|{_QUARTERS}|0.26|micro|6B|1.325|0.45|14
M6E|M6E|Micro EUR/USD|0.0001|1.25|{_QUARTERS}|0.26|micro|6E|1.165|0.45|14
ZT|TUA|2-Year Treasury Note|0.00390625|7.8125|{_QUARTERS}|0.67|mini|ZT|104.2|0.09|-27
ZF|FVA|5-Year Treasury Note|0.0078125|7.8125|{_QUARTERS}|0.67|mini|ZF|109.3|0.22|-27
ZN|TYA|10-Year Treasury Note|0.015625|15.625|{_QUARTERS}|0.80|mini|ZN|112.8|0.33|-27
TN|TNA|Ultra 10-Year Treasury Note|0.015625|15.625|{_QUARTERS}|0.82|mini|TN|115.4|0.4|-27
ZB|USA|30-Year Treasury Bond|0.03125|31.25|{_QUARTERS}|0.89|mini|ZB|117.2|0.55|-27
UB|ULA|Ultra Treasury Bond|0.03125|31.25|{_QUARTERS}|0.97|mini|UB|121|0.7|-27
ZC|ZCE|Corn|0.25|12.50|{_GRAINS}|2.15|mini|ZC|435|1.2|-27
ZW|ZWA|Wheat|0.25|12.50|{_GRAINS}|2.15|mini|ZW|545|1.4|-27
ZS|ZSE|Soybeans|0.25|12.50|FHKNQUX|2.15|mini|ZS|1125|1.1|-27
ZM|ZME|Soybean Meal|0.1|10|FHKNQUVZ|2.15|mini|ZM|325|1.4|-27
ZL|ZLE|Soybean Oil|0.01|6|FHKNQUVZ|2.15|mini|ZL|50|1.6|-27
HE|HE|Lean Hogs|0.025|10|GJKMNQVZ|2.12|mini|HE|82|1.3|8
LE|GLE|Live Cattle|0.025|10|GJMQVZ|2.12|mini|LE|225|1.0|-27
MBT|MBT|Micro Bitcoin|5|0.50|{_ALL}|1.17|micro|BTC|92000|2.4|26
MET|GMET|Micro Ether|0.5|0.05|{_ALL}|0.12|micro|ETH|3100|3.2|26
"""


def _read(line: str) -> Product:
    symbol, root, text, tick, value, months, fees, kind, walk, price, pct, roll = line.split("|")
    return Product(
        symbol, root, text, Decimal(tick), Decimal(value), months, Decimal(fees),
        kind == "micro", walk, float(price), float(pct), int(roll),
    )  # fmt: skip


PRODUCTS: tuple[Product, ...] = tuple(_read(line) for line in _TABLE.strip().splitlines())
_BY_ROOT = {product.root: product for product in PRODUCTS}


def _last_day(product: Product, year: int, month: int) -> date:
    """The first day on which this month is no longer the active one."""
    if product.roll_day > 0:
        return date(year, month, product.roll_day)
    earlier = date(year, month, 1) - timedelta(days=1)
    return earlier.replace(day=-product.roll_day)


def front_month(product: Product, today: date, ahead: int = 0) -> tuple[int, int]:
    """Year and month number of the one contract that ``available`` lists on that day, or of a later one (reference 3.3)."""
    for offset in range(60):
        year, month = today.year + (today.month - 1 + offset) // 12, (today.month - 1 + offset) % 12 + 1
        is_active_once = MONTHS[month - 1] in product.months and MONTHS[month - 1] not in _PASSED_OVER.get(
            product.symbol, ""
        )
        if is_active_once and today < _last_day(product, year, month):
            if ahead == 0:
                return year, month
            ahead -= 1
    raise AssertionError(f"{product.symbol} has no such month within five years")


@lru_cache(maxsize=1024)
def _contract(product: Product, year: int, month: int, active: bool) -> Contract:
    letter = MONTHS[month - 1]
    commission = Decimal("0.25") if product.micro else Decimal("0.50")
    known = _METAL_FEES.get(product.symbol)
    return Contract(
        id=f"CON.{product.symbol_id}.{letter}{year % 100:02d}",
        name=f"{product.symbol}{letter}{year % 10}",
        display_name=f"{product.symbol}{letter}{year % 100:02d}",
        description=f"{product.description}: {MONTH_NAMES[month - 1]} {year}",
        tick_size=product.tick_size,
        tick_value=product.tick_value,
        active=active,
        symbol_id=product.symbol_id,
        fees=Decimal(known) if known else product.fees_2025 - Decimal("0.01"),
        commissions=commission,
        minis=_MINIS.get(product.symbol, Decimal("0.1") if product.micro else Decimal(1)),
        group=product.group,
        ends=_month_end(year, month),
    )


class Catalogue:
    """Contracts as of the day the simulator looks; expired and later months resolve by id only.

    ``rolled`` moves the front month of a product (exchange symbol such as MNQ) that many listed months ahead of the
    calendar; ``roll`` does it by one. ``today`` is ``sessions.listing_day``. Raises KeyError for an unknown symbol.
    """

    def __init__(self, rolled: Mapping[str, int] | None = None) -> None:
        self.rolled: dict[str, int] = {}
        self._known: dict[tuple[str, date], Contract | None] = {}
        self.take_rolled(rolled or {})

    def available(self, today: date) -> list[Contract]:
        """The active month of every product."""
        return [_contract(product, *self._front(product, today), active=True) for product in PRODUCTS]

    def find(self, contract_id: str, today: date) -> Contract | None:
        """One contract by id, active or not; None when product, letter or year make no sense."""
        key = contract_id, today
        if key not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[key] = self._look_up(contract_id, today)
        return self._known[key]

    def search(self, text: str, today: date) -> list[Contract]:
        """At most 20 active contracts whose id, name or description holds the text, whatever the case."""
        wanted = text.strip().lower()
        rows = self.available(today)
        return [row for row in rows if wanted in f"{row.id}\n{row.name}\n{row.description}".lower()][:20]

    def roll(self, symbol: str) -> None:
        """From now on the next listed month of a product is its active one (reference 3.3)."""
        self.take_rolled({symbol: self.rolled.get(symbol, 0) + 1})

    def take_rolled(self, rolled: Mapping[str, int]) -> None:
        """Set how far ahead of the calendar some products are."""
        known = {product.symbol for product in PRODUCTS}
        for symbol in rolled:
            if symbol not in known:
                raise KeyError(f"no product {symbol}")
        self.rolled |= rolled
        self._known.clear()

    def _look_up(self, contract_id: str, today: date) -> Contract | None:
        product, year, month = _parse(contract_id)
        if product is None or abs(year - today.year) > 10:
            return None
        return _contract(product, year, month, active=(year, month) == self._front(product, today))

    def _front(self, product: Product, today: date) -> tuple[int, int]:
        return front_month(product, today, self.rolled.get(product.symbol, 0))


def product_of(contract_id: str) -> Product | None:
    """The product behind a contract id, None when there is none."""
    return _parse(contract_id)[0]


def listed_between(contract_id: str) -> tuple[datetime, datetime]:
    """When the contract's price path begins and ends, UTC. Raises KeyError for an unknown contract."""
    product, year, month = _parse(contract_id)
    if product is None:
        raise KeyError(contract_id)
    end = datetime.combine(_month_end(year, month), time(), UTC)
    return end - timedelta(days=LISTED_DAYS), end


def _month_end(year: int, month: int) -> date:
    """The first day of the month after."""
    return (date(year, month, 28) + timedelta(days=4)).replace(day=1)


def _parse(contract_id: str) -> tuple[Product | None, int, int]:
    parts = contract_id.split(".")
    if len(parts) != 5 or parts[:3] != ["CON", "F", "US"] or len(parts[4]) != 3:
        return None, 0, 0
    product, letter, digits = _BY_ROOT.get(parts[3]), parts[4][0], parts[4][1:]
    if product is None or letter not in product.months or not (digits.isascii() and digits.isdigit()):
        return None, 0, 0
    return product, 2000 + int(digits), MONTHS.index(letter) + 1
