"""How values are written for a person. Unknown is a dash, never a zero."""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from desk.core.words import Contract

__all__ = [
    "DASH",
    "EXCHANGE_ZONE",
    "age_text",
    "clock_text",
    "day_text",
    "decimals_of",
    "mode_words",
    "money_text",
    "price_text",
    "span_text",
    "until_text",
    "zone_name",
    "zone_names",
]

DASH = "–"
EXCHANGE_ZONE = ZoneInfo("America/Chicago")
_MORE_DECIMALS = 2  # an average of fills lies between two ticks


def mode_words(mode: str) -> tuple[str, str]:
    """Two words for a toolbar, and the sentence that nobody can misread."""
    if mode == "paper":
        return "PAPER", "PAPER: simulated gateway, simulated money. No order can reach a real account."
    return "LIVE-SHADOW", "LIVE, SHADOW: real account, real prices. Every decision is recorded, NOTHING IS SENT."


def decimals_of(contract: Contract | None) -> int | None:
    """Decimals of the tick grid; None when the contract is not known."""
    if contract is None:
        return None
    exponent = contract.tick_size.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a tick size is a finite number"
    return max(0, -exponent)


def price_text(price: Decimal | None, contract: Contract | None) -> str:
    """With the contract's decimals, two more where the price lies off the grid."""
    decimals = decimals_of(contract)
    if price is None:
        return DASH
    if decimals is None:
        return f"{price:f}"
    rounded = price.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    if rounded != price:
        rounded = price.quantize(Decimal(1).scaleb(-decimals - _MORE_DECIMALS), ROUND_HALF_EVEN)
    return f"{rounded:f}"


def money_text(usd: Decimal | None, *, is_signed: bool = False) -> str:
    if usd is None:
        return DASH
    rounded = round(usd, 2) + 0  # nothing is not -0.00
    return f"{rounded:{'+' if is_signed else ''},.2f}"


def age_text(age_ms: float | None) -> str:
    """``850 ms``, ``12 s``, ``5 min``, ``3.2 h``, ``4.1 d``; a time in the future is 0."""
    if age_ms is None:
        return DASH
    seconds = max(0.0, age_ms) / 1000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"


def span_text(ms: float) -> str:
    """A measured duration with a precision that fits it."""
    return f"{ms:.2f} ms" if ms < 10 else f"{ms:,.0f} ms"


def clock_text(when: datetime | None, zone: tzinfo | None, *, has_ms: bool = False) -> str:
    """Time of day in ``zone`` (None: this computer's)."""
    if when is None:
        return DASH
    return when.astimezone(zone).strftime("%H:%M:%S") + (f".{when.microsecond // 1000:03d}" if has_ms else "")


def day_text(when: datetime, zone: tzinfo | None) -> str:
    return when.astimezone(zone).strftime("%a %Y-%m-%d")


def until_text(when: datetime | None, now: datetime, zone: tzinfo | None) -> str:
    """A time to come: to the second on the day of ``now``, else its day and minute."""
    if when is None:
        return ""
    there = when.astimezone(zone)
    return f"{there:%H:%M:%S}" if there.date() == now.astimezone(zone).date() else f"{there:%a %m-%d %H:%M}"


def zone_name(when: datetime, zone: tzinfo | None) -> str:
    return when.astimezone(zone).tzname() or "local time"


def zone_names(first: datetime, last: datetime, zone: tzinfo | None) -> str:
    """Heads a column of times: ``EDT/EST`` where the clocks were changed between them."""
    return "/".join(dict.fromkeys((zone_name(first, zone), zone_name(last, zone))))
