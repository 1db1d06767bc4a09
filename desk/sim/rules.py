"""Why a place or a modify is refused, with the gateway's own words (reference 3.6, 3.8, 3.14)."""

from decimal import Decimal, InvalidOperation

from desk.sim.model import Contract, PlaceRequest, Quote
from desk.sim.words import (
    ABOVE_BEST_BID,
    BELOW_BEST_ASK,
    MAX_TRAIL_TICKS,
    TRAIL_NOT_SET,
    TRAIL_TOO_FAR,
    OrderType,
    Side,
)

_PLACEABLE = (
    OrderType.LIMIT,
    OrderType.MARKET,
    OrderType.STOP,
    OrderType.TRAILING_STOP,
    OrderType.JOIN_BID,
    OrderType.JOIN_ASK,
)


def is_aligned(price: Decimal, tick_size: Decimal) -> bool:
    """True on the tick grid; float noise such as 4134.900000000001 is off it."""
    try:
        return price % tick_size == 0
    except InvalidOperation:  # more digits than any price has
        return False


def shape_refusal(request: PlaceRequest) -> str | None:
    """Refusals that need no market: side, size and type. The texts are the simulator's own."""
    if request.side not in (Side.BUY, Side.SELL):
        return f"Invalid order side ({request.side})."
    if request.size <= 0:
        return f"Invalid order size ({request.size})."
    if request.type not in _PLACEABLE:
        return f"Invalid order type ({request.type})."
    return None


def price_refusal(request: PlaceRequest, contract: Contract, quote: Quote) -> str | None:
    """Missing, misaligned or wrong-sided prices of a request whose shape is right."""
    match request.type:
        case OrderType.LIMIT:
            if request.limit_price is None:
                return "Invalid limit price. Price is required."
            return limit_refusal(request.limit_price, contract)
        case OrderType.STOP:
            if request.stop_price is None:
                return "Invalid stop price. Price is required."
            return stop_refusal(request.stop_price, Side(request.side), contract, quote)
        case OrderType.TRAILING_STOP:
            if request.trail_price is None:
                return TRAIL_NOT_SET
            return trail_refusal(request.trail_price, contract, quote, limited=True)
    return None


def limit_refusal(price: Decimal, contract: Contract) -> str | None:
    """A limit must be on the grid; a marketable one is welcome and fills at once."""
    if not is_aligned(price, contract.tick_size):
        return "Invalid limit price. Price is not aligned to tick size."
    return None


def stop_refusal(price: Decimal, side: Side, contract: Contract, quote: Quote) -> str | None:
    """A stop must be on the grid and on the far side of the market."""
    if not is_aligned(price, contract.tick_size):
        return "Invalid stop price. Price is not aligned to tick size."
    if side is Side.BUY and price <= quote.bid:
        return ABOVE_BEST_BID
    if side is Side.SELL and price >= quote.ask:
        return BELOW_BEST_ASK
    return None


def trail_refusal(price: Decimal, contract: Contract, quote: Quote, *, limited: bool) -> str | None:
    """An absolute level turned into a distance; ``limited`` on place only, a modify has no maximum."""
    if not is_aligned(price, contract.tick_size):
        return "Invalid trail price. Price is not aligned to tick size."
    ticks = trail_ticks(price, contract, quote)
    if ticks == 0:
        return TRAIL_NOT_SET
    if limited and ticks > MAX_TRAIL_TICKS:
        return TRAIL_TOO_FAR
    return None


def trail_ticks(price: Decimal, contract: Contract, quote: Quote) -> int:
    """``floor(abs(lastTradedPrice - trailPrice) / tickSize)``, as the server computes it on arrival."""
    return int(abs(quote.last - price) // contract.tick_size)
